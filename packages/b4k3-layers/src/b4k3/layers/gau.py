"""The gated attention unit."""

from __future__ import annotations

from typing import Any, Callable

from b4k3.backend import (
    Dense,
    Dropout,
    Layer,
    Tensor,
    activations,
    apply_rotary_position_embeddings,
    attention_normalize,
    build_sublayer,
    call_layer,
    keras,
    ops,
    recompute_grad,
    register,
)
from b4k3.backend.types import Activation, Initializer

from .normalization import ScaleOffset


def shape_of_first(input_shape: Any) -> tuple[int | None, ...]:
    """Return the shape of the only or first input of a layer.

    Arguments:
        input_shape: shape, or list of shapes. A shape is a tuple, or a TensorShape of tf.keras.

    Returns:
        tuple of int and None.
    """
    return tuple(input_shape[0] if hasattr(input_shape[0], "__len__") else input_shape)


@register
class GatedAttentionUnit(Layer):
    """Attend with one head, and gate the result: a block of attention and feed-forward in one.

    Masks in: one mask, or one for each input. The mask of x hides keys. Mask out: the mask of x.

    Arguments:
        units: int. The size of values and gates.
        key_size: int. The size of queries and keys.
        activation: str or function. It is applied to the projection to values, gates and keys.
        use_bias: bool. False leaves out the biases of the Dense layers and the offsets of queries and keys.
        normalization: str. A method of `attention_normalize`.
        self_attention: bool. It must be True: queries and keys come from x.
        attention_scale: bool. True divides the scores by the square root of key_size.
        attention_dropout: float, or None. The rate of dropout on the weights.
        kernel_initializer: str or initializer. It is used for the kernels of the Dense layers.

    Weights: input projection, output projection, beta and gamma of the queries, beta and gamma of the keys. Without
    `use_bias` there are no biases and no betas.

    Raises:
        ValueError: `self_attention` is False.

    Example:
        >>> x = keras.Input((None, 16))
        >>> y = GatedAttentionUnit(units=32, key_size=8)(x)  # [batch, n, 16]

    Reference: Hua et al., Transformer Quality in Linear Time, https://arxiv.org/abs/2202.10447
    """

    def __init__(
        self,
        units: int,
        key_size: int,
        activation: Activation = "swish",
        use_bias: bool = True,
        normalization: str = "squared_relu",
        self_attention: bool = True,
        attention_scale: bool = True,
        attention_dropout: float | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not self_attention:
            raise ValueError(f"{self.name}: self_attention=False is not offered; use MultiHeadAttention")
        self.units = units
        self.key_size = key_size
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.normalization = normalization
        self.attention_scale = attention_scale
        self.attention_dropout = attention_dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def _dense(self, units: int | None, name: str, activation: Any = None) -> Dense:
        """Make one of the two projections."""
        return Dense(
            units,
            activation=activation,
            use_bias=self.use_bias,
            kernel_initializer=self.kernel_initializer,
            name=name,
            dtype=self.sublayer_dtype,
        )

    def build(self, input_shape: Any) -> None:
        """Make and build the sublayers for inputs of these shapes."""
        x = shape_of_first(input_shape)
        self.i_dense = self._dense(2 * self.units + self.key_size, "i_dense", self.activation)
        self.o_dense = self._dense(x[-1], "o_dense")
        self.q_scaleoffset = ScaleOffset(offset=self.use_bias, name="q_scaleoffset", dtype=self.sublayer_dtype)
        self.k_scaleoffset = ScaleOffset(offset=self.use_bias, name="k_scaleoffset", dtype=self.sublayer_dtype)
        self.dropout = None
        if self.attention_dropout:
            self.dropout = Dropout(self.attention_dropout, name="dropout", dtype=self.sublayer_dtype)
        build_sublayer(self.i_dense, x)
        build_sublayer(self.o_dense, x[:-1] + (self.units,))
        build_sublayer(self.q_scaleoffset, x[:-1] + (self.key_size,))
        build_sublayer(self.k_scaleoffset, x[:-1] + (self.key_size,))
        if self.dropout is not None:
            build_sublayer(self.dropout, (x[0], x[1], x[1]))
        self.built = True

    @recompute_grad
    def call(
        self,
        inputs: Any,
        mask: Any = None,
        a_bias: bool | None = None,
        p_bias: str | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Attend from each position to all positions.

        Arguments:
            inputs: float, [batch, n, d], or a list. The list holds x, the attention bias [batch, n, n] or
                [batch, 1, n, n] if `a_bias`, and the table of sines and cosines [1 or batch, n, key_size] if `p_bias`.
            mask: bool, [batch, n], or a list, or None. The mask of x, or the masks of all inputs.
            a_bias: bool, or None. True if the inputs hold an attention bias.
            p_bias: str, or None. 'rotary' if the inputs hold a table of sines and cosines.
            training: bool, or None. Keras' flag of a call.

        Returns:
            float, [batch, n, d].

        Raises:
            ValueError: an unknown `p_bias`.
        """
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        return self._attend(inputs, lambda k, v: (k, v, mask), a_bias, p_bias, training)

    def decode(self, inputs: Any, step: Any, a_bias: bool | None = None, p_bias: str | None = None) -> Tensor:
        """Attend from the newest tokens; the step has the keys and values of the earlier tokens.

        Arguments:
            inputs: float, [batch, n, d], or a list. The inputs of `call`, for the newest tokens.
            step: object. It caches keys and values, as `DecodingStep` of b4k3.models.generation does.
            a_bias: bool, or None. True if the inputs hold an attention bias.
            p_bias: str, or None. 'rotary' if the inputs hold a table of sines and cosines.

        Returns:
            float, [batch, n, d], for the newest tokens.
        """
        return self._attend(inputs, step.update_cache, a_bias, p_bias, training=False)

    def _attend(
        self,
        inputs: Any,
        update_cache: Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor | None]],
        a_bias: bool | None,
        p_bias: str | None,
        training: bool | None = None,
    ) -> Tensor:
        """Attend; `update_cache` takes new keys and values, and returns all keys, all values and their mask."""
        if p_bias not in (None, "rotary"):
            raise ValueError(f"{self.name}: p_bias={p_bias!r}, expected None or 'rotary'")
        rest = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        x = call_layer(self.i_dense, rest.pop(0))  # [b, n, 2 · units + key_size]
        # u and v are [b, n, units], qk is [b, n, key_size].
        u, v, qk = x[..., : self.units], x[..., self.units : 2 * self.units], x[..., 2 * self.units :]
        q, k = call_layer(self.q_scaleoffset, qk), call_layer(self.k_scaleoffset, qk)  # [b, n, key_size]
        bias = rest.pop(0) if a_bias else None
        if bias is not None and len(bias.shape) == 4:
            bias = bias[:, 0]  # [b, n, m]
        if p_bias == "rotary":
            q, k = apply_rotary_position_embeddings(rest.pop(0), q, k)  # [b, n, key_size]
        k, v, mask = update_cache(k, v)  # [b, m, key_size], [b, m, units], [b, m]
        a = ops.einsum("bnd,bmd->bnm", q, k)  # [b, n, m]
        if self.attention_scale:
            a = a * self.key_size**-0.5  # [b, n, m]
        weights = attention_normalize(a, mask, -1, self.normalization, bias)  # [b, n, m]
        if self.dropout is not None and training is not False:
            weights = self.dropout(weights, training=training)  # [b, n, m]
        return call_layer(self.o_dense, u * ops.einsum("bnm,bmd->bnd", weights, v))  # [b, n, d]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Tensor | None:
        """Return the mask of x."""
        return mask[0] if isinstance(mask, (list, tuple)) else mask

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of x."""
        return shape_of_first(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(
            units=self.units,
            key_size=self.key_size,
            activation=activations.serialize(self.activation),
            use_bias=self.use_bias,
            normalization=self.normalization,
            attention_scale=self.attention_scale,
            attention_dropout=self.attention_dropout,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
        )
        return config
