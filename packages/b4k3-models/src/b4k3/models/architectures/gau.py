"""GAU-alpha: RoFormerV2 whose blocks are gated attention units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.layers import GatedAttentionUnit

from ..errors import ConfigError
from ..networks.gau import GAU_ALPHA as NETWORK
from .roformer import RoFormerV2

if TYPE_CHECKING:
    from b4k3.backend import Tensor


class GAU_alpha(RoFormerV2):  # noqa: N801 (the name in its publication)
    """GAU-alpha: an encoder whose blocks are gated attention units, one layer instead of attention and feed-forward.

    The inputs, outputs and heads are the same as in `RoFormerV2`.

    Arguments:
        kwargs: the arguments of `BERT`. `intermediate_size` is the size of the gates. The published model has
            hidden_act="swish" and attention_key_size=128.

    Raises:
        ConfigError: residual_attention_scores or attention_caches is given, which the unit does not have.

    Example:
        >>> from b4k3.models import GAU_alpha
        >>> gau = GAU_alpha(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        ...                 intermediate_size=16, attention_key_size=4, hidden_act="swish")
        >>> gau.build()
        >>> gau.model.output_shape
        (None, None, 8)

    Reference: Hua et al., Transformer Quality in Linear Time, https://arxiv.org/abs/2202.10447,
        https://github.com/ZhuiyiTechnology/GAU-alpha
    """

    model_key = "gau"
    network = NETWORK
    initializer_order = 3

    def build(self, *, attention_caches: dict[str, list[Tensor]] | None = None, **kwargs: Any) -> None:
        """Make the Keras model. A second call does nothing.

        Arguments:
            attention_caches: None. The unit cannot take cached keys and values.
            kwargs: the other arguments of `Transformer.build`.

        Raises:
            ConfigError: attention_caches is given, or the model was made with residual_attention_scores.
        """
        if self.residual_attention_scores or attention_caches:
            raise ConfigError("GAU-alpha has neither residual_attention_scores nor attention_caches")
        super().build(**kwargs)

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_block(self, x: Tensor, block: str, index: int) -> Tensor:
        """Apply the gated attention unit, Dropout, Add and Norm.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            block: str. The beginning of the names of the block's layers.
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        name = f"{block}-GatedAttentionUnit"
        bias, position = self.compute_attention_bias(index), self.compute_position_bias(x)
        y = self.apply(  # [batch, n, hidden_size]
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
