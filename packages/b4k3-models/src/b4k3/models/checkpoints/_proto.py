"""Read and write the part of the Protocol Buffers wire format that TensorFlow's checkpoints use.

A message is a row of fields without gaps. Each field begins with a tag, `number << 3 | wire type`, which is a varint:

    wire type 0  VARINT   an unsigned LEB128 number: 7 bits per byte, the lowest first, the high bit says "more follows"
    wire type 1  FIXED64  8 bytes, little-endian
    wire type 2  BYTES    a varint with the length, then so many bytes: a string, a message or packed numbers
    wire type 5  FIXED32  4 bytes, little-endian

For example, the bytes `08 ac 02` are field 1 (tag 0x08 = 1 << 3 | 0) with the number 300 (0x2c + 2 * 128).
Specification: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Iterator

import numpy as np

if TYPE_CHECKING:
    from typing import Dict, Tuple, Union

    from numpy.typing import NDArray

    Buffer = Union[bytes, memoryview]
    Fields = Dict[int, Tuple[str, int, bool]]  # field number -> (name, wire type, whether the field is repeated)

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_REPEATED = 50000  # an empty value takes two bytes in the file and a hundred bytes in memory
_FIXED_SIZE = {FIXED64: 8, FIXED32: 4}
_TWO_64 = 1 << 64


class WireError(ValueError):
    """Bytes that are not a valid message. Its text has no file and no variable: the caller adds them."""


def read_varint(data: Buffer, at: int, end: int) -> tuple[int, int]:
    """Read an unsigned number of at most 64 bits.

    Arguments:
        data: bytes or memoryview. The message.
        at: int. The position of the number.
        end: int. The position where the message ends.

    Returns:
        (the number, the position after it).

    Raises:
        WireError: the number does not end before `end`, or is longer than 64 bits.
    """
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, at
        shift += 7
        if shift > 63:
            break
    raise WireError("a varint is cut short or longer than 64 bits")


def write_varint(value: int) -> bytes:
    """Encode an unsigned number."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(data: Buffer) -> Iterator[tuple[int, int, Any]]:
    """Yield the fields of a message in the order of the bytes.

    Arguments:
        data: bytes or memoryview. The message.

    Yields:
        (field number, wire type, value). The value is bytes or a memoryview for BYTES, and an int for the other types.

    Raises:
        WireError: the bytes are not a message.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = read_varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise WireError(f"field number {number} is out of range")
        value: Any
        if kind == VARINT:
            value, at = read_varint(data, at, end)
        elif kind in (BYTES, FIXED32, FIXED64):
            size = _FIXED_SIZE.get(kind)
            if size is None:
                size, at = read_varint(data, at, end)
            if size > end - at:
                raise WireError(f"field {number} needs {size} bytes, {end - at} are left")
            value = data[at : at + size]
            at += size
            if kind != BYTES:
                value = int.from_bytes(value, "little")
        else:
            raise WireError(f"field {number} has wire type {kind}, expected 0, 1, 2 or 5")
        yield number, kind, value


def read_message(data: Buffer, known: Fields) -> dict[str, Any]:
    """Read the fields of a message that are known. The specification demands that readers skip the other fields.

    Arguments:
        data: bytes or memoryview. The message.
        known: dict from field number to (name, wire type, whether the field is repeated).

    Returns:
        dict from name to value: int or bytes, or a list of them if the field is repeated. A field that the message
        does not have is not in the dict. If a field that is not repeated occurs twice, the last value counts.

    Raises:
        WireError: the bytes are not a message, or a field has another wire type or too many values.

    Example:
        >>> from b4k3.models.checkpoints._proto import BYTES, VARINT, bytes_field, read_message, varint_field
        >>> data = varint_field(1, 300) + bytes_field(2, b"a") + bytes_field(2, b"b")
        >>> read_message(data, {1: ("size", VARINT, False), 2: ("names", BYTES, True)})
        {'size': 300, 'names': [b'a', b'b']}
    """
    message: dict[str, Any] = {}
    for number, kind, value in fields(data):
        if number not in known:
            continue
        name, expected, repeated = known[number]
        if kind != expected:
            raise WireError(f"field {name} has wire type {kind}, expected {expected}")
        if repeated:
            values = message.setdefault(name, [])
            if len(values) == MAX_REPEATED:
                raise WireError(f"field {name} has more than {MAX_REPEATED:,} values")
            values.append(value)
        else:
            message[name] = value
    return message


def read_varints(data: Buffer) -> NDArray[np.uint64]:
    """Read the numbers of a packed repeated field, all at once.

    For example, the bytes `05 ac 02` are the numbers 5 and 300. A byte below 0x80 ends a number, so the numbers end at
    positions 0 and 2. Step 0 of the loop takes the first byte of each number, step 1 the second byte of the numbers
    that have one, and so on; step k contributes 7 bits, shifted left by 7 * k.

    Arguments:
        data: bytes or memoryview. The value of the field.

    Returns:
        uint64, [n].

    Raises:
        WireError: the last number does not end, or a number is longer than 64 bits.
    """
    octets = np.frombuffer(data, dtype=np.uint8) if len(data) else np.empty(0, np.uint8)
    ends = np.flatnonzero(octets < 0x80)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.intp)[: ends.size]
    lengths = ends - starts + 1
    if octets.size and (octets[-1] >= 0x80 or lengths.max() > 10 or (octets[ends[lengths == 10]] > 1).any()):
        raise WireError("a varint is cut short or longer than 64 bits")
    values = np.zeros(ends.size, dtype=np.uint64)
    for at in range(int(lengths.max()) if ends.size else 0):
        longer = lengths > at
        part = octets[starts[longer] + at].astype(np.uint64) & np.uint64(0x7F)
        values[longer] |= part << np.uint64(7 * at)
    return values


def signed(value: int) -> int:
    """Return the signed number that an unsigned 64-bit varint stands for: -1 is stored as 2**64 - 1."""
    return value - _TWO_64 if value >> 63 else value


def varint_field(number: int, value: int) -> bytes:
    """Encode an integer field. The value 0 is the default and takes no bytes, as in proto3."""
    return write_varint(number << 3 | VARINT) + write_varint(value & (_TWO_64 - 1)) if value else b""


def bytes_field(number: int, value: bytes) -> bytes:
    """Encode a field with a string or a message, even if it is empty."""
    return write_varint(number << 3 | BYTES) + write_varint(len(value)) + value


def fixed32_field(number: int, value: int) -> bytes:
    """Encode a field of 4 bytes. The value 0 is the default and takes no bytes."""
    return write_varint(number << 3 | FIXED32) + struct.pack("<I", value) if value else b""
