"""Sizes of tensors as numbers of Python, with which the functions of K count while a function is traced."""

from __future__ import annotations

import functools
import numbers
import operator
from typing import Any, Callable, Iterable, Sequence

import keras
from keras import ops

from ..types import Tensor

BACKEND = keras.config.backend()
if BACKEND == "jax":
    import jax
elif BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "torch":
    import torch


class Sizes(tuple):
    """Hold the shape of a tensor: ints, and scalar tensors or None where a size is not known before the function runs.

    Keras 2 gives a tensor int32 [axes], so that arithmetic goes element by element: with K.shape(x) = (2, 3),
    K.shape(x) * 2 is (4, 6) and K.shape(x)[:1] + 1 is (3,). It is a tuple wherever a shape is asked for.
    """

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return Sizes(found) if isinstance(index, slice) else found

    def __neg__(self) -> Sizes:
        return Sizes(-n for n in self)


def _elementwise(operation: Callable[[Any, Any], Any], swapped: bool = False) -> Callable[[Sizes, Any], Any]:
    """Make a method of Sizes from an operation on two numbers; `swapped` makes Sizes the second of them."""

    def apply(self: Sizes, other: Any) -> Any:
        """Apply the operation to each size, or to the sizes as a tensor if the other operand is one."""
        if hasattr(other, "shape") and not isinstance(other, Sizes):  # a tensor or an array, not a number
            left, right = as_tensor(self), other
            return operation(right, left) if swapped else operation(left, right)
        return map_sizes((lambda a, b: operation(b, a)) if swapped else operation, self, other)

    return apply


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Sizes, f"__{_name}__", _elementwise(getattr(operator, _name)))
    setattr(Sizes, f"__r{_name}__", _elementwise(getattr(operator, _name), swapped=True))


def is_traced(x: Tensor) -> bool:
    """Return whether a tensor stands for a value in a function that is being compiled."""
    if BACKEND == "jax":
        return isinstance(x, jax.core.Tracer)
    if BACKEND == "torch":
        return torch.compiler.is_compiling() or x.device.type == "meta"
    return BACKEND == "tensorflow" and not tf.executing_eagerly()


def is_number(x: Any) -> bool:
    """Return whether x is a number of Python, a numpy scalar or a symbolic size: a tensor is none."""
    return isinstance(x, numbers.Number) or is_size(x)


def is_size(x: Any) -> bool:
    """Return whether x is an int, or what JAX has in its place while sizes are symbols: a tensor is none."""
    return isinstance(x, numbers.Integral) or is_symbol(x)


def is_symbol(x: Any) -> bool:
    """Return whether x is a size that JAX does not know while Keras asks what shape a layer gives."""
    return type(x).__name__ == "_DimExpr"


def as_sizes(x: Any) -> Sizes | None:
    """Return x as Sizes if it is a shape.

    Arguments:
        x: Any. What a function of K was given.

    Returns:
        Sizes if x is one, or a list or tuple of ints that is not empty; None otherwise.
    """
    if isinstance(x, Sizes):
        return x
    return Sizes(x) if isinstance(x, (list, tuple)) and x and all(is_size(n) for n in x) else None


def map_sizes(function: Callable[..., Any], *operands: Any) -> Sizes:
    """Call a function with each element of the operands; numbers and operands of one element are repeated.

    Arguments:
        function: function. It takes one number of each operand and returns a number.
        operands: numbers, and lists or tuples of sizes.

    Returns:
        Sizes. The results, as many as the longest operand has elements.

    Raises:
        ValueError: the lengths of the operands differ and are not 1, or a size is not known.
    """
    operands = [known(x) if isinstance(x, (list, tuple)) else (x,) for x in operands]
    length = max(len(x) for x in operands)
    if any(len(x) not in (1, length) for x in operands):
        raise ValueError(f"Sizes of {' and '.join(str(len(x)) for x in operands)} axes do not go together.")
    rows = zip(*[x * length if len(x) == 1 else x for x in operands])
    return Sizes(function(*row) for row in rows)


def known(sizes: Iterable[Any]) -> tuple[Any, ...]:
    """Return the sizes as a tuple if all of them are known.

    Arguments:
        sizes: list or tuple. The sizes.

    Returns:
        The same sizes.

    Raises:
        ValueError: a size is None, because the tensor is a symbolic tensor of Keras and only the data have this size.
    """
    if any(n is None for n in sizes):
        raise ValueError(
            f"K.shape: the sizes {tuple(sizes)} are not all known before there are data; "
            "what counts with them belongs into the call of a layer."
        )
    return tuple(sizes)


def larger(x: Any, y: Any) -> Any:
    """Return the larger of two numbers or sizes."""
    return x.max(y) if is_symbol(x) else y.max(x) if is_symbol(y) else max(x, y)


def smaller(x: Any, y: Any) -> Any:
    """Return the smaller of two numbers or sizes."""
    return x.min(y) if is_symbol(x) else y.min(x) if is_symbol(y) else min(x, y)


def fold(function: Callable[[Any, Any], Any], sizes: Iterable[Any], *start: Any) -> Any:
    """Reduce all sizes to one number by a function of two numbers, for example to their product.

    Arguments:
        function: function. It takes two numbers and returns one.
        sizes: list or tuple. The sizes.
        start: number. The result if there are no sizes; without it there must be one.

    Returns:
        A number.

    Raises:
        ValueError: a size is not known.
    """
    return functools.reduce(function, known(sizes), *start)


def as_tensor(x: Any, dtype: str | None = None) -> Any:
    """Make a tensor of a list or tuple, as Keras 2 does.

    Arguments:
        x: Any. A list or tuple may hold numbers, tensors, which are stacked, or other lists.
        dtype: str, or None. The dtype of lists of numbers; None is the one that Keras chooses.

    Returns:
        A tensor; x itself if it is neither a list nor a tuple.

    Raises:
        ValueError: a size is not known.
    """
    if not isinstance(x, (list, tuple)):
        return x
    if all(isinstance(part, numbers.Number) for part in known(x)):
        return ops.convert_to_tensor(list(x), dtype=dtype)
    return ops.stack(same_dtype([as_tensor(part, dtype) for part in x]))


def same_dtype(xs: Sequence[Any]) -> list[Tensor]:
    """Make tensors of lists and numbers, in the dtype of the first tensor among them.

    Arguments:
        xs: sequence of tensors, lists and numbers.

    Returns:
        The tensors as they are, and lists and numbers as tensors. Without any tensor the dtype is int32.
    """
    dtype = next((ops.dtype(x) for x in xs if hasattr(x, "dtype")), None)
    return [x if hasattr(x, "dtype") else ops.cast(ops.convert_to_tensor(as_tensor(x)), dtype or "int32") for x in xs]


def counting(operation: Callable[..., Any], python: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Make a function of K, which takes tensors and what Keras 2 takes for tensors.

    Arguments:
        operation: function. It is from `keras.ops` and takes one or two tensors.
        python: function, or None. It does the same for numbers. With it, numbers give a number and sizes give sizes.

    Returns:
        A function with the name and the docstring of the operation.
    """

    @functools.wraps(operation)
    def apply(*operands: Any) -> Any:
        """Apply the operation to tensors, or `python` to numbers and sizes."""
        if python and all(is_number(x) for x in operands):
            return python(*operands)
        if python and any(isinstance(x, Sizes) for x in operands) and not any(hasattr(x, "shape") for x in operands):
            return map_sizes(python, *operands)
        return operation(*[as_tensor(x) for x in operands])

    return apply
