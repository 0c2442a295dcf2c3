"""One broken tensor bundle per fault. Each gives CheckpointError, which names file and variable, in little memory.

TensorFlow's own reader aborts the process on several of these.
"""

import os
import re
import struct
import tracemalloc

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint

from . import bundles
from .bundles import block, block_entry, entry, header, slice_key, table, varint

A = np.arange(6, dtype="<f4").tobytes()
B = np.arange(4, dtype="<i8").tobytes()
GOOD = [(b"", header()), (b"a", entry(A)), (b"b", entry(B, (4,), 9, offset=24))]
NUMBERS = [(b"%05d" % number, b"") for number in range(50000)]


def pairs(**changes):
    """Index and data of the good bundle, with the entry of `a` or others replaced."""
    values = {"": header(), "a": entry(A), "b": entry(B, (4,), 9, offset=24)}
    values.update(changes)
    return table([sorted((key.encode(), value) for key, value in values.items() if value is not None)])


def raw(*entries, **options):
    return table([block([(b"", header())] + list(entries), **options)])


def sliced(*extents, **options):
    """A variable p of shape [4, 3] with the slices given; those in `without` are not stored."""
    stored = [one for one in extents if one not in options.get("without", ())]
    values = [(b"", header()), (b"p", entry(dims=options.get("dims", (4, 3)), slices=extents))]
    offset = 0
    for one in stored:
        dims = options.get("piece", tuple(12 // 4 if e is None else e[1] for e in one))
        data = b"\0" * 4 * int(np.prod(dims))
        values.append((slice_key(b"p", one), entry(data, dims, offset=offset)))
        offset += len(data)
    return table([sorted(dict(values).items())])


UPPER, LOWER, MIDDLE = [(0, 2), None], [(2, 2), None], [(1, 2), None]

# name of the fault: (bytes of the index, what the message says; with "a" a variable that it must name)
INDEX_FAULTS = {
    "bad magic": (table([GOOD], magic=1), "magic", None),
    "magic of the other byte order": (table([GOOD], magic=0x57FB808B247547DB), "magic", None),
    "short file": (table([GOOD])[:40], "too short", None),
    "empty file": (b"", "too short", None),
    "file cut at the front": (table([GOOD])[10:], "beyond the end|checksum", None),
    "bad block crc": (table([GOOD], crc_change=1), "block at byte 0: checksum", None),
    "bad index block crc": (table([GOOD])[:-60] + b"\xff" + table([GOOD])[-59:], "index block: checksum", None),
    "restart count": (table([block(GOOD, count=1000)]), "restart count 1000", None),
    "restart count of zero": (table([block(GOOD, restarts=(), count=0)]), "restart count 0", None),
    "restart count that overflows": (table([block(GOOD, count=2**32 - 1)]), "restart count", None),
    "restart point beyond the entries": (table([block(GOOD, restarts=(0, 5000))]), "restart point 5000", None),
    "restart points out of order": (table([block(GOOD, restarts=(0, 9, 3))]), "restart point 3", None),
    "block of two bytes": (table([b"\0\0"]), "2 bytes", None),
    "shared prefix": (raw(block_entry(b"a" * 9, entry(A), shared=8)), "shared prefix of 8", None),
    "shared prefix in the first entry": (
        table([block([block_entry(b"ab", header(), shared=1)])]),
        "shared prefix",
        None,
    ),
    "long varint": (raw(b"\x80" * 11 + b"\0\0"), "varint", None),
    "varint over the end": (raw(b"\x80"), "varint", None),
    "value beyond the block": (raw(block_entry(b"a", entry(A), length=10**6)), "entry of 10000", None),
    "key beyond the block": (raw(block_entry(b"a", entry(A), unshared=2**40)), "bytes, .* are left", None),
    "handle beyond file": (
        table([GOOD], index=lambda h: [(h[0][0], varint(0) + varint(10**9))]),
        "beyond the end",
        None,
    ),
    "handle that overflows": (
        table([GOOD], index=lambda h: [(h[0][0], varint(2**64 - 9) + varint(9))]),
        "beyond",
        None,
    ),
    "handle cut short": (table([GOOD], index=lambda h: [(h[0][0], b"\x80")]), "place of a block", None),
    "handle with more behind it": (
        table([GOOD], index=lambda h: [(h[0][0], h[0][1] + b"!")]),
        "behind the place",
        None,
    ),
    "footer handle beyond file": (table([GOOD], footer=varint(10**6) * 4 + b"\0" * 28), "beyond the end", None),
    "footer handle is a long varint": (table([GOOD], footer=b"\xff" * 40), "place of a block", None),
    "duplicate key": (table([GOOD + GOOD[-1:]]), "duplicate", "b"),
    "unsorted keys": (table([[GOOD[0], GOOD[2], GOOD[1]]]), "out of order", "a"),
    "keys out of order over blocks": (table([[GOOD[0], GOOD[2]], [GOOD[1]]]), "out of order", "a"),
    "key behind the end of its block": (table([GOOD], index=lambda h: [(b"a", h[0][1])]), "out of order", "b"),
    "the same block twice": (table([GOOD], index=lambda h: [h[0], (b"c", h[0][1])]), "overlaps", None),
    "long keys out of order": (table([[GOOD[0], (b"z" * 60000, b""), (b"y" * 60000, b"")]]), "out of order", None),
    "long name of a damaged entry": (table([[GOOD[0], (b"z" * 60000, b"\x08")]]), "damaged entry", None),
    "snappy flag": (table([GOOD], kind=1), "snappy", None),
    "unknown compression": (table([GOOD], kind=7), "compression", None),
    "missing header": (table([GOOD[1:]]), "header is missing.*'a'", None),
    "empty table": (table([]), "header is missing", None),
    "header cut short": (pairs(**{"": b"\x08"}), "varint", None),
    "absurd shard count": (pairs(**{"": header(2**31 - 1)}), "2147483647 shards", None),
    "no shards": (pairs(**{"": header(0)}), "0 shards", None),
    "negative shard count": (pairs(**{"": header(-1)}), "-1 shards", None),
    "big-endian": (pairs(**{"": header(endianness=1)}), "big-endian", None),
    "a later version": (pairs(**{"": header(min_consumer=2)}), "version 2", None),
    "entry that is no message": (pairs(a=b"\x12\xff\x01"), "damaged entry", "a"),
    "entry with a wrong wire type": (pairs(a=b"\x0a\x00"), "damaged entry", "a"),
    "shape that is no message": (pairs(a=b"\x12\x02\x12\x09"), "damaged entry", "a"),
    "shape of unknown rank": (pairs(a=b"\x12\x02\x18\x01"), "unknown", "a"),
    "negative dimension": (pairs(a=entry(A, (-2, -3))), "negative dimension", "a"),
    "dimension overflow": (pairs(a=entry(A, (2**32, 2**32, 6), size=24)), "out of range", "a"),
    "dimension overflow behind a zero": (pairs(a=entry(b"", (0, 2**62))), "out of range", "a"),
    "too many dimensions": (pairs(a=entry(A[:4], (1,) * 40)), "40 dimensions", "a"),
    "size is less than shape times item": (pairs(a=entry(A[:20])), "has 20 bytes.*needs 24", "a"),
    "size is more than shape times item": (pairs(a=entry(A, (5,))), "has 24 bytes.*needs 20", "a"),
    "a huge size": (pairs(a=entry(A, (2**45,), size=2**47)), "beyond the end", "a"),
    "negative size": (pairs(a=entry(A, size=-24)), "bytes", "a"),
    "offset beyond file": (pairs(a=entry(A, offset=10**12)), "beyond the end", "a"),
    "offset that overflows": (pairs(a=entry(A, offset=2**63 - 8)), "beyond the end", "a"),
    "negative offset": (pairs(a=entry(A, offset=-8)), "negative", "a"),
    "offset of an empty variable beyond file": (pairs(a=entry(b"", (0,), offset=10**9)), "beyond the end", "a"),
    "string beyond file": (pairs(a=entry(A, dtype=7, offset=10**9)), "beyond the end", "a"),
    "overlap": (pairs(a=entry(A, offset=8)), "'b' overlaps 'a'|'a' overlaps 'b'", "a"),
    "the same bytes twice": (pairs(b=entry(A)), "overlaps", "b"),
    "shard number": (pairs(a=entry(A, shard=1)), "shard 1, there are 1", "a"),
    "negative shard number": (pairs(a=entry(A, shard=-1)), "shard -1", "a"),
    "unknown dtype": (pairs(a=entry(A, dtype=99)), "unknown dtype 99", "a"),
    "dtype zero": (pairs(a=entry(A, dtype=0)), "unknown dtype 0", "a"),
    "reference dtype": (pairs(a=entry(A, dtype=101)), "unknown dtype 101", "a"),
    "tensor checksum": (pairs(a=entry(A, crc=5)), "checksum", "a"),
    "bool of other bytes": (pairs(a=entry(A, (24,), dtype=10)), "bool", "a"),
    "name that is not UTF-8": (table([GOOD + [(b"c\xff", entry(b"", (0,)))]]), "UTF-8", "c"),
    "missing slice at the end": (sliced(UPPER), "missing slices", "p"),
    "missing slice in the middle": (sliced([(0, 1), None], LOWER), "missing slices", "p"),
    "missing slice of a grid": (sliced([(0, 2), (0, 3)], [(2, 2), (0, 1)], [(2, 2), (1, 2)]), "slices", "p"),
    "overlapping slices": (sliced(UPPER, MIDDLE, LOWER), "overlapping slices", "p"),
    "the same slice twice": (sliced(UPPER, LOWER, LOWER), "overlapping slices", "p"),
    "slice that is not stored": (sliced(UPPER, LOWER, without=[LOWER]), "misses the slice", "p"),
    "slice outside the shape": (sliced(UPPER, [(2, 3), None]), "outside its shape", "p"),
    "slice with a negative start": (sliced([(-2, 4), None], LOWER), "outside its shape", "p"),
    "slice of another rank": (sliced([(0, 4)]), "1 dimensions, it has 2", "p"),
    "slice of another shape": (sliced(UPPER, LOWER, piece=(2, 2)), "does not fit", "p"),
    "slices of a shape out of range": (sliced(UPPER, dims=(2**40, 2**40)), "out of range", "p"),
    "slice of no variable": (
        table([sorted(GOOD + [(slice_key(b"q", [None]), entry(b"", (0,)))])]),
        "no variable",
        "\\x00q",
    ),
    "keys that unfold to much memory": (
        raw(
            block_entry(b"k" * 60000, b""),
            *[block_entry(b"k" * (60001 + i), b"", shared=60000 + i) for i in range(5000)],
        ),
        "too many or too long keys",
        None,
    ),
    "a key too long": (raw(block_entry(b"k" * 70000, b"")), "key of 70000 bytes", None),
    "very many restart points": (table([block(GOOD, restarts=(0,) + (1,) * 200000)]), "restart point", None),
    "an index of very many blocks": (
        table([GOOD], index=lambda h: [(n, varint(0) + varint(0)) for n, _ in NUMBERS]),
        "overlaps the one before",
        None,
    ),
}


# Every refusal ends with advice: to get a file, to give another one, to save it anew.
WHAT_TO_DO = r"(download or copy it|get that file too|get index and files|give|save|put the|check that)[^.]*$"


def check_refused(path, message, variable, files):
    """Opening, or reading every variable, gives the error; the memory that Python and numpy ask for stays bounded."""
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=message) as caught:
            for _ in open_checkpoint(path).values():
                pass
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert any(file in text for file in files), text
    assert re.search(WHAT_TO_DO, text), text
    if variable:
        assert f"'{variable}" in text, text
    assert len(text) < 1000


@pytest.mark.parametrize("fault", sorted(INDEX_FAULTS))
def test_index(tmp_path, fault):
    index, message, variable = INDEX_FAULTS[fault]
    prefix = bundles.write(tmp_path, index, A + B)
    check_refused(prefix, message, variable, [prefix])


@pytest.mark.parametrize("count, message", [(30000, "data-00000-of-00001, which is missing"), (45000, "too many")])
def test_very_many_variables(tmp_path, count, message):
    """Ten times those of the largest model open; more are refused, and either way the memory is bounded."""
    pairs = [(b"", header())] + [(b"%06d" % number, entry(b"", (0,))) for number in range(count)]
    index = table([pairs[at : at + 1000] for at in range(0, count, 1000)])
    prefix = bundles.write(tmp_path, index)
    check_refused(prefix, message, None, [prefix])


def test_the_good_bundle(tmp_path):
    """The builder is right where nothing is wrong, so each fault above is the only one."""
    checkpoint = open_checkpoint(bundles.write(tmp_path, pairs(), A + B), verify=True)
    assert checkpoint["a"].tobytes() == A and checkpoint["b"].tobytes() == B
    folder = tmp_path / "slices"
    folder.mkdir()
    assert open_checkpoint(bundles.write(folder, sliced(UPPER, LOWER), b"\0" * 48))["p"].shape == (4, 3)


def data_file(folder, kind):
    """A good index over a data file that is not as it should be; returns the prefix."""
    prefix = bundles.write(folder, pairs(), A + B)
    path = prefix + ".data-00000-of-00001"
    os.unlink(path)
    if kind == "truncated":
        with open(path, "wb") as file:
            file.write((A + B)[:50])
    elif kind == "empty":
        open(path, "wb").close()
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to nowhere":
        os.symlink(path + "x", path)
    elif kind == "link to a device":
        os.symlink("/dev/zero", path)
    elif kind == "link in a circle":
        os.symlink(path, path)
    return prefix


@pytest.mark.parametrize(
    "kind, message, variable",
    [
        ("missing", "data-00000-of-00001, which is missing", "a"),
        ("truncated", "beyond the end of the file .50 bytes", "b"),
        ("empty", "beyond the end of the file .0 bytes", "a"),
        ("folder", "is not a regular file", None),
        ("pipe", "is not a regular file", None),
        ("link to nowhere", "which is missing", "a"),
        ("link to a device", "is not a regular file", None),
        ("link in a circle", "leads in a circle", None),
    ],
)
def test_data_file(tmp_path, kind, message, variable):
    prefix = data_file(tmp_path, kind)
    check_refused(prefix, message, variable, [prefix + ".data-00000-of-00001"])


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_index_that_is_no_file(tmp_path, kind):
    prefix = bundles.write(tmp_path, pairs(), A + B)
    os.unlink(prefix + ".index")
    {"folder": os.mkdir, "pipe": os.mkfifo, "device": lambda path: os.symlink("/dev/zero", path)}[kind](
        prefix + ".index"
    )
    check_refused(prefix, "is not a regular file", None, [prefix + ".index"])


def test_huge_sparse_files(tmp_path):
    """A size that is claimed and there: nothing is read that was not asked for."""
    prefix = bundles.write(tmp_path, pairs(a=entry(None, (2**33,), 4, size=2**33, offset=32), b=entry(B, (4,), 9)), B)
    with open(prefix + ".data-00000-of-00001", "r+b") as file:
        file.truncate(2**33 + 32)
    assert open_checkpoint(prefix)["b"].tobytes() == B
    with open(prefix + ".index", "r+b") as file:
        file.seek(0, 2)
        file.truncate(2**33)
        file.seek(2**33 - 8)
        file.write(struct.pack("<Q", bundles.MAGIC))
    check_refused(prefix, "header is missing|checksum|bytes", None, [prefix + ".index"])
