"""The gated attention unit."""

from __future__ import annotations

from b4k3.backend import (
    Dense,
    Dropout,
    Layer,
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

from .masks import biased
from .normalization import ScaleOffset


def shape_of_first(input_shape):
    """The shape of a layer's only or first input, as a tuple. Shapes are tuples, or tf.keras' TensorShape."""
    return tuple(input_shape[0] if hasattr(input_shape[0], "__len__") else input_shape)


@register
class GatedAttentionUnit(Layer):
    """Attention with one head whose output is gated: a block of attention and feed-forward in one.

    Masks in: that of x hides keys. Mask out: that of x.

    Arguments:
        units: size of values and gates.
        key_size: size of queries and keys.
        activation: of the projection of values, gates and keys.
        use_bias: whether the Dense layers have biases, and queries and keys offsets.
        normalization: a method of `attention_normalize`.
        self_attention: True; queries and keys come from x.
        attention_scale: whether scores are divided by the square root of key_size.
        attention_dropout: rate of dropout on the weights.
        kernel_initializer: of the Dense layers.

    Weights: input projection, output projection, (beta and) gamma of the queries, of the keys.

    Reference: Hua et al., Transformer Quality in Linear Time, https://arxiv.org/abs/2202.10447
    """

    def __init__(
        self,
        units,
        key_size,
        activation="swish",
        use_bias=True,
        normalization="squared_relu",
        self_attention=True,
        attention_scale=True,
        attention_dropout=None,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not self_attention:
            raise ValueError("%s: self_attention=False is not offered; use MultiHeadAttention" % self.name)
        self.units = units
        self.key_size = key_size
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.normalization = normalization
        self.attention_scale = attention_scale
        self.attention_dropout = attention_dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def _dense(self, units, name, activation=None):
        return Dense(
            units,
            activation=activation,
            use_bias=self.use_bias,
            kernel_initializer=self.kernel_initializer,
            name=name,
            dtype=self.sublayer_dtype,
        )

    def build(self, input_shape):
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
    def call(self, inputs, mask=None, a_bias=None, p_bias=None, training=None):
        """Attend.

        Arguments:
            inputs: x [batch, n, d]; or a list of x, the attention bias [batch, n, n] or [batch, 1, n, n] if `a_bias`,
                and the table of sines and cosines [1 or batch, n, key_size] if `p_bias`.
            mask: that of x, or the list of masks.
            a_bias: True if inputs hold an attention bias.
            p_bias: None or 'rotary'.
            training: as in every Keras layer.

        Returns:
            [batch, n, d].
        """
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        return self._attend(inputs, lambda k, v: (k, v, mask), a_bias, p_bias, training)

    def decode(self, inputs, session, a_bias=None, p_bias=None):
        """`call` on the newest tokens alone: the session has the keys and values of those before."""
        return self._attend(inputs, session.remember, a_bias, p_bias, training=False)

    def _attend(self, inputs, remember, a_bias, p_bias, training=None):
        """`remember` takes keys and values of the inputs and gives those to attend to, and their mask."""
        if p_bias not in (None, "rotary"):
            raise ValueError("%s: p_bias=%r, expected None or 'rotary'" % (self.name, p_bias))
        rest = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        x = call_layer(self.i_dense, rest.pop(0))
        u, v, qk = x[..., : self.units], x[..., self.units : 2 * self.units], x[..., 2 * self.units :]
        q, k = call_layer(self.q_scaleoffset, qk), call_layer(self.k_scaleoffset, qk)  # [b, n, key_size]
        bias = rest.pop(0) if a_bias else None
        if bias is not None and len(bias.shape) == 4:
            bias = bias[:, 0]  # [b, n, m]
        if p_bias == "rotary":
            q, k = apply_rotary_position_embeddings(rest.pop(0), q, k)
        k, v, mask = remember(k, v)
        a = ops.einsum("bnd,bmd->bnm", q, k)  # [b, n, m]
        if self.attention_scale:
            a = a * self.key_size**-0.5
        a, visible = biased(a, bias)
        weights = attention_normalize(a, mask, -1, self.normalization, visible)
        if self.dropout is not None and training is not False:
            weights = self.dropout(weights, training=training)
        return call_layer(self.o_dense, u * ops.einsum("bnm,bmd->bnd", weights, v))  # [b, n, d]

    def compute_mask(self, inputs, mask=None):
        return mask[0] if isinstance(mask, (list, tuple)) else mask

    def compute_output_shape(self, input_shape):
        return shape_of_first(input_shape)

    def get_config(self):
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
