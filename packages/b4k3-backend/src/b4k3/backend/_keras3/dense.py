"""A Dense layer that leaves product and bias to one kernel of the framework."""

from __future__ import annotations

import keras

from .fused import activated, fused_linear


class Dense(keras.layers.Dense):
    """`keras.layers.Dense`, faster on torch and TensorFlow; quantisation and LoRA work as there.

    It is made for layers that own it: they save their own configuration, so that its class is never looked up.

    Arguments: those of `keras.layers.Dense`.
    """

    def call(self, inputs, training=None):
        """Arguments: inputs: float [..., d]. Returns: float [..., units]."""
        x = fused_linear(inputs, self.kernel, self.bias)
        if x is None:
            return super().call(inputs, training=training)
        return x if self.activation is None else activated(x, self.activation)
