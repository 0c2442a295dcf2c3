"""Arrays of another size, for growing a model from the weights of a smaller one."""

from __future__ import annotations

import numpy as np


def orthogonally_resize(a, new_shape, window=2):
    """Resize an array axis by axis: a larger axis repeats its indices window by window, a smaller one is cut.

    Repeating whole windows keeps the columns of an orthogonal matrix orthogonal. The Frobenius norm is kept.

    Arguments:
        a: array of any rank; not changed.
        new_shape: the wanted shape, of the same rank.
        window: how many neighbours are repeated together; an axis that grows must be a multiple of it.

    Returns:
        Array of shape new_shape.

    Raises:
        ValueError: the ranks differ, or an axis is no multiple of window.

    Reference: https://spaces.ac.cn/archives/8444
    """
    if len(a.shape) != len(new_shape):
        raise ValueError("cannot resize shape %s to %s: the ranks differ" % (list(a.shape), list(new_shape)))
    before = np.linalg.norm(a)
    for axis, (old, new) in enumerate(zip(a.shape, new_shape)):
        if old != new:
            a = np.take(a, _indices(old, new, window, axis), axis=axis)
    after = np.linalg.norm(a)
    return a * (before / after) if after else a


def _indices(old, new, window, axis):
    repeats = -(-new // old)
    indices = np.arange(old)
    if repeats > 1:
        if old % window:
            raise ValueError(
                "cannot grow axis %d from %d to %d: %d is no multiple of %d" % (axis, old, new, old, window)
            )
        indices = np.tile(indices.reshape(-1, 1, window), (1, repeats, 1)).reshape(-1)
    return indices[:new]
