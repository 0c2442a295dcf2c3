"""The reshapes that give the heads of attention an axis of their own, and take it away again.

Two positions of width 6 become three heads of size 2, which then stand before the positions:

    split_heads  [[a a b b c c], [d d e e f f]]                   [2, 6]
              -> [[[a a], [b b], [c c]], [[d d], [e e], [f f]]]   [2, 3, 2]
    swap_heads   of that
              -> [[[a a], [d d]], [[b b], [e e]], [[c c], [f f]]] [3, 2, 2]

No number is computed, so every way to do it is exact. These functions are called for every layer and token. On torch,
dispatch through `keras.ops` costs more than the reshape itself, so a tensor of torch takes a direct path.
"""

from __future__ import annotations

from ._environment import fused, ops
from .types import Tensor


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Split the last axis into heads.

    Arguments:
        x: float, [batch, n, heads · size]. The output of a projection.
        heads: int. The number of heads.

    Returns:
        float, [batch, n, heads, size].

    Example:
        >>> y = split_heads(ops.ones((1, 4, 16)), heads=2)  # [1, 4, 2, 8]
    """
    if fused.is_torch_tensor(x):
        return x.unflatten(-1, (heads, -1))  # [b, n, h, size]
    return ops.reshape(x, (-1, ops.shape(x)[1], heads, int(x.shape[-1]) // heads))  # [b, n, h, size]


def merge_heads(x: Tensor, width: int) -> Tensor:
    """Merge the axes of heads and sizes into one, which undoes `split_heads`.

    Arguments:
        x: float, [batch, n, heads, size]. The output of an attention.
        width: int. The product heads · size.

    Returns:
        float, [batch, n, width].

    Example:
        >>> y = merge_heads(ops.ones((1, 4, 2, 8)), width=16)  # [1, 4, 16]
    """
    if fused.is_torch_tensor(x):
        return x.flatten(2)  # [b, n, width]
    return ops.reshape(x, (-1, ops.shape(x)[1], width))  # [b, n, width]


def permute(x: Tensor, order: tuple[int, ...]) -> Tensor:
    """Bring the axes of a tensor into another order, as `ops.transpose` does.

    Arguments:
        x: [...]. The tensor.
        order: tuple of int. The axes of x in the order of the result.

    Returns:
        The tensor with its axes in that order.

    Example:
        >>> y = permute(ops.ones((1, 4, 2, 8)), (0, 2, 1, 3))  # [1, 2, 4, 8]
    """
    return x.permute(order) if fused.is_torch_tensor(x) else ops.transpose(x, order)


def swap_heads(x: Tensor) -> Tensor:
    """Swap the axes 1 and 2, which brings the heads before the positions or back behind them.

    Arguments:
        x: float, [batch, n, heads, size] or [batch, heads, n, size].

    Returns:
        float, [batch, heads, n, size] or [batch, n, heads, size].
    """
    return x.transpose(1, 2) if fused.is_torch_tensor(x) else ops.transpose(x, (0, 2, 1, 3))
