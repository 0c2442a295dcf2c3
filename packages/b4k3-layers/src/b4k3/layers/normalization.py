"""Layer normalisation, plain and conditional."""

from __future__ import annotations

from b4k3.backend import Layer, activations, build_sublayer, keras, layer_normalization, ops, recompute_grad, register


@register
class ScaleOffset(Layer):
    """x · gamma + beta over the last axis, where gamma and beta may depend on a condition.

    Mask in and out: that of x; with a condition the AND of those that are there.

    Arguments:
        scale: True for a weight, None or False for none, or a constant.
        offset: likewise.
        conditional: whether the inputs are [x, condition].
        hidden_units: size of a hidden layer that the condition passes first, or None.
        hidden_activation, hidden_initializer: of that layer.

    Reference: conditional layer normalisation, https://spaces.ac.cn/archives/7124
    """

    def __init__(
        self,
        scale=True,
        offset=True,
        conditional=False,
        hidden_units=None,
        hidden_activation="linear",
        hidden_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset
        self.conditional = conditional
        self.hidden_units = hidden_units
        self.hidden_activation = activations.get(hidden_activation)
        self.hidden_initializer = keras.initializers.get(hidden_initializer)

    def build(self, input_shape):
        shape = input_shape[0] if self.conditional else input_shape
        units = shape[-1]
        if self.offset is True:
            self.beta = self.add_weight(name="beta", shape=(units,), initializer="zeros")
        if self.scale is True:
            self.gamma = self.add_weight(name="gamma", shape=(units,), initializer="ones")
        if self.conditional:
            self._build_condition(units, input_shape[1])
        self.built = True

    def _build_condition(self, units, cond_shape):
        if self.hidden_units is not None:
            self.hidden_dense = keras.layers.Dense(
                self.hidden_units,
                activation=self.hidden_activation,
                use_bias=False,
                kernel_initializer=self.hidden_initializer,
                name="hidden",
                dtype=self.sublayer_dtype,
            )
            build_sublayer(self.hidden_dense, cond_shape)
            cond_shape = tuple(cond_shape[:-1]) + (self.hidden_units,)
        if self._has(self.offset):
            self.beta_dense = self._projection(units, "beta_dense", cond_shape)
        if self._has(self.scale):
            self.gamma_dense = self._projection(units, "gamma_dense", cond_shape)

    def _projection(self, units, name, cond_shape):
        dense = keras.layers.Dense(
            units, use_bias=False, kernel_initializer="zeros", name=name, dtype=self.sublayer_dtype
        )
        build_sublayer(dense, cond_shape)
        return dense

    @property
    def scales_features(self):
        """Whether this is x · gamma + beta alone; read by last_token of b4k3.snippets."""
        return type(self) is ScaleOffset and not self.conditional

    @staticmethod
    def _has(value):
        return value is not None and value is not False

    def _terms(self, inputs):
        """(x, gamma, beta); a term that is absent is None."""
        x, cond = inputs if self.conditional else (inputs, None)
        gamma = self.gamma if self.scale is True else (self.scale if self._has(self.scale) else None)
        beta = self.beta if self.offset is True else (self.offset if self._has(self.offset) else None)
        if cond is not None:
            if self.hidden_units is not None:
                cond = self.hidden_dense(cond)
            for _ in range(len(x.shape) - len(cond.shape)):
                cond = ops.expand_dims(cond, 1)
            if gamma is not None:
                gamma = gamma + self.gamma_dense(cond)
            if beta is not None:
                beta = beta + self.beta_dense(cond)
        return x, gamma, beta

    def call(self, inputs):
        """Arguments: inputs: float [..., d], or [that, condition [batch, c]]. Returns: float [..., d]."""
        x, gamma, beta = self._terms(inputs)
        if gamma is not None:
            x = x * gamma
        if beta is not None:
            x = x + beta
        return x

    def compute_mask(self, inputs, mask=None):
        if not self.conditional or mask is None:
            return mask
        out = None
        for m in mask:
            if m is not None:
                out = m if out is None else ops.logical_and(out, m)
        return out

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0] if self.conditional else input_shape)

    def get_config(self):
        config = super().get_config()
        config.update(
            scale=self.scale,
            offset=self.offset,
            conditional=self.conditional,
            hidden_units=self.hidden_units,
            hidden_activation=activations.serialize(self.hidden_activation),
            hidden_initializer=keras.initializers.serialize(self.hidden_initializer),
        )
        return config


@register
class LayerNormalization(ScaleOffset):
    """(x - mean) / sqrt(variance + epsilon) over the last axis, then `ScaleOffset`. Computed in float32.

    `zero_mean=False, offset=False` is T5's RMS normalisation; `scale=False` as well is RoFormerV2's.

    Arguments:
        zero_mean: whether the mean is subtracted.
        unit_variance: whether to divide by the standard deviation.
        epsilon: added to the variance; None for Keras' own, 1e-7.
        kwargs: those of `ScaleOffset`.

    Reference: Ba et al., Layer Normalization, https://arxiv.org/abs/1607.06450
    """

    def __init__(self, zero_mean=True, unit_variance=True, epsilon=None, **kwargs):
        super().__init__(**kwargs)
        self.zero_mean = zero_mean
        self.unit_variance = unit_variance
        self.epsilon = keras.backend.epsilon() if epsilon is None else epsilon

    @recompute_grad
    def call(self, inputs):
        """Arguments: inputs: float [..., d], or [that, condition [batch, c]]. Returns: float [..., d]."""
        x, gamma, beta = self._terms(inputs)
        return layer_normalization(x, gamma, beta, self.epsilon, self.zero_mean, self.unit_variance)

    def get_config(self):
        config = super().get_config()
        config.update(zero_mean=self.zero_mean, unit_variance=self.unit_variance, epsilon=self.epsilon)
        return config
