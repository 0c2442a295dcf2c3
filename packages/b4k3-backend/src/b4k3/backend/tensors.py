"""Small helpers on tensors that bert4keras' users know."""

from __future__ import annotations

from ._row import ops, register


def dtype(x):
    """Name of the dtype of x, or None where it has none."""
    return None if getattr(x, "dtype", None) is None else ops.dtype(x)


def wide(x):
    """x in float32 where it has half precision or integers, else unchanged."""
    x = ops.convert_to_tensor(x)
    return x if dtype(x) in ("float32", "float64") else ops.cast(x, "float32")


def align(tensor, axes, ndim=None):
    """Insert axes of size 1 so that axis i of the tensor becomes axis axes[i]: expand_dims for many at once.

    Arguments:
        tensor: [...], of len(axes) axes.
        axes: increasing numbers of axes; negative ones need `ndim`.
        ndim: number of axes of the result; the last of `axes` + 1 unless given.

    Returns:
        The same numbers with `ndim` axes.

    Raises:
        ValueError: axes that do not fit the tensor.
    """
    if len(axes) != len(tensor.shape):
        raise ValueError(f"align: {len(axes)} axes given for a tensor of {len(tensor.shape)}.")
    if ndim is None and min(axes) < 0:
        raise ValueError(f"align: the negative axes in {axes} need ndim.")
    ndim = ndim or max(axes) + 1
    axes = [axis % ndim for axis in axes]
    if sorted(set(axes)) != axes:
        raise ValueError(f"align: axes must increase, found {axes} of {ndim}.")
    return tensor[tuple(slice(None) if i in axes else None for i in range(ndim))]


def reshape(tensor, *args):
    """`reshape(tensor, shape)`, or `reshape(tensor, shape1, axis1, shape2, axis2, …)`, which splits single axes.

    Arguments:
        tensor: [...].
        args: one shape; or pairs of a shape, one -1 allowed in each, and the axis of the tensor that it replaces.

    Returns:
        The tensor reshaped.
    """
    if len(args) == 1:
        return ops.reshape(tensor, args[0])
    sizes = list(ops.shape(tensor))
    parts = dict(zip([axis % len(sizes) for axis in args[1::2]], args[::2]))
    shape = []
    for axis, size in enumerate(sizes):
        shape.extend(_split(size, parts[axis]) if axis in parts else [size])
    return ops.reshape(tensor, tuple(shape))


def _split(size, shape):
    """The shape with its -1 replaced, so that an axis of unknown size may be split."""
    known = 1
    for n in shape:
        known = known if isinstance(n, int) and n == -1 else known * n
    return [size // known if isinstance(n, int) and n == -1 else n for n in shape]


def flatten(tensor, start=None, end=None):
    """Merge the axes from `start` to before `end`; all of them unless given.

    Arguments:
        tensor: [...].
        start, end: as in a slice of the shape.

    Returns:
        A tensor of fewer axes.
    """
    shape = ops.shape(tensor)
    start, end, _ = slice(start, end).indices(len(shape))
    size = 1
    for n in shape[start:end]:
        size = size * n
    return ops.reshape(tensor, tuple(shape[:start]) + (size,) + tuple(shape[end:]))


def where(cond, x, y):
    """x where `cond` holds, else y, with broadcasting; a number takes the dtype of the other, cond need not be bool.

    Arguments:
        cond: bool, or numbers of which 0 is False.
        x, y: tensors or numbers.

    Returns:
        The broadcast shape of the three.
    """
    x, y = (ops.cast(a, b.dtype) if not hasattr(a, "dtype") and hasattr(b, "dtype") else a for a, b in ((x, y), (y, x)))
    return ops.where(cond if dtype(cond) == "bool" else ops.cast(cond, "bool"), x, y)


def logsumexp(x, axis=None, keepdims=False):
    """log(Σ exp(x)), without overflow and right for infinities, of which some versions of keras.ops make NaN.

    Arguments:
        x: float [...].
        axis, keepdims: as of ops.sum.

    Returns:
        x without these axes; -inf where every x is, inf where one is.
    """
    top = ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
    top = ops.where(ops.isfinite(top), top, ops.zeros_like(top))
    result = ops.log(ops.sum(ops.exp(x - top), axis=axis, keepdims=True)) + top
    return result if keepdims else ops.squeeze(result, axis=tuple(axis) if isinstance(axis, list) else axis)


def batch_gather(params, indices):
    """Pick along one axis, row by row: `params[b, indices[b, i]]` for each b.

    Arguments:
        params: [..., n, *rest].
        indices: [..., k] with the same leading axes, integers or whole floats.

    Returns:
        [..., k, *rest].
    """
    axis = len(indices.shape) - 1
    shape, picked = ops.shape(params), ops.shape(indices)
    n, rest = shape[axis], tuple(shape[axis + 1 :])
    indices = ops.reshape(ops.cast(indices, "int32"), (-1, picked[-1]))
    rows = ops.arange(ops.shape(indices)[0], dtype="int32")[:, None]
    flat = ops.reshape(params, (-1,) + rest)
    return ops.reshape(ops.take(flat, indices + rows * n, axis=0), tuple(picked) + rest)


def pool1d(x, pool_size, strides=1, padding="valid", data_format=None, pool_mode="max"):
    """Pool over time.

    Arguments:
        x: float [batch, n, d], or [batch, d, n] with data_format 'channels_first'.
        pool_size, strides, padding: as of Keras' pooling layers.
        data_format: 'channels_last' unless given.
        pool_mode: 'max' or 'avg'.

    Returns:
        [batch, pooled n, d], or [batch, d, pooled n].
    """
    if pool_mode not in ("max", "avg"):
        raise ValueError(f"pool1d: pool_mode is 'max' or 'avg', not {pool_mode!r}.")
    first = data_format == "channels_first"
    x = ops.transpose(x, (0, 2, 1)) if first else x
    pool = ops.max_pool if pool_mode == "max" else ops.average_pool
    x = pool(x, pool_size, strides=strides, padding=padding, data_format="channels_last")
    return ops.transpose(x, (0, 2, 1)) if first else x


def divisible_temporal_padding(x, n):
    """Append zeros to axis 1 until its size is a multiple of n.

    Arguments:
        x: [batch, time, ...].
        n: int.

    Returns:
        [batch, longer time, ...].
    """
    shape = ops.shape(x)
    rest = -shape[1] % n
    zeros = ops.zeros((shape[0], rest) + tuple(shape[2:]), dtype=dtype(x))
    return ops.concatenate([x, zeros], axis=1)


@register
def root_mean_square(x, axis=None, keepdims=False):
    """sqrt(mean(x²)). Arguments: x float [...]; axis and keepdims as of ops.mean. Returns: x without these axes."""
    return ops.sqrt(ops.mean(ops.square(x), axis=axis, keepdims=keepdims))


def piecewise_linear(t, schedule, from_zero=True):
    """A function of time through given points, constant after the last.

    Arguments:
        t: the step, a number or a scalar tensor.
        schedule: {step: value}, such as {1000: 1, 2000: 0.1}: to 1 in the first 1000 steps, then down to 0.1.
        from_zero: whether the function starts at 0 when the schedule says nothing about step 0.

    Returns:
        A float32 scalar tensor.
    """
    points = sorted(schedule.items())
    if from_zero and points[0][0] != 0:
        points.insert(0, (0, 0.0))
    t = ops.cast(t, "float32")
    value = t * 0 + points[0][1]
    for (begin, start), (end, stop) in zip(points, points[1:]):
        value = value + (stop - start) * ops.clip((t - begin) / float(end - begin), 0.0, 1.0)
    return value
