"""Checkpoints of version 1, built as TensorFlow 1.15 writes them, right ones and wrong ones."""

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint
from corrupt.bundles import field, shape_proto, slice_key, slice_proto, table, varint
from corrupt.test_tf_bundle import check_refused

VALUES = np.arange(6, dtype="<f4").reshape(2, 3)
WHOLE = [None, None]


def variable(name=b"a", dims=(2, 3), dtype=1, slices=(WHOLE,)):
    parts = b"".join(field(4, slice_proto(extents)) for extents in slices)
    return field(1, field(1, name) + field(2, shape_proto(dims)) + field(3, dtype) + parts)


def stored(tensor, name=b"a", extents=WHOLE):
    value = field(2, field(1, name) + field(2, slice_proto(extents)) + field(3, tensor))
    return slice_key(name, extents), value


def header(*variables):
    return b"", field(1, b"".join(variables))


def floats(values):
    return field(5, np.asarray(values, "<f4").tobytes())


def numbers(number, values):
    return field(number, b"".join(map(varint, values)))


def write(folder, *pairs):
    path = folder / "model.ckpt-5"
    path.write_bytes(pairs[0] if isinstance(pairs[0], bytes) else table([[pair] for pair in sorted(pairs)]))
    return str(path)


def test_floats(tmp_path):
    path = write(tmp_path, header(variable()), stored(floats(VALUES)))
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.format == "tf_v1" and list(checkpoint) == ["a"] and checkpoint.nbytes("a") == 24
        assert np.array_equal(checkpoint["a"], VALUES) and not checkpoint["a"].flags.writeable
    with pytest.raises(CheckpointError, match="closed"):
        checkpoint["a"]


@pytest.mark.parametrize(
    "dtype, number, tensor, expected",
    [
        ("int32", 3, numbers(7, [-1, 2**31 - 1]), [-1, 2**31 - 1]),
        ("int8", 6, numbers(7, [-128, 127]), [-128, 127]),
        ("uint8", 4, numbers(7, [0, 255]), [0, 255]),
        ("int64", 9, numbers(10, [-(2**63), 7]), [-(2**63), 7]),
        ("uint64", 23, numbers(17, [2**64 - 1, 7]), [2**64 - 1, 7]),
        ("bool", 10, numbers(11, [1, 0]), [True, False]),
        ("float16", 19, numbers(13, [0x3C00, 0xC000]), [1.0, -2.0]),
        ("bfloat16", 14, numbers(13, [0x3FC0, 0xC000]), [1.5, -2.0]),
        ("float64", 2, field(6, np.array([0.1, 2]).tobytes()), [0.1, 2.0]),
        ("float32", 1, field(4, np.array([1, 2], "<f4").tobytes()), [1.0, 2.0]),
        ("int32", 3, field(4, np.array([1, 2], "<i4").tobytes()), [1, 2]),
    ],
)
def test_dtypes(tmp_path, dtype, number, tensor, expected):
    checkpoint = open_checkpoint(
        write(tmp_path, header(variable(b"a", (2,), number, [[None]])), stored(tensor, b"a", [None])), verify=True
    )
    assert checkpoint.stored_dtype("a") == dtype and checkpoint["a"].dtype == checkpoint.dtype("a")
    assert checkpoint["a"].tolist() == expected


def test_slices_and_what_is_skipped(tmp_path):
    upper, lower = [(0, 1), None], [(1, 1), None]
    pairs = [stored(floats(VALUES[:1]), b"a", upper), stored(floats(VALUES[1:]), b"a", lower)]
    checkpoint = open_checkpoint(
        write(tmp_path, header(variable(slices=[upper, lower]), variable(b"s", (), 7)), *pairs)
    )
    assert np.array_equal(checkpoint["a"], VALUES) and not checkpoint["a"].flags.writeable
    assert list(checkpoint) == ["a"] and checkpoint.skipped == {"s": "string"}


GOOD = stored(floats(VALUES))
FAULTS = {
    "no header": ((GOOD,), "header is missing", None),
    "header that is no message": (((b"", b"\x0a\x7f"),), "needs 127 bytes", None),
    "meta that is no message": (((b"", field(1, b"\x0a\x7f")),), "needs 127 bytes", None),
    "block checksum": ((table([[header(variable())], [GOOD]], crc_change=1),), "checksum", None),
    "cut short": (
        (table([[header(variable())], [GOOD]])[:100] + table([])[-48:],),
        "beyond the end|checksum|varint",
        None,
    ),
    "the same name twice": ((header(variable(), variable()), GOOD), "twice", "a"),
    "name that is not UTF-8": ((header(variable(b"a\xff")), GOOD), "UTF-8", None),
    "unknown dtype": ((header(variable(dtype=99)), GOOD), "unknown dtype 99", "a"),
    "negative dimension": ((header(variable(dims=(-2, 3))), GOOD), "negative dimension", "a"),
    "dimension overflow": ((header(variable(dims=(2**40, 2**40))), GOOD), "out of range", "a"),
    "more values than bytes": ((header(variable(dims=(2**20, 2**20))), GOOD), "more than the file has", "a"),
    "no slices": ((header(variable(slices=[])), GOOD), "no slices", "a"),
    "missing slices": ((header(variable(slices=[[(0, 1), None]])), GOOD), "missing slices", "a"),
    "overlapping slices": ((header(variable(slices=[[(0, 2), None], [(1, 1), None]])), GOOD), "overlapping", "a"),
    "slice that is not stored": ((header(variable()),), "misses the slice", "a"),
    "slice of another variable": ((header(variable()), (GOOD[0], stored(b"", b"b")[1])), "another variable", "a"),
    "slice that is no message": ((header(variable()), (GOOD[0], field(2, b"\x1a\x7f"))), "damaged", "a"),
    "too few values": ((header(variable()), stored(floats([1, 2]))), "2 values, expected 6", "a"),
    "too many values": ((header(variable()), stored(floats(range(7)))), "7 values, expected 6", "a"),
    "values of another dtype": ((header(variable(dtype=3)), GOOD), "0 values, expected 6", "a"),
    "half a value": ((header(variable()), stored(field(5, b"\0" * 23))), "values, expected 6", "a"),
    "number too large": ((header(variable(dtype=6)), stored(numbers(7, [1, 2, 3, 4, 5, 128]))), "too large", "a"),
    "bool of other values": ((header(variable(dtype=10)), stored(numbers(11, [0, 1, 2, 1, 0, 1]))), "too large", "a"),
    "bool of other bytes": ((header(variable(dtype=10)), stored(field(4, b"\0\1\2\1\0\1"))), "bool", "a"),
    "long varint": ((header(variable(dtype=3)), stored(field(7, b"\x80" * 11))), "varint", "a"),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_broken(tmp_path, fault):
    pairs, message, name = FAULTS[fault]
    path = write(tmp_path, *pairs)
    check_refused(path, message, name, [path])
