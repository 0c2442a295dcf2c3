"""Fused kernels of the frameworks. Each function returns None where it has no kernel for what it was given."""

from __future__ import annotations

import functools

import keras

from .compiling import found_once

BACKEND = keras.config.backend()

if BACKEND == "torch":
    import torch
elif BACKEND == "jax":
    import jax
elif BACKEND == "tensorflow":
    import tensorflow as tf


def fused_attention(query, key, value, mask_bias, mask, bias, scale, dropout, training):
    """Attention by torch's or JAX's own function; arguments as of `b4k3.backend.attention`."""
    if isinstance(query, keras.KerasTensor):
        return None
    rate = dropout.rate if dropout is not None and training else 0.0
    if BACKEND == "torch":
        return torch_attention(query, key, value, torch_mask_bias(mask, bias, query.dtype), scale, rate)
    if BACKEND == "jax" and jax.default_backend() != "cpu" and not rate and query.shape[-1] == value.shape[-1]:
        # on the CPU it is slower than what XLA makes of the description, and float16 does not compile
        return jax.nn.dot_product_attention(query, key, value, bias=mask_bias(mask, bias), scale=scale)
    return None


def torch_mask_bias(mask, bias, dtype):
    """`mask_bias` by torch's methods: `keras.ops` take longer to look at their arguments than a token's attention."""
    if mask is None and bias is None:
        return None
    hidden = lowest(dtype)
    if bias is not None:
        bias = bias.to(dtype).clamp(min=hidden)
    if mask is None:
        return bias
    term = mask[:, None, None, :].logical_not().to(dtype) * hidden
    return term if bias is None else (term + bias).clamp(min=hidden)


@functools.lru_cache(maxsize=None)
def lowest(dtype):
    from .. import _attention  # which stands on this folder

    return _attention.lowest(keras.backend.standardize_dtype(dtype))


def torch_attention(query, key, value, bias, scale, rate):
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))  # [b, h, n, d]
    if bias is not None:
        bias = bias.expand(query.shape[:-1] + key.shape[-2:-1])  # [b, h, n, m]
    if 0 < rate < 1 and query.device.type == "cpu" and query.dtype == torch.float32:
        scores = torch.matmul(query * scale, key.transpose(2, 3))
        weights = torch.softmax(scores if bias is None else scores.add_(bias), dim=-1)
        return torch.matmul(torch_dropout(weights, rate), value).transpose(1, 2)
    out = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=bias, dropout_p=rate, scale=scale
    )
    return out.transpose(1, 2)  # [b, n, h, dv]


def torch_dropout(x, rate):
    """Dropout on the CPU in a third of the time of torch's own, which draws 64 random bits for each number.

    Sixteen decide here, from torch's generator too; so the rate is that of the nearest multiple of 2^-16.
    """
    dropped = min(round(rate * 2**16), 2**16 - 1)
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    bits = words.view(torch.int16)[: x.numel()].view(x.shape)
    keep = torch.ge(bits, dropped - 2**15, out=torch.empty(x.shape, dtype=x.dtype))
    return x * keep.mul_(2**16 / (2**16 - dropped))


def fused_layer_normalization(x, gamma, beta, epsilon, zero_mean):
    """Layer or RMS normalisation by torch's own functions, for weights of one axis."""
    if BACKEND != "torch" or isinstance(x, keras.KerasTensor):
        return None
    gamma, beta = value_of(gamma), value_of(beta)
    for weight in (gamma, beta):
        if weight is not None and (not isinstance(weight, torch.Tensor) or weight.dim() != 1):
            return None
    if zero_mean:
        gamma, beta = (w if w is None or w.dtype == x.dtype else w.to(x.dtype) for w in (gamma, beta))
        return torch.nn.functional.layer_norm(x, x.shape[-1:], gamma, beta, epsilon)
    if beta is not None or x.dtype != torch.float32 or not hasattr(torch, "rms_norm"):
        return None
    return torch.rms_norm(x, x.shape[-1:], gamma, epsilon)


def value_of(weight):
    """The tensor of a variable; what is none as it is."""
    return variable_value(weight) if hasattr(weight, "value") else weight  # in Keras 3.5 none is a `keras.Variable`


@found_once
def variable_value(variable):
    return variable.value


def fused_linear(x, kernel, bias):
    """x · kernel + bias.

    Arguments:
        x: float [..., d].
        kernel: tensor [d, units].
        bias: tensor [units], or None.

    Returns:
        [..., units], or None where the framework is best left alone.
    """
    if isinstance(x, keras.KerasTensor) or BACKEND not in ("torch", "tensorflow", "jax"):
        return None
    if BACKEND == "jax":
        y = row_in_blocks(x, kernel)
        return y if y is None or bias is None else y + bias
    if BACKEND == "torch":  # not F.linear: the gradient of a transposed kernel is not in the order of its memory
        flat = x.reshape(-1, x.shape[-1])
        y = torch.mm(flat, kernel) if bias is None else torch.addmm(bias, flat, kernel)
        return y.reshape(x.shape[:-1] + y.shape[-1:])
    if len(x.shape) == 2:
        return matmul_and_bias(x, kernel, bias)
    shape = keras.ops.shape(x)
    y = matmul_and_bias(tf.reshape(x, (-1, x.shape[-1])), kernel, bias)
    return tf.reshape(y, tuple(shape[:-1]) + (kernel.shape[-1],))


BLOCKS = 4


def is_long_row(x, d, units):
    """Whether x is one row, to be multiplied by a big matrix on the CPU."""
    return x.size == x.shape[-1] and d * units >= 2**19 and jax.default_backend() == "cpu"


def row_in_blocks(x, kernel):
    """The product of one row as a sum of four: XLA leaves one to one core of the CPU, which memory keeps waiting.

    Arguments and returns: as of `fused_linear`; None where it is not one row, or soon done.
    """
    d, units = kernel.shape
    if not is_long_row(x, d, units) or d % BLOCKS:
        return None
    blocks = kernel.reshape(BLOCKS, d // BLOCKS, units)
    y = jax.numpy.einsum("kd,kdu->ku", x.reshape(BLOCKS, d // BLOCKS), blocks).sum(0)
    return y.reshape(x.shape[:-1] + (units,))


def matmul_transposed(x, y):
    """x · yᵀ over the last two axes, without a transposed copy of y.

    Arguments:
        x: float [..., n, d].
        y: float [m, d], as the table of a tied head, or [..., m, d] as x.

    Returns:
        [..., n, m].
    """
    if isinstance(x, keras.KerasTensor):
        return keras.ops.matmul(x, keras.ops.swapaxes(y, -1, -2))
    if BACKEND == "torch":
        return torch.matmul(x, y.transpose(-1, -2))
    if BACKEND == "tensorflow":
        if len(y.shape) > 2 or len(x.shape) == 2:
            return tf.linalg.matmul(x, y, transpose_b=True)
        shape = keras.ops.shape(x)
        z = tf.linalg.matmul(tf.reshape(x, (-1, x.shape[-1])), y, transpose_b=True)
        return tf.reshape(z, tuple(shape[:-1]) + (y.shape[0],))
    z = row_times_rows_in_blocks(x, y) if BACKEND == "jax" and y.ndim == 2 else None
    return keras.ops.matmul(x, y.swapaxes(-1, -2)) if z is None else z


def row_times_rows_in_blocks(x, y):
    """The same for the products of one row with those of a matrix; None where it is not one row, or soon done."""
    m, d = y.shape
    if not is_long_row(x, m, d) or m % BLOCKS:
        return None
    rows = jax.numpy.broadcast_to(x.reshape(d), (BLOCKS, d))
    return jax.numpy.einsum("kd,kmd->km", rows, y.reshape(BLOCKS, m // BLOCKS, d)).reshape(x.shape[:-1] + (m,))


def matmul_and_bias(x, kernel, bias):
    """Two matrices: only between them TensorFlow's optimizer fuses product and bias."""
    y = tf.linalg.matmul(x, kernel)
    return y if bias is None else tf.nn.bias_add(y, bias)


def activated(x, activation):
    """activation(x) of an x that nobody else holds: torch's gelu overwrites it where no gradient will ask for it.

    Arguments:
        x: float [...].
        activation: a function from a tensor to a tensor.

    Returns:
        As `activation`.
    """
    if BACKEND == "torch" and not x.requires_grad:
        approximate = gelus().get(activation)
        if approximate is not None:
            return torch.ops.aten.gelu_(x, approximate=approximate)
    return activation(x)


@functools.lru_cache(maxsize=None)
def gelus():
    """{our gelu: what torch calls it}"""
    from .. import activations  # which stands on this folder

    return {activations.gelu_erf: "none", activations.gelu_tanh: "tanh"}
