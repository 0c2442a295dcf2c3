"""Masks over sequences."""

from __future__ import annotations

from typing import Any

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
