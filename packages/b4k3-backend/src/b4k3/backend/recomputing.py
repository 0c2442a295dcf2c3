"""Trade time for memory by computing a layer's inner results again in the backward pass; and helpers for graphs."""

from __future__ import annotations

import os
from typing import Any, Callable, TypeVar

from ._environment import load

F = TypeVar("F", bound=Callable[..., Any])

_recompute = load("recompute")
_devices = load("devices")

# bert4keras too reads the variable RECOMPUTE when it is imported.
do_recompute: bool = os.environ.get("RECOMPUTE", "").strip().lower() in ("1", "true", "yes", "on")
implementation = _recompute.recompute


def recompute_grad(call: F) -> F:
    """Decorate the `call` of a layer so that with RECOMPUTE=1 its inner results are not kept for the gradient.

    Dropout draws the same masks in both passes. On Keras 2 the layer must take its dropout from
    `b4k3.backend.Dropout`; Keras' own Dropout would draw another mask, so it is refused there. A layer that adds losses
    is refused on Keras 3. The mask that Keras attaches to the inputs is not visible inside `call`, which must declare
    `mask` as an argument.

    Arguments:
        call: method. A `call(self, inputs, …)`.

    Returns:
        A method with the same signature; without RECOMPUTE=1 it is `call` itself.

    Example:
        >>> class Cube(Layer):
        ...     @recompute_grad
        ...     def call(self, inputs):
        ...         return inputs**3
        >>> y = Cube()(ops.ones((2, 4)))  # [2, 4]

    Reference: Chen et al., Training Deep Nets with Sublinear Memory Cost, https://arxiv.org/abs/1604.06174
    """
    return implementation(call) if do_recompute else call


def graph_mode_decorator(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function that brings its own gradient.

    Arguments:
        f: function. It takes tensors and returns (result, gradient function), as the framework's `custom_gradient`
            expects: `tf.custom_gradient` on Keras 2, `keras.ops.custom_gradient` on Keras 3.
        args: positional arguments of `f`.
        kwargs: keyword arguments of `f`.

    Returns:
        The result of `f`.
    """
    return _recompute.custom_gradient(f)(*args, **kwargs)


def symbolic(f: F) -> F:
    """Decorate a function that builds a graph, as keras 2.3.1 requires.

    Arguments:
        f: function.

    Returns:
        The function; it is decorated only on keras 2.3.1.
    """
    return load("k").symbolic(f)


def get_available_gpus() -> list[str]:
    """Return the names of the GPUs that the backend can use.

    Returns:
        list of str, such as ['/device:GPU:0']; an empty list without a GPU.

    Example:
        >>> gpus = get_available_gpus()
    """
    return [f"/device:GPU:{i}" for i in range(_devices.gpu_count())]
