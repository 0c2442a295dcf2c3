"""Elementwise functions, comparisons, reductions and products, as in keras.ops."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

import numpy as np
import tensorflow.compat.v2 as tf

from .core import _common, _common_dtype, _float, _kind, _ndim, convert_to_tensor

if TYPE_CHECKING:
    from typing import Any, Callable, Sequence

    from ...types import Tensor

# --- one operand ----------------------------------------------------------------------------------------------------


def _on_floats(function: Callable[..., Any]) -> Callable[[Tensor], Tensor]:
    """Make an operation whose operand is cast to floats if it is none."""
    return lambda x: function(_float(x))


def _as_is(function: Callable[..., Any]) -> Callable[[Tensor], Tensor]:
    """Make an operation whose operand keeps its dtype."""
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


def log2(x: Tensor) -> Tensor:
    """Return the logarithm to base 2."""
    return log(x) / np.log(2.0)


def log10(x: Tensor) -> Tensor:
    """Return the logarithm to base 10."""
    return log(x) / np.log(10.0)


def isfinite(x: Tensor) -> Tensor:
    """Return where x is neither infinite nor NaN."""
    return tf.math.is_finite(_float(x))


def isinf(x: Tensor) -> Tensor:
    """Return where x is infinite."""
    return tf.math.is_inf(_float(x))


def isnan(x: Tensor) -> Tensor:
    """Return where x is NaN."""
    return tf.math.is_nan(_float(x))


def round(x: Tensor, decimals: int = 0) -> Tensor:
    """Round to a number of decimals; halves go to the even neighbour."""
    x = convert_to_tensor(x)
    if not decimals:
        return tf.math.round(x)
    scale = tf.cast(10.0**decimals, x.dtype)
    return tf.math.round(x * scale) / scale


def clip(x: Any, x_min: Any, x_max: Any) -> Tensor:
    """Replace elements below and above two limits by the limits."""
    dtype = _common_dtype(x, x_min, x_max)
    x = tf.cast(x, tf.int32 if dtype == tf.bool else dtype)
    return tf.clip_by_value(x, tf.cast(x_min, x.dtype), tf.cast(x_max, x.dtype))


def nan_to_num(x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """Replace NaN and infinities by numbers; the infinities by default by the limits of the dtype."""
    x = convert_to_tensor(x)
    if not x.dtype.is_floating:
        return x
    x = tf.where(tf.math.is_nan(x), tf.cast(nan, x.dtype), x)
    posinf = x.dtype.max if posinf is None else posinf
    neginf = x.dtype.min if neginf is None else neginf
    x = tf.where(tf.equal(x, np.inf), tf.cast(posinf, x.dtype), x)
    return tf.where(tf.equal(x, -np.inf), tf.cast(neginf, x.dtype), x)


# --- two operands ---------------------------------------------------------------------------------------------------


def _binary(function: Callable[..., Any]) -> Callable[[Tensor, Tensor], Tensor]:
    """Make an operation whose two operands are cast to their common dtype."""
    return lambda x1, x2: function(*_common(x1, x2))


def _on_booleans(function: Callable[..., Any]) -> Callable[[Tensor, Tensor], Tensor]:
    """Make an operation whose two operands are cast to bool."""
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


def _common_floats(x1: Tensor, x2: Tensor) -> list[Tensor]:
    """Return two operands as floats of one dtype."""
    return [_float(x) for x in _common(x1, x2)]


def divide(x1: Tensor, x2: Tensor) -> Tensor:
    """Divide; integers give floats."""
    return tf.math.divide(*_common_floats(x1, x2))


true_divide = divide


def divide_no_nan(x1: Tensor, x2: Tensor) -> Tensor:
    """Divide, with 0 where the divisor is 0."""
    return tf.math.divide_no_nan(*_common_floats(x1, x2))


def logaddexp(x1: Tensor, x2: Tensor) -> Tensor:
    """Return log(exp(x1) + exp(x2)) without overflow."""
    x1, x2 = _common_floats(x1, x2)
    delta = x1 - x2  # NaN for two equal infinities; then their sum is the answer
    same = tf.math.is_nan(delta)
    delta = tf.where(same, tf.zeros_like(delta), delta)
    return tf.where(same, x1 + x2, tf.maximum(x1, x2) + tf.math.log1p(tf.exp(-tf.abs(delta))))


def arctan2(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the angle of the point (x2, x1), from -π to π."""
    return tf.math.atan2(*_common_floats(x1, x2))


def isclose(x1: Tensor, x2: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Return where two tensors differ by at most atol + rtol * |x2|."""
    x1, x2 = _common_floats(x1, x2)
    close = tf.abs(x1 - x2) <= atol + rtol * tf.abs(x2)
    close = tf.where(tf.math.is_finite(x1) & tf.math.is_finite(x2), close, tf.equal(x1, x2))
    return close | (tf.math.is_nan(x1) & tf.math.is_nan(x2)) if equal_nan else close


# --- reductions -----------------------------------------------------------------------------------------------------


def _summable(x: Tensor) -> Tensor:
    """Return x in a dtype that sums fit in: booleans and narrow integers become int32."""
    x = convert_to_tensor(x)
    return tf.cast(x, tf.int32) if _kind(x) == 0 or (_kind(x) == 1 and x.dtype.size < 4) else x


def _list(axis: Any) -> Any:
    """Return axes as a list, which TensorFlow wants, if they are a tuple."""
    return list(axis) if isinstance(axis, tuple) else axis


def sum(x: Tensor, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """Return the sum over axes."""
    return tf.reduce_sum(_summable(x), _list(axis), keepdims)


def prod(
    x: Tensor, axis: int | Sequence[int] | None = None, keepdims: bool = False, dtype: str | tf.DType | None = None
) -> Tensor:
    """Return the product over axes."""
    x = _summable(x)
    return tf.reduce_prod(tf.cast(x, dtype or x.dtype), _list(axis), keepdims)


def mean(x: Tensor, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """Return the mean over axes."""
    return tf.reduce_mean(_float(x), _list(axis), keepdims)


def var(x: Tensor, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """Return the variance over axes."""
    x = _float(x)
    upcast = tf.cast(x, tf.float32) if x.dtype.size < 4 else x  # half precision overflows at a spread of 256
    return tf.cast(tf.math.reduce_variance(upcast, _list(axis), keepdims), x.dtype)


def std(x: Tensor, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """Return the standard deviation over axes."""
    return tf.sqrt(var(x, axis, keepdims))


def moments(
    x: Tensor, axes: int | Sequence[int], keepdims: bool = False, synchronized: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the mean and the variance over axes. `synchronized` has no effect."""
    return mean(x, axes, keepdims), var(x, axes, keepdims)


def _extreme(reduce: Callable[..., Tensor], join: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Make a reduction to the largest or smallest element; `join` compares two operands."""

    def op(x: Tensor, axis: int | Sequence[int] | None = None, keepdims: bool = False, initial: Any = None) -> Tensor:
        x = convert_to_tensor(x)
        if x.dtype == tf.bool:
            return tf.cast(op(tf.cast(x, tf.int32), axis, keepdims, initial), tf.bool)
        result = reduce(x, _list(axis), keepdims)
        return result if initial is None else join(result, tf.cast(initial, x.dtype))

    return op


max = amax = _extreme(tf.reduce_max, tf.maximum)
min = amin = _extreme(tf.reduce_min, tf.minimum)


def all(x: Tensor, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """Return whether all elements along axes are true."""
    return tf.reduce_all(tf.cast(x, tf.bool), _list(axis), keepdims)


def any(x: Tensor, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """Return whether any element along axes is true."""
    return tf.reduce_any(tf.cast(x, tf.bool), _list(axis), keepdims)


def count_nonzero(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """Return the number of elements along axes that are not 0, as int32."""
    return tf.math.count_nonzero(convert_to_tensor(x), axis=_list(axis), dtype=tf.int32)


def logsumexp(x: Tensor, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """Return the logarithm of a sum of exponentials, without overflow.

    Arguments:
        x: float, [...]. The exponents.
        axis: int, sequence of int, or None. The axes of the sum; None means all.
        keepdims: bool. Whether the axes stay with size 1.

    Returns:
        float. log(Σ exp(x)) over the axes.
    """
    return tf.reduce_logsumexp(_float(x), _list(axis), keepdims)


def _arg(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """Make a reduction to the index of the largest or smallest element."""

    def op(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
        x = convert_to_tensor(x)
        x = tf.cast(x, tf.int32) if x.dtype == tf.bool else x
        result = function(tf.reshape(x, [-1]) if axis is None else x, 0 if axis is None else axis, tf.int32)
        if not keepdims:
            return result
        return tf.reshape(result, [1] * _ndim(x)) if axis is None else tf.expand_dims(result, axis)

    return op


argmax = _arg(tf.argmax)
argmin = _arg(tf.argmin)


def norm(x: Tensor, ord: Any = None, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """Return vector norms, for any number `ord`, over one axis or all elements, or the Frobenius norm of matrices."""
    x = _float(x)
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    matrix = len(axes) == 2 or (axis is None and _ndim(x) == 2 and ord is not None)
    if matrix and ord not in (None, "fro"):
        raise ValueError(f"norm: ord={ord!r}, but the only norm of matrices with Keras 2 is 'fro'")
    if ord in (None, "fro", 2):
        return tf.sqrt(sum(tf.square(x), axis, keepdims))
    if ord in (np.inf, -np.inf):
        return (max if ord > 0 else min)(tf.abs(x), axis, keepdims)
    if ord == 0:
        return tf.cast(tf.math.count_nonzero(x, axis=_list(axis), keepdims=keepdims), x.dtype)
    return tf.pow(sum(tf.pow(tf.abs(x), tf.cast(ord, x.dtype)), axis, keepdims), tf.cast(1.0 / ord, x.dtype))


# --- running and segmented ------------------------------------------------------------------------------------------


def _running(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """Make a running sum or product along an axis."""

    def op(x: Tensor, axis: int | None = None, dtype: Any = None) -> Tensor:
        x = _summable(x)
        x = tf.cast(x, dtype or x.dtype)
        return function(tf.reshape(x, [-1]) if axis is None else x, axis=0 if axis is None else axis)

    return op


cumsum = _running(tf.math.cumsum)
cumprod = _running(tf.math.cumprod)


def _segments(data: Tensor, segment_ids: Tensor, num_segments: int | None) -> tuple[Tensor, Tensor, Any]:
    """Return the arguments of TensorFlow's reductions of segments; None becomes the largest id + 1."""
    segment_ids = tf.cast(segment_ids, tf.int32)
    num_segments = tf.reduce_max(segment_ids) + 1 if num_segments is None else num_segments
    return convert_to_tensor(data), segment_ids, num_segments


def segment_sum(data: Tensor, segment_ids: Tensor, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """Return the sum of the rows of each segment. `sorted` has no effect."""
    return tf.math.unsorted_segment_sum(*_segments(data, segment_ids, num_segments))


def segment_max(data: Tensor, segment_ids: Tensor, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """Return the maximum of the rows of each segment. `sorted` has no effect."""
    return tf.math.unsorted_segment_max(*_segments(data, segment_ids, num_segments))


def bincount(x: Tensor, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Tensor:
    """Count how often each number from 0 on occurs in a vector, or sum the weights that belong to it."""
    if sparse:
        raise ValueError("bincount: sparse=True, but with Keras 2 the result is always dense")
    x = tf.cast(x, tf.int32)
    if _ndim(x) != 1:
        raise ValueError(f"bincount: x has {_ndim(x)} axes, but with Keras 2 it must be a vector")
    weights = tf.ones_like(x) if weights is None else convert_to_tensor(weights)
    n = tf.maximum(tf.reduce_max(tf.concat([x, [-1]], 0)) + 1, minlength)
    return tf.math.unsorted_segment_sum(weights, x, n)


# --- products -------------------------------------------------------------------------------------------------------


def einsum(subscripts: str, *operands: Tensor) -> Tensor:
    """Return a sum of products, in Einstein's notation."""
    return tf.einsum(subscripts, *_common(*operands))


def matmul(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the matrix product over the last two axes."""
    x1, x2 = _common(x1, x2)
    if _ndim(x1) == 1 or _ndim(x2) == 1:
        return tf.tensordot(x1, x2, [[-1], [builtins.max(_ndim(x2) - 2, 0)]])
    return tf.matmul(x1, x2)


def dot(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the product summed over the last axis of x1 and the last but one of x2."""
    x1, x2 = _common(x1, x2)
    if not _ndim(x1) or not _ndim(x2):
        return x1 * x2
    return tf.tensordot(x1, x2, [[-1], [builtins.max(_ndim(x2) - 2, 0)]])


def tensordot(x1: Tensor, x2: Tensor, axes: Any = 2) -> Tensor:
    """Return the product summed over pairs of axes."""
    return tf.tensordot(*_common(x1, x2), axes=axes)


def outer(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the products of each element of x1 with each element of x2, as a matrix."""
    x1, x2 = _common(x1, x2)
    return tf.reshape(x1, [-1, 1]) * tf.reshape(x2, [1, -1])
