"""CRC-32C (Castagnoli, RFC 3720) at memory speed with numpy alone.

A checksum is the remainder of the message, read as a polynomial over GF(2), modulo a polynomial P. One multiple of P
is `x^(8*5685) + x^(8*1362) + x^(8*426) + 1`. It has four terms only, so a message is shortened by adding (XOR) its
front to three places further on, thousands of bytes at a time. Squaring such an identity doubles its exponents, so it
also holds for units of 8 bytes. What is left, at most 10 KB, is summed bit by bit from a table of the powers of x.
"""

from __future__ import annotations

import numpy as np

_POLYNOMIAL = 0x82F63B78  # bit 31 is x^0: the bit order in which CRC-32C reads its bytes
_DEGREE = 5685  # x^(8*5685) = x^(8*1362) + x^(8*426) + 1 modulo P
_SHIFTS = (_DEGREE - 1362, _DEGREE - 426, _DEGREE)
_GAP = _SHIFTS[0]  # so many units can be moved in one step
_REST = _GAP + _DEGREE  # a message shorter than this is not shortened further
_STEPS = 8  # per copy; they keep the working buffer within the processor's cache
_TINY = 48  # bytes; below, the plain loop is faster
_MASK_DELTA = 0xA282EAD8

_tables = {}


def _byte_table():
    if "byte" not in _tables:
        table = []
        for value in range(256):
            for _ in range(8):
                value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
            table.append(value)
        _tables["byte"] = table
    return _tables["byte"]


def _powers():
    """uint32[8 * _REST]: the last bit of a message counts x^32, the one before it x^33, …, in message order."""
    if "powers" not in _tables:
        power, powers = _POLYNOMIAL, []
        for _ in range(8 * _REST):
            powers.append(power)
            power = (power >> 1) ^ (_POLYNOMIAL if power & 1 else 0)
        _tables["powers"] = np.array(powers[::-1], dtype=np.uint32)
    return _tables["powers"]


def _shorten(front, rest, unit):
    """Fewer than `_REST * unit` bytes that have the remainder of front, uint8[_DEGREE * unit], and rest, uint8[n]."""
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


def crc32c_numpy(data):
    """CRC-32C of a bytes-like object, without any library. Returns an int."""
    message = np.frombuffer(data, dtype=np.uint8) if len(data) else np.empty(0, np.uint8)
    if message.size < _TINY:
        crc, table = 0xFFFFFFFF, _byte_table()
        for byte in message.tolist():
            crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
        return crc ^ 0xFFFFFFFF
    front, rest = message[: 8 * _DEGREE].copy(), message[8 * _DEGREE :]
    front[:4] ^= 0xFF  # the initial value 0xFFFFFFFF
    if rest.size:
        front = _shorten(front, rest, 8)
    if front.size > _REST:
        front = _shorten(front[:_DEGREE], front[_DEGREE:], 1)
    bits = np.unpackbits(front, bitorder="little")
    return int(np.bitwise_xor.reduce(bits * _powers()[-bits.size :])) ^ 0xFFFFFFFF


def _fast_library():
    """A compiled CRC-32C where one is installed (the packages google-crc32c and crc32c), else None."""
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


def crc32c(data):
    """CRC-32C of a C-contiguous bytes-like object of unsigned bytes. Returns an int."""
    if "fast" not in _tables:
        _tables["fast"] = _fast_library() or crc32c_numpy
    return _tables["fast"](data)


def masked_crc32c(data):
    """The form in which LevelDB and TensorFlow store it: rotated right by 15 bits, plus a constant."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF
