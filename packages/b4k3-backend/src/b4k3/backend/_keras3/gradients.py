"""The gradient of a function of a tensor, which each backend takes in its own way."""

from __future__ import annotations

import contextlib
from typing import Any, Callable

import keras

from ..types import Tensor

BACKEND = keras.config.backend()

if BACKEND == "jax":
    import jax
elif BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "torch":
    import torch


def gradient(function: Callable[[Tensor], Tensor], value: Tensor, differentiable: bool = False) -> Tensor:
    """Return the gradient of a function of one tensor.

    Arguments:
        function: function. It takes a tensor and returns a scalar tensor.
        value: float, [...]. Where the gradient is taken.
        differentiable: bool. Whether somebody takes the gradient of the result. On torch fused attention is switched
            off for it, because it has no second gradient.

    Returns:
        float, [...]. The gradient, of the shape of the value.

    Raises:
        NotImplementedError: the backend has no gradients.

    Example:
        >>> y = gradient(lambda x: ops.sum(x**2), ops.ones((2, 3)))  # [2, 3]
        >>> float(y[0, 0])
        2.0
    """
    value = keras.ops.convert_to_tensor(value)
    if BACKEND == "jax":
        return jax.grad(function)(value)
    if BACKEND == "torch":
        value = value.detach().requires_grad_()
        # Keras first calls a loss without gradients, to learn its shape.
        with torch.enable_grad(), plain_attention() if differentiable else contextlib.nullcontext():
            return torch.autograd.grad(function(value), value, create_graph=differentiable)[0]
    if BACKEND == "tensorflow":
        with tf.GradientTape() as tape:
            tape.watch(value)
            result = function(value)
        return tf.convert_to_tensor(tape.gradient(result, value))
    raise NotImplementedError(f"Keras has no gradients on the backend {BACKEND}: train on jax, tensorflow or torch")


def plain_attention() -> Any:
    """Return a context in which torch computes attention by operations that have a second gradient."""
    return torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
