"""Scaled dot-product attention: one description in ops, and the framework's fused kernel where there is one."""

from __future__ import annotations

from typing import Any

from ._environment import fused, ops
from ._heads import swap_heads
from .types import Tensor

# float16 ends at 65504. The numbers are finite because softmax over nothing but -inf is NaN.
MASK_VALUES = {"float16": -3e4}


def mask_value(dtype: Any) -> float:
    """Return the number that hides an attention score from the softmax.

    Arguments:
        dtype: str, or what names a dtype when it is converted to str. The dtype of the scores.

    Returns:
        float. A finite number, so that softmax gives equal weights, not NaN, where every key is masked.

    Example:
        >>> mask_value("float32")
        -1e+30
    """
    return MASK_VALUES.get(str(dtype), -1e30)


lowest = mask_value  # the former name, which stays until version 0.2


def mask_bias(mask: Tensor | None = None, bias: Tensor | None = None, dtype: str = "float32") -> Tensor | None:
    """Compute the term that a mask and a bias add to attention scores.

    Arguments:
        mask: bool, [batch, m], or None. True where a key may be seen.
        bias: float, broadcast to [batch, heads, n, m], or None. A value of -inf hides a key.
        dtype: str. The dtype of the result.

    Returns:
        float, broadcast to [batch, heads, n, m]; None without mask and bias.

    Example:
        >>> mask = ops.convert_to_tensor([[True, False]])
        >>> term = mask_bias(mask)  # [1, 1, 1, 2]
    """
    if bias is not None:
        bias = ops.maximum(ops.cast(bias, dtype), mask_value(dtype))  # [b, h, n, m]
    if mask is None:
        return bias
    hidden = ops.cast(ops.logical_not(mask)[:, None, None, :], dtype) * mask_value(dtype)  # [b, 1, 1, m]
    return hidden if bias is None else ops.maximum(bias + hidden, mask_value(dtype))  # [b, h, n, m]


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    scale: float = 1.0,
    dropout: Any = None,
    training: bool | None = None,
) -> Tensor:
    """Compute softmax(query · keyᵀ · scale + bias) · value over the keys that `mask` allows.

    The softmax is computed in float32.

    Arguments:
        query: float, [batch, n, heads, key_size]. The queries.
        key: float, [batch, m, heads, key_size]. The keys.
        value: float, [batch, m, heads, head_size]. The values.
        mask: bool, [batch, m], or None. True where a key may be seen.
        bias: float, broadcast to [batch, heads, n, m], or None. It is added to the scaled scores.
        scale: float. The scores are multiplied by it.
        dropout: Dropout layer, or None. It is applied to the weights.
        training: bool, or None. Keras' flag of a call, handed on to `dropout`.

    Returns:
        float, [batch, n, heads, head_size], of the dtype of `value`. A query that may see no key gets the mean of all
        values.

    Example:
        >>> x = ops.ones((1, 4, 2, 8))
        >>> y = attention(x, x, x, scale=8**-0.5)  # [1, 4, 2, 8]

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762
    """
    out = fused.fused_attention(
        query, key, value, mask_bias, mask, bias, scale, dropout, training
    )  # [b, n, h, head_size]
    if out is not None:
        return out
    query, key, value = (swap_heads(x) for x in (query * scale, key, value))  # [b, h, n or m, size]
    scores = ops.cast(fused.matmul_transposed(query, key), "float32")  # [b, h, n, m]
    term = mask_bias(mask, bias)  # [b, h, n, m] or [b, 1, 1, m]
    if term is not None:
        scores = scores + term  # [b, h, n, m]
    weights = ops.cast(ops.softmax(scores, axis=-1), value.dtype)  # [b, h, n, m]
    if dropout is not None and training is not False:
        weights = dropout(weights, training=training)  # [b, h, n, m]
    return swap_heads(ops.matmul(weights, value))  # [b, n, h, head_size]
