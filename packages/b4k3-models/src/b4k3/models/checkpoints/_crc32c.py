"""Compute CRC-32C (Castagnoli) at memory speed with numpy alone.

CRC-32C is specified in RFC 3720, appendix B.4: https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4

A CRC reads the message as a polynomial over GF(2) and takes its remainder modulo a polynomial P of degree 32. Adding a
multiple of P does not change the remainder. The identity used here is

    x^(8*5685) = x^(8*1362) + x^(8*426) + 1   (modulo P)

so one byte of the message may be replaced by the same byte XORed into three places further on:

    byte i  ->  byte i + 5685 - 1362,  byte i + 5685 - 426,  byte i + 5685

The nearest of the three places is 4323 bytes away, so 4323 bytes can be moved in one vectorised step without a step
reading what it writes. In GF(2) squaring an identity doubles its exponents; squared three times it holds for units of 8
bytes instead of one, and numpy moves 64-bit words. The last 10 KB cannot be shortened further: their set bits select
rows of a table with the remainders of the powers of x, and the XOR of these rows is the result.

`tests/models/checkpoints/test_crc32c.py` checks the identity itself, and the result against a loop over bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import numpy as np

if TYPE_CHECKING:
    from typing import Union

    from numpy.typing import NDArray

    Buffer = Union[bytes, bytearray, memoryview, NDArray[np.uint8]]

_POLYNOMIAL = 0x82F63B78  # CRC-32C reads the lowest bit of a byte first, so bit 31 of this number is x^0
_DEGREE = 5685  # x^(8*5685) = x^(8*1362) + x^(8*426) + 1 modulo P
_SHIFTS = (_DEGREE - 1362, _DEGREE - 426, _DEGREE)
_GAP = _SHIFTS[0]  # the number of units that one step moves
_REST = _GAP + _DEGREE  # a message shorter than this is not shortened further
_STEPS = 8  # steps for each copy of the message, so that the buffer stays within the processor's cache
_TINY = 48  # bytes; a plain loop is faster for shorter messages
_MASK_DELTA = 0xA282EAD8

_tables: dict[str, Any] = {}  # what is computed or imported at the first call


def _byte_table() -> list[int]:
    """Make the table of the bytewise algorithm: the remainder of each byte."""
    if "byte" not in _tables:
        table = []
        for value in range(256):
            for _ in range(8):
                value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
            table.append(value)
        _tables["byte"] = table
    return _tables["byte"]


def _powers() -> NDArray[np.uint32]:
    """Make the remainders of x^32 (which the last bit of a message stands for), x^33 …, [8 * _REST], the last first."""
    if "powers" not in _tables:
        power, powers = _POLYNOMIAL, []
        for _ in range(8 * _REST):
            powers.append(power)
            power = (power >> 1) ^ (_POLYNOMIAL if power & 1 else 0)
        _tables["powers"] = np.array(powers[::-1], dtype=np.uint32)
    return _tables["powers"]


def _shorten(front: NDArray[np.uint8], rest: NDArray[np.uint8], unit: int) -> NDArray[np.uint8]:
    """Replace a message by one of fewer than `_REST * unit` bytes that has the same remainder.

    Arguments:
        front: uint8, [_DEGREE * unit]. The beginning of the message.
        rest: uint8, [n]. The rest of the message.
        unit: int. The number of bytes that are moved as one word, 1 or 8.

    Returns:
        uint8, [fewer than _REST * unit].
    """
    gap, degree = _GAP * unit, _DEGREE * unit
    left, done = rest.size // gap, 0
    buffer = np.empty(degree + min(left, _STEPS) * gap, dtype=np.uint8)
    while left:
        steps = min(left, _STEPS)
        end = steps * gap
        buffer[:degree] = front
        buffer[degree : degree + end] = rest[done : done + end]
        words = buffer[: degree + end].view(f"u{unit}")
        for start in range(0, steps * _GAP, _GAP):
            moved = words[start : start + _GAP]
            for shift in _SHIFTS:
                words[start + shift : start + shift + _GAP] ^= moved
        front = buffer[end : degree + end].copy()
        done, left = done + end, left - steps
    return np.concatenate([front, rest[done:]])


def crc32c_numpy(data: Buffer) -> int:
    """Compute the CRC-32C of a bytes-like object without a compiled library.

    Example:
        >>> from b4k3.models.checkpoints._crc32c import crc32c_numpy
        >>> hex(crc32c_numpy(b"123456789"))  # the check value in catalogues of CRCs
        '0xe3069283'
    """
    message = np.frombuffer(data, dtype=np.uint8) if len(data) else np.empty(0, np.uint8)
    if message.size < _TINY:
        crc, table = 0xFFFFFFFF, _byte_table()
        for byte in message.tolist():
            crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
        return crc ^ 0xFFFFFFFF
    front, rest = message[: 8 * _DEGREE].copy(), message[8 * _DEGREE :]
    front[:4] ^= 0xFF  # the same as starting with the value 0xFFFFFFFF
    if rest.size:
        front = _shorten(front, rest, 8)
    if front.size > _REST:
        front = _shorten(front[:_DEGREE], front[_DEGREE:], 1)
    bits = np.unpackbits(front, bitorder="little")
    return int(np.bitwise_xor.reduce(bits * _powers()[-bits.size :])) ^ 0xFFFFFFFF


def _fast_library() -> Callable[[Any], int] | None:
    """Find a compiled CRC-32C, if the package google-crc32c or crc32c is installed."""
    try:
        import google_crc32c

        if google_crc32c.implementation == "c":
            return google_crc32c.value
    except ImportError:
        pass
    try:
        import crc32c as library

        return library.crc32c
    except ImportError:
        return None


def crc32c(data: Buffer) -> int:
    """Compute the CRC-32C of a C-contiguous bytes-like object, by a compiled library if one is installed."""
    if "fast" not in _tables:
        _tables["fast"] = _fast_library() or crc32c_numpy
    return _tables["fast"](data)


def masked_crc32c(data: Buffer) -> int:
    """Compute the masked CRC-32C that LevelDB and TensorFlow store: rotated right by 15 bits, plus a constant.

    The mask avoids a weakness of CRCs: the CRC of data that contain their own CRC is a constant.
    https://github.com/google/leveldb/blob/main/util/crc32c.h
    """
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF
