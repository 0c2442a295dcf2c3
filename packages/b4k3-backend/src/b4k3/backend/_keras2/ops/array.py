"""Creating, reshaping, joining, picking and ordering, as in keras.ops."""

from __future__ import annotations

import builtins

import numpy as np
import tensorflow.compat.v2 as tf

from .core import _axis, _common, _common_dtype, _dtype_of, _floatx, _index_vector, _ndim, convert_to_tensor, shape

# --- creation -------------------------------------------------------------------------------------------------------


def zeros(shape, dtype=None):
    return tf.zeros(shape, dtype or _floatx())


def ones(shape, dtype=None):
    return tf.ones(shape, dtype or _floatx())


def full(shape, fill_value, dtype=None):
    return tf.broadcast_to(convert_to_tensor(fill_value, dtype), shape)


empty = zeros


def zeros_like(x, dtype=None):
    return tf.zeros_like(x, dtype)


def ones_like(x, dtype=None):
    return tf.ones_like(x, dtype)


def full_like(x, fill_value, dtype=None):
    return tf.fill(tf.shape(x), convert_to_tensor(fill_value, dtype or _dtype_of(x)))


def arange(start, stop=None, step=None, dtype=None):
    start, stop = (0, start) if stop is None else (start, stop)
    step = 1 if step is None else step
    dtype = dtype or _common_dtype(start, stop, step)
    return tf.range(*[tf.cast(x, dtype) for x in (start, stop, step)])


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
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


def eye(N, M=None, k=0, dtype=None):
    rows, columns = tf.range(N)[:, None], tf.range(N if M is None else M)
    return tf.cast(tf.equal(rows + k, columns), dtype or _floatx())


identity = eye


def tri(N, M=None, k=0, dtype=None):
    return tf.cast(tf.range(N)[:, None] + k >= tf.range(N if M is None else M), dtype or _floatx())


def meshgrid(*x, indexing="xy"):
    return tf.meshgrid(*[convert_to_tensor(v) for v in x], indexing=indexing)


# --- triangles and diagonals ----------------------------------------------------------------------------------------


def _triangle(x, k, lower):
    x = convert_to_tensor(x)
    rows, columns = shape(x)[-2:]
    below = tf.range(rows)[:, None] + (k if lower else k - 1) >= tf.range(columns)
    return tf.where(below if lower else ~below, x, tf.zeros_like(x))


def tril(x, k=0):
    return _triangle(x, k, lower=True)


def triu(x, k=0):
    return _triangle(x, k, lower=False)


def diag(x, k=0):
    x = convert_to_tensor(x)
    if _ndim(x) == 2:
        return diagonal(x, k)
    x = tf.linalg.diag(x)
    before, after = builtins.max(k, 0), builtins.max(-k, 0)
    return tf.pad(x, [[after, before], [before, after]])


def diagonal(x, offset=0, axis1=0, axis2=1):
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    x = x[..., offset:] if offset >= 0 else x[..., -offset:, :]
    return tf.linalg.diag_part(x)


def trace(x, offset=0, axis1=0, axis2=1):
    return tf.reduce_sum(diagonal(x, offset, axis1, axis2), -1)


# --- shape ----------------------------------------------------------------------------------------------------------


def size(x):
    return tf.size(x)


def reshape(x, newshape):
    return tf.reshape(x, newshape)


def ravel(x):
    return tf.reshape(x, [-1])


def expand_dims(x, axis):
    x = convert_to_tensor(x)
    if not isinstance(axis, (list, tuple)):
        return tf.expand_dims(x, axis)
    ndim = _ndim(x) + len(axis)
    for i in sorted(_axis(a, ndim) for a in axis):
        x = tf.expand_dims(x, i)
    return x


def squeeze(x, axis=None):
    return tf.squeeze(x, axis)


def broadcast_to(x, shape):
    return tf.broadcast_to(x, shape)


def transpose(x, axes=None):
    return tf.transpose(x, axes)


def moveaxis(x, source, destination):
    x = convert_to_tensor(x)
    pairs = [(v,) if isinstance(v, int) else v for v in (source, destination)]
    source, destination = [[_axis(i, _ndim(x)) for i in v] for v in pairs]
    order = [i for i in range(_ndim(x)) if i not in source]
    for to, i in sorted(zip(destination, source)):
        order.insert(to, i)
    return tf.transpose(x, order)


def swapaxes(x, axis1, axis2):
    x = convert_to_tensor(x)
    order = list(range(_ndim(x)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return tf.transpose(x, order)


def flip(x, axis=None):
    x = convert_to_tensor(x)
    axis = list(range(_ndim(x))) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    return tf.reverse(x, axis)


def roll(x, shift, axis=None):
    x = convert_to_tensor(x)
    if axis is None:
        return tf.reshape(tf.roll(tf.reshape(x, [-1]), shift, 0), shape(x))
    return tf.roll(x, shift, axis)


def pad(x, pad_width, mode="constant", constant_values=None):
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


def concatenate(xs, axis=0):
    return tf.concat(_common(*xs), axis)


def stack(x, axis=0):
    return tf.stack(_common(*x), axis)


def hstack(xs):
    return concatenate(xs, axis=0 if _ndim(convert_to_tensor(xs[0])) < 2 else 1)


def vstack(xs):
    return concatenate([x if _ndim(x) > 1 else x[None] for x in map(convert_to_tensor, xs)], axis=0)


def append(x1, x2, axis=None):
    x1, x2 = _common(x1, x2)
    return tf.concat([ravel(x1), ravel(x2)], 0) if axis is None else tf.concat([x1, x2], axis)


def unstack(x, num=None, axis=0):
    return tf.unstack(x, num, axis)


def split(x, indices_or_sections, axis=0):
    x = convert_to_tensor(x)
    if isinstance(indices_or_sections, int):
        return tf.split(x, indices_or_sections, axis)
    bounds = [0] + list(indices_or_sections)
    return tf.split(x, [b - a for a, b in zip(bounds, bounds[1:])] + [-1], axis)


def tile(x, repeats):
    x = convert_to_tensor(x)
    repeats = [repeats] if isinstance(repeats, int) else list(repeats)
    missing = len(repeats) - _ndim(x)
    x = tf.reshape(x, (1,) * missing + shape(x)) if missing > 0 else x
    return tf.tile(x, _index_vector([1] * -missing + repeats))


def repeat(x, repeats, axis=None):
    return tf.repeat(x, repeats, axis)


# --- picking --------------------------------------------------------------------------------------------------------


def where(condition, x1=None, x2=None):
    condition = tf.cast(condition, tf.bool)
    if x1 is None and x2 is None:
        return tuple(tf.unstack(tf.where(condition), num=_ndim(condition), axis=1))
    return tf.where(condition, *_common(x1, x2))


def nonzero(x):
    return where(x)


def _indices(indices, size):
    """Integer indices, negative ones counted from the end."""
    indices = convert_to_tensor(indices)
    if not indices.dtype.is_integer or indices.dtype.size < 4:
        indices = tf.cast(indices, tf.int32)
    return tf.where(indices < 0, indices + tf.cast(size, indices.dtype), indices)


def take(x, indices, axis=None):
    x = tf.reshape(x, [-1]) if axis is None else convert_to_tensor(x)
    axis = 0 if axis is None else _axis(axis, _ndim(x))
    return tf.gather(x, _indices(indices, shape(x)[axis]), axis=axis)


def take_along_axis(x, indices, axis=None):
    x, indices = convert_to_tensor(x), convert_to_tensor(indices)
    if axis is None:
        return tf.gather(ravel(x), _indices(ravel(indices), tf.size(x)))
    indices = _indices(indices, shape(x)[axis])
    x, indices = moveaxis(x, axis, -1), moveaxis(indices, axis, -1)
    x, indices = _repeat_ones(x, indices), _repeat_ones(indices, x)
    result = tf.gather(x, indices, batch_dims=_ndim(x) - 1)
    return moveaxis(result, -1, axis)


def _repeat_ones(x, other):
    """Broadcast the axes of `x` before the last that are statically 1 to those of `other`."""
    repeats = [n if m == 1 and n != 1 else 1 for m, n in zip(x.shape.as_list()[:-1], shape(other)[:-1])] + [1]
    return x if builtins.all(isinstance(n, int) and n == 1 for n in repeats) else tile(x, repeats)


def get_item(x, key):
    return convert_to_tensor(x)[key]


# --- order ----------------------------------------------------------------------------------------------------------


def sort(x, axis=-1):
    x = convert_to_tensor(x)
    return tf.cast(tf.sort(tf.cast(x, tf.int32), axis), tf.bool) if x.dtype == tf.bool else tf.sort(x, axis)


def argsort(x, axis=-1):
    x = convert_to_tensor(x)
    x, axis = (ravel(x), 0) if axis is None else (x, axis)
    return tf.argsort(tf.cast(x, tf.int32) if x.dtype == tf.bool else x, axis, stable=True)


def top_k(x, k, sorted=True):
    return tf.math.top_k(x, k, sorted)


def in_top_k(targets, predictions, k):
    return tf.math.in_top_k(targets, predictions, k)


def searchsorted(sorted_sequence, values, side="left"):
    sorted_sequence, values = _common(sorted_sequence, values)
    found = tf.searchsorted(sorted_sequence, ravel(values), side, out_type=tf.int32)
    return tf.reshape(found, shape(values))


def digitize(x, bins):
    return searchsorted(np.asarray(bins), x, side="right")
