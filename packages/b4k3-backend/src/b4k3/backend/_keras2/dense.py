"""A Dense layer of few operations."""

from __future__ import annotations

import tensorflow as tf

from ..types import Tensor
from .flavour import keras
from .fused import matrix_product


class Dense(keras.layers.Dense):
    """Compute `keras.layers.Dense` as one matrix product.

    Keras 2 describes the product with a sequence in some thirty operations, which take longer to build than to run.
    This class is for layers that own it. They save their own configuration, so Keras never looks this class up.

    The mask of the inputs goes in and comes out unchanged.

    The arguments are the same as for `keras.layers.Dense`.

    Example:
        >>> y = Dense(8)(keras.Input((4,)))  # [batch, 8]
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Compute activation(inputs · kernel + bias).

        Arguments:
            inputs: float, [..., d]. The features.

        Returns:
            float, [..., units].
        """
        shape = inputs.shape.as_list()
        x = matrix_product(tf.reshape(inputs, [-1, shape[-1]]), self.kernel)  # [rows, units]
        if self.use_bias:
            x = tf.nn.bias_add(x, self.bias)
        x = tf.reshape(x, tf.concat([tf.shape(inputs)[:-1], [self.units]], 0))  # [..., units]
        x.set_shape(shape[:-1] + [self.units])
        return x if self.activation is None else self.activation(x)
