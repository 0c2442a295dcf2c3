"""Masks over sequences, and attention scores turned into weights."""

from __future__ import annotations

import math
from typing import Any

from ._attention import mask_value
from ._environment import ops
from .tensors import align, dtype, where
from .types import Tensor


def sequence_masking(
    x: Tensor,
    mask: Tensor | None = None,
    value: float | str = 0,
    axis: int | list[int] | tuple[int, ...] | None = None,
    bias: Tensor | None = None,
    return_mask: bool = False,
) -> Any:
    """Write a value where a sequence has no element.

    Arguments:
        x: [batch, ..., n, ...]. The tensor to mask.
        mask: [batch, n], or None. True or 1 where there is an element.
        value: float or str. The number to write; '-inf' and 'inf' are the infinities.
        axis: int, list of int, or None. The axes of x that the mask is about; None means axis 1.
        bias: broadcast to x, or None. A bool tensor is a second mask; a float tensor is added to x before masking.
        return_mask: bool. True returns the joint mask too.

    Returns:
        The masked tensor, of the shape and dtype of x. With `return_mask` a pair of the masked tensor and the joint
        mask, which is bool and broadcasts to x, or None without a mask and a bool bias.

    Example:
        >>> x = ops.ones((2, 3, 4))
        >>> mask = ops.convert_to_tensor([[True, True, False], [True, False, False]])
        >>> y = sequence_masking(x, mask)  # [2, 3, 4]
    """
    joint = None
    if mask is not None:
        mask = mask if dtype(mask) == "bool" else ops.cast(mask, "bool")
        for i in axis if isinstance(axis, (list, tuple)) else [1 if axis is None else axis]:
            joint = _both(joint, align(mask, [0, i], len(x.shape)))
    if bias is not None:
        if dtype(bias) == "bool":
            joint = _both(joint, bias)
        else:
            x = x + ops.cast(bias, dtype(x))
    if joint is not None:
        x = where(joint, x, float(value) if isinstance(value, str) else value)
    return (x, joint) if return_mask else x


def _both(a: Tensor | None, b: Tensor) -> Tensor:
    """Return the AND of two masks. The first one may be missing."""
    return b if a is None else ops.logical_and(a, b)


def attention_normalize(
    a: Tensor,
    mask: Tensor | None = None,
    axis: int = -1,
    method: str = "softmax",
    bias: Tensor | None = None,
) -> Tensor:
    """Turn attention scores into weights.

    Arguments:
        a: float, [batch, ..., n, m]. The scores.
        mask: [batch, m], or None. True or 1 where a key may be seen.
        axis: int. The axis of the keys.
        method: str. 'softmax'; 'squared_relu', which is relu(a)² / l; or 'softmax_plus', which is
            softmax(a · log(max(l, 16)) / log(512)). Here l is the number of keys that may be seen.
        bias: broadcast to a, or None. A bool tensor is a second mask; a float tensor is added to the scores.

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
    compute = ops.cast(a, "float32")  # [b, ..., n, m]
    hidden = mask_value("float32")  # -inf would give NaN for a query that may see no key
    compute, joint = sequence_masking(compute, mask, hidden, axis, bias, return_mask=True)  # both [b, ..., n, m]
    if method != "softmax":
        if joint is None:
            count = ops.cast(ops.shape(a)[axis], "float32")
        else:
            count = ops.sum(ops.cast(joint, "float32"), axis=axis, keepdims=True)  # [b, ..., n or 1, 1]
    if method == "squared_relu":
        return ops.cast(ops.square(ops.relu(compute)) / ops.maximum(count, 1.0), dtype(a))  # [b, ..., n, m]
    if method == "softmax_plus":
        compute = compute * (ops.log(ops.maximum(count, 16.0)) / math.log(512))  # [b, ..., n, m]
    return ops.cast(ops.softmax(ops.maximum(compute, hidden), axis=axis), dtype(a))  # [b, ..., n, m]
