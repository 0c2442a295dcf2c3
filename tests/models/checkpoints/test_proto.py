"""The wire format, against values worked out by hand from its specification."""

import pytest

from b4k3.models.checkpoints import _proto
from b4k3.models.checkpoints._proto import BYTES, FIXED32, VARINT, WireError

KNOWN = {1: ("number", VARINT, False), 2: ("parts", BYTES, True), 3: ("crc", FIXED32, False)}


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
def test_varint_round_trip(value):
    data = _proto.write_varint(value)
    assert _proto.read_varint(data, 0, len(data)) == (value, len(data))


def test_varint_bytes():
    assert _proto.write_varint(300) == b"\xac\x02"
    assert _proto.signed(2**64 - 1) == -1 and _proto.signed(2**63 - 1) == 2**63 - 1
    assert _proto.varint_field(1, 0) == b"" and _proto.varint_field(1, -1) == b"\x08" + b"\xff" * 9 + b"\x01"


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 10 + b"\x01", b"\xff" * 9 + b"\x02", b"\x80" * 11])
def test_varint_refused(data):
    with pytest.raises(WireError, match="varint"):
        _proto.read_varint(data, 0, len(data))


def test_message():
    data = b"\x08\x05" + b"\x12\x02hi" + b"\x12\x00" + b"\x1d\x01\0\0\0" + b"\x21" + b"\0" * 8 + b"\x08\x07"
    assert _proto.read_message(data, KNOWN) == {"number": 7, "parts": [b"hi", b""], "crc": 1}


@pytest.mark.parametrize(
    "data, message",
    [
        (b"\x12\x05hi", "needs 5 bytes, 2 are left"),
        (b"\x1d\x01", "needs 4 bytes, 1 are left"),
        (b"\x0a\x00", "field number has wire type 2, expected 0"),
        (b"\x0b", "wire type 3"),
        (b"\x00\x00", "field number 0"),
        (b"\x08", "varint"),
    ],
)
def test_message_refused(data, message):
    with pytest.raises(WireError, match=message):
        _proto.read_message(data, KNOWN)


@pytest.mark.parametrize("values", [[], [0], [127, 128], [2**64 - 1, 5, 2**63], list(range(0, 40000, 7))])
def test_packed_varints(values):
    data = b"".join(map(_proto.write_varint, values))
    found = _proto.read_varints(data)
    assert found.dtype == "uint64" and found.tolist() == values


@pytest.mark.parametrize("data", [b"\x80", b"\1\x80", b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\1"])
def test_packed_varints_refused(data):
    with pytest.raises(WireError, match="varint"):
        _proto.read_varints(data)
