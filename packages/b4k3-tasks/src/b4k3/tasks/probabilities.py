"""Turn logits into probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn logits into probabilities that add up to 1 along the last axis.

    Arguments:
        logits: float, [..., n].

    Returns:
        float32 array, [..., n].

    Example:
        >>> from b4k3.tasks.probabilities import softmax
        >>> softmax(np.array([0.0, 0.0])).tolist()
        [0.5, 0.5]
    """
    logits = np.asarray(logits, dtype="float32")
    if not logits.size:
        return logits
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn each logit into a probability of its own.

    Arguments:
        logits: float, any shape.

    Returns:
        float32 array of the same shape.

    Example:
        >>> from b4k3.tasks.probabilities import sigmoid
        >>> sigmoid(np.array([0.0, -1000.0])).tolist()
        [0.5, 0.0]
    """
    logits = np.asarray(logits, dtype="float32")
    smaller = np.exp(-np.abs(logits))  # at most 1, so that nothing overflows
    return np.where(logits >= 0, 1 / (1 + smaller), smaller / (1 + smaller)).astype("float32")
