"""Arrays of another size, for growing a model from the weights of a smaller one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

if TYPE_CHECKING:  # numpy 1.18, the newest for some environments of Python 3.7, has no numpy.typing
    from numpy.typing import NDArray


def orthogonally_resize(a: NDArray[Any], new_shape: Sequence[int], window: int = 2) -> NDArray[Any]:
    """Resize an array axis by axis: a larger axis repeats its indices window by window, a smaller one is cut.

    Repeating whole windows keeps the columns of an orthogonal matrix orthogonal. The Frobenius norm is kept.

    Arguments:
        a: array, of any shape. It is not changed.
        new_shape: sequence of int. The wanted shape, with as many axes as `a`.
        window: int. This many neighbours are repeated together. The size of an axis that grows must be a multiple.

    Returns:
        array, of shape `new_shape`.

    Raises:
        ValueError: the numbers of axes differ, or the size of an axis that grows is no multiple of `window`.

    Example:
        >>> larger = orthogonally_resize(np.eye(4), (8, 8))  # [8, 8]

    Reference: https://spaces.ac.cn/archives/8444
    """
    if len(a.shape) != len(new_shape):
        raise ValueError(f"cannot resize shape {list(a.shape)} to {list(new_shape)}: the ranks differ")
    before = np.linalg.norm(a)
    for axis, (old, new) in enumerate(zip(a.shape, new_shape)):
        if old != new:
            a = np.take(a, _indices(old, new, window, axis), axis=axis)
    after = np.linalg.norm(a)
    return a * (before / after) if after else a


def _indices(old: int, new: int, window: int, axis: int) -> NDArray[Any]:
    """Return the index of the old axis that each index of the new axis takes its values from."""
    repeats = -(-new // old)
    indices = np.arange(old)
    if repeats > 1:
        if old % window:
            raise ValueError(f"cannot grow axis {axis} from {old} to {new}: {old} is no multiple of {window}")
        indices = np.tile(indices.reshape(-1, 1, window), (1, repeats, 1)).reshape(-1)
    return indices[:new]
