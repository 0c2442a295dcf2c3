"""CRC-32C against a plain loop over bits, at every length where the method changes."""

import numpy as np
import pytest

from b4k3.models.checkpoints import _crc32c
from b4k3.models.checkpoints._crc32c import crc32c, crc32c_numpy, masked_crc32c

UNIT = 5685  # the degree of the identity by which messages are shortened
LENGTHS = (
    list(range(70))
    + [UNIT - 1, UNIT, UNIT + 1, 10007, 10008, 10009]
    + [8 * UNIT - 1, 8 * UNIT, 8 * UNIT + 1, 8 * 10008 - 1, 8 * 10008, 8 * 10008 + 1, 400003]
)


def slow_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in bytearray(data):
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    "data, crc",  # RFC 3720, B.4
    [
        (b"\0" * 32, 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(bytearray(range(32))), 0x46DD794E),
        (bytes(bytearray(range(31, -1, -1))), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_published_values(data, crc):
    assert slow_crc32c(data) == crc32c_numpy(data) == crc32c(data) == crc


@pytest.mark.parametrize("length", LENGTHS)
def test_equals_the_plain_loop(length):
    data = np.random.RandomState(length).bytes(length)
    assert crc32c_numpy(data) == slow_crc32c(data)


def test_takes_read_only_views_and_leaves_them_alone():
    data = np.random.RandomState(0).randint(0, 256, 200000).astype(np.uint8)
    before = data.copy()
    data.flags.writeable = False
    assert crc32c_numpy(data[3:]) == crc32c_numpy(data[3:].tobytes()) == crc32c(data[3:])
    assert crc32c_numpy(memoryview(data)[5:]) == crc32c_numpy(before[5:].tobytes())
    assert np.array_equal(data, before)


def test_masked_form():
    assert masked_crc32c(b"") == 0xA282EAD8
    crc = slow_crc32c(b"foo")
    assert masked_crc32c(b"foo") == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_the_identity_behind_it():
    """x^(8*5685) + x^(8*1362) + x^(8*426) + 1 is a multiple of the polynomial: its remainder is 0."""
    bits = np.zeros(8 * UNIT + 1, dtype=np.uint8)
    bits[[8 * UNIT, 8 * 1362, 8 * 426, 0]] = 1
    remainder = 0
    for bit in bits[::-1]:
        remainder = remainder << 1 | int(bit)
        if remainder >> 32:
            remainder ^= 0x11EDC6F41
    assert remainder == 0


def test_a_fast_library_is_used_where_there_is_one(monkeypatch):
    monkeypatch.setattr(_crc32c, "_tables", {})
    monkeypatch.setattr(_crc32c, "_fast_library", lambda: lambda data: 42)
    assert crc32c(b"123456789") == 42
