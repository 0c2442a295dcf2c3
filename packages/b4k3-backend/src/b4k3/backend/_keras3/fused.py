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
        neither = mask is None and bias is None
        term = None if neither else mask_bias(mask, bias, dtype_name(query))
        return torch_attention(query, key, value, term, scale, rate)
    if BACKEND == "jax" and jax.default_backend() != "cpu" and not rate and query.shape[-1] == value.shape[-1]:
        # on the CPU it is slower than what XLA makes of the description, and float16 does not compile
        return jax.nn.dot_product_attention(query, key, value, bias=mask_bias(mask, bias), scale=scale)
    return None


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


def fused_layer_normalization(x, gamma, beta, epsilon):
    """Layer normalisation by torch's own function, for weights of one axis."""
    if BACKEND != "torch" or isinstance(x, keras.KerasTensor):
        return None
    weights = []
    for weight in (gamma, beta):
        if weight is not None:
            weight = value_of(weight)
            if not isinstance(weight, torch.Tensor) or weight.dim() != 1:
                return None
            weight = weight if weight.dtype == x.dtype else weight.to(x.dtype)
        weights.append(weight)
    return torch.nn.functional.layer_norm(x, x.shape[-1:], weights[0], weights[1], epsilon)


def value_of(weight):
    """The tensor of a variable; what is none as it is."""
    return variable_value(weight) if hasattr(weight, "value") else weight  # in Keras 3.5 none is a `keras.Variable`


@found_once
def variable_value(variable):
    return variable.value


def dtype_name(x):
    return keras.backend.standardize_dtype(x.dtype)


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


def row_in_blocks(x, kernel):
    """The product of one row as a sum of four: XLA leaves one to one core of the CPU, which memory keeps waiting.

    Arguments and returns: as of `fused_linear`; None where it is not one row, or soon done.
    """
    d, units = kernel.shape
    if x.size != d or d % BLOCKS or d * units < 2**19 or jax.default_backend() != "cpu":
        return None
    blocks = kernel.reshape(BLOCKS, d // BLOCKS, units)
    y = jax.numpy.einsum("kd,kdu->ku", x.reshape(BLOCKS, d // BLOCKS), blocks).sum(0)
    return y.reshape(x.shape[:-1] + (units,))


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
