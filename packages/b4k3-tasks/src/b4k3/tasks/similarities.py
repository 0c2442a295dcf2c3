"""How alike vectors are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from b4k3.models.cli.features import normalized

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
    if metric == "cosine":
        first, second = normalized(first), normalized(second)
    left, right = np.asarray(first, dtype="float64"), np.asarray(second, dtype="float64")
    if metric in ("cosine", "dot"):
        return (left @ right.T).astype("float32")
    # Row by row: all differences at once would take n * m * d numbers.
    order = 1 if metric == "manhattan" else 2
    distances = [np.linalg.norm(right - row, ord=order, axis=1) for row in left]
    return -np.array(distances, dtype="float32").reshape(len(left), len(right))
