"""How alike vectors are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def similarity_matrix(first: NDArray[np.float32], second: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """Compare each of some vectors with each of others.

    Arguments:
        first: float, [n, d].
        second: float, [m, d].
        metric: str. "cosine", "dot", "euclidean" or "manhattan"; distances are negative.

    Returns:
        float32 array, [n, m]. The larger, the more alike.

    Example:
        >>> from b4k3.tasks.similarities import similarity_matrix
        >>> similarity_matrix(np.array([[1.0, 0.0]]), np.array([[2.0, 0.0], [0.0, 3.0]]), "cosine").tolist()
        [[1.0, 0.0]]
    """
    left, right = np.asarray(first, dtype="float64"), np.asarray(second, dtype="float64")
    if metric == "cosine":
        left, right = _unit(left), _unit(right)
    if metric in ("cosine", "dot"):
        return (left @ right.T).astype("float32")
    # Row by row: all differences at once would take n * m * d numbers.
    if metric == "manhattan":
        return np.array([-np.abs(right - row).sum(axis=1) for row in left], dtype="float32").reshape(len(left), -1)
    return np.array([-np.sqrt(np.square(right - row).sum(axis=1)) for row in left], dtype="float32").reshape(
        len(left), -1
    )


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide each vector by its length; a vector of zeros stays as it is."""
    return vectors / np.maximum(np.sqrt(np.square(vectors).sum(axis=1, keepdims=True)), 1e-12)
