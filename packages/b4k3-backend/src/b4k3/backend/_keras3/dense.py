"""A Dense layer that leaves product and bias to one kernel of the framework."""

from __future__ import annotations

import keras

from ..types import Tensor
from .compiling import found_once
from .fused import activated, fused_linear, value_of


class Dense(keras.layers.Dense):
    """Compute `keras.layers.Dense` faster on torch and TensorFlow, with the same quantisation and LoRA.

    On JAX and numpy it is Keras' own layer; on Keras 2 it is one matrix product.

    This class is for layers that own it. They save their own configuration, so Keras never looks this class up.

    The mask of the inputs goes in and comes out unchanged.

    The arguments are the same as for `keras.layers.Dense`.

    Example:
        >>> y = Dense(8)(keras.Input((4,)))  # [batch, 8]
    """

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Compute activation(inputs · kernel + bias).

        Arguments:
            inputs: float, [..., d]. The features.
            training: bool, or None. It is handed to `keras.layers.Dense` where no kernel of ours fits.

        Returns:
            float, [..., units].
        """
        x = fused_linear(inputs, *kernel_and_bias(self))  # [..., units]
        if x is None:
            return super().call(inputs, training=training)
        return x if self.activation is None else activated(x, self.activation)


@found_once
def kernel_and_bias(layer: keras.layers.Dense) -> tuple[Tensor, Tensor | None]:
    """Return the weights of a Dense layer as tensors.

    Arguments:
        layer: keras.layers.Dense. A built layer.

    Returns:
        The kernel [d, units], and the bias [units] or None.
    """
    return value_of(layer.kernel), value_of(layer.bias)
