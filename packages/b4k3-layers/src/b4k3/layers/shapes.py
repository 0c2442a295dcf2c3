"""Shapes as the rows hand them to `build`."""

from __future__ import annotations

import functools


def integerize_shape(func):
    """Decorate a `build` so that it gets tuples of int and None, whatever the row calls a shape.

    Arguments:
        func: a method `build(self, input_shape)`.

    Returns:
        The method.
    """

    @functools.wraps(func)
    def build(self, input_shape):
        return func(self, _integers(input_shape))

    del build.__wrapped__  # Keras 3.5 would follow it from the bound method to a function that has a self
    return build


def _integers(shape):
    """tf.keras gives a TensorShape or a list of them; the sizes in those of TensorFlow 1 are objects."""
    if hasattr(shape, "as_list"):
        return tuple(shape.as_list())
    if isinstance(shape, dict):
        return {name: _integers(value) for name, value in shape.items()}
    if isinstance(shape, (list, tuple)):
        return type(shape)(_integers(value) for value in shape)
    return getattr(shape, "value", shape)
