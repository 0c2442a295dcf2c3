"""The gradient of a function of a tensor, in graphs and in eager code."""

from __future__ import annotations

from typing import Callable

import tensorflow.compat.v2 as tf

from ..types import Tensor
from .flavour import is_standalone
from .layer import TF1

IN_GRAPH = TF1 or is_standalone


def gradient(function: Callable[[Tensor], Tensor], value: Tensor, differentiable: bool = False) -> Tensor:
    """Return the gradient of a function of one tensor.

    Arguments:
        function: function. It takes a tensor and returns a scalar tensor.
        value: float, [...]. Where the gradient is taken.
        differentiable: bool. Whether somebody takes the gradient of the result. It changes nothing on TensorFlow.

    Returns:
        float, [...]. The gradient, of the shape of the value.
    """
    value = tf.convert_to_tensor(value)
    if IN_GRAPH and not tf.executing_eagerly():
        return tf.convert_to_tensor(tf.gradients(function(value), [value])[0])
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = function(value)
    return tf.convert_to_tensor(tape.gradient(result, value))
