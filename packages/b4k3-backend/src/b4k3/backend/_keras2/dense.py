"""A Dense layer of few operations."""

from __future__ import annotations

import tensorflow as tf

from .flavour import keras
from .fused import matrix_product


class Dense(keras.layers.Dense):
    """`keras.layers.Dense` as one matrix product: Keras 2 describes that of a sequence in some thirty operations, which
    takes longer to build than to run.

    It is made for layers that own it: they save their own configuration, so that its class is never looked up.

    Arguments: those of `keras.layers.Dense`.
    """

    def call(self, inputs):
        """Arguments: inputs: float [..., d]. Returns: float [..., units]."""
        shape = inputs.shape.as_list()
        x = matrix_product(tf.reshape(inputs, [-1, shape[-1]]), self.kernel)
        if self.use_bias:
            x = tf.nn.bias_add(x, self.bias)
        x = tf.reshape(x, tf.concat([tf.shape(inputs)[:-1], [self.units]], 0))
        x.set_shape(shape[:-1] + [self.units])
        return x if self.activation is None else self.activation(x)
