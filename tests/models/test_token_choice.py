"""Which lists `keep_tokens` and `compound_tokens` may be."""

import numpy as np
import pytest

from b4k3.models import ConfigError
from b4k3.models.token_choice import check_tokens, parts_of

NAN = float("nan")
RIGHT = [
    (None, None),
    ([0, 29], None),
    ((3, 3, 0), []),  # an id may occur twice
    (range(30), [[29]]),
    (np.array([5, 6]), [[0, 1], ([1], [2]), np.array([1]), (np.array([0, 1]), np.array([-0.5, 1.0]))]),
    ([np.int64(4)], ([0], [0, 0])),
]
WRONG = [
    ([], None, r"keep_tokens=\[\] keeps no token: give the ids to keep, or None for all"),
    ("abc", None, "keep_tokens is 'abc', expected a list of ids"),
    (5, None, "keep_tokens is 5, expected a list"),
    ({1, 2}, None, "keep_tokens is {1, 2}, expected a list"),
    ({"a": 1}, None, "keep_tokens is {'a': 1}, expected a list"),
    (np.array([[1, 2]]), None, r"keep_tokens is array\(\[\[1, 2\]\]\), expected a list"),
    ([[1, 2]], None, r"keep_tokens\[0\] is \[1, 2\], expected an id from 0 to 29: the vocabulary has 30"),
    ([1, 30], None, r"keep_tokens\[1\] is 30, expected an id from 0 to 29"),
    ([1, -1], None, r"keep_tokens\[1\] is -1"),
    ([2**40], None, r"keep_tokens\[0\] is 1099511627776"),
    ([1, 2.0], None, r"keep_tokens\[1\] is 2.0"),
    ([1, True], None, r"keep_tokens\[1\] is True"),
    ([1, None], None, r"keep_tokens\[1\] is None"),
    (["1"], None, r"keep_tokens\[0\] is '1'"),
    (np.array([0.0, 1.0]), None, r"keep_tokens\[0\] is .*0.0"),
    (None, 5, "compound_tokens is 5, expected a list of lists"),
    (None, {1: [2]}, "compound_tokens is {1: "),
    (None, [1, 2], r"compound_tokens\[0\] is 1, expected a list of ids, or a pair"),
    (None, [[]], r"compound_tokens\[0\] is \[\], which names no id"),
    (None, [[1], ([], [])], r"compound_tokens\[1\] is \(\[\], \[\]\), which names no id"),
    (None, [[1, 30]], r"compound_tokens\[0\]\[1\] is 30, expected an id from 0 to 29: the vocabulary has 30"),
    ([0, 5], [[0, 5]], r"compound_tokens\[0\]\[1\] is 5, expected an id from 0 to 1: keep_tokens has 2"),
    (None, [[[1, 2], [0.5, 0.5]]], r"compound_tokens\[0\]\[0\] is \[1, 2\], expected an id"),
    (None, [(1, 2)], r"compound_tokens\[0\] is 1, expected a list of ids, or a pair"),
    (None, [([1, 2],)], r"compound_tokens\[0\] is \(\[1, 2\],\), expected a list of ids, or a pair"),
    (None, [([1, 2], [1])], "expected a weight for each id"),
    (None, [([1, 2], [1, -1])], "whose sum is not 0"),
    (None, [([1, 2], [1, NAN])], "expected a weight"),
    (None, [([1, 2], [1, "1"])], "expected a weight"),
    (None, [([1, 2], [True, True])], "expected a weight"),
    (None, [([1, 2], 1)], r"compound_tokens\[0\] is 1, expected"),
    (None, ["ab"], r"compound_tokens\[0\] is 'ab', expected"),
]


@pytest.mark.parametrize("keep, compound", RIGHT, ids=str)
def test_right(keep, compound):
    check_tokens(keep, compound, 30, "the vocabulary")


@pytest.mark.parametrize("keep, compound, message", WRONG, ids=str)
def test_wrong(keep, compound, message):
    with pytest.raises(ConfigError, match=message):
        check_tokens(keep, compound, 30, "the vocabulary")


def test_parts():
    assert parts_of([3, 4]) == ([3, 4], [1, 1])
    assert parts_of(([3, 4], [0.2, 0.8])) == ([3, 4], [0.2, 0.8])
