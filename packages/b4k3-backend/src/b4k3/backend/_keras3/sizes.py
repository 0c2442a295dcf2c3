"""Sizes of tensors as numbers of Python, with which the functions of K count while a function is traced."""

from __future__ import annotations

import functools
import numbers
import operator

import keras
from keras import ops

BACKEND = keras.config.backend()
if BACKEND == "jax":
    import jax
elif BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "torch":
    import torch


class Sizes(tuple):
    """The shape of a tensor: ints; scalar tensors or None where a size is not known before the function runs.

    Keras 2 gives a tensor int32 [axes], so that arithmetic goes element by element: with K.shape(x) = (2, 3),
    K.shape(x) * 2 is (4, 6) and K.shape(x)[:1] + 1 is (3,). It is a tuple wherever a shape is asked for.
    """

    def __getitem__(self, index):
        found = super().__getitem__(index)
        return Sizes(found) if isinstance(index, slice) else found

    def __neg__(self):
        return Sizes(-n for n in self)


def _elementwise(operation, swapped=False):
    def apply(self, other):
        if hasattr(other, "shape") and not isinstance(other, Sizes):  # a tensor or an array, not a number
            left, right = as_tensor(self), other
            return operation(right, left) if swapped else operation(left, right)
        return map_sizes((lambda a, b: operation(b, a)) if swapped else operation, self, other)

    return apply


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Sizes, f"__{_name}__", _elementwise(getattr(operator, _name)))
    setattr(Sizes, f"__r{_name}__", _elementwise(getattr(operator, _name), swapped=True))


def is_traced(x):
    """Whether a tensor stands for a value in a function that is being compiled."""
    if BACKEND == "jax":
        return isinstance(x, jax.core.Tracer)
    if BACKEND == "torch":
        return torch.compiler.is_compiling() or x.device.type == "meta"
    return BACKEND == "tensorflow" and not tf.executing_eagerly()


def is_number(x):
    """Whether x is a number of Python, a numpy scalar or a symbolic size: a tensor is none."""
    return isinstance(x, numbers.Number) or is_size(x)


def is_size(x):
    """Whether x is an int, or what JAX has in its place while sizes are symbols. A tensor is none."""
    return isinstance(x, numbers.Integral) or is_symbol(x)


def is_symbol(x):
    """Whether x is a size that JAX does not know while Keras asks what shape a layer gives."""
    return type(x).__name__ == "_DimExpr"


def as_sizes(x):
    """x as Sizes if it is one, or a list or tuple of ints; else None."""
    if isinstance(x, Sizes):
        return x
    return Sizes(x) if isinstance(x, (list, tuple)) and x and all(is_size(n) for n in x) else None


def map_sizes(function, *operands):
    """The function of each element; numbers and operands of one element count for all.

    Raises:
        ValueError: operands of other lengths, or a size that is not known.
    """
    operands = [known(x) if isinstance(x, (list, tuple)) else (x,) for x in operands]
    length = max(len(x) for x in operands)
    if any(len(x) not in (1, length) for x in operands):
        raise ValueError(f"Sizes of {' and '.join(str(len(x)) for x in operands)} axes do not go together.")
    rows = zip(*[x * length if len(x) == 1 else x for x in operands])
    return Sizes(function(*row) for row in rows)


def known(sizes):
    """The sizes, if none of them is None.

    Raises:
        ValueError: of a symbolic tensor of Keras, there is one that only the data tell.
    """
    if any(n is None for n in sizes):
        raise ValueError(
            f"K.shape: the sizes {tuple(sizes)} are not all known before there are data; "
            "what counts with them belongs into the call of a layer."
        )
    return tuple(sizes)


def larger(x, y):
    """The larger of two numbers or sizes."""
    return x.max(y) if is_symbol(x) else y.max(x) if is_symbol(y) else max(x, y)


def smaller(x, y):
    """The smaller of two numbers or sizes."""
    return x.min(y) if is_symbol(x) else y.min(x) if is_symbol(y) else min(x, y)


def fold(function, sizes, *start):
    """`function` of two over all sizes, such as their product; `start` is that of none."""
    return functools.reduce(function, known(sizes), *start)


def as_tensor(x, dtype=None):
    """What Keras 2 takes for a tensor: a list may hold tensors, which are stacked. Anything else stays as it is."""
    if not isinstance(x, (list, tuple)):
        return x
    if all(isinstance(part, numbers.Number) for part in known(x)):
        return ops.convert_to_tensor(list(x), dtype=dtype)
    return ops.stack(same_dtype([as_tensor(part, dtype) for part in x]))


def same_dtype(xs):
    """Lists and numbers among tensors as tensors of the dtype that the first tensor has."""
    dtype = next((ops.dtype(x) for x in xs if hasattr(x, "dtype")), None)
    return [x if hasattr(x, "dtype") else ops.cast(ops.convert_to_tensor(as_tensor(x)), dtype or "int32") for x in xs]


def counting(operation, python=None):
    """An operation of K on tensors and what Keras 2 takes for tensors.

    Arguments:
        operation: of keras.ops, from one or two tensors.
        python: the same for numbers. With it numbers give a number, and sizes give sizes.
    """

    @functools.wraps(operation)
    def apply(*operands):
        if python and all(is_number(x) for x in operands):
            return python(*operands)
        if python and any(isinstance(x, Sizes) for x in operands) and not any(hasattr(x, "shape") for x in operands):
            return map_sizes(python, *operands)
        return operation(*[as_tensor(x) for x in operands])

    return apply
