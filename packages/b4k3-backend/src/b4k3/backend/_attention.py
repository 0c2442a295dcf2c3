"""Attention: how a mask becomes a number, scores become weights, and queries, keys and values become an output.

A key is hidden by a number that is added to its score. The number is so large that nothing of the score is left:

    scores of one query          2.0   -1.0    0.5
    mask of the keys            True   True  False
    what `mask_bias` adds        0.0    0.0  -1e30
    sum                          2.0   -1.0  -1e30
    weights                     0.95   0.05    0.0

This is exact in float32. Neighbouring numbers near 1e30 are 7.5e22 apart, so the sum is -1e30 whatever the score was,
and the exponential of its distance to the best score is 0. If every key is hidden, all sums are equal, and so are the
weights; with -inf in place of the number they would be NaN. float16 ends at 65504, so its number is -3e4. With it
a hidden key weighs 0 if its score is less than 29,800 above the best one, since the exponential of -200 is 0.
"""

from __future__ import annotations

import math
from typing import Any

from ._environment import fused, ops
from ._heads import swap_heads
from .masking import sequence_masking
from .tensors import dtype as dtype_of
from .types import Tensor

# The names of dtypes whose range does not hold -1e30, and the number to take there.
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


def bias_from_mask(visible: Tensor, dtype: str) -> Tensor:
    """Turn a mask into a bias for attention scores.

    Arguments:
        visible: bool, [...]. True where a key may be seen.
        dtype: str. The dtype of the result.

    Returns:
        float, of the shape of `visible`. 0 where a key may be seen, and `mask_value(dtype)` elsewhere.

    Example:
        >>> bias = bias_from_mask(ops.convert_to_tensor([[True, False]]), "float32")  # [1, 2]
    """
    bias = fused.one_where_false(visible) * mask_value(dtype)
    return bias if dtype == "float32" else fused.cast(bias, dtype)


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
    hidden = mask_value(dtype)
    if bias is not None:
        bias = fused.at_least(fused.cast(bias, dtype), hidden)  # [b, h, n, m]
    if mask is None:
        return bias
    term = bias_from_mask(fused.with_axes(mask, (1, 2), 4), dtype)  # [b, 1, 1, m]
    # A key that both hide would get 2 · hidden, and be hidden more than the others: a query that may see no key would
    # not get the mean of all values.
    return term if bias is None else fused.at_least(bias + term, hidden)  # [b, h, n, m]


def attention_normalize(
    a: Tensor,
    mask: Tensor | None = None,
    axis: int = -1,
    method: str = "softmax",
    bias: Tensor | None = None,
) -> Tensor:
    """Turn attention scores into weights.

    The score of a hidden key is overwritten, not added to, so that it may be anything, even NaN.

    Arguments:
        a: float, [batch, ..., n, m]. The scores.
        mask: [batch, m], or None. True or 1 where a key may be seen.
        axis: int. The axis of the keys.
        method: str. 'softmax'; 'squared_relu', which is relu(a)² / l; or 'softmax_plus', which is
            softmax(a · log(max(l, 16)) / log(512)). Here l is the number of keys that may be seen.
        bias: broadcast to a, or None. A bool tensor is a second mask. A float tensor is added to the scores; a value
            below half of `mask_value` also hides the key, so that `l` does not count it.

    Returns:
        float, [batch, ..., n, m], of the dtype of a. Where no key may be seen, softmax gives every key the same weight,
        and squared_relu gives 0.

    Raises:
        ValueError: an unknown method.

    Example:
        >>> weights = attention_normalize(ops.zeros((1, 4, 4)))  # [1, 4, 4]

    Reference: for softmax_plus https://kexue.fm/archives/9019; for squared_relu https://arxiv.org/abs/2202.10447
    """
    if method not in ("softmax", "squared_relu", "softmax_plus"):
        raise ValueError(f"attention_normalize: method is softmax, squared_relu or softmax_plus, not {method!r}.")
    scores, hidden = ops.cast(a, "float32"), mask_value("float32")  # [b, ..., n, m]
    if bias is not None and dtype_of(bias) != "bool":
        bias = ops.cast(bias, dtype_of(a))
        scores = scores + ops.cast(bias, "float32")
        bias = bias > mask_value(dtype_of(a)) / 2  # from here on it is a second mask
    scores, visible = sequence_masking(scores, mask, hidden, axis, bias, return_mask=True)  # both [b, ..., n, m]
    if method != "softmax":
        if visible is None:
            count = ops.cast(ops.shape(a)[axis], "float32")
        else:
            count = ops.sum(ops.cast(visible, "float32"), axis=axis, keepdims=True)  # [b, ..., n or 1, 1]
    if method == "squared_relu":
        return ops.cast(ops.square(ops.relu(scores)) / ops.maximum(count, 1.0), dtype_of(a))  # [b, ..., n, m]
    if method == "softmax_plus":
        scores = scores * (ops.log(ops.maximum(count, 16.0)) / math.log(512))  # [b, ..., n, m]
    return ops.cast(ops.softmax(ops.maximum(scores, hidden), axis=axis), dtype_of(a))  # [b, ..., n, m]


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

    The softmax is computed in float32. Keys and values may have fewer heads than the queries. Then each of their heads
    serves a group of neighbouring heads of the queries (grouped-query attention).

    Arguments:
        query: float, [batch, n, heads, key_size]. The queries.
        key: float, [batch, m, heads or a divisor of it, key_size]. The keys.
        value: float, [batch, m, heads of the keys, head_size]. The values.
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

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762; for groups Ainslie et al.,
        GQA, https://arxiv.org/abs/2305.13245
    """
    heads, key_heads = (getattr(x.shape[2], "value", x.shape[2]) for x in (query, key))
    groups = int(heads // key_heads) if heads and key_heads else 1  # heads of an unknown number are not grouped
    if groups > 1:
        query, bias = group_queries(query, groups), group_bias(bias, groups)
        return ungroup(attention(query, key, value, mask, bias, scale, dropout, training), groups)
    kernel_dtype = fused.attention_dtype(query, value, dropout, training)
    term = mask_bias(mask, bias, kernel_dtype or "float32")  # [b, h, n, m] or [b, 1, 1, m]
    if kernel_dtype is not None:
        return fused.fused_attention(query, key, value, term, scale, dropout, training)  # [b, n, h, head_size]
    query, key, value = (swap_heads(x) for x in (query, key, value))  # [b, h, n or m, size]
    scores = ops.cast(fused.scaled_scores(query, key, scale), "float32")  # [b, h, n, m]
    if term is not None:
        scores = scores + term  # [b, h, n, m]
    weights = ops.cast(ops.softmax(scores, axis=-1), value.dtype)  # [b, h, n, m]
    if dropout is not None and training is not False:
        weights = dropout(weights, training=training)  # [b, h, n, m]
    return swap_heads(ops.matmul(weights, value))  # [b, n, h, head_size]


# Grouped queries. Two positions whose four heads a, b, c, d share the two key heads ab and cd become four rows:
#
#     queries    [[a1, b1, c1, d1], [a2, b2, c2, d2]]          [n = 2, heads = 4]
#     grouped    [[a1, c1], [b1, d1], [a2, c2], [b2, d2]]      [n · groups = 4, key heads = 2]
#
# Each row attends to all keys on its own, so that it changes nothing which rows lie beside it. No key is repeated.


def group_queries(query: Tensor, groups: int) -> Tensor:
    """Make the heads of a group rows of the key head that they share.

    Arguments:
        query: float, [batch, n, heads, size]. The queries.
        groups: int. How many heads share a key head.

    Returns:
        float, [batch, n · groups, heads / groups, size].

    Example:
        >>> grouped = group_queries(ops.ones((1, 3, 4, 8)), groups=2)  # [1, 6, 2, 8]
    """
    heads, size = int(query.shape[2]) // groups, int(query.shape[3])
    if fused.is_torch_tensor(query):
        return query.unflatten(2, (heads, groups)).transpose(2, 3).flatten(1, 2)  # [b, n · g, heads, size]
    batch, n = ops.shape(query)[:2]
    split = ops.reshape(query, (batch, n, heads, groups, size))  # [b, n, heads, g, size]
    return ops.reshape(ops.transpose(split, (0, 1, 3, 2, 4)), (batch, -1, heads, size))  # [b, n · g, heads, size]


def ungroup(x: Tensor, groups: int) -> Tensor:
    """Undo `group_queries`.

    Arguments:
        x: float, [batch, n · groups, heads / groups, size].
        groups: int. How many heads share a key head.

    Returns:
        float, [batch, n, heads, size].

    Example:
        >>> heads = ungroup(ops.ones((1, 6, 2, 8)), groups=2)  # [1, 3, 4, 8]
    """
    heads, size = int(x.shape[2]), int(x.shape[3])
    if fused.is_torch_tensor(x):
        return x.unflatten(1, (-1, groups)).transpose(2, 3).flatten(2, 3)  # [b, n, h, size]
    batch = ops.shape(x)[0]
    split = ops.reshape(x, (batch, -1, groups, heads, size))  # [b, n, g, heads, size]
    n = ops.shape(split)[1]
    return ops.reshape(ops.transpose(split, (0, 1, 3, 2, 4)), (batch, n, heads * groups, size))  # [b, n, h, size]


def group_bias(bias: Tensor | None, groups: int) -> Tensor | None:
    """Bring the bias of attention scores into the order of `group_queries`.

    Arguments:
        bias: float, broadcast to [batch, heads, n, m], or None.
        groups: int. How many heads share a key head.

    Returns:
        float, broadcast to [batch, heads / groups, n · groups, m]; None for None.

    Example:
        >>> bias = group_bias(ops.ones((1, 1, 3, 5)), groups=2)  # [1, 1, 6, 5]
    """
    if bias is None or (bias.shape[1] == 1 and bias.shape[2] == 1):
        return bias
    if bias.shape[1] == 1:
        return ops.repeat(bias, groups, axis=2)  # [b, 1, n · g, m]
    batch, _, n, m = ops.shape(bias)
    heads = int(bias.shape[1]) // groups
    split = ops.reshape(bias, (batch, heads, groups, n, m))  # [b, heads, g, n, m]
    return ops.reshape(ops.transpose(split, (0, 1, 3, 2, 4)), (batch, heads, -1, m))  # [b, heads, n · g, m]
