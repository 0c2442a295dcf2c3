"""Layer normalisation, plain and conditional."""

from __future__ import annotations

from typing import Any, Callable

from b4k3.backend import (
    Layer,
    Tensor,
    activations,
    bound_normalization,
    build_sublayer,
    keras,
    layer_normalization,
    ops,
    recompute_grad,
    register,
)
from b4k3.backend.types import Activation, Initializer

from .masks import and_of_masks


@register
class ScaleOffset(Layer):
    """Compute x · gamma + beta over the last axis, where gamma and beta may depend on a condition.

    Mask in: the mask of x, or with a condition a list of two masks. Mask out: the mask of x, or with a condition the
    AND of the masks that are not None.

    Arguments:
        scale: bool, float or None. True makes gamma a weight, None and False leave it out, a number is constant.
        offset: bool, float or None. True makes beta a weight, None and False leave it out, a number is constant.
        conditional: bool. True takes the inputs [x, condition].
        hidden_units: int, or None. The size of a hidden layer between the condition and gamma and beta.
        hidden_activation: str or function. The activation of the hidden layer.
        hidden_initializer: str or initializer. The initializer of the hidden layer.

    Weights: beta, gamma; with a condition also the kernels of the hidden layer, beta_dense and gamma_dense.

    Example:
        >>> y = ScaleOffset()(keras.Input((None, 8)))  # [batch, n, 8]
        >>> conditional = ScaleOffset(conditional=True)
        >>> z = conditional([keras.Input((None, 8)), keras.Input((4,))])  # [batch, n, 8]

    Reference: conditional layer normalisation, https://spaces.ac.cn/archives/7124
    """

    def __init__(
        self,
        scale: Any = True,
        offset: Any = True,
        conditional: bool = False,
        hidden_units: int | None = None,
        hidden_activation: Activation = "linear",
        hidden_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset
        self.conditional = conditional
        self.hidden_units = hidden_units
        self.hidden_activation = activations.get(hidden_activation)
        self.hidden_initializer = keras.initializers.get(hidden_initializer)

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of these shapes."""
        shape = input_shape[0] if self.conditional else input_shape
        units = shape[-1]
        if self.offset is True:
            self.beta = self.add_weight(name="beta", shape=(units,), initializer="zeros")
        if self.scale is True:
            self.gamma = self.add_weight(name="gamma", shape=(units,), initializer="ones")
        if self.conditional:
            self._build_condition(units, input_shape[1])
        self.built = True

    def _build_condition(self, units: int | None, cond_shape: tuple[int | None, ...]) -> None:
        """Make the layers that compute gamma and beta from the condition."""
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

    def _projection(self, units: int | None, name: str, cond_shape: tuple[int | None, ...]) -> Any:
        """Make a Dense layer whose kernel starts as zeros, so that the condition has no influence at first."""
        dense = keras.layers.Dense(
            units, use_bias=False, kernel_initializer="zeros", name=name, dtype=self.sublayer_dtype
        )
        build_sublayer(dense, cond_shape)
        return dense

    @property
    def scales_features(self) -> bool:
        """True if this layer only computes x · gamma + beta; `last_token` of b4k3.snippets reads it."""
        return type(self) is ScaleOffset and not self.conditional

    @staticmethod
    def _has(value: Any) -> bool:
        """Return whether an argument `scale` or `offset` asks for a term."""
        return value is not None and value is not False

    def _terms(self, inputs: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return x, gamma and beta. A term that is left out is None."""
        x, cond = inputs if self.conditional else (inputs, None)
        gamma = self.gamma if self.scale is True else (self.scale if self._has(self.scale) else None)
        beta = self.beta if self.offset is True else (self.offset if self._has(self.offset) else None)
        if cond is not None:
            if self.hidden_units is not None:
                cond = self.hidden_dense(cond)  # [b, hidden_units]
            for _ in range(len(x.shape) - len(cond.shape)):
                cond = ops.expand_dims(cond, 1)  # [b, 1…, c or hidden_units]
            if gamma is not None:
                gamma = gamma + self.gamma_dense(cond)  # [b, 1…, d]
            if beta is not None:
                beta = beta + self.beta_dense(cond)  # [b, 1…, d]
        return x, gamma, beta

    def call(self, inputs: Any) -> Tensor:
        """Scale and shift the features.

        Arguments:
            inputs: float, [..., d], or a list. x; with `conditional` a list of x and the condition, [batch, c].

        Returns:
            float, [..., d].
        """
        x, gamma, beta = self._terms(inputs)
        if gamma is not None:
            x = x * gamma
        if beta is not None:
            x = x + beta
        return x

    def compute_mask(self, inputs: Any, mask: Any = None) -> Tensor | None:
        """Return the mask of x; with a condition the AND of the masks that are not None."""
        return and_of_masks(mask) if self.conditional else mask

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of x."""
        return tuple(input_shape[0] if self.conditional else input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
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
    """Compute (x - mean) / sqrt(variance + epsilon) over the last axis in float32, then scale and shift it.

    `zero_mean=False, offset=False` is the RMS normalisation of T5. With `scale=False` too, RoFormerV2 uses it.

    Mask in: the mask of x, or with a condition a list of two masks. Mask out: the mask of x, or with a condition the
    AND of the masks that are not None.

    Arguments:
        zero_mean: bool. False leaves the mean in x.
        unit_variance: bool. False leaves out the division by the standard deviation.
        epsilon: float, or None. It is added to the variance; None means the epsilon of Keras, 1e-7 by default.
        kwargs: the arguments of `ScaleOffset`, and of every Keras layer.

    Example:
        >>> y = LayerNormalization(epsilon=1e-12)(keras.Input((None, 8)))  # [batch, n, 8]

    Reference: Ba et al., Layer Normalization, https://arxiv.org/abs/1607.06450
    """

    def __init__(
        self, zero_mean: bool = True, unit_variance: bool = True, epsilon: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.zero_mean = zero_mean
        self.unit_variance = unit_variance
        self.epsilon = keras.backend.epsilon() if epsilon is None else epsilon

    @recompute_grad
    def call(self, inputs: Any) -> Tensor:
        """Normalise, scale and shift the features.

        Arguments:
            inputs: float, [..., d], or a list. x; with `conditional` a list of x and the condition, [batch, c].

        Returns:
            float, [..., d].
        """
        x, gamma, beta = self._terms(inputs)
        return layer_normalization(x, gamma, beta, self.epsilon, self.zero_mean, self.unit_variance)

    def bound_call(self) -> Callable[..., Tensor]:
        """Bind the weights, which `call_layer` of b4k3.backend asks for where nothing has a gradient.

        Returns:
            function. It computes `call` with the weights that the layer has now.
        """
        if self.conditional or not self.unit_variance:
            return self.call
        _, gamma, beta = self._terms(None)
        return bound_normalization(gamma, beta, self.epsilon, self.zero_mean) or self.call

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(zero_mean=self.zero_mean, unit_variance=self.unit_variance, epsilon=self.epsilon)
        return config
