"""Scaled dot-product attention: one description in ops, and the framework's fused kernel where there is one."""

from __future__ import annotations

from ._heads import swap_heads
from ._row import fused_attention, matmul_transposed, ops

LOWEST = {"float16": -3e4}  # unlike -inf, a finite number gives no NaN where everything is masked


def lowest(dtype):
    """A number that hides a score of this dtype from the softmax."""
    return LOWEST.get(str(dtype), -1e30)


def mask_bias(mask=None, bias=None, dtype="float32"):
    """The term that a mask and a bias add to attention scores.

    Arguments:
        mask: bool [batch, m], True where a key may be seen; or None.
        bias: float, broadcast to [batch, heads, n, m]; or None. -inf in it is taken as hidden.
        dtype: name of the result's dtype.

    Returns:
        A float tensor that broadcasts to [batch, heads, n, m], or None when there is neither.
    """
    if bias is not None:
        bias = ops.maximum(ops.cast(bias, dtype), lowest(dtype))
    if mask is None:
        return bias
    hidden = ops.cast(ops.logical_not(mask)[:, None, None, :], dtype) * lowest(dtype)  # [b, 1, 1, m]
    return hidden if bias is None else ops.maximum(bias + hidden, lowest(dtype))  # [b, h, n, m]


def attention(query, key, value, mask=None, bias=None, scale=1.0, dropout=None, training=None):
    """softmax(query · keyᵀ · scale + bias) · value over the keys that `mask` allows; the softmax is in float32.

    Arguments:
        query: [batch, n, heads, key_size].
        key: [batch, m, heads, key_size].
        value: [batch, m, heads, head_size].
        mask: bool [batch, m], True where a key may be seen; or None.
        bias: float, broadcast to [batch, heads, n, m]; or None.
        scale: factor on the scores.
        dropout: a Dropout layer for the probabilities, or None.
        training: as in `Layer.call`.

    Returns:
        [batch, n, heads, head_size], dtype of `value`. A row of which every key is hidden is the mean of the values.

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762
    """
    out = fused_attention(query, key, value, mask_bias, mask, bias, scale, dropout, training)
    if out is not None:
        return out
    query, key, value = (swap_heads(x) for x in (query * scale, key, value))  # [b, h, n or m, d]
    scores = ops.cast(matmul_transposed(query, key), "float32")  # [b, h, n, m]
    term = mask_bias(mask, bias)
    if term is not None:
        scores = scores + term
    weights = ops.cast(ops.softmax(scores, axis=-1), value.dtype)  # [b, h, n, m]
    if dropout is not None and training is not False:
        weights = dropout(weights, training=training)
    return swap_heads(ops.matmul(weights, value))  # [b, n, h, dv]
