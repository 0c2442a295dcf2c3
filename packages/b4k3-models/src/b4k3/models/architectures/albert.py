"""ALBERT: BERT whose blocks share their weights, and the same with the sharing undone."""

from __future__ import annotations

from ..errors import ConfigError
from ..networks import albert as networks
from .bert import BERT


class ALBERT(BERT):
    """ALBERT. Blocks of one group are one set of layers, called again and again.

    Layers are named `Transformer-MultiHeadSelfAttention`, …; with several groups or inner blocks
    `Transformer-G{group}-I{inner}-MultiHeadSelfAttention`, …: `num_hidden_layers` · `inner_group_num` blocks in all.
    Inputs, outputs and heads are BERT's.

    Arguments:
        num_hidden_groups: number of sets of layers; the first num_hidden_layers / num_hidden_groups use the first one.
        inner_group_num: number of blocks in a set.
        kwargs: those of `BERT`.

    Raises:
        ConfigError: more groups than layers.

    Reference: Lan et al., ALBERT, https://arxiv.org/abs/1909.11942, https://github.com/google-research/albert
    """

    model_key = "albert"
    network = networks.ALBERT
    block_epsilon = 1e-7

    def __init__(self, *, num_hidden_groups=1, inner_group_num=1, **kwargs):
        super().__init__(**kwargs)
        self.num_hidden_groups = num_hidden_groups
        self.inner_group_num = inner_group_num
        if not 1 <= num_hidden_groups <= max(self.num_hidden_layers, 1) or inner_group_num < 1:
            raise ConfigError(
                "num_hidden_groups=%r, inner_group_num=%r: expected 1 or more, and no more groups than the %d layers"
                % (num_hidden_groups, inner_group_num, self.num_hidden_layers)
            )

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_main_layers(self, inputs, index):
        x = inputs
        for inner in range(self.inner_group_num):
            x = self.apply_block(x, self.block_name(index, inner), index)
        return x

    def group(self, index):
        """The number of the group that block number `index` belongs to."""
        return index * self.num_hidden_groups // self.num_hidden_layers

    def block_name(self, index, inner):
        """What the layers' names of inner block `inner` of block `index` begin with."""
        if self.num_hidden_groups == self.inner_group_num == 1:
            return "Transformer"
        return "Transformer-G%d-I%d" % (self.group(index), inner)


class ALBERT_Unshared(ALBERT):  # noqa: N801 (a name of bert4keras)
    """ALBERT with layers of its own for every block, all of them loaded from the shared ones.

    Its layers are named as BERT's; with inner blocks they are counted through.
    """

    model_key = "albert_unshared"
    network = networks.ALBERT_UNSHARED
    block_epsilon = 1e-12

    def block_name(self, index, inner):
        return "Transformer-%d" % (index * self.inner_group_num + inner)
