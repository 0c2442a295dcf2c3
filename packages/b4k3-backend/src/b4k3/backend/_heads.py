"""The heads of attention on an axis of their own.

Nothing runs more often, and `keras.ops` looks through its arguments before it does anything: for a torch tensor that
takes longer than the work. Such a tensor is known by a method that only torch's have.
"""

from __future__ import annotations

from ._row import ops


def split_heads(x, heads):
    """Arguments: x: [batch, n, heads · size]. Returns: [batch, n, heads, size]."""
    if hasattr(x, "unflatten"):
        return x.unflatten(-1, (heads, -1))
    return ops.reshape(x, (-1, ops.shape(x)[1], heads, x.shape[-1] // heads))


def merge_heads(x, width):
    """Arguments: x: [batch, n, heads, size]; width: heads · size. Returns: [batch, n, width]."""
    if hasattr(x, "unflatten"):
        return x.flatten(2)
    return ops.reshape(x, (-1, ops.shape(x)[1], width))


def swap_heads(x):
    """Arguments: x: [batch, n, heads, size]. Returns: [batch, heads, n, size], and of that the first again."""
    return x.transpose(1, 2) if hasattr(x, "unflatten") else ops.transpose(x, (0, 2, 1, 3))
