"""Activations, one-hot codes, pooling and cross-entropies, as in keras.ops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow.compat.v2 as tf

from .core import _float, _floatx, _ndim, convert_to_tensor

if TYPE_CHECKING:
    from typing import Any, Sequence

    from ...types import Tensor

_EPSILON = 1e-7  # keras.ops clips probabilities with the backend's default


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0)."""
    return tf.nn.relu(convert_to_tensor(x))


def relu6(x: Tensor) -> Tensor:
    """Return min(max(x, 0), 6)."""
    return tf.nn.relu6(convert_to_tensor(x))


def leaky_relu(x: Tensor, negative_slope: float = 0.2) -> Tensor:
    """Return x where it is positive, and a small multiple of it elsewhere.

    Arguments:
        x: float, [...]. The scores.
        negative_slope: float. The factor of negative numbers.

    Returns:
        float, [...]. The shape is the same as for x.
    """
    return tf.nn.leaky_relu(_float(x), negative_slope)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """Return x where it is positive, and alpha * (exp(x) - 1) elsewhere."""
    x = _float(x)
    negative = tf.nn.elu(-tf.nn.relu(-x))
    return tf.nn.relu(x) + tf.cast(alpha, x.dtype) * negative


def selu(x: Tensor) -> Tensor:
    """Return the scaled exponential linear unit of x."""
    return tf.nn.selu(_float(x))


def sigmoid(x: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-x))."""
    return tf.math.sigmoid(_float(x))


def hard_sigmoid(x: Tensor) -> Tensor:
    """Return x / 6 + 1 / 2 between 0 and 1, with the slope of Keras 3."""
    return tf.nn.relu6(_float(x) + 3.0) / 6.0


def silu(x: Tensor) -> Tensor:
    """Return x * sigmoid(x), which is also called swish."""
    x = _float(x)
    return x * tf.math.sigmoid(x)


swish = silu


def hard_silu(x: Tensor) -> Tensor:
    """Return x * hard_sigmoid(x)."""
    x = _float(x)
    return x * hard_sigmoid(x)


hard_swish = hard_silu


def softplus(x: Tensor) -> Tensor:
    """Return log(1 + exp(x))."""
    x = _float(x)
    # TF 1.15 computes log(1 + exp(x)), which keeps three digits at x = -10
    small = tf.math.log1p(tf.exp(tf.minimum(x, tf.zeros_like(x))))
    return tf.where(x < 0, small, tf.math.softplus(x))


def softsign(x: Tensor) -> Tensor:
    """Return x / (1 + |x|)."""
    return tf.nn.softsign(_float(x))


def log_sigmoid(x: Tensor) -> Tensor:
    """Return the logarithm of sigmoid(x), without overflow."""
    return -softplus(-_float(x))


def gelu(x: Tensor, approximate: bool = True) -> Tensor:
    """Return the Gaussian error linear unit of x, by the formula with tanh or exactly with erf."""
    x = _float(x)
    if hasattr(tf.nn, "gelu"):  # TF 2.4
        return tf.nn.gelu(x, approximate)
    if approximate:
        return 0.5 * x * (1.0 + tf.math.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x * x * x)))
    # This is a product because the graph optimizer of TF 2.2 hangs at a bfloat16 divided by a constant.
    return 0.5 * x * (1.0 + tf.math.erf(x * np.sqrt(0.5)))


def softmax(x: Tensor, axis: int | Sequence[int] | None = -1) -> Tensor:
    """Return exp(x) divided by its sum over axes."""
    x = _float(x)
    if isinstance(axis, int):
        return tf.nn.softmax(x, axis)
    return tf.exp(log_softmax(x, axis))


def log_softmax(x: Tensor, axis: int | Sequence[int] | None = -1) -> Tensor:
    """Return the logarithm of softmax(x)."""
    x = _float(x)
    if isinstance(axis, int):
        return tf.nn.log_softmax(x, axis)
    axis = axis if axis is None else list(axis)
    x = x - tf.stop_gradient(tf.reduce_max(x, axis, keepdims=True))
    return x - tf.math.log(tf.reduce_sum(tf.exp(x), axis, keepdims=True))


def normalize(x: Tensor, axis: int | Sequence[int] = -1, order: Any = 2, epsilon: float | None = None) -> Tensor:
    """Divide x by its norm of an order."""
    from .math import norm

    x = _float(x)
    length = norm(x, order, axis, keepdims=True)
    return x / tf.maximum(length, tf.cast(_EPSILON if epsilon is None else epsilon, x.dtype))


def one_hot(
    x: Tensor, num_classes: int, axis: int = -1, dtype: str | tf.DType | None = None, sparse: bool = False
) -> Tensor:
    """Return vectors of zeros with a one at the index."""
    if sparse:
        raise ValueError("one_hot: sparse=True, but with Keras 2 the result is always dense")
    x = convert_to_tensor(x)
    x = x if x.dtype.is_integer and x.dtype.size >= 4 else tf.cast(x, tf.int32)
    return tf.one_hot(x, num_classes, axis=axis, dtype=tf.as_dtype(dtype or _floatx()))


def _pool(
    inputs: Tensor,
    kind: str,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None,
    padding: str,
    data_format: str | None,
) -> Tensor:
    """Pool inputs of channels last; `kind` is MAX or AVG."""
    if data_format not in (None, "channels_last"):
        raise ValueError(f"pooling: data_format={data_format!r}, but with Keras 2 it must be 'channels_last' or None")
    inputs = convert_to_tensor(inputs)
    spatial = _ndim(inputs) - 2
    pool_size = [pool_size] * spatial if isinstance(pool_size, int) else list(pool_size)
    strides = pool_size if strides is None else [strides] * spatial if isinstance(strides, int) else list(strides)
    return tf.nn.pool(inputs, pool_size, kind, strides=strides, padding=padding.upper())


def max_pool(
    inputs: Tensor,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """Return the maximum of each window."""
    return _pool(inputs, "MAX", pool_size, strides, padding, data_format)


def average_pool(
    inputs: Tensor,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """Return the mean of each window."""
    return _pool(inputs, "AVG", pool_size, strides, padding, data_format)


# --- cross-entropies ------------------------------------------------------------------------------------------------


def _log_probabilities(output: Tensor, from_logits: bool, axis: int) -> Tensor:
    """Return the logarithms of probabilities, which the output has itself or as logits."""
    output = _float(output)
    if from_logits:
        return log_softmax(output, axis)
    output = output / tf.reduce_sum(output, axis, keepdims=True)
    return tf.math.log(tf.clip_by_value(output, _EPSILON, 1.0 - _EPSILON))


def categorical_crossentropy(target: Tensor, output: Tensor, from_logits: bool = False, axis: int = -1) -> Tensor:
    """Return the cross-entropy of a distribution over classes."""
    log_p = _log_probabilities(output, from_logits, axis)
    return -tf.reduce_sum(tf.cast(target, log_p.dtype) * log_p, axis)


def sparse_categorical_crossentropy(
    target: Tensor, output: Tensor, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """Return the cross-entropy of the number of the right class.

    The target has the shape of the output without the axis of the classes, or with size 1 there.
    """
    from .array import take_along_axis

    log_p = _log_probabilities(output, from_logits, axis)
    target = tf.cast(target, tf.int64)
    target = target if _ndim(target) == _ndim(log_p) else tf.expand_dims(target, axis)
    return -tf.squeeze(take_along_axis(log_p, target, axis), axis)


def binary_crossentropy(target: Tensor, output: Tensor, from_logits: bool = False) -> Tensor:
    """Return the cross-entropy of each probability on its own."""
    output = _float(output)
    target = tf.cast(target, output.dtype)
    if from_logits:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=output)
    output = tf.clip_by_value(output, _EPSILON, 1.0 - _EPSILON)
    return -(target * tf.math.log(output) + (1.0 - target) * tf.math.log(1.0 - output))
