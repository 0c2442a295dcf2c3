"""ALBERT, whose blocks share their weights, and a variant in which every block has weights of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..networks import albert as networks
from .bert import BERT

if TYPE_CHECKING:
    from b4k3.backend import Tensor


class ALBERT(BERT):
    """ALBERT: BERT whose blocks share their weights. The blocks of one group call the same layers again and again.

    It differs from BERT in two ways: the embeddings may be narrower than the blocks (embedding_size), and all blocks of
    a group have the same weights. There are `num_hidden_layers` · `inner_group_num` blocks. The layers are named
    `Transformer-MultiHeadSelfAttention`, …; with several groups or inner blocks they are named
    `Transformer-G{group}-I{inner}-MultiHeadSelfAttention`, …. The inputs, outputs and heads are the same as in `BERT`.

    Arguments:
        num_hidden_groups: int. The number of groups; the first num_hidden_layers / num_hidden_groups blocks are in the
            first group.
        inner_group_num: int. The number of inner blocks in a group.
        kwargs: the arguments of `BERT`.

    Raises:
        ConfigError: there are more groups than layers, or no group.

    Example:
        >>> from b4k3.models import ALBERT
        >>> albert = ALBERT(vocab_size=20, hidden_size=8, num_hidden_layers=3, num_attention_heads=2,
        ...                 intermediate_size=16, hidden_act="gelu", embedding_size=4)
        >>> albert.build()
        >>> albert.model.output_shape
        (None, None, 8)
        >>> [name for name in albert.layers if name.endswith("FeedForward")]  # all three blocks call it
        ['Transformer-FeedForward']

    Reference: Lan et al., ALBERT: A Lite BERT for Self-supervised Learning of Language Representations,
        https://arxiv.org/abs/1909.11942, https://github.com/google-research/albert
    """

    model_key = "albert"
    network = networks.ALBERT
    block_epsilon = 1e-7

    def __init__(self, *, num_hidden_groups: int = 1, inner_group_num: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_hidden_groups = num_hidden_groups
        self.inner_group_num = inner_group_num
        if not 1 <= num_hidden_groups <= max(self.num_hidden_layers, 1) or inner_group_num < 1:
            raise ConfigError(
                f"num_hidden_groups={num_hidden_groups!r}, inner_group_num={inner_group_num!r}: expected 1 or more, "
                f"and no more groups than the {self.num_hidden_layers} layers"
            )

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_main_layers(self, inputs: Tensor, index: int) -> Tensor:
        """Apply the inner blocks of one block.

        Arguments:
            inputs: tensor, [batch, n, hidden_size].
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        x = inputs  # [batch, n, hidden_size]
        for inner in range(self.inner_group_num):
            x = self.apply_block(x, self.block_name(index, inner), index)  # [batch, n, hidden_size]
        return x

    def group(self, index: int) -> int:
        """Find the group that a block belongs to.

        Arguments:
            index: int. The number of the block.

        Returns:
            int. The number of the group.
        """
        return index * self.num_hidden_groups // self.num_hidden_layers

    def block_name(self, index: int, inner: int) -> str:
        """Make the beginning of the names of the layers in an inner block.

        Arguments:
            index: int. The number of the block.
            inner: int. The number of the inner block within it.

        Returns:
            str. Blocks with the same name have the same layers.
        """
        if self.num_hidden_groups == self.inner_group_num == 1:
            return "Transformer"
        return f"Transformer-G{self.group(index)}-I{inner}"


class ALBERT_Unshared(ALBERT):  # noqa: N801 (a name of bert4keras)
    """ALBERT in which every block has layers of its own; all of them are loaded from the shared variables.

    Fine-tuning can then change each block separately. The layers have the same names as in `BERT`, where the inner
    blocks count as blocks: `Transformer-0-FeedForward`, `Transformer-1-FeedForward`, ….

    Arguments:
        kwargs: the arguments of `ALBERT`.

    Raises:
        ConfigError: there are more groups than layers, or no group.

    Example:
        >>> from b4k3.models import ALBERT_Unshared
        >>> albert = ALBERT_Unshared(vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        ...                          intermediate_size=16, hidden_act="gelu")
        >>> albert.build()
        >>> [name for name in albert.layers if name.endswith("FeedForward")]
        ['Transformer-0-FeedForward', 'Transformer-1-FeedForward']

    Reference: Lan et al., ALBERT, https://arxiv.org/abs/1909.11942; bert4keras has the same class.
    """

    model_key = "albert_unshared"
    network = networks.ALBERT_UNSHARED
    block_epsilon = 1e-12

    # -------------------------------------------------------------------------------------------------- blocks

    def block_name(self, index: int, inner: int) -> str:
        """Make the beginning of the names of the layers in an inner block.

        Arguments:
            index: int. The number of the block.
            inner: int. The number of the inner block within it.

        Returns:
            str. No other block has it.
        """
        return f"Transformer-{index * self.inner_group_num + inner}"
