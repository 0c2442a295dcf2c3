"""Check values: at once if they are known, and when the graph runs if they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from ..types import Tensor


def at_most_in_graph(x: Tensor, size: Tensor, limit: int, message: str) -> Tensor:
    """Do the part of `assert_at_most` for TensorFlow, for a size that is known only when the graph runs."""
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
    if type(x).__name__ == "EagerTensor":
        return x.numpy()
    return None if tf.is_tensor(x) or isinstance(x, tf.Variable) else np.asarray(x)
