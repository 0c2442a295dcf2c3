"""Builds tensor bundles byte by byte, with right checksums around whatever is wrong in them.

It shares no code with the package: messages, keys and checksums are written out here as the formats describe them.
"""

import os
import struct

MAGIC = 0xDB4775248B80FB57
_TABLE = []
for _value in range(256):
    for _ in range(8):
        _value = (_value >> 1) ^ (0x82F63B78 if _value & 1 else 0)
    _TABLE.append(_value)


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in bytearray(data):
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value):
    value &= 2**64 - 1
    out = b""
    while value > 127:
        out, value = out + bytes([value % 128 + 128]), value // 128
    return out + bytes([value])


def field(number, value):
    """An int as a varint field, bytes as a length-delimited one."""
    if isinstance(value, bytes):
        return varint(number * 8 + 2) + varint(len(value)) + value
    return varint(number * 8) + varint(value)


def header(num_shards=1, endianness=0, min_consumer=0):
    return field(1, num_shards) + field(2, endianness) + field(3, field(1, 1) + field(2, min_consumer))


def shape_proto(dims):
    return b"".join(field(2, field(1, dim)) for dim in dims)


def slice_proto(extents):
    """extents: list of (start, length), or None for a whole axis."""
    return b"".join(field(1, b"" if e is None else field(1, e[0]) + field(2, e[1])) for e in extents)


def entry(data=None, dims=(2, 3), dtype=1, shard=0, offset=0, size=None, crc=None, slices=()):
    """BundleEntryProto; size and checksum are those of data where they are not given."""
    size = len(data) if size is None and data is not None else size or 0
    crc = masked_crc(data) if crc is None and data is not None else crc or 0
    out = field(1, dtype) + field(2, shape_proto(dims)) + field(3, shard) + field(4, offset) + field(5, size)
    return out + b"\x35" + struct.pack("<I", crc) + b"".join(field(7, slice_proto(extents)) for extents in slices)


def slice_key(name, extents):
    """Small numbers only: one byte each, with the sign bit inverted."""
    numbers = [number for e in extents for number in (e or (0, -1))]
    return b"\0" + name + b"\0\1" + bytes([1, len(extents)]) + bytes([number & 0xFF ^ 0x80 for number in numbers])


def block_entry(key, value, shared=0, unshared=None, length=None):
    key = key[shared:]
    unshared, length = len(key) if unshared is None else unshared, len(value) if length is None else length
    return varint(shared) + varint(unshared) + varint(length) + key + value


def block(entries, restarts=(0,), count=None):
    """entries: list of (key, value), or of bytes made by `block_entry`."""
    body = b"".join(one if isinstance(one, bytes) else block_entry(*one) for one in entries)
    count = len(restarts) if count is None else count
    return body + struct.pack(f"<{len(restarts)}I", *restarts) + struct.pack("<I", count)


def table(blocks, kind=0, crc_change=0, index=None, magic=MAGIC, footer=None):
    """A table of the given blocks, each a list of pairs or finished bytes of a block.

    index: None, or a function that turns [(separator, handle)] into those to write, or into the bytes of a block.
    """
    out, handles = b"", []
    for content in blocks:
        last = b"\xff" * 8 if isinstance(content, bytes) else content[-1][0]
        content = content if isinstance(content, bytes) else block(content)
        handles.append((last, varint(len(out)) + varint(len(content))))
        content += bytes([kind])
        out += content + struct.pack("<I", masked_crc(content) ^ crc_change)
    handles = handles if index is None else index(handles)
    places = b""
    for content in (block([]), handles if isinstance(handles, bytes) else block(handles)):
        places += varint(len(out)) + varint(len(content))
        content += b"\0"
        out += content + struct.pack("<I", masked_crc(content))
    return out + (places.ljust(40, b"\0") if footer is None else footer) + struct.pack("<Q", magic)


def write(folder, index, data=None, shards=1):
    """Writes prefix.index (bytes, or pairs for one block after the header) and data files; returns the prefix."""
    prefix = os.path.join(str(folder), "model.ckpt")
    if not isinstance(index, bytes):
        index = table([[(b"", header(shards))] + sorted(index)])
    with open(prefix + ".index", "wb") as file:
        file.write(index)
    for number, content in enumerate([data] if isinstance(data, bytes) else data or []):
        with open(f"{prefix}.data-{number:05d}-of-{shards:05d}", "wb") as file:
            file.write(content)
    return prefix
