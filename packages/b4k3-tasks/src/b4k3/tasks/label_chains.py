"""Decode conditional random fields: the best labels of each row, and how probable each label is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEVER = -1e12  # the score of what is forbidden; unlike -inf it gives no NaN in differences


def best_labels(scores: Any, moves: Any, lengths: Any, ends: Any = 0.0) -> NDArray[np.int_]:
    """Find the labels with the greatest sum of scores, by the algorithm of Viterbi.

    Arguments:
        scores: float array, [batch, n, labels]. The score of each label at each token.
        moves: float array, [labels, labels]. The score of going from label i to label j.
        lengths: int array, [batch], 1 or more. The number of tokens in each row; padding is at the end.
        ends: float array, [labels]. The score of each label at the last token.

    Returns:
        int array, [batch, n]. Padding has the label of the last token.

    Example:
        >>> from b4k3.tasks.label_chains import NEVER, best_labels
        >>> best_labels([[[2.0, 0.0], [0.0, 1.0]]], [[0.0, NEVER], [0.0, 0.0]], [2]).tolist()
        [[0, 0]]

    Reference: Viterbi, Error bounds for convolutional codes, https://doi.org/10.1109/TIT.1967.1054010
    """
    scores, moves = np.asarray(scores, dtype="float64"), np.asarray(moves, dtype="float64")
    lengths = np.asarray(lengths)
    rows, n, count = scores.shape
    before = np.tile(np.arange(count), (rows, n, 1))  # the label before, on the best path to each label
    sums = scores[:, 0]  # [batch, labels]
    for i in range(1, n):
        paths = sums[:, :, None] + moves  # [batch, label before, label]
        present = (i < lengths)[:, None]
        before[:, i] = np.where(present, paths.argmax(axis=1), before[:, i])
        sums = np.where(present, paths.max(axis=1) + scores[:, i], sums)
    labels = np.empty((rows, n), dtype=int)
    labels[:, -1] = (sums + ends).argmax(axis=1)
    for i in range(n - 1, 0, -1):
        labels[:, i - 1] = before[np.arange(rows), i, labels[:, i]]
    return labels


def label_probabilities(scores: Any, moves: Any, lengths: Any, ends: Any = 0.0) -> NDArray[np.float32]:
    """Compute how probable each label is at each token, given the row, by the forward-backward algorithm.

    Arguments:
        scores: float array, [batch, n, labels]. The score of each label at each token.
        moves: float array, [labels, labels]. The score of going from label i to label j.
        lengths: int array, [batch], 1 or more. The number of tokens in each row; padding is at the end.
        ends: float array, [labels]. The score of each label at the last token.

    Returns:
        float32 array, [batch, n, labels]. Padding has what the last token has.

    Example:
        >>> from b4k3.tasks.label_chains import label_probabilities
        >>> label_probabilities([[[0.0, 0.0]]], [[0.0, 0.0], [0.0, 0.0]], [1]).tolist()
        [[[0.5, 0.5]]]

    Reference: Lafferty et al., Conditional Random Fields, ICML 2001
    """
    scores, moves = np.asarray(scores, dtype="float64"), np.asarray(moves, dtype="float64")
    lengths = np.asarray(lengths)
    forward = scores.copy()  # of the labels up to a token
    for i in range(1, scores.shape[1]):
        here = _logsumexp(forward[:, i - 1, :, None] + moves, 1) + scores[:, i]
        forward[:, i] = np.where((i < lengths)[:, None], here, forward[:, i - 1])
    backward = np.zeros_like(scores) + ends  # of the labels after a token
    for i in range(scores.shape[1] - 2, -1, -1):
        here = _logsumexp(moves + (scores[:, i + 1] + backward[:, i + 1])[:, None, :], 2)
        backward[:, i] = np.where((i + 1 < lengths)[:, None], here, backward[:, i + 1])
    sums = forward + backward
    return np.exp(sums - _logsumexp(sums, 2)[..., None]).astype("float32")


def _logsumexp(x: Any, axis: int) -> Any:
    """Compute log Σ exp(x) along an axis."""
    top = x.max(axis=axis, keepdims=True)
    return np.log(np.exp(x - top).sum(axis=axis)) + top.squeeze(axis)
