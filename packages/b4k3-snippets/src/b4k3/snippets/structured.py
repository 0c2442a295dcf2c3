"""The best path of labels, and what two sequences have in common."""

from __future__ import annotations

import numpy as np


class ViterbiDecoder:
    """The best sequence of labels under scores of labels and of transitions, by the algorithm of Viterbi.

    Arguments:
        trans: float [labels, labels], the score of going from label i to label j; -inf forbids it. The attribute may be
            set anew, for instance to the weights of a CRF after each epoch.
        starts, ends: the labels that may come first and last; None for all.
    """

    def __init__(self, trans, starts=None, ends=None):
        self.trans = trans
        self.num_labels = len(trans)
        self.non_starts = self._others(starts)
        self.non_ends = self._others(ends)

    def _others(self, labels):
        return [] if labels is None else [i for i in range(self.num_labels) if i not in labels]

    def decode(self, nodes):
        """The best labels.

        Arguments:
            nodes: float [n, labels], the score of each label at each position; not changed.

        Returns:
            int array [n]; of equally good labels the first.

        Raises:
            ValueError: nodes has another shape, or holds NaN.
        """
        nodes, trans = np.array(nodes, dtype="float64"), np.asarray(self.trans, dtype="float64")
        if nodes.ndim != 2 or nodes.shape[1] != self.num_labels:
            raise ValueError("nodes has the shape %s, expected [n, %d]" % (list(nodes.shape), self.num_labels))
        if np.isnan(nodes).any() or np.isnan(trans).any():
            raise ValueError("the scores hold NaN")
        labels = np.zeros(len(nodes), dtype=int)
        if not len(nodes):
            return labels
        nodes[0, self.non_starts] = -np.inf
        nodes[-1, self.non_ends] = -np.inf
        best_before = np.empty(nodes.shape, dtype=int)  # [n, labels]: the label before, on the best path to here
        scores = nodes[0]  # [labels]
        for i in range(1, len(nodes)):
            paths = scores[:, None] + trans  # [label before, label]
            best_before[i] = paths.argmax(0)
            scores = paths.max(0) + nodes[i]
        labels[-1] = scores.argmax()
        for i in range(len(nodes) - 1, 0, -1):
            labels[i - 1] = best_before[i, labels[i]]
        return labels


def longest_common_substring(source, target):
    """The longest run of elements that both sequences have.

    Arguments:
        source, target: sequences of hashable elements.

    Returns:
        (length, (i, i', j, j')) with source[i:i'] == target[j:j']; the first of several in source, then in target.
    """
    source, target = _as_numbers(source, target)
    length, span = 0, (0, 0, 0, 0)
    runs = np.zeros(len(target) + 1, dtype=int)  # of the run that ends before this position of target
    for i, element in enumerate(source, 1):
        runs[1:] = np.where(target == element, runs[:-1] + 1, 0)
        j = int(runs.argmax())
        if runs[j] > length:
            length = int(runs[j])
            span = (i - length, i, j - length, j)
    return length, span


def longest_common_subsequence(source, target):
    """The longest sequence of elements that both have in this order, with gaps.

    Arguments:
        source, target: sequences of hashable elements.

    Returns:
        (length, [(i, j), ...]) with source[i] == target[j] for each pair.
    """
    source, target = _as_numbers(source, target)
    lengths = np.zeros((len(source) + 1, len(target) + 1), dtype="int32")  # for source[:i] and target[:j]
    for i, element in enumerate(source):
        longer = np.where(target == element, lengths[i, :-1] + 1, lengths[i, 1:])
        lengths[i + 1, 1:] = np.maximum.accumulate(longer)
    pairs, i, j = [], len(source), len(target)
    while len(pairs) < lengths[-1, -1]:
        if source[i - 1] == target[j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif lengths[i, j - 1] > lengths[i - 1, j]:
            j -= 1
        else:
            i -= 1
    return int(lengths[-1, -1]), pairs[::-1]


def _as_numbers(*sequences):
    """Each sequence as an int array, equal elements having equal numbers."""
    numbers = {}
    return [np.array([numbers.setdefault(x, len(numbers)) for x in sequence], dtype=int) for sequence in sequences]
