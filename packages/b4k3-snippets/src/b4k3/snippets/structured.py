"""Find the best path of labels, the spans of two pointers, and what two sequences have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Collection, Hashable, Iterable

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class ViterbiDecoder:
    """Find the sequence of labels with the greatest sum of label scores and transition scores.

    Arguments:
        trans: float array, [labels, labels]. The score of the transition from label i to label j; -inf forbids it. The
            attribute may be changed, for instance to the weights of a CRF after each epoch.
        starts: labels, or None. The labels that may come first; None allows all.
        ends: labels, or None. The labels that may come last; None allows all.

    Example:
        >>> import numpy as np
        >>> from b4k3.snippets import ViterbiDecoder
        >>> decoder = ViterbiDecoder([[0.0, -np.inf], [0.0, 0.0]])  # label 1 cannot follow label 0
        >>> decoder.decode([[2.0, 0.0], [0.0, 1.0]]).tolist()
        [0, 0]

    Reference: Viterbi, Error bounds for convolutional codes, https://doi.org/10.1109/TIT.1967.1054010
    """

    def __init__(
        self, trans: ArrayLike, starts: Collection[int] | None = None, ends: Collection[int] | None = None
    ) -> None:
        self.trans: Any = trans
        self.num_labels = len(self.trans)
        self.non_starts = self._others(starts)
        self.non_ends = self._others(ends)

    def _others(self, labels: Collection[int] | None) -> list[int]:
        """Return the labels that are not among the given ones; none if all are allowed."""
        return [] if labels is None else [i for i in range(self.num_labels) if i not in labels]

    def decode(self, nodes: ArrayLike) -> NDArray[np.int_]:
        """Find the best labels.

        Arguments:
            nodes: float array, [n, labels]. The score of each label at each position. It is not changed.

        Returns:
            int array, [n]. If several sequences are equally good, the smaller label is chosen.

        Raises:
            ValueError: nodes has another shape, or there is a NaN among the scores.
        """
        nodes, trans = np.array(nodes, dtype="float64"), np.asarray(self.trans, dtype="float64")
        if nodes.ndim != 2 or nodes.shape[1] != self.num_labels:
            raise ValueError(f"nodes has the shape {list(nodes.shape)}, expected [n, {self.num_labels}]")
        if np.isnan(nodes).any() or np.isnan(trans).any():
            raise ValueError("the scores hold NaN")
        labels = np.zeros(len(nodes), dtype=int)
        if not len(nodes):
            return labels
        nodes[0, self.non_starts] = -np.inf
        nodes[-1, self.non_ends] = -np.inf
        # The best path to a label at a position is the best path to some label before, plus one step. `scores` has the
        # sum of the best path to each label, `best_before` the label before on this path.
        best_before = np.empty(nodes.shape, dtype=int)  # [n, labels]
        scores = nodes[0]  # [labels]
        for i in range(1, len(nodes)):
            paths = scores[:, None] + trans  # [label before, label]
            best_before[i] = paths.argmax(0)
            scores = paths.max(0) + nodes[i]
        labels[-1] = scores.argmax()
        for i in range(len(nodes) - 1, 0, -1):
            labels[i - 1] = best_before[i, labels[i]]
        return labels


def pointer_spans(starts: ArrayLike, ends: ArrayLike, threshold: float = 0.5) -> list[tuple[int, int, float]]:
    """Find the spans that two pointers mark, as the pointers of UIE do.

    An end belongs to the nearest start at or before it, unless another end stands between the two. So spans do not
    overlap:

        starts       .  S  .  S  .  .  .  .  S  .
        ends         E  .  .  .  E  .  E  .  E  .
        spans                 3――4           8

    Arguments:
        starts: float array, [n]. How probable it is for each token that a span begins there.
        ends: float array, [n]. How probable it is for each token that a span ends there.
        threshold: float. What a probability must exceed.

    Returns:
        list of (first token, last token, probability). The probability is the product of the two probabilities.

    Raises:
        ValueError: the two have different shapes or more than one axis, or there is a NaN among the probabilities.

    Example:
        >>> from b4k3.snippets import pointer_spans
        >>> pointer_spans([0.1, 1.0, 0.0, 0.5], [0.9, 0.0, 0.75, 0.9])
        [(1, 2, 0.75)]

    Reference: PaddleNLP, https://github.com/PaddlePaddle/PaddleNLP
    """
    starts, ends = np.asarray(starts, dtype="float64"), np.asarray(ends, dtype="float64")
    if starts.shape != ends.shape or starts.ndim != 1:
        raise ValueError(f"starts {list(starts.shape)} and ends {list(ends.shape)}: expected the shape [n] of both")
    if np.isnan(starts).any() or np.isnan(ends).any():
        raise ValueError("the probabilities hold NaN")
    spans: list[tuple[int, int, float]] = []
    first = None  # the nearest start since the last end
    for i, (start, end) in enumerate(zip(starts, ends)):
        if start > threshold:
            first = i
        if end > threshold and first is not None:
            spans.append((first, i, float(starts[first] * end)))
        if end > threshold:
            first = None
    return spans


def longest_common_substring(
    source: Iterable[Hashable], target: Iterable[Hashable]
) -> tuple[int, tuple[int, int, int, int]]:
    """Find the longest run of adjacent elements that two sequences have in common.

    Arguments:
        source: sequence of hashable elements, for instance a str.
        target: sequence of hashable elements.

    Returns:
        (length, (i, i', j, j')) with source[i:i'] == target[j:j']. If several runs are equally long, the first one in
        source is chosen, then the first one in target.

    Example:
        >>> from b4k3.snippets import longest_common_substring
        >>> longest_common_substring("abcde", "xbcdy")
        (3, (1, 4, 1, 4))
    """
    a, b = _as_numbers(source, target)
    length, span = 0, (0, 0, 0, 0)
    runs = np.zeros(len(b) + 1, dtype=int)  # the length of the common run that ends before each position of target
    for i, element in enumerate(a, 1):
        runs[1:] = np.where(b == element, runs[:-1] + 1, 0)
        j = int(runs.argmax())
        if runs[j] > length:
            length = int(runs[j])
            span = (i - length, i, j - length, j)
    return length, span


def longest_common_subsequence(
    source: Iterable[Hashable], target: Iterable[Hashable]
) -> tuple[int, list[tuple[int, int]]]:
    """Find the longest sequence of elements that two sequences have in common, in the same order and with gaps.

    Arguments:
        source: sequence of hashable elements, for instance a str.
        target: sequence of hashable elements.

    Returns:
        (length, [(i, j), ...]) with source[i] == target[j] for each pair.

    Example:
        >>> from b4k3.snippets import longest_common_subsequence
        >>> longest_common_subsequence("abcd", "xbyd")
        (2, [(1, 1), (3, 3)])
    """
    a, b = _as_numbers(source, target)
    lengths = np.zeros((len(a) + 1, len(b) + 1), dtype="int32")  # [i, j]: the length for source[:i] and target[:j]
    for i, element in enumerate(a):
        longer = np.where(b == element, lengths[i, :-1] + 1, lengths[i, 1:])
        lengths[i + 1, 1:] = np.maximum.accumulate(longer)
    pairs: list[tuple[int, int]] = []
    i, j = len(a), len(b)
    while len(pairs) < lengths[-1, -1]:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif lengths[i, j - 1] > lengths[i - 1, j]:
            j -= 1
        else:
            i -= 1
    return int(lengths[-1, -1]), pairs[::-1]


def _as_numbers(*sequences: Iterable[Hashable]) -> list[NDArray[np.int_]]:
    """Replace the elements of each sequence by numbers, so that equal elements have equal numbers."""
    numbers: dict[Hashable, int] = {}
    return [np.array([numbers.setdefault(x, len(numbers)) for x in sequence], dtype=int) for sequence in sequences]
