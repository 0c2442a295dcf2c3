"""Check values: at once if they are known, and when the graph runs if they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from ..types import Tensor


def assert_at_most(x: Tensor, size: Any, limit: int, message: str) -> Tensor:
    """Return x, or fail with a message if a size is above a limit.

    Arguments:
        x: tensor. The result, whose use depends on the check.
        size: int, or scalar int tensor if the size is known only when the graph runs.
        limit: int. The largest size that is allowed.
        message: str. The error message.

    Returns:
        x. In a graph, whatever uses it fails if the check fails.

    Raises:
        ValueError: `size` is an int above the limit. A graph raises TensorFlow's InvalidArgumentError when it runs.
    """
    if isinstance(size, int):
        if size > limit:
            raise ValueError(message)
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
    if type(x).__name__ == "EagerTensor":
        return x.numpy()
    return None if tf.is_tensor(x) or isinstance(x, tf.Variable) else np.asarray(x)
