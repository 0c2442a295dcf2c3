"""Check values: at once if they are known, and when the graph runs if they are not."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from ..types import Tensor

BACKEND = keras.config.backend()
if BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "jax":
    import jax
elif BACKEND == "torch":
    import torch


def at_most_in_graph(x: Tensor, size: Tensor, limit: int, message: str) -> Tensor:
    """Do the part of `assert_at_most` for a size that is known only when the graph runs.

    TensorFlow checks it then. `torch.export` takes the limit for one of the axis. Other graphs have no way to check: in
    them a sequence is refused for being longer than the rows that its limit leaves.
    """
    if BACKEND == "torch" and isinstance(size, torch.SymInt):
        torch._check(size <= limit)
    if BACKEND != "tensorflow":
        return x
    check = tf.debugging.assert_less_equal(size, tf.constant(limit, size.dtype), message=message)
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(x)


def concrete(x: Any) -> Any:
    """Return the values of a tensor as an array; None while a graph is built, which does not know them.

    Arguments:
        x: a tensor, an array, or a list of numbers.

    Returns:
        Array of the shape of x, or None.

    Example:
        >>> concrete(np.arange(3))
        array([0, 1, 2])
    """
    if isinstance(x, keras.KerasTensor):
        return None
    if BACKEND == "numpy" and _describes_a_graph():
        return None
    if not keras.ops.is_tensor(x):
        return np.asarray(x)
    return VALUES.get(BACKEND, _unknown)(x)


def _of_jax(x: Any) -> Any:
    """Return the values of an array of JAX; None for a tracer, and for an array that other processes have parts of."""
    if isinstance(x, jax.core.Tracer) or not (x.is_fully_addressable or x.is_fully_replicated):
        return None
    return np.asarray(x)


def _of_tensorflow(x: Any) -> Any:
    """Return the values of an eager tensor; None for another."""
    return x.numpy() if type(x).__name__ == "EagerTensor" else None


def _of_torch(x: Any) -> Any:
    """Return the values of a tensor; None while torch compiles, exports or captures a graph with it."""
    if type(x) is not torch.Tensor or x.is_meta or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return None
    if x.is_cuda and torch.cuda.is_current_stream_capturing():
        return None
    try:
        return (x.detach().float() if x.dtype == torch.bfloat16 else x.detach()).cpu().numpy()
    except RuntimeError:  # within torch.func.vmap
        return None


def _describes_a_graph() -> bool:
    """Return whether Keras calls a layer on meaningless numpy arrays, to learn the shape of what it returns."""
    try:
        from keras.src.backend.common.symbolic_scope import in_symbolic_scope
    except ImportError:
        return True
    return in_symbolic_scope()


def _unknown(x: Any) -> Any:
    """Return None, because the values of other backends cannot be seen."""
    return None


VALUES = {"jax": _of_jax, "tensorflow": _of_tensorflow, "torch": _of_torch, "numpy": np.asarray}
