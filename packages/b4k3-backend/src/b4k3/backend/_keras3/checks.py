"""Checks that hold when the graph runs, for what is not known when it is built."""

from __future__ import annotations

import keras

if keras.config.backend() == "tensorflow":
    import tensorflow as tf


def assert_at_most(x, size, limit, message):
    """Return x, or fail with `message` where size > limit.

    Arguments:
        x: a tensor.
        size: int; None in a symbolic call; with TensorFlow a scalar int tensor where the graph does not know it.
        limit: int.
        message: str.

    Raises:
        ValueError: size is an int above the limit. In a graph it is TensorFlow's InvalidArgumentError, at run time.
    """
    if size is None:
        return x
    if isinstance(size, int):
        if size > limit:
            raise ValueError(message)
        return x
    check = tf.debugging.assert_less_equal(size, tf.constant(limit, size.dtype), message=message)
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(x)
