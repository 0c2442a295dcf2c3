"""The feed-forward block."""

from __future__ import annotations

from typing import Any, Sequence

from b4k3.backend import (
    Dense,
    Layer,
    Tensor,
    activations,
    build_sublayer,
    call_layer,
    copy_initializer,
    keras,
    recompute_grad,
    register,
)
from b4k3.backend.types import Activation, Initializer


@register
class FeedForward(Layer):
    """Compute Dense(activation(Dense(x))); with several activations multiply their branches (gated linear units).

    The mask of x goes in and comes out unchanged.

    Arguments:
        units: int. The size of the hidden layer.
        activation: str, function, or list of them. One activation for each branch; T5.1.1 has ['gelu', 'linear'].
        use_bias: bool. False leaves out the biases of the Dense layers.
        kernel_initializer: str or initializer. It is used for the kernels of the Dense layers.

    Weights: the branches in their order, then the output; each has a kernel and a bias.

    Example:
        >>> x = keras.Input((None, 16))
        >>> y = FeedForward(units=64, activation="gelu")(x)  # [batch, n, 16]
        >>> gated = FeedForward(units=64, activation=["gelu", "linear"], use_bias=False)(x)  # [batch, n, 16]

    Reference: Shazeer, GLU Variants Improve Transformer, https://arxiv.org/abs/2002.05202
    """

    def __init__(
        self,
        units: int,
        activation: Activation | Sequence[Activation] = "relu",
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        branches = activation if isinstance(activation, (list, tuple)) else [activation]
        self.activation = [activations.get(a) for a in branches]
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make and build the Dense layers for an input of this shape."""
        for i, activation in enumerate(self.activation):
            name = "intermediate" if i == 0 else f"intermediate_{i}"
            self._add_dense(f"i{i}_dense", self.units, name, input_shape, activation)
        self._add_dense("o_dense", input_shape[-1], "output", tuple(input_shape[:-1]) + (self.units,))
        self.built = True

    def _add_dense(
        self, attribute: str, units: int | None, name: str, input_shape: tuple[int | None, ...], activation: Any = None
    ) -> None:
        """Make a Dense layer, build it, and keep it under an attribute."""
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
    def call(self, inputs: Tensor) -> Tensor:
        """Compute the block.

        Arguments:
            inputs: float, [..., d]. The features.

        Returns:
            float, [..., d].
        """
        x = call_layer(self.i0_dense, inputs)  # [..., units]
        for i in range(1, len(self.activation)):
            x = x * call_layer(getattr(self, f"i{i}_dense"), inputs)  # [..., units]
        return call_layer(self.o_dense, x)  # [..., d]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the inputs."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        names = [activations.serialize(a) for a in self.activation]
        config.update(
            units=self.units,
            activation=names[0] if len(names) == 1 else names,
            use_bias=self.use_bias,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
        )
        return config
