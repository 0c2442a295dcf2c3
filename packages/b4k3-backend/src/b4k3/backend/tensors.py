"""Small helpers on tensors. Most of them are in bert4keras too."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Sequence

from ._environment import checks, fused, ops, register
from .tables import checked_ids
from .types import Tensor


def dtype(x: Any) -> str | None:
    """Return the name of the dtype of a tensor.

    Arguments:
        x: tensor, or anything else.

    Returns:
        str, such as 'float32'; None if x has no dtype.

    Example:
        >>> dtype(ops.zeros((2, 3)))
        'float32'
    """
    return None if getattr(x, "dtype", None) is None else ops.dtype(x)


def upcast(x: Tensor) -> Tensor:
    """Cast half precision and integers to float32.

    Arguments:
        x: [...]. A tensor of any dtype.

    Returns:
        float32 or float64, [...]. A tensor that has one of these dtypes is returned unchanged.

    Example:
        >>> dtype(upcast(ops.zeros((2, 3), "float16")))
        'float32'
    """
    x = ops.convert_to_tensor(x)
    return x if dtype(x) in ("float32", "float64") else ops.cast(x, "float32")


wide = upcast  # the former name, which stays until version 0.2


def align(tensor: Tensor, axes: Sequence[int], ndim: int | None = None) -> Tensor:
    """Insert axes of size 1 so that axis i of the tensor becomes axis axes[i].

    Arguments:
        tensor: [...], with len(axes) axes.
        axes: list of int. Increasing numbers of axes; negative numbers need `ndim`.
        ndim: int, or None. The number of axes of the result; None means the last of `axes` + 1.

    Returns:
        The tensor with `ndim` axes.

    Raises:
        ValueError: the axes do not fit the tensor.

    Example:
        >>> y = align(ops.ones((2, 3)), [0, 2], 4)  # [2, 1, 3, 1]
    """
    if len(axes) != len(tensor.shape):
        raise ValueError(f"align: {len(axes)} axes given for a tensor of {len(tensor.shape)}.")
    if ndim is None and min(axes) < 0:
        raise ValueError(f"align: the negative axes in {axes} need ndim.")
    ndim = ndim or max(axes) + 1
    axes = [axis % ndim for axis in axes]
    if sorted(set(axes)) != axes:
        raise ValueError(f"align: axes must increase, found {axes} of {ndim}.")
    return fused.with_axes(tensor, [i for i in range(ndim) if i not in axes], ndim)


def reshape(tensor: Tensor, *args: Any) -> Tensor:
    """Reshape a tensor as a whole, `reshape(tensor, shape)`, or axis by axis, `reshape(tensor, shape1, axis1, …)`.

    Arguments:
        tensor: [...]. Any tensor.
        args: one shape; or pairs of a shape, in which one size may be -1, and the axis of the tensor that it replaces.

    Returns:
        The tensor with the new shape.

    Example:
        >>> y = reshape(ops.ones((2, 3, 8)), (2, -1), 2)  # [2, 3, 2, 4]
    """
    if len(args) == 1:
        return ops.reshape(tensor, _without_unknown(tensor.shape, args[0]))
    sizes = list(ops.shape(tensor))
    parts = dict(zip([axis % len(sizes) for axis in args[1::2]], args[::2]))
    shape = []
    for axis, size in enumerate(sizes):
        shape.extend(_split(size, parts[axis]) if axis in parts else [size])
    return ops.reshape(tensor, tuple(shape))


def _without_unknown(sizes: Sequence[Any], shape: Any) -> Any:
    """Replace None in a shape, which is a size that no symbolic tensor of Keras 3 tells.

    For a tensor of sizes (None, 2, 3) the shape (None, -1) becomes (-1, 6).

    Arguments:
        sizes: sequence of int or None. The sizes of the tensor that is reshaped.
        shape: sequence as Keras 3 gives it, or a tensor.

    Returns:
        The shape, with -1 in the place of None.
    """
    if not isinstance(shape, (list, tuple)) or not any(n is None for n in shape):
        return shape
    known = [n for n in sizes if n is not None]
    if len(known) == len(sizes) - 1 and -1 in shape:
        rest = _product(known) // _product(n for n in shape if n not in (None, -1))
        shape = [rest if n == -1 else n for n in shape]
    return [-1 if n is None else n for n in shape]


def _product(sizes: Iterable[Any]) -> Any:
    """Multiply sizes, which may be tensors."""
    size = 1
    for n in sizes:
        size = size * n
    return size


def _split(size: Any, shape: Sequence[Any]) -> list[Any]:
    """Replace the -1 in a shape, so that an axis of unknown size can be split."""
    known = _product(n for n in shape if not (isinstance(n, int) and n == -1))
    return [size // known if isinstance(n, int) and n == -1 else n for n in shape]


def flatten(tensor: Tensor, start: int | None = None, end: int | None = None) -> Tensor:
    """Merge the axes from `start` to before `end` into one.

    Arguments:
        tensor: [...]. Any tensor.
        start: int, or None. The first axis to merge, counted as in a slice of the shape; None means the first axis.
        end: int, or None. The axis after the last one to merge; None merges up to the last axis.

    Returns:
        The tensor with fewer axes.

    Example:
        >>> y = flatten(ops.ones((2, 3, 4)), 1)  # [2, 12]
    """
    shape = ops.shape(tensor)
    start, end, _ = slice(start, end).indices(len(shape))
    return ops.reshape(tensor, tuple(shape[:start]) + (_product(shape[start:end]),) + tuple(shape[end:]))


def where(cond: Tensor, x: Any, y: Any) -> Tensor:
    """Choose x where a condition holds and y elsewhere, with broadcasting.

    Arguments:
        cond: bool or numbers, [...]. The condition; the number 0 is False.
        x: tensor, or number, which takes the dtype of y. The values where the condition holds.
        y: tensor, or number, which takes the dtype of x. The values elsewhere.

    Returns:
        The values, of the shape that the three arguments broadcast to.

    Example:
        >>> y = where(ops.arange(4), ops.ones((2, 4)), 0)  # [2, 4]
    """
    x, y = (ops.cast(a, b.dtype) if not hasattr(a, "dtype") and hasattr(b, "dtype") else a for a, b in ((x, y), (y, x)))
    return ops.where(cond if dtype(cond) == "bool" else ops.cast(cond, "bool"), x, y)


def logsumexp(x: Tensor, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """Compute log(Σ exp(x)) without overflow. It is right for infinities, which some versions of keras.ops turn to NaN.

    Arguments:
        x: float, [...]. The exponents.
        axis: int, sequence of int, or None. The axes to sum over; None means all.
        keepdims: bool. True keeps these axes with size 1.

    Returns:
        float, of the shape of x without these axes; -inf where every x is -inf, and inf where one is inf.

    Example:
        >>> y = logsumexp(ops.zeros((2, 3)), axis=-1)  # [2]
    """
    top = ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
    top = ops.where(ops.isfinite(top), top, ops.zeros_like(top))
    result = ops.log(ops.sum(ops.exp(x - top), axis=axis, keepdims=True)) + top
    return result if keepdims else ops.squeeze(result, axis=tuple(axis) if isinstance(axis, list) else axis)


def batch_gather(params: Tensor, indices: Tensor, checked: bool = True) -> Tensor:
    """Pick along one axis, row by row: result[b, i] is `params[b, indices[b, i]]`.

    Arguments:
        params: [..., n, *rest]. The values to pick from.
        indices: int or whole float, [..., k], with the same leading axes. The positions on the axis of size n.
        checked: bool. Whether indices may be wrong; False saves the time if no user gave them.

    Returns:
        [..., k, *rest], of the dtype of `params`. In a compiled graph, which does not know the values, a wrong index
        gives NaN, or -1 if `params` are integers.

    Raises:
        ValueError: an index is negative, fractional or above n - 1, in an eager call.

    Example:
        >>> y = batch_gather(ops.ones((2, 5, 8)), ops.zeros((2, 3)))  # [2, 3, 8]
    """
    axis = len(indices.shape) - 1
    shape, picked = ops.shape(params), ops.shape(indices)
    n, rest = shape[axis], tuple(shape[axis + 1 :])
    indices, known = checked_ids(indices, "batch_gather", 0, n - 1) if checked else (ops.cast(indices, "int32"), None)
    indices = ops.reshape(indices, (-1, picked[-1]))
    rows = ops.arange(ops.shape(indices)[0], dtype="int32")[:, None]
    flat = ops.reshape(params, (-1,) + rest)
    found = ops.reshape(ops.take(flat, indices + rows * n, axis=0), tuple(picked) + rest)
    if known is None:
        return found
    known = ops.reshape(known, tuple(picked) + (1,) * len(rest))
    return where(known, found, float("nan") if "float" in dtype(params) else -1)


def assert_at_most(x: Tensor, size: Any, limit: int, message: str) -> Tensor:
    """Return x, or fail with a message if a size is above a limit.

    Arguments:
        x: tensor. The result, whose use depends on the check.
        size: int; None in a symbolic call; on TensorFlow a scalar int tensor if the size is known only when the graph
            runs.
        limit: int. The largest size that is allowed.
        message: str. The error message.

    Returns:
        x. In a graph, whatever uses it fails if the check fails.

    Raises:
        ValueError: `size` is an int above the limit. A graph raises TensorFlow's InvalidArgumentError when it runs.

    Example:
        >>> x = assert_at_most(ops.ones((2, 3)), 3, 512, "The sequence is too long.")  # [2, 3]
    """
    if size is None:
        return x
    if isinstance(size, int):
        if size > limit:
            raise ValueError(message)
        return x
    return checks.at_most_in_graph(x, size, limit, message)


def pool1d(
    x: Tensor,
    pool_size: int,
    strides: int = 1,
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Tensor:
    """Pool over time.

    Arguments:
        x: float, [batch, n, d], or [batch, d, n] with data_format 'channels_first'. The sequences.
        pool_size: int. The number of neighbours that are pooled.
        strides: int. The step from one window to the next.
        padding: str. 'valid' or 'same', as in Keras' pooling layers.
        data_format: str, or None. 'channels_last', which None means too, or 'channels_first'.
        pool_mode: str. 'max' or 'avg'.

    Returns:
        float, [batch, pooled n, d], or [batch, d, pooled n] with data_format 'channels_first'.

    Raises:
        ValueError: another `pool_mode`.

    Example:
        >>> y = pool1d(ops.ones((2, 6, 8)), 2, strides=2)  # [2, 3, 8]
    """
    if pool_mode not in ("max", "avg"):
        raise ValueError(f"pool1d: pool_mode is 'max' or 'avg', not {pool_mode!r}.")
    first = data_format == "channels_first"
    x = ops.transpose(x, (0, 2, 1)) if first else x
    pool = ops.max_pool if pool_mode == "max" else ops.average_pool
    x = pool(x, pool_size, strides=strides, padding=padding, data_format="channels_last")
    return ops.transpose(x, (0, 2, 1)) if first else x


def divisible_temporal_padding(x: Tensor, n: int) -> Tensor:
    """Append zeros to axis 1 until its size is a multiple of n.

    Arguments:
        x: [batch, time, ...]. The sequences.
        n: int. The size becomes a multiple of it.

    Returns:
        [batch, longer time, ...], of the dtype of x.

    Example:
        >>> y = divisible_temporal_padding(ops.ones((2, 5, 8)), 4)  # [2, 8, 8]
    """
    shape = ops.shape(x)
    rest = -shape[1] % n
    zeros = ops.zeros((shape[0], rest) + tuple(shape[2:]), dtype=dtype(x))
    return ops.concatenate([x, zeros], axis=1)


@register
def root_mean_square(x: Tensor, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """Compute sqrt(mean(x²)).

    Arguments:
        x: float, [...]. The numbers.
        axis: int, sequence of int, or None. The axes to average over; None means all.
        keepdims: bool. True keeps these axes with size 1.

    Returns:
        float, of the shape of x without these axes.

    Example:
        >>> y = root_mean_square(ops.ones((2, 3)), axis=-1)  # [2]
    """
    return ops.sqrt(ops.mean(ops.square(x), axis=axis, keepdims=keepdims))


def piecewise_linear(t: Any, schedule: Mapping[int, float], from_zero: bool = True) -> Tensor:
    """Interpolate linearly between the points of a schedule, and stay constant after the last one.

    Arguments:
        t: number, or scalar tensor. The step.
        schedule: {step: value}. {1000: 1, 2000: 0.1} rises to 1 in the first 1000 steps and then falls to 0.1.
        from_zero: bool. True starts at 0 if the schedule says nothing about step 0.

    Returns:
        float32, []. The value at step t.

    Example:
        >>> float(piecewise_linear(500, {1000: 1, 2000: 0.1}))
        0.5
    """
    points = sorted(schedule.items())
    if from_zero and points[0][0] != 0:
        points.insert(0, (0, 0.0))
    t = ops.cast(t, "float32")
    value = t * 0 + points[0][1]
    for (begin, start), (end, stop) in zip(points, points[1:]):
        value = value + (stop - start) * ops.clip((t - begin) / float(end - begin), 0.0, 1.0)
    return value
