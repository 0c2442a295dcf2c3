import itertools

import numpy as np
import pytest

from b4k3.snippets import ViterbiDecoder, longest_common_subsequence, longest_common_substring, pointer_spans


def best_path_slowly(nodes, trans, starts, ends):
    """Every path."""
    labels = range(len(trans))
    paths = itertools.product(labels, repeat=len(nodes))
    allowed = [p for p in paths if (starts is None or p[0] in starts) and (ends is None or p[-1] in ends)]

    def score(path):
        return sum(n[i] for n, i in zip(nodes, path)) + sum(trans[i][j] for i, j in zip(path, path[1:]))

    return list(max(allowed, key=score))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("starts, ends", [(None, None), ([0], [0]), ([1, 2], None), (None, [2])])
def test_viterbi_finds_the_best_of_all_paths(seed, starts, ends):
    random = np.random.RandomState(seed)
    trans = random.randn(3, 3)
    trans[0, 2] = -np.inf
    decoder = ViterbiDecoder(trans, starts, ends)
    for n in range(2, 7):
        nodes = random.randn(n, 3).astype("float32")
        before = nodes.copy()
        assert decoder.decode(nodes).tolist() == best_path_slowly(nodes, trans, starts, ends)
        np.testing.assert_array_equal(nodes, before)


def test_viterbi_of_few_positions():
    decoder = ViterbiDecoder(np.zeros((3, 3)), starts=[1, 2], ends=[2])
    assert decoder.decode([[9, 1, 0]]).tolist() == [2]
    assert decoder.decode(np.zeros((0, 3))).tolist() == []


def test_viterbi_takes_new_transitions():
    decoder = ViterbiDecoder(np.eye(2))
    nodes = [[1, 0], [0, 0.5]]
    assert decoder.decode(nodes).tolist() == [0, 0]
    decoder.trans = 1 - np.eye(2)
    assert decoder.decode(nodes).tolist() == [0, 1]


@pytest.mark.parametrize(
    "nodes, message", [(np.zeros((2, 4)), "expected .n, 3."), (np.zeros(3), "shape"), ([[0, np.nan, 0]], "NaN")]
)
def test_viterbi_refuses(nodes, message):
    with pytest.raises(ValueError, match=message):
        ViterbiDecoder(np.zeros((3, 3))).decode(nodes)


def common_substring_slowly(s, t):
    best = (0, (0, 0, 0, 0))
    for i, j in itertools.product(range(len(s)), range(len(t))):
        n = 0
        while i + n < len(s) and j + n < len(t) and s[i + n] == t[j + n]:
            n += 1
        if n > best[0]:
            best = (n, (i, i + n, j, j + n))
    return best


def common_subsequence_slowly(s, t):
    if not s or not t:
        return 0
    if s[-1] == t[-1]:
        return common_subsequence_slowly(s[:-1], t[:-1]) + 1
    return max(common_subsequence_slowly(s[:-1], t), common_subsequence_slowly(s, t[:-1]))


def pairs_of_texts():
    random = np.random.RandomState(1)
    yield from [("", ""), ("", "a"), ("a", "b"), ("苏剑林", "林剑苏")]
    for n, m in [(1, 1), (4, 7), (8, 5), (8, 8)]:
        for _ in range(5):
            yield "".join(random.choice(list("abc"), n)), "".join(random.choice(list("abc"), m))


def test_common_substring():
    for s, t in pairs_of_texts():
        length, (i, i_end, j, j_end) = longest_common_substring(s, t)
        wanted = common_substring_slowly(s, t)
        assert length == wanted[0] and s[i:i_end] == t[j:j_end] and i_end - i == length
        if length:
            assert i_end == min(e for e in range(len(s) + 1) if e >= length and s[e - length : e] in t)
    assert longest_common_substring("abcd", "xbcyabc") == (3, (0, 3, 4, 7))


def test_common_subsequence():
    for s, t in pairs_of_texts():
        length, pairs = longest_common_subsequence(s, t)
        assert length == len(pairs) == common_subsequence_slowly(s, t)
        assert all(s[i] == t[j] for i, j in pairs)
        assert all(a < c and b < d for (a, b), (c, d) in zip(pairs, pairs[1:]))
    assert longest_common_subsequence([1, 2, 3, 4], (2, 9, 4)) == (2, [(1, 0), (3, 2)])


def spans_slowly(starts, ends):
    """For each end all starts since the end before."""
    found, before = [], -1
    for end in np.flatnonzero(ends > 0.5):
        firsts = [i for i in np.flatnonzero(starts > 0.5) if before < i <= end]
        found += [(firsts[-1], end, starts[firsts[-1]] * ends[end])] if firsts else []
        before = end
    return found


def test_pointer_spans():
    random = np.random.RandomState(0)
    for n in list(range(12)) * 20:
        starts, ends = random.rand(2, n)
        assert pointer_spans(starts, ends) == spans_slowly(starts, ends)
    assert pointer_spans([0.5], [1]) == [] and pointer_spans([0.5], [1], threshold=0.4) == [(0, 0, 0.5)]


@pytest.mark.parametrize("starts, ends", [([1, 0], [1]), ([[1]], [[1]]), ([np.nan], [1]), ([1], [np.nan])])
def test_pointer_spans_of_what_are_no_probabilities(starts, ends):
    with pytest.raises(ValueError, match="shape|NaN"):
        pointer_spans(starts, ends)
