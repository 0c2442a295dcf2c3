"""Sorted tables: what is written is read again, over many blocks and with keys that share prefixes."""

import numpy as np
import pytest

from b4k3.models.checkpoints import _table
from b4k3.models.checkpoints._table import Table, write_table


@pytest.mark.parametrize("count, size", [(0, 0), (1, 0), (15, 10), (16, 10), (17, 10), (1000, 3), (3000, 300)])
def test_round_trip(count, size):
    random = np.random.RandomState(count)
    keys = {b""} | {b"layer/%d/%s" % (number % 7, random.bytes(size % 30)) for number in range(count)}
    pairs = [(key, random.bytes(size)) for key in sorted(keys)]
    assert list(Table(write_table(pairs))) == pairs


def test_several_blocks():
    pairs = [(b"%06d" % number, b"x" * 1000) for number in range(1000)]
    data = write_table(pairs)
    assert list(Table(memoryview(data))) == pairs
    assert len(data) > 3 * 262144  # so much for one block
    table = Table(data)
    assert [table.get(key) for key, _ in pairs[::37]] == [value for _, value in pairs[::37]]
    assert table.get(b"") is table.get(b"000262x") is table.get(b"zzz") is None


@pytest.mark.parametrize(
    "key, following, expected",
    [
        (b"abcd", b"abzz", b"abd"),
        (b"abcd", b"abdd", b"abcd"),
        (b"ab", b"abc", b"ab"),
        (b"a\xff", b"b", b"a\xff"),
        (b"abc", None, b"b"),
        (b"\xffa", None, b"\xffb"),
        (b"\xff\xff", None, b"\xff\xff"),
        (b"", None, b""),
    ],
)
def test_separator(key, following, expected):
    assert _table._separator(key, following) == expected
    assert key <= expected and (following is None or expected < following)
