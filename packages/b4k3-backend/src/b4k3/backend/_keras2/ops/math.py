"""Elementwise functions, comparisons, reductions and products, as in keras.ops."""

from __future__ import annotations

import builtins

import numpy as np
import tensorflow.compat.v2 as tf

from .core import _common, _common_dtype, _float, _kind, _ndim, convert_to_tensor

# --- one operand ----------------------------------------------------------------------------------------------------


def _on_floats(function):
    return lambda x: function(_float(x))


def _as_is(function):
    return lambda x: function(convert_to_tensor(x))


abs = absolute = _as_is(tf.math.abs)
arccos = _on_floats(tf.math.acos)
arcsin = _on_floats(tf.math.asin)
arctan = _on_floats(tf.math.atan)
ceil = _on_floats(tf.math.ceil)
cos = _on_floats(tf.math.cos)
cosh = _on_floats(tf.math.cosh)
erf = _on_floats(tf.math.erf)
exp = _on_floats(tf.math.exp)
expm1 = _on_floats(tf.math.expm1)
floor = _on_floats(tf.math.floor)
log = _on_floats(tf.math.log)
log1p = _on_floats(tf.math.log1p)
logical_not = _as_is(lambda x: tf.math.logical_not(tf.cast(x, tf.bool)))
negative = _as_is(tf.math.negative)
reciprocal = _on_floats(tf.math.reciprocal)
rsqrt = _on_floats(tf.math.rsqrt)
sign = _as_is(tf.math.sign)
sin = _on_floats(tf.math.sin)
sinh = _on_floats(tf.math.sinh)
sqrt = _on_floats(tf.math.sqrt)
square = _as_is(tf.math.square)
tan = _on_floats(tf.math.tan)
tanh = _on_floats(tf.math.tanh)


def log2(x):
    return log(x) / np.log(2.0)


def log10(x):
    return log(x) / np.log(10.0)


def isfinite(x):
    return tf.math.is_finite(_float(x))


def isinf(x):
    return tf.math.is_inf(_float(x))


def isnan(x):
    return tf.math.is_nan(_float(x))


def round(x, decimals=0):
    x = convert_to_tensor(x)
    if not decimals:
        return tf.math.round(x)
    scale = tf.cast(10.0**decimals, x.dtype)
    return tf.math.round(x * scale) / scale


def clip(x, x_min, x_max):
    dtype = _common_dtype(x, x_min, x_max)
    x = tf.cast(x, tf.int32 if dtype == tf.bool else dtype)
    return tf.clip_by_value(x, tf.cast(x_min, x.dtype), tf.cast(x_max, x.dtype))


def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    x = convert_to_tensor(x)
    if not x.dtype.is_floating:
        return x
    x = tf.where(tf.math.is_nan(x), tf.cast(nan, x.dtype), x)
    posinf = x.dtype.max if posinf is None else posinf
    neginf = x.dtype.min if neginf is None else neginf
    x = tf.where(tf.equal(x, np.inf), tf.cast(posinf, x.dtype), x)
    return tf.where(tf.equal(x, -np.inf), tf.cast(neginf, x.dtype), x)


# --- two operands ---------------------------------------------------------------------------------------------------


def _binary(function):
    return lambda x1, x2: function(*_common(x1, x2))


def _on_booleans(function):
    return lambda x1, x2: function(tf.cast(x1, tf.bool), tf.cast(x2, tf.bool))


add = _binary(tf.math.add)
subtract = _binary(tf.math.subtract)
multiply = _binary(tf.math.multiply)
floor_divide = _binary(tf.math.floordiv)
mod = _binary(tf.math.floormod)
power = _binary(tf.math.pow)
maximum = _binary(tf.math.maximum)
minimum = _binary(tf.math.minimum)
equal = _binary(tf.math.equal)
not_equal = _binary(tf.math.not_equal)
greater = _binary(tf.math.greater)
greater_equal = _binary(tf.math.greater_equal)
less = _binary(tf.math.less)
less_equal = _binary(tf.math.less_equal)
logical_and = _on_booleans(tf.math.logical_and)
logical_or = _on_booleans(tf.math.logical_or)
logical_xor = _on_booleans(tf.math.not_equal)


def _common_floats(x1, x2):
    return [_float(x) for x in _common(x1, x2)]


def divide(x1, x2):
    return tf.math.divide(*_common_floats(x1, x2))


true_divide = divide


def divide_no_nan(x1, x2):
    return tf.math.divide_no_nan(*_common_floats(x1, x2))


def logaddexp(x1, x2):
    x1, x2 = _common_floats(x1, x2)
    delta = x1 - x2  # nan for two equal infinities, whose sum is the answer
    same = tf.math.is_nan(delta)
    delta = tf.where(same, tf.zeros_like(delta), delta)
    return tf.where(same, x1 + x2, tf.maximum(x1, x2) + tf.math.log1p(tf.exp(-tf.abs(delta))))


def arctan2(x1, x2):
    return tf.math.atan2(*_common_floats(x1, x2))


def isclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False):
    x1, x2 = _common_floats(x1, x2)
    close = tf.abs(x1 - x2) <= atol + rtol * tf.abs(x2)
    close = tf.where(tf.math.is_finite(x1) & tf.math.is_finite(x2), close, tf.equal(x1, x2))
    return close | (tf.math.is_nan(x1) & tf.math.is_nan(x2)) if equal_nan else close


# --- reductions -----------------------------------------------------------------------------------------------------


def _summable(x):
    """Booleans and narrow integers are summed in int32."""
    x = convert_to_tensor(x)
    return tf.cast(x, tf.int32) if _kind(x) == 0 or (_kind(x) == 1 and x.dtype.size < 4) else x


def _list(axis):
    return list(axis) if isinstance(axis, tuple) else axis


def sum(x, axis=None, keepdims=False):
    return tf.reduce_sum(_summable(x), _list(axis), keepdims)


def prod(x, axis=None, keepdims=False, dtype=None):
    x = _summable(x)
    return tf.reduce_prod(tf.cast(x, dtype or x.dtype), _list(axis), keepdims)


def mean(x, axis=None, keepdims=False):
    return tf.reduce_mean(_float(x), _list(axis), keepdims)


def var(x, axis=None, keepdims=False):
    x = _float(x)
    wide = tf.cast(x, tf.float32) if x.dtype.size < 4 else x  # half precision overflows at a spread of 256
    return tf.cast(tf.math.reduce_variance(wide, _list(axis), keepdims), x.dtype)


def std(x, axis=None, keepdims=False):
    return tf.sqrt(var(x, axis, keepdims))


def moments(x, axes, keepdims=False, synchronized=False):
    return mean(x, axes, keepdims), var(x, axes, keepdims)


def _extreme(reduce, join):
    def op(x, axis=None, keepdims=False, initial=None):
        x = convert_to_tensor(x)
        if x.dtype == tf.bool:
            return tf.cast(op(tf.cast(x, tf.int32), axis, keepdims, initial), tf.bool)
        result = reduce(x, _list(axis), keepdims)
        return result if initial is None else join(result, tf.cast(initial, x.dtype))

    return op


max = amax = _extreme(tf.reduce_max, tf.maximum)
min = amin = _extreme(tf.reduce_min, tf.minimum)


def all(x, axis=None, keepdims=False):
    return tf.reduce_all(tf.cast(x, tf.bool), _list(axis), keepdims)


def any(x, axis=None, keepdims=False):
    return tf.reduce_any(tf.cast(x, tf.bool), _list(axis), keepdims)


def count_nonzero(x, axis=None):
    return tf.math.count_nonzero(convert_to_tensor(x), axis=_list(axis), dtype=tf.int32)


def logsumexp(x, axis=None, keepdims=False):
    return tf.reduce_logsumexp(_float(x), _list(axis), keepdims)


def _arg(function):
    def op(x, axis=None, keepdims=False):
        x = convert_to_tensor(x)
        x = tf.cast(x, tf.int32) if x.dtype == tf.bool else x
        result = function(tf.reshape(x, [-1]) if axis is None else x, 0 if axis is None else axis, tf.int32)
        if not keepdims:
            return result
        return tf.reshape(result, [1] * _ndim(x)) if axis is None else tf.expand_dims(result, axis)

    return op


argmax = _arg(tf.argmax)
argmin = _arg(tf.argmin)


def norm(x, ord=None, axis=None, keepdims=False):
    """Vector norms (any `ord` number, over one axis or over everything) and the Frobenius norm of matrices."""
    x = _float(x)
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    matrix = len(axes) == 2 or (axis is None and _ndim(x) == 2 and ord is not None)
    if matrix and ord not in (None, "fro"):
        raise ValueError(f"norm: of the matrix norms only 'fro' is available on the Keras 2 rows, got ord={ord!r}.")
    if ord in (None, "fro", 2):
        return tf.sqrt(sum(tf.square(x), axis, keepdims))
    if ord in (np.inf, -np.inf):
        return (max if ord > 0 else min)(tf.abs(x), axis, keepdims)
    if ord == 0:
        return tf.cast(tf.math.count_nonzero(x, axis=_list(axis), keepdims=keepdims), x.dtype)
    return tf.pow(sum(tf.pow(tf.abs(x), tf.cast(ord, x.dtype)), axis, keepdims), tf.cast(1.0 / ord, x.dtype))


# --- running and segmented ------------------------------------------------------------------------------------------


def _running(function):
    def op(x, axis=None, dtype=None):
        x = _summable(x)
        x = tf.cast(x, dtype or x.dtype)
        return function(tf.reshape(x, [-1]) if axis is None else x, axis=0 if axis is None else axis)

    return op


cumsum = _running(tf.math.cumsum)
cumprod = _running(tf.math.cumprod)


def _segments(data, segment_ids, num_segments):
    segment_ids = tf.cast(segment_ids, tf.int32)
    num_segments = tf.reduce_max(segment_ids) + 1 if num_segments is None else num_segments
    return convert_to_tensor(data), segment_ids, num_segments


def segment_sum(data, segment_ids, num_segments=None, sorted=False):
    return tf.math.unsorted_segment_sum(*_segments(data, segment_ids, num_segments))


def segment_max(data, segment_ids, num_segments=None, sorted=False):
    return tf.math.unsorted_segment_max(*_segments(data, segment_ids, num_segments))


def bincount(x, weights=None, minlength=0, sparse=False):
    """Counts of a vector of ids."""
    if sparse:
        raise ValueError("bincount: sparse results do not exist on the Keras 2 rows.")
    x = tf.cast(x, tf.int32)
    if _ndim(x) != 1:
        raise ValueError(f"bincount: a vector is needed on the Keras 2 rows, got {_ndim(x)} axes.")
    weights = tf.ones_like(x) if weights is None else convert_to_tensor(weights)
    n = tf.maximum(tf.reduce_max(tf.concat([x, [-1]], 0)) + 1, minlength)
    return tf.math.unsorted_segment_sum(weights, x, n)


# --- products -------------------------------------------------------------------------------------------------------


def einsum(subscripts, *operands):
    return tf.einsum(subscripts, *_common(*operands))


def matmul(x1, x2):
    x1, x2 = _common(x1, x2)
    if _ndim(x1) == 1 or _ndim(x2) == 1:
        return tf.tensordot(x1, x2, [[-1], [builtins.max(_ndim(x2) - 2, 0)]])
    return tf.matmul(x1, x2)


def dot(x1, x2):
    x1, x2 = _common(x1, x2)
    if not _ndim(x1) or not _ndim(x2):
        return x1 * x2
    return tf.tensordot(x1, x2, [[-1], [builtins.max(_ndim(x2) - 2, 0)]])


def tensordot(x1, x2, axes=2):
    return tf.tensordot(*_common(x1, x2), axes=axes)


def outer(x1, x2):
    x1, x2 = _common(x1, x2)
    return tf.reshape(x1, [-1, 1]) * tf.reshape(x2, [1, -1])
