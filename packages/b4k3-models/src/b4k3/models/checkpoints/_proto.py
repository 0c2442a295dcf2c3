"""The little of Protocol Buffers' wire format that tensor bundles need."""

from __future__ import annotations

import struct

import numpy as np

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_REPEATED = 50000  # an empty value takes two bytes in the file and a hundred in memory
_FIXED_SIZE = {FIXED64: 8, FIXED32: 4}


class WireError(ValueError):
    """Bytes that are no valid message; the caller adds the file and the variable."""


def read_varint(data, at, end):
    """(value, position behind it) of an unsigned LEB128 number of at most 64 bits in data[at:end]."""
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


def write_varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(data):
    """Yields (number, wire type, value) of a message, bytes; value is an int, or bytes for length-delimited fields."""
    at, end = 0, len(data)
    while at < end:
        tag, at = read_varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise WireError(f"field number {number} is out of range")
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
            raise WireError(f"field {number} has wire type {kind}")
        yield number, kind, value


def read_message(data, known):
    """A dict of a message's fields; fields that are not known are passed over, as the format demands.

    Arguments: data, bytes; known, dict: field number -> (name, wire type, repeated).
    Returns: dict: name -> int or bytes, a list of them where repeated. Absent fields are absent.
    """
    message = {}
    for number, kind, value in fields(data):
        if number not in known:
            continue
        name, expected, repeated = known[number]
        if kind != expected:
            raise WireError(f"field {name} has wire type {kind}, expected {expected}")
        if repeated:
            values = message.setdefault(name, [])
            if len(values) == MAX_REPEATED:
                raise WireError(f"field {name} is there more than {MAX_REPEATED:,} times")
            values.append(value)
        else:
            message[name] = value
    return message


def read_varints(data):
    """The numbers of a packed repeated field, bytes -> uint64[n]."""
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


def signed(value):
    """An unsigned 64-bit varint as the int64 or int32 that it stands for."""
    return value - (1 << 64) if value >> 63 else value


def varint_field(number, value):
    """The bytes of an integer field; of nothing where it is 0, the default, as proto3 writes it."""
    return write_varint(number << 3 | VARINT) + write_varint(value & (1 << 64) - 1) if value else b""


def bytes_field(number, value):
    return write_varint(number << 3 | BYTES) + write_varint(len(value)) + value


def fixed32_field(number, value):
    return write_varint(number << 3 | FIXED32) + struct.pack("<I", value) if value else b""
