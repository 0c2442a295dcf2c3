"""Fused kernels of the frameworks, and short ways to small operations of torch.

A function returns None if the framework has no kernel for its arguments; `attention_dtype` says so for attention.

Four tricks make some kernels faster than the obvious way. This is an example of each, and the reason why it is exact:

`torch_dropout` decides with 16 random bits instead of 64. At a rate of 0.1 it drops round(0.1 · 65536) = 6554 of the
65536 values that 16 bits have:

    random bits as int16:   -32768 … -26215 | -26214 … 32767
    number of values:             6554      |      58982
    result:                         0       |  x · 65536 / 58982

The probability to keep is 58982 / 65536, so the expectation of the result is exactly x. The rate is not 0.1 but the
nearest multiple of 1 / 65536, which is at most 1 / 131072 away.

`row_in_blocks` multiplies one row x of d features with a kernel as a sum of four products. For d = 8:

    x · kernel = x[0:2] · kernel[0:2] + x[2:4] · kernel[2:4] + x[4:6] · kernel[4:6] + x[6:8] · kernel[6:8]

A product of a row with a matrix is a sum over the features. It is only added up in another order, so that results
differ by rounding at most.

`row_times_rows_in_blocks` multiplies the row with four blocks of rows of a table. For a table y of 8 rows:

    x · yᵀ = [x · y[0:2]ᵀ, x · y[2:4]ᵀ, x · y[4:6]ᵀ, x · y[6:8]ᵀ]

Each result is the product of x with one row of y, so no sum is split.

`activated` overwrites its input, x = [-1, 2] by gelu(x) = [-0.159, 1.954]. The function is the same, and where its
result lies changes no number. Nobody else holds that tensor, and without a gradient nobody will ask for it again.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Sequence

import keras

from ..types import Tensor
from .compiling import found_once
from .export_scope import exporting
from .onednn import by_onednn

BACKEND = keras.config.backend()

if BACKEND == "torch":
    import torch
elif BACKEND == "jax":
    import jax
elif BACKEND == "tensorflow":
    import tensorflow as tf

JAX_HAS_ATTENTION = BACKEND == "jax" and hasattr(jax.nn, "dot_product_attention")  # since JAX 0.4.31


def is_torch_tensor(x: Any) -> bool:
    """Return True for a tensor of torch, whose own methods do the work of `keras.ops` at once.

    `keras.ops` inspects its arguments before it does anything, which takes torch longer than a small operation itself.

    Arguments:
        x: Any. A tensor, symbolic or not.

    Returns:
        bool. False on other backends, where compiled code has no such cost, and while a graph is written for other
        programs, which know the operations of `keras.ops` better.
    """
    return BACKEND == "torch" and isinstance(x, torch.Tensor) and not exporting()


def one_where_false(x: Tensor) -> Tensor:
    """Return 1 where x is False or 0, and 0 elsewhere.

    Arguments:
        x: bool or numbers, [...]. The tensor.

    Returns:
        float32, [...].
    """
    if exporting() and keras.backend.standardize_dtype(x.dtype) == "bool":
        return 1.0 - keras.ops.cast(x, "float32")  # the form of a mask that onnxruntime looks for
    return cast(x.logical_not() if is_torch_tensor(x) else keras.ops.logical_not(x), "float32")


def cast(x: Tensor, dtype: str) -> Tensor:
    """Cast a tensor, as `keras.ops.cast` does.

    Arguments:
        x: [...]. The tensor.
        dtype: str. The name of a float dtype.

    Returns:
        float, [...]. A tensor that has this dtype already may be returned itself.
    """
    return x.to(getattr(torch, dtype)) if is_torch_tensor(x) else keras.ops.cast(x, dtype)


def at_least(x: Tensor, least: float) -> Tensor:
    """Return max(x, least), as `keras.ops.maximum` does.

    Arguments:
        x: float, [...]. The numbers.
        least: float. The smallest number of the result.

    Returns:
        float, [...], of the dtype of x.
    """
    return x.clamp(min=least) if is_torch_tensor(x) else keras.ops.maximum(x, least)


def rate_of(dropout: Any, training: bool | None) -> float:
    """Return the rate of a Dropout layer in a call; 0 without a layer, or if it does not act."""
    return dropout.rate if dropout is not None and training else 0.0


def attention_dtype(query: Tensor, value: Tensor, dropout: Any, training: bool | None) -> str | None:
    """Return the dtype in which the framework's own function of attention takes its bias.

    Arguments:
        query: float, [batch, n, heads, key_size]. The queries.
        value: float, [batch, m, heads, head_size]. The values.
        dropout: Dropout layer, or None. It is applied to the weights.
        training: bool, or None. Dropout acts only if this is True.

    Returns:
        str; None if the framework has no function for these arguments, so that `fused_attention` cannot be called.
    """
    if isinstance(query, keras.KerasTensor) or exporting():
        return None
    if BACKEND == "torch":
        return name_of(query.dtype)
    if not JAX_HAS_ATTENTION or rate_of(dropout, training) or query.shape[-1] != value.shape[-1]:
        return None
    # On the CPU this function is slower than what XLA makes of the ops, and it does not compile for float16.
    return "float32" if jax.default_backend() != "cpu" else None


# The name of a dtype of torch, which attention asks for in every layer.
name_of = functools.lru_cache(maxsize=None)(keras.backend.standardize_dtype)


def fused_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    scale: float,
    dropout: Any,
    training: bool | None,
) -> Tensor:
    """Compute attention by torch's or JAX's own function.

    Arguments:
        query: float, [batch, n, heads, key_size]. The queries.
        key: float, [batch, m, heads, key_size]. The keys.
        value: float, [batch, m, heads, head_size]. The values.
        bias: float, broadcast to [batch, heads, n, m], or None. It has the dtype that `attention_dtype` says, and is
            added to the scaled scores.
        scale: float. The scores are multiplied by it.
        dropout: Dropout layer, or None. Its rate is applied to the weights, on torch.
        training: bool, or None. Dropout acts only if this is True.

    Returns:
        float, [batch, n, heads, head_size].
    """
    if BACKEND == "torch":
        return torch_attention(query, key, value, bias, scale, rate_of(dropout, training))
    return jax.nn.dot_product_attention(query, key, value, bias=bias, scale=scale)


def torch_attention(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float, rate: float
) -> Tensor:
    """Compute attention by torch's own function, or on the CPU with `torch_dropout` if there is dropout.

    Arguments:
        query: float, [batch, n, heads, key_size]. The queries.
        key: float, [batch, m, heads, key_size]. The keys.
        value: float, [batch, m, heads, head_size]. The values.
        bias: float, broadcast to [batch, heads, n, m], or None. It is added to the scaled scores.
        scale: float. The scores are multiplied by it.
        rate: float. The rate of dropout on the weights.

    Returns:
        float, [batch, n, heads, head_size].
    """
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))  # [b, h, n or m, size]
    if bias is not None:
        bias = bias.expand(query.shape[:-1] + key.shape[-2:-1])  # [b, h, n, m]
    if 0 < rate < 1 and query.device.type == "cpu" and query.dtype == torch.float32:
        scores = torch.matmul(query * scale, key.transpose(2, 3))  # [b, h, n, m]
        weights = torch.softmax(scores if bias is None else scores.add_(bias), dim=-1)  # [b, h, n, m]
        return torch.matmul(torch_dropout(weights, rate), value).transpose(1, 2)  # [b, n, h, head_size]
    out = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=bias, dropout_p=rate, scale=scale
    )  # [b, h, n, head_size]
    return out.transpose(1, 2)  # [b, n, h, head_size]


def torch_dropout(x: Tensor, rate: float) -> Tensor:
    """Apply dropout on the CPU in a third of the time of torch's own, which draws 64 random bits for each number.

    Here 16 bits decide on each number; they come from torch's generator too. The module's docstring has an example.

    Arguments:
        x: float, [...]. The numbers.
        rate: float. The probability to drop a number, between 0 and 1.

    Returns:
        float, of the shape and dtype of x.
    """
    dropped = min(round(rate * 2**16), 2**16 - 1)
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    bits = words.view(torch.int16)[: x.numel()].view(x.shape)
    keep = torch.ge(bits, dropped - 2**15, out=torch.empty(x.shape, dtype=x.dtype))
    return x * keep.mul_(2**16 / (2**16 - dropped))


def fused_layer_normalization(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, epsilon: float, zero_mean: bool
) -> Tensor | None:
    """Compute layer or RMS normalisation by torch's own functions.

    Arguments:
        x: float, [..., d]. The features to normalise.
        gamma: float, [d], or None. The factor.
        beta: float, [d], or None. The offset.
        epsilon: float. It is added to the variance.
        zero_mean: bool. False computes RMS normalisation.

    Returns:
        float, [..., d], of the dtype of x; None if torch has no kernel for these arguments, for instance for a factor
        that depends on a condition.
    """
    if BACKEND != "torch" or isinstance(x, keras.KerasTensor):
        return None
    gamma, beta = value_of(gamma), value_of(beta)
    if not all(w is None or is_vector(w) for w in (gamma, beta)):
        return None
    if zero_mean:
        gamma, beta = (w if w is None or w.dtype == x.dtype else w.to(x.dtype) for w in (gamma, beta))
        return torch.nn.functional.layer_norm(x, (int(x.shape[-1]),), gamma, beta, epsilon)
    if exporting() or beta is not None or x.dtype != torch.float32 or not hasattr(torch, "rms_norm"):
        return None
    return torch.rms_norm(x, x.shape[-1:], gamma, epsilon)


def bound_normalization(gamma: Any, beta: Any, epsilon: float, zero_mean: bool) -> Callable[[Tensor], Tensor] | None:
    """Make a function of torch that computes `layer_normalization` in float32, with weights that are looked up already.

    Arguments:
        gamma: variable of [d], or None. The factor.
        beta: variable of [d], or None. The offset.
        epsilon: float. It is added to the variance.
        zero_mean: bool. False computes RMS normalisation.

    Returns:
        function. From float32 [..., d] to float32 [..., d]. None on other backends, or if torch has no kernel for these
        arguments.

    Example:
        >>> bound = bound_normalization(None, None, 1e-12, zero_mean=True)
        >>> bound is None or bound(ops.ones((2, 8))).shape == (2, 8)
        True
    """
    gamma, beta = value_of(gamma), value_of(beta)
    if BACKEND != "torch" or not all(w is None or (is_vector(w) and w.dtype == torch.float32) for w in (gamma, beta)):
        return None
    if not zero_mean and (beta is not None or not hasattr(torch, "rms_norm")):
        return None
    if zero_mean:
        return lambda x: torch.layer_norm(x, x.shape[-1:], gamma, beta, epsilon)
    return lambda x: torch.rms_norm(x, x.shape[-1:], gamma, epsilon)


def bound_linear(
    kernel: Tensor, bias: Tensor | None, activation: Callable[[Tensor], Tensor] | None
) -> Callable[[Tensor], Tensor]:
    """Make a function of torch that computes activation(x · kernel + bias) without gradients.

    Arguments:
        kernel: float, [d, units]. The kernel.
        bias: float, [units], or None. The bias.
        activation: function, or None. It is applied to the sum.

    Returns:
        function. From float [..., d] to float [..., units].
    """
    transposed = kernel.t()  # [units, d]

    def linear(x: Tensor) -> Tensor:
        """Compute the product and the sum."""
        y = by_onednn(x, transposed, bias)  # [..., units]
        return torch.nn.functional.linear(x, transposed, bias) if y is None else y

    return linear if activation is None else lambda x: activated(linear(x), activation)


def is_vector(weight: Any) -> bool:
    """Return True for a tensor of torch with one axis."""
    return isinstance(weight, torch.Tensor) and weight.dim() == 1


def value_of(weight: Any) -> Any:
    """Return the tensor of a variable.

    Arguments:
        weight: variable, tensor or None.

    Returns:
        The tensor; a tensor and None are returned themselves.
    """
    return weight if weight is None or is_torch_tensor(weight) else variable_value(weight)


@found_once
def variable_value(weight: Any) -> Any:
    """Return the tensor of a variable, which a compiled function looks up once.

    Arguments:
        weight: variable of Keras, tensor or number.

    Returns:
        The tensor of a variable. Everything else is returned itself.
    """
    # A variable of Keras 3.5 is no instance of `keras.Variable`, so it is recognised by its attribute.
    return weight.value if hasattr(weight, "value") else weight


def fused_linear(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor | None:
    """Compute x · kernel + bias.

    Arguments:
        x: float, [..., d]. The features.
        kernel: float, [d, units]. The kernel.
        bias: float, [units], or None. The bias.

    Returns:
        float, [..., units]; None if Keras' own way is as fast.
    """
    if isinstance(x, keras.KerasTensor) or BACKEND not in ("torch", "tensorflow", "jax"):
        return None
    if BACKEND == "jax":
        y = row_in_blocks(x, kernel)
        return y if y is None or bias is None else y + bias
    if exporting() and BACKEND == "torch":  # the product and the sum that other programs look for
        y = torch.matmul(x, kernel)  # [..., units]
        return y if bias is None else y + bias
    if BACKEND == "torch":  # F.linear wants a transposed kernel, whose gradient is not in the order of its memory
        found = by_onednn(x, kernel.t(), bias)  # [..., units]
        if found is not None:
            return found
        flat = x.reshape(-1, x.shape[-1])  # [rows, d]
        y = torch.mm(flat, kernel) if bias is None else torch.addmm(bias, flat, kernel)  # [rows, units]
        return y.reshape(x.shape[:-1] + y.shape[-1:])  # [..., units]
    if len(x.shape) == 2:
        return matmul_and_bias(x, kernel, bias)
    shape = keras.ops.shape(x)
    y = matmul_and_bias(tf.reshape(x, (-1, x.shape[-1])), kernel, bias)  # [rows, units]
    return tf.reshape(y, tuple(shape[:-1]) + (kernel.shape[-1],))  # [..., units]


BLOCKS = 4


def is_long_row(x: Tensor, d: int, units: int) -> bool:
    """Return True if x is a single row that is multiplied by a big matrix on the CPU.

    Arguments:
        x: float, [..., d]. The features.
        d: int. The number of features.
        units: int. The number of results.

    Returns:
        bool.
    """
    return x.size == x.shape[-1] and d * units >= 2**19 and jax.default_backend() == "cpu"


def row_in_blocks(x: Tensor, kernel: Tensor) -> Tensor | None:
    """Multiply a single row by a kernel as a sum of four products, so that XLA uses more than one core of the CPU.

    One core waits for memory most of the time. The module's docstring has an example.

    Arguments:
        x: float, [..., d]. The features.
        kernel: float, [d, units]. The kernel.

    Returns:
        float, [..., units]; None if x is not a single row, or the kernel is small.
    """
    d, units = kernel.shape
    if not is_long_row(x, d, units) or d % BLOCKS:
        return None
    blocks = kernel.reshape(BLOCKS, d // BLOCKS, units)
    y = jax.numpy.einsum("kd,kdu->ku", x.reshape(BLOCKS, d // BLOCKS), blocks).sum(0)  # [units]
    return y.reshape(x.shape[:-1] + (units,))


def with_axes(x: Tensor, places: Sequence[int], ndim: int) -> Tensor:
    """Return a tensor with further axes of size 1.

    Arguments:
        x: [...]. The tensor.
        places: sequence of int. The numbers of the new axes in the result, in increasing order.
        ndim: int. The number of axes of the result.

    Returns:
        The tensor with `ndim` axes.
    """
    if exporting():  # LiteRT has no slice that adds axes
        for place in places:
            x = keras.ops.expand_dims(x, place)
        return x
    return x[tuple(None if i in places else slice(None) for i in range(ndim))]


def scaled_scores(query: Tensor, key: Tensor, scale: float) -> Tensor:
    """Compute query · keyᵀ · scale, the scores of attention.

    Arguments:
        query: float, [batch, heads, n, key_size]. The queries.
        key: float, [batch, heads, m, key_size]. The keys.
        scale: float. The factor.

    Returns:
        float, [batch, heads, n, m].
    """
    # onnxruntime fuses an attention whose scores are divided, and takes it for granted that this is the divisor. It
    # takes a product for the mask.
    divisor = int(query.shape[-1]) ** 0.5
    if exporting() and abs(scale * divisor - 1) < 1e-6:
        return matmul_transposed(query, key) / divisor
    return matmul_transposed(query * scale, key)


def matmul_transposed(x: Tensor, y: Tensor) -> Tensor:
    """Compute x · yᵀ over the last two axes, without a transposed copy of y.

    Arguments:
        x: float, [..., n, d]. The rows.
        y: float, [m, d], such as the table of a tied head, or [..., m, d]. The matrix, or one for each matrix of x.

    Returns:
        float, [..., n, m].

    Example:
        >>> scores = matmul_transposed(ops.ones((2, 4, 8)), ops.ones((30, 8)))  # [2, 4, 30]
    """
    if isinstance(x, keras.KerasTensor):
        return keras.ops.matmul(x, keras.ops.swapaxes(y, -1, -2))
    if BACKEND == "torch":
        scores = by_onednn(x, y, None, least_rows=1) if y.dim() == 2 else None  # [..., n, m]
        return torch.matmul(x, y.transpose(-1, -2)) if scores is None else scores
    if BACKEND == "tensorflow":
        if len(y.shape) > 2 or len(x.shape) == 2:
            return tf.linalg.matmul(x, y, transpose_b=True)
        shape = keras.ops.shape(x)
        z = tf.linalg.matmul(tf.reshape(x, (-1, x.shape[-1])), y, transpose_b=True)  # [... · n, m]
        return tf.reshape(z, tuple(shape[:-1]) + (y.shape[0],))  # [..., n, m]
    z = row_times_rows_in_blocks(x, y) if BACKEND == "jax" and y.ndim == 2 else None
    return keras.ops.matmul(x, y.swapaxes(-1, -2)) if z is None else z


def rows_at(table: Any, ids: Tensor) -> Tensor:
    """Look up rows of a table by ids that are known to be inside it.

    Arguments:
        table: float, [rows, d]. The weight.
        ids: int32, [...]. The numbers of the rows.

    Returns:
        float, [..., d]. The rows.

    Example:
        >>> rows = rows_at(ops.ones((5, 8)), ops.convert_to_tensor([[0, 3]]))  # [1, 2, 8]
    """
    # `keras.ops` would look for negative ids once more.
    if is_torch_tensor(ids) and is_torch_tensor(value_of(table)):
        return torch.nn.functional.embedding(ids, value_of(table))
    if BACKEND == "tensorflow" and not isinstance(ids, keras.KerasTensor):
        return tf.gather(value_of(table), ids)
    return keras.ops.take(table, ids, axis=0)


def positions_at(x: Tensor, places: Tensor) -> Tensor:
    """Pick the same positions of every example; they are known to be inside.

    Arguments:
        x: [batch, n, ...]. The examples.
        places: int, [...]. The numbers of the positions.

    Returns:
        [batch, ..., ...]. As `ops.take` along axis 1.

    Example:
        >>> picked = positions_at(ops.ones((2, 5, 8)), ops.convert_to_tensor([[0, 3, 1]]))  # [2, 1, 3, 8]
    """
    # `keras.ops` drops an axis of size 1 on the way, so that an exported graph has a tensor of unknown rank.
    if BACKEND == "torch" and isinstance(x, torch.Tensor):
        return x[:, places]
    return keras.ops.take(x, places, axis=1)


def row_times_rows_in_blocks(x: Tensor, y: Tensor) -> Tensor | None:
    """Multiply a single row by the rows of a table in four blocks, so that XLA uses more than one core of the CPU.

    Arguments:
        x: float, [..., 1, d]. The features.
        y: float, [m, d]. The table.

    Returns:
        float, [..., 1, m]; None if x is not a single row, or the table is small.
    """
    m, d = y.shape
    if not is_long_row(x, m, d) or m % BLOCKS:
        return None
    rows = jax.numpy.broadcast_to(x.reshape(d), (BLOCKS, d))
    return jax.numpy.einsum("kd,kmd->km", rows, y.reshape(BLOCKS, m // BLOCKS, d)).reshape(x.shape[:-1] + (m,))


def rotated_halves(sinusoidal: Tensor, x: Tensor) -> Tensor | None:
    """Rotate each pair of features i and i + d / 2 by few operations of torch.

    With c and s for the cosines and sines, (a, b) becomes (a · c - b · s, b · c + a · s): the features times (c, c),
    plus the features with their halves exchanged times (-s, s).

    Arguments:
        sinusoidal: float, [1 or batch, n, d]. The sines and cosines, which alternate.
        x: float, [batch, n, heads, d]. Queries or keys.

    Returns:
        float, [batch, n, heads, d], of the dtype of x; None where Keras' own operations are as fast.
    """
    if not is_torch_tensor(x) or x.dim() != 4:
        return None
    cos, sin = halves_of(sinusoidal)  # [b, n, 1, d]
    return torch.addcmul(x * cos.to(x.dtype), x.roll(x.shape[-1] // 2, -1), sin.to(x.dtype))


@found_once
def halves_of(sinusoidal: Tensor) -> tuple[Tensor, Tensor]:
    """Lay out sines and cosines for `rotated_halves`; all layers of a step share them.

    Arguments:
        sinusoidal: float, [1 or batch, n, d]. The sines and cosines, which alternate.

    Returns:
        The cosines twice, and the negative sines before the sines: [1 or batch, n, 1, d] each.
    """
    sin, cos = sinusoidal[:, :, None, 0::2], sinusoidal[:, :, None, 1::2]  # [b, n, 1, d / 2]
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def matmul_and_bias(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply two matrices and add a bias. TensorFlow's optimizer fuses the two steps only for matrices.

    Arguments:
        x: float, [rows, d]. The features.
        kernel: float, [d, units]. The kernel.
        bias: float, [units], or None. The bias.

    Returns:
        float, [rows, units].
    """
    y = tf.linalg.matmul(x, kernel)
    return y if bias is None else tf.nn.bias_add(y, bias)


# Our forms of gelu -> the `approximate` of torch's gelu. `b4k3.backend.activations` enters them.
TORCH_GELUS: dict[Callable[[Tensor], Tensor], str] = {}


def activated(x: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply an activation to a tensor that nobody else holds; torch's gelu overwrites it if there is no gradient.

    Arguments:
        x: float, [...]. The tensor, which must not be used afterwards.
        activation: function. From a tensor to a tensor.

    Returns:
        The result of the activation.
    """
    if BACKEND == "torch" and not x.requires_grad and not exporting():
        approximate = TORCH_GELUS.get(activation)
        if approximate is not None:
            return torch.ops.aten.gelu_(x, approximate=approximate)
    return activation(x)
