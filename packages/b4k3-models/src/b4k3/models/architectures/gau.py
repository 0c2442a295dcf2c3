"""GAU-alpha: RoFormerV2 whose blocks are gated attention units."""

from __future__ import annotations

from b4k3.layers import GatedAttentionUnit

from ..errors import ConfigError
from ..networks.gau import GAU_ALPHA as NETWORK
from .roformer import RoFormerV2


class GAU_alpha(RoFormerV2):  # noqa: N801 (the name in its publication)
    """GAU-alpha. Inputs, outputs and heads are RoFormerV2's; `intermediate_size` is the size of the gates.

    Arguments:
        kwargs: those of `BERT`. hidden_act is 'swish', and attention_key_size 128, in the release.

    Raises:
        ConfigError: residual_attention_scores or attention_caches, which the unit does not have.

    Reference: Hua et al., Transformer Quality in Linear Time, https://arxiv.org/abs/2202.10447,
        https://github.com/ZhuiyiTechnology/GAU-alpha
    """

    model_key = "gau"
    network = NETWORK
    initializer_order = 3

    def build(self, *, attention_caches=None, **kwargs):
        if self.residual_attention_scores or attention_caches:
            raise ConfigError("GAU-alpha has neither residual_attention_scores nor attention_caches")
        super().build(**kwargs)

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_block(self, x, block, index):
        """Unit, Dropout, Add, Norm. Arguments: as of `BERT.apply_block`."""
        name = "%s-GatedAttentionUnit" % block
        bias, position = self.compute_attention_bias(index), self.compute_position_bias(x)
        y = self.apply(
            self.simplify([x, bias, position]),
            GatedAttentionUnit,
            arguments={"a_bias": None if bias is None else True, "p_bias": self.position_kind},
            units=self.intermediate_size,
            key_size=self.attention_key_size,
            activation=self.hidden_act,
            use_bias=False,
            normalization="softmax_plus",
            attention_dropout=self.attention_dropout_rate,
            kernel_initializer=self.initializer,
            name=name,
        )
        return self.residual(x, y, name)
