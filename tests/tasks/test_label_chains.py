"""Decoding of conditional random fields, beside an oracle that tries every path."""

import itertools

import numpy as np

from b4k3.tasks.label_chains import NEVER, best_labels, label_probabilities


def test_all_paths():
    random = np.random.RandomState(0)
    scores, moves, ends = random.randn(3, 4, 3), random.randn(3, 3), random.randn(3)
    moves[0, 1] = NEVER
    lengths = np.array([4, 1, 3])
    best = best_labels(scores, moves, lengths, ends)
    probabilities = label_probabilities(scores, moves, lengths, ends)
    assert probabilities.dtype == np.float32
    for row, n, path, got in zip(scores, lengths, best, probabilities):
        paths = list(itertools.product(range(3), repeat=int(n)))
        sums = np.array([row[range(n), p].sum() + moves[p[:-1], p[1:]].sum() + ends[p[-1]] for p in paths])
        assert tuple(path[:n]) == paths[sums.argmax()]
        weights = np.exp(sums - sums.max())
        want = np.zeros((n, 3))
        for p, weight in zip(paths, weights / weights.sum()):
            want[range(n), p] += weight
        np.testing.assert_allclose(got[:n], want, atol=1e-6)


def test_forbidden_moves_are_not_taken():
    scores = np.zeros((1, 5, 2))
    scores[0, :, 1] = 9.0
    assert best_labels(scores, [[0, NEVER], [0, NEVER]], [5])[0].tolist() == [1, 0, 0, 0, 0]
