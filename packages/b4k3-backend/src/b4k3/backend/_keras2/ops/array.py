"""Creating, reshaping, joining, picking and ordering, as in keras.ops."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

import numpy as np
import tensorflow.compat.v2 as tf

from .core import _axis, _common, _common_dtype, _dtype_of, _floatx, _index_vector, _ndim, convert_to_tensor, shape

if TYPE_CHECKING:
    from typing import Any, Sequence

    from numpy.typing import ArrayLike

    from ...types import Tensor
    from .core import Shape

# --- creation -------------------------------------------------------------------------------------------------------


def zeros(shape: Shape, dtype: str | tf.DType | None = None) -> Tensor:
    """Return zeros of a shape."""
    return tf.zeros(shape, dtype or _floatx())


def ones(shape: Shape, dtype: str | tf.DType | None = None) -> Tensor:
    """Return ones of a shape."""
    return tf.ones(shape, dtype or _floatx())


def full(shape: Shape, fill_value: Any, dtype: str | tf.DType | None = None) -> Tensor:
    """Return a tensor of a shape that is filled with one value, or with a tensor that is broadcast."""
    return tf.broadcast_to(convert_to_tensor(fill_value, dtype), shape)


empty = zeros


def zeros_like(x: Tensor, dtype: str | tf.DType | None = None) -> Tensor:
    """Return zeros of the shape of x, and of its dtype unless another is given."""
    return tf.zeros_like(x, dtype)


def ones_like(x: Tensor, dtype: str | tf.DType | None = None) -> Tensor:
    """Return ones of the shape of x, and of its dtype unless another is given."""
    return tf.ones_like(x, dtype)


def full_like(x: Tensor, fill_value: Any, dtype: str | tf.DType | None = None) -> Tensor:
    """Return a tensor of the shape of x that is filled with one value."""
    return tf.fill(tf.shape(x), convert_to_tensor(fill_value, dtype or _dtype_of(x)))


def arange(start: Any, stop: Any = None, step: Any = None, dtype: str | tf.DType | None = None) -> Tensor:
    """Return the numbers from `start` up to `stop`, which is not among them, or from 0 up to the one that is given."""
    start, stop = (0, start) if stop is None else (start, stop)
    step = 1 if step is None else step
    dtype = dtype or _common_dtype(start, stop, step)
    return tf.range(*[tf.cast(x, dtype) for x in (start, stop, step)])


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: str | tf.DType | None = None,
    axis: int = 0,
) -> Any:
    """Return `num` numbers at equal distances from `start` to `stop`."""
    start, stop = _common(start, stop)
    start, stop = [x if x.dtype.is_floating else tf.cast(x, _floatx()) for x in (start, stop)]
    intervals = num - 1 if endpoint else num
    step = (stop - start) / builtins.max(intervals, 1)
    steps = tf.cast(tf.range(num), start.dtype)
    if axis < 0:
        axis += _ndim(step) + 1
    steps = tf.reshape(steps, [-1 if i == axis else 1 for i in range(_ndim(step) + 1)])
    result = tf.expand_dims(start, axis) + steps * tf.expand_dims(step, axis)
    result = tf.cast(result, dtype or result.dtype)
    return (result, step) if retstep else result


def eye(N: int, M: int | None = None, k: int = 0, dtype: str | tf.DType | None = None) -> Tensor:
    """Return a matrix of zeros with ones on the diagonal number k."""
    rows, columns = tf.range(N)[:, None], tf.range(N if M is None else M)
    return tf.cast(tf.equal(rows + k, columns), dtype or _floatx())


identity = eye


def tri(N: int, M: int | None = None, k: int = 0, dtype: str | tf.DType | None = None) -> Tensor:
    """Return a matrix with ones on and below the diagonal number k, and zeros above it."""
    return tf.cast(tf.range(N)[:, None] + k >= tf.range(N if M is None else M), dtype or _floatx())


def meshgrid(*x: Tensor, indexing: str = "xy") -> list[Tensor]:
    """Return the coordinates of a grid that vectors span, a tensor for each of them."""
    return tf.meshgrid(*[convert_to_tensor(v) for v in x], indexing=indexing)


# --- triangles and diagonals ----------------------------------------------------------------------------------------


def _triangle(x: Tensor, k: int, lower: bool) -> Tensor:
    """Return x with zeros above the diagonal number k, or below it."""
    x = convert_to_tensor(x)
    rows, columns = shape(x)[-2:]
    below = tf.range(rows)[:, None] + (k if lower else k - 1) >= tf.range(columns)
    return tf.where(below if lower else ~below, x, tf.zeros_like(x))


def tril(x: Tensor, k: int = 0) -> Tensor:
    """Return x with zeros above the diagonal number k."""
    return _triangle(x, k, lower=True)


def triu(x: Tensor, k: int = 0) -> Tensor:
    """Return x with zeros below the diagonal number k."""
    return _triangle(x, k, lower=False)


def diag(x: Tensor, k: int = 0) -> Tensor:
    """Return the diagonal number k of a matrix, or for a vector the matrix that has it there."""
    x = convert_to_tensor(x)
    if _ndim(x) == 2:
        return diagonal(x, k)
    x = tf.linalg.diag(x)
    before, after = builtins.max(k, 0), builtins.max(-k, 0)
    return tf.pad(x, [[after, before], [before, after]])


def diagonal(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Return a diagonal of the matrices that two axes span."""
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    x = x[..., offset:] if offset >= 0 else x[..., -offset:, :]
    return tf.linalg.diag_part(x)


def trace(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Return the sum of a diagonal."""
    return tf.reduce_sum(diagonal(x, offset, axis1, axis2), -1)


# --- shape ----------------------------------------------------------------------------------------------------------


def size(x: Tensor) -> Tensor:
    """Return the number of elements."""
    return tf.size(x)


def reshape(x: Tensor, newshape: Shape) -> Tensor:
    """Return a tensor with the same elements in another shape.

    Arguments:
        x: tensor, [...]. The elements.
        newshape: tuple or list of ints and int tensors. One size may be -1; it follows from the others.

    Returns:
        [*newshape]. The elements in the same order.
    """
    return tf.reshape(x, newshape)


def ravel(x: Tensor) -> Tensor:
    """Return the elements as a vector."""
    return tf.reshape(x, [-1])


def expand_dims(x: Tensor, axis: int | Sequence[int]) -> Tensor:
    """Insert axes of size 1 at one or several places."""
    x = convert_to_tensor(x)
    if not isinstance(axis, (list, tuple)):
        return tf.expand_dims(x, axis)
    ndim = _ndim(x) + len(axis)
    for i in sorted(_axis(a, ndim) for a in axis):
        x = tf.expand_dims(x, i)
    return x


def squeeze(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """Remove axes of size 1: the given ones, or all."""
    return tf.squeeze(x, axis)


def broadcast_to(x: Tensor, shape: Shape) -> Tensor:
    """Repeat x along axes until it has a shape."""
    return tf.broadcast_to(x, shape)


def transpose(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """Return x with its axes in another order, by default reversed."""
    return tf.transpose(x, axes)


def moveaxis(x: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Move axes to other places; the others keep their order."""
    x = convert_to_tensor(x)
    pairs = [(v,) if isinstance(v, int) else v for v in (source, destination)]
    source, destination = [[_axis(i, _ndim(x)) for i in v] for v in pairs]
    order = [i for i in range(_ndim(x)) if i not in source]
    for to, i in sorted(zip(destination, source)):
        order.insert(to, i)
    return tf.transpose(x, order)


def swapaxes(x: Tensor, axis1: int, axis2: int) -> Tensor:
    """Exchange two axes."""
    x = convert_to_tensor(x)
    order = list(range(_ndim(x)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return tf.transpose(x, order)


def flip(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """Reverse the order of the elements along axes, by default along all."""
    x = convert_to_tensor(x)
    axis = list(range(_ndim(x))) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    return tf.reverse(x, axis)


def roll(x: Tensor, shift: Any, axis: int | Sequence[int] | None = None) -> Tensor:
    """Move elements along axes; what leaves at one end comes in at the other."""
    x = convert_to_tensor(x)
    if axis is None:
        return tf.reshape(tf.roll(tf.reshape(x, [-1]), shift, 0), shape(x))
    return tf.roll(x, shift, axis)


def pad(x: Tensor, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Tensor:
    """Add elements at both ends of axes."""
    x = convert_to_tensor(x)
    if isinstance(pad_width, int):
        pad_width = ((pad_width, pad_width),)
    elif isinstance(pad_width[0], int):
        pad_width = (tuple(pad_width),)
    if len(pad_width) == 1:
        pad_width = tuple(pad_width) * _ndim(x)
    if mode != "constant":
        return tf.pad(x, pad_width, mode.upper())
    return tf.pad(x, pad_width, constant_values=tf.cast(constant_values or 0, x.dtype))


# --- joining and splitting ------------------------------------------------------------------------------------------


def concatenate(xs: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors along an axis that they have."""
    return tf.concat(_common(*xs), axis)


def stack(x: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors along a new axis."""
    return tf.stack(_common(*x), axis)


def hstack(xs: Sequence[Tensor]) -> Tensor:
    """Join tensors along their second axis, or vectors along their only one."""
    return concatenate(xs, axis=0 if _ndim(convert_to_tensor(xs[0])) < 2 else 1)


def vstack(xs: Sequence[Tensor]) -> Tensor:
    """Join tensors along their first axis; each vector is a row."""
    return concatenate([x if _ndim(x) > 1 else x[None] for x in map(convert_to_tensor, xs)], axis=0)


def append(x1: Tensor, x2: Tensor, axis: int | None = None) -> Tensor:
    """Join two tensors along an axis, or all their elements as a vector."""
    x1, x2 = _common(x1, x2)
    return tf.concat([ravel(x1), ravel(x2)], 0) if axis is None else tf.concat([x1, x2], axis)


def unstack(x: Tensor, num: int | None = None, axis: int = 0) -> list[Tensor]:
    """Return the list of slices along an axis."""
    return tf.unstack(x, num, axis)


def split(x: Tensor, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Split a tensor along an axis into a number of equal parts, or at indices."""
    x = convert_to_tensor(x)
    if isinstance(indices_or_sections, int):
        return tf.split(x, indices_or_sections, axis)
    bounds = [0] + list(indices_or_sections)
    return tf.split(x, [b - a for a, b in zip(bounds, bounds[1:])] + [-1], axis)


def tile(x: Tensor, repeats: Any) -> Tensor:
    """Repeat the whole tensor along its axes."""
    x = convert_to_tensor(x)
    repeats = [repeats] if isinstance(repeats, int) else list(repeats)
    missing = len(repeats) - _ndim(x)
    x = tf.reshape(x, (1,) * missing + shape(x)) if missing > 0 else x
    return tf.tile(x, _index_vector([1] * -missing + repeats))


def repeat(x: Tensor, repeats: Any, axis: int | None = None) -> Tensor:
    """Repeat each element along an axis."""
    return tf.repeat(x, repeats, axis)


# --- picking --------------------------------------------------------------------------------------------------------


def where(condition: Tensor, x1: Any = None, x2: Any = None) -> Any:
    """Choose between two tensors element by element, or find the elements that are true.

    Arguments:
        condition: bool, [...]. True chooses from x1.
        x1: tensor that broadcasts with the condition and x2, or None. The elements where the condition is true.
        x2: tensor, or None. The elements where it is false.

    Returns:
        A tensor of the common dtype of x1 and x2. Without them a tuple of int64 vectors, one for each axis: the indices
        of the elements that are true.
    """
    condition = tf.cast(condition, tf.bool)
    if x1 is None and x2 is None:
        return tuple(tf.unstack(tf.where(condition), num=_ndim(condition), axis=1))
    return tf.where(condition, *_common(x1, x2))


def nonzero(x: Tensor) -> tuple[Tensor, ...]:
    """Return the indices of the elements that are not 0, as a tuple of vectors."""
    return where(x)


def _indices(indices: Tensor, size: Tensor) -> Tensor:
    """Return integer indices; negative ones are counted from the end."""
    indices = convert_to_tensor(indices)
    if not indices.dtype.is_integer or indices.dtype.size < 4:
        indices = tf.cast(indices, tf.int32)
    return tf.where(indices < 0, indices + tf.cast(size, indices.dtype), indices)


def take(x: Tensor, indices: Tensor, axis: int | None = None) -> Tensor:
    """Pick the slices of x that have these indices along an axis, or elements of all of x."""
    x = tf.reshape(x, [-1]) if axis is None else convert_to_tensor(x)
    axis = 0 if axis is None else _axis(axis, _ndim(x))
    return tf.gather(x, _indices(indices, shape(x)[axis]), axis=axis)


def take_along_axis(x: Tensor, indices: Tensor, axis: int | None = None) -> Tensor:
    """Pick an element for each index, which lies at the same place along the other axes."""
    x, indices = convert_to_tensor(x), convert_to_tensor(indices)
    if axis is None:
        return tf.gather(ravel(x), _indices(ravel(indices), tf.size(x)))
    indices = _indices(indices, shape(x)[axis])
    x, indices = moveaxis(x, axis, -1), moveaxis(indices, axis, -1)
    x, indices = _repeat_ones(x, indices), _repeat_ones(indices, x)
    result = tf.gather(x, indices, batch_dims=_ndim(x) - 1)
    return moveaxis(result, -1, axis)


def _repeat_ones(x: Tensor, other: Tensor) -> Tensor:
    """Repeat axes of x before the last that are known to have size 1, as often as `other` has elements there."""
    repeats = [n if m == 1 and n != 1 else 1 for m, n in zip(x.shape.as_list()[:-1], shape(other)[:-1])] + [1]
    return x if builtins.all(isinstance(n, int) and n == 1 for n in repeats) else tile(x, repeats)


def get_item(x: Tensor, key: Any) -> Tensor:
    """Return x[key]."""
    return convert_to_tensor(x)[key]


# --- order ----------------------------------------------------------------------------------------------------------


def sort(x: Tensor, axis: int = -1) -> Tensor:
    """Sort the elements along an axis."""
    x = convert_to_tensor(x)
    return tf.cast(tf.sort(tf.cast(x, tf.int32), axis), tf.bool) if x.dtype == tf.bool else tf.sort(x, axis)


def argsort(x: Tensor, axis: int | None = -1) -> Tensor:
    """Return the indices that sort the elements along an axis; equal elements keep their order."""
    x = convert_to_tensor(x)
    x, axis = (ravel(x), 0) if axis is None else (x, axis)
    return tf.argsort(tf.cast(x, tf.int32) if x.dtype == tf.bool else x, axis, stable=True)


def top_k(x: Tensor, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """Return the k largest elements along the last axis, and their indices."""
    return tf.math.top_k(x, k, sorted)


def in_top_k(targets: Tensor, predictions: Tensor, k: int) -> Tensor:
    """Return for each row whether the score of the target is one of the k largest."""
    return tf.math.in_top_k(targets, predictions, k)


def searchsorted(sorted_sequence: Tensor, values: Any, side: str = "left") -> Tensor:
    """Return the index at which each value would keep a sorted vector sorted."""
    sorted_sequence, values = _common(sorted_sequence, values)
    found = tf.searchsorted(sorted_sequence, ravel(values), side, out_type=tf.int32)
    return tf.reshape(found, shape(values))


def digitize(x: Tensor, bins: ArrayLike) -> Tensor:
    """Return for each element the number of the bin that it falls into."""
    return searchsorted(np.asarray(bins), x, side="right")
