"""Shapes in the form in which `build` gets them."""

from __future__ import annotations

import functools
from typing import Any, Callable


def integerize_shape(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a `build` so that it gets tuples of int and None, whatever this Keras calls a shape.

    Arguments:
        func: method. A `build(self, input_shape)`.

    Returns:
        The decorated method.

    Example:
        >>> class Scale(Layer):
        ...     @integerize_shape
        ...     def build(self, input_shape):
        ...         self.scale = self.add_weight(name="scale", shape=(input_shape[-1],))
        ...     def call(self, inputs):
        ...         return inputs * self.scale
        >>> y = Scale()(ops.ones((2, 4)))  # [2, 4]
    """

    @functools.wraps(func)
    def build(self: Any, input_shape: Any) -> Any:
        """Call the decorated method with a shape of integers."""
        return func(self, _integers(input_shape))

    # Keras 3.5 would follow this attribute from the bound method to a function that has an argument `self`.
    del build.__wrapped__
    return build


def _integers(shape: Any) -> Any:
    """Convert a TensorShape of tf.keras, or nested lists of them, to tuples. In TensorFlow 1 even sizes are objects."""
    if hasattr(shape, "as_list"):
        return tuple(shape.as_list())
    if isinstance(shape, dict):
        return {name: _integers(value) for name, value in shape.items()}
    if isinstance(shape, (list, tuple)):
        return type(shape)(_integers(value) for value in shape)
    return getattr(shape, "value", shape)
