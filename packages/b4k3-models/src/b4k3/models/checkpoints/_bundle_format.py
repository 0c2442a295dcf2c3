"""TensorFlow's messages and keys inside the index of a tensor bundle (tensor_bundle.proto, saved_tensor_slice_util)."""

from __future__ import annotations

from . import _proto
from ._proto import BYTES, FIXED32, VARINT, WireError, signed

# types.proto. Entries of the types that are no numeric arrays of numpy are listed, but cannot be read.
NUMERIC = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 8: "complex64", 9: "int64", 10: "bool",
    14: "bfloat16", 17: "uint16", 18: "complex128", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
OTHER = {
    7: "string", 11: "qint8", 12: "quint8", 13: "qint32", 15: "qint16", 16: "quint16", 20: "resource", 21: "variant",
    24: "float8_e5m2", 25: "float8_e4m3fn", 26: "float8_e4m3fnuz", 27: "float8_e4m3b11fnuz", 28: "float8_e5m2fnuz",
    29: "int4", 30: "uint4", 31: "int2", 32: "uint2",
}  # fmt: skip
NUMBER = {name: number for number, name in NUMERIC.items()}

_HEADER = {1: ("num_shards", VARINT, False), 2: ("endianness", VARINT, False), 3: ("version", BYTES, False)}
_VERSION = {1: ("producer", VARINT, False), 2: ("min_consumer", VARINT, False)}
_ENTRY = {
    1: ("dtype", VARINT, False),
    2: ("shape", BYTES, False),
    3: ("shard", VARINT, False),
    4: ("offset", VARINT, False),
    5: ("size", VARINT, False),
    6: ("crc", FIXED32, False),
    7: ("slices", BYTES, True),
}
_SHAPE = {2: ("dims", BYTES, True), 3: ("unknown_rank", VARINT, False)}
_DIM = {1: ("size", VARINT, False)}
_SLICE = {1: ("extents", BYTES, True)}
_EXTENT = {1: ("start", VARINT, False), 2: ("length", VARINT, False)}


class Header:
    """BundleHeaderProto: num_shards, big_endian, min_consumer (the oldest reader that may read the bundle)."""

    def __init__(self, data):
        message = _proto.read_message(data, _HEADER)
        version = _proto.read_message(message.get("version", b""), _VERSION)
        self.num_shards = signed(message.get("num_shards", 0))
        self.big_endian = message.get("endianness", 0) != 0
        self.min_consumer = signed(version.get("min_consumer", 0))


class BundleEntry:
    """BundleEntryProto. dtype is the number of types.proto; slices a list of [(start, length)], length -1 for all."""

    __slots__ = ("dtype", "shape", "shard", "offset", "size", "crc", "slices")

    def __init__(self, data):
        message = _proto.read_message(data, _ENTRY)
        self.dtype = message.get("dtype", 0)
        self.shape = read_shape(message.get("shape", b""))
        self.shard = signed(message.get("shard", 0))
        self.offset = signed(message.get("offset", 0))
        self.size = signed(message.get("size", 0))
        self.crc = message.get("crc", 0)
        self.slices = [read_slice(data) for data in message.get("slices", ())]


def read_shape(data):
    """The dimensions of a TensorShapeProto, which may be negative."""
    message = _proto.read_message(data, _SHAPE)
    if message.get("unknown_rank"):
        raise WireError("the shape is unknown")
    return tuple(signed(_proto.read_message(dim, _DIM).get("size", 0)) for dim in message.get("dims", ()))


def read_slice(data):
    """[(start, length)] of a TensorSliceProto; length is -1 for a whole axis."""
    extents = []
    for extent in _proto.read_message(data, _SLICE).get("extents", ()):
        message = _proto.read_message(extent, _EXTENT)
        extents.append((signed(message.get("start", 0)), signed(message.get("length", -1 & (1 << 64) - 1))))
    return extents


def header_bytes(num_shards):
    """BundleHeaderProto of a little-endian bundle, version 1."""
    return _proto.varint_field(1, num_shards) + _proto.bytes_field(3, _proto.varint_field(1, 1))


def entry_bytes(dtype, shape, shard, offset, size, crc):
    """BundleEntryProto of a whole variable. dtype: the number of types.proto."""
    dims = b"".join(_proto.bytes_field(2, _proto.varint_field(1, dim)) for dim in shape)
    return b"".join([
        _proto.varint_field(1, dtype),
        _proto.bytes_field(2, dims),
        _proto.varint_field(3, shard),
        _proto.varint_field(4, offset),
        _proto.varint_field(5, size),
        _proto.fixed32_field(6, crc),
    ])  # fmt: skip


def slice_key(name, extents):
    """The key, in an order-preserving code, under which the slice of a partitioned variable is stored.

    Arguments: name, bytes in UTF-8; extents, list of (start, length).
    """
    escaped = name.replace(b"\0", b"\0\xff")
    numbers = b"".join(_ordered_signed(start) + _ordered_signed(length) for start, length in extents)
    return b"\0" + escaped + b"\0\1" + _ordered_unsigned(len(extents)) + numbers


def _ordered_unsigned(value):
    """The number of bytes, then the bytes, most significant first."""
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def _ordered_signed(value):
    """Of n bytes in two's complement, the first n bits are inverted sign bits: 0 -> 80, -1 -> 7f, 64 -> c0 40."""
    size = (value if value >= 0 else ~value).bit_length() // 7 + 1
    bits = value & (1 << 8 * size) - 1
    return (bits ^ ((1 << size) - 1) << 7 * size).to_bytes(size, "big")
