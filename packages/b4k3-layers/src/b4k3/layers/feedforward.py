"""The feed-forward block."""

from __future__ import annotations

from b4k3.backend import (
    Dense,
    Layer,
    activations,
    build_sublayer,
    call_layer,
    copy_initializer,
    keras,
    recompute_grad,
    register,
)


@register
class FeedForward(Layer):
    """Dense(activation(Dense(x))); with several activations the product of their branches (gated linear units).

    Mask in and out: that of x.

    Arguments:
        units: size of the hidden layer.
        activation: name or function, or a list of them, one for each branch: ['gelu', 'linear'] is T5.1.1's.
        use_bias: whether the Dense layers have biases.
        kernel_initializer: of the Dense layers.

    Weights: of the branches in their order, then of the output; kernel and bias each.

    Reference: Shazeer, GLU Variants Improve Transformer, https://arxiv.org/abs/2002.05202
    """

    def __init__(self, units, activation="relu", use_bias=True, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = activation if isinstance(activation, (list, tuple)) else [activation]
        self.activation = [activations.get(a) for a in self.activation]
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        for i, activation in enumerate(self.activation):
            name = "intermediate" if i == 0 else "intermediate_%d" % i
            self._add_dense("i%d_dense" % i, self.units, name, input_shape, activation)
        self._add_dense("o_dense", input_shape[-1], "output", tuple(input_shape[:-1]) + (self.units,))
        self.built = True

    def _add_dense(self, attribute, units, name, input_shape, activation=None):
        dense = Dense(
            units,
            activation=activation,
            use_bias=self.use_bias,
            kernel_initializer=copy_initializer(self.kernel_initializer),
            name=name,
            dtype=self.sublayer_dtype,
        )
        setattr(self, attribute, dense)
        build_sublayer(dense, input_shape)

    @recompute_grad
    def call(self, inputs):
        """Arguments: inputs: float [..., d]. Returns: float [..., d]."""
        x = call_layer(self.i0_dense, inputs)
        for i in range(1, len(self.activation)):
            x = x * call_layer(getattr(self, "i%d_dense" % i), inputs)
        return call_layer(self.o_dense, x)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        config = super().get_config()
        names = [activations.serialize(a) for a in self.activation]
        config.update(
            units=self.units,
            activation=names[0] if len(names) == 1 else names,
            use_bias=self.use_bias,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
        )
        return config
