"""Activations, one-hot codes, pooling and cross-entropies, as in keras.ops."""

from __future__ import annotations

import numpy as np
import tensorflow.compat.v2 as tf

from .core import _float, _floatx, _ndim, convert_to_tensor

_EPSILON = 1e-7  # keras.ops clips probabilities with the backend's default


def relu(x):
    return tf.nn.relu(convert_to_tensor(x))


def relu6(x):
    return tf.nn.relu6(convert_to_tensor(x))


def leaky_relu(x, negative_slope=0.2):
    return tf.nn.leaky_relu(_float(x), negative_slope)


def elu(x, alpha=1.0):
    x = _float(x)
    negative = tf.nn.elu(-tf.nn.relu(-x))
    return tf.nn.relu(x) + tf.cast(alpha, x.dtype) * negative


def selu(x):
    return tf.nn.selu(_float(x))


def sigmoid(x):
    return tf.math.sigmoid(_float(x))


def hard_sigmoid(x):
    return tf.nn.relu6(_float(x) + 3.0) / 6.0


def silu(x):
    x = _float(x)
    return x * tf.math.sigmoid(x)


swish = silu


def hard_silu(x):
    x = _float(x)
    return x * hard_sigmoid(x)


hard_swish = hard_silu


def softplus(x):
    x = _float(x)
    # TF 1.15 computes log(1 + exp(x)), which keeps three digits at x = -10
    small = tf.math.log1p(tf.exp(tf.minimum(x, tf.zeros_like(x))))
    return tf.where(x < 0, small, tf.math.softplus(x))


def softsign(x):
    return tf.nn.softsign(_float(x))


def log_sigmoid(x):
    return -softplus(-_float(x))


def gelu(x, approximate=True):
    x = _float(x)
    if hasattr(tf.nn, "gelu"):  # TF 2.4
        return tf.nn.gelu(x, approximate)
    if approximate:
        return 0.5 * x * (1.0 + tf.math.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x * x * x)))
    # a product: TF 2.2's graph optimizer never returns from a bfloat16 divided by a constant
    return 0.5 * x * (1.0 + tf.math.erf(x * np.sqrt(0.5)))


def softmax(x, axis=-1):
    x = _float(x)
    if isinstance(axis, int):
        return tf.nn.softmax(x, axis)
    return tf.exp(log_softmax(x, axis))


def log_softmax(x, axis=-1):
    x = _float(x)
    if isinstance(axis, int):
        return tf.nn.log_softmax(x, axis)
    axis = axis if axis is None else list(axis)
    x = x - tf.stop_gradient(tf.reduce_max(x, axis, keepdims=True))
    return x - tf.math.log(tf.reduce_sum(tf.exp(x), axis, keepdims=True))


def normalize(x, axis=-1, order=2, epsilon=None):
    from .math import norm

    x = _float(x)
    length = norm(x, order, axis, keepdims=True)
    return x / tf.maximum(length, tf.cast(_EPSILON if epsilon is None else epsilon, x.dtype))


def one_hot(x, num_classes, axis=-1, dtype=None, sparse=False):
    if sparse:
        raise ValueError("one_hot: sparse results do not exist on the Keras 2 rows.")
    x = convert_to_tensor(x)
    x = x if x.dtype.is_integer and x.dtype.size >= 4 else tf.cast(x, tf.int32)
    on = tf.one_hot(x, num_classes, axis=axis, dtype=tf.as_dtype(dtype or _floatx()))
    return on


def _pool(inputs, kind, pool_size, strides, padding, data_format):
    if data_format not in (None, "channels_last"):
        raise ValueError(f"pooling: only channels_last is available on the Keras 2 rows, got {data_format!r}.")
    inputs = convert_to_tensor(inputs)
    spatial = _ndim(inputs) - 2
    pool_size = [pool_size] * spatial if isinstance(pool_size, int) else list(pool_size)
    strides = pool_size if strides is None else [strides] * spatial if isinstance(strides, int) else list(strides)
    return tf.nn.pool(inputs, pool_size, kind, strides=strides, padding=padding.upper())


def max_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    return _pool(inputs, "MAX", pool_size, strides, padding, data_format)


def average_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    return _pool(inputs, "AVG", pool_size, strides, padding, data_format)


# --- cross-entropies ------------------------------------------------------------------------------------------------


def _log_probabilities(output, from_logits, axis):
    output = _float(output)
    if from_logits:
        return log_softmax(output, axis)
    output = output / tf.reduce_sum(output, axis, keepdims=True)
    return tf.math.log(tf.clip_by_value(output, _EPSILON, 1.0 - _EPSILON))


def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    log_p = _log_probabilities(output, from_logits, axis)
    return -tf.reduce_sum(tf.cast(target, log_p.dtype) * log_p, axis)


def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """`target` has the shape of `output` without the class axis, or with size 1 there."""
    from .array import take_along_axis

    log_p = _log_probabilities(output, from_logits, axis)
    target = tf.cast(target, tf.int64)
    target = target if _ndim(target) == _ndim(log_p) else tf.expand_dims(target, axis)
    return -tf.squeeze(take_along_axis(log_p, target, axis), axis)


def binary_crossentropy(target, output, from_logits=False):
    output = _float(output)
    target = tf.cast(target, output.dtype)
    if from_logits:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=output)
    output = tf.clip_by_value(output, _EPSILON, 1.0 - _EPSILON)
    return -(target * tf.math.log(output) + (1.0 - target) * tf.math.log(1.0 - output))
