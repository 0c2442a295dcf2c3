"""Read and write the messages and keys in the index of TensorFlow's tensor bundles.

The messages are specified in TensorFlow's repository, in `tensorflow/core/protobuf/tensor_bundle.proto`
(BundleHeaderProto, BundleEntryProto) and `tensorflow/core/framework/` (`types.proto`, `tensor_shape.proto`,
`tensor_slice.proto`, `versions.proto`). The keys of slices are encoded by `saved_tensor_slice_util.cc`, with the
order-preserving code of `tensorflow/core/lib/strings/ordered_code.h`.
https://github.com/tensorflow/tensorflow
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from . import _proto
from ._proto import BYTES, FIXED32, VARINT, WireError, signed

if TYPE_CHECKING:
    from ._proto import Buffer, Fields
    from ._slices import Extents

# The numbers of DataType in types.proto. Variables of the dtypes in OTHER are listed, but cannot be read.
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

_HEADER: Fields = {1: ("num_shards", VARINT, False), 2: ("endianness", VARINT, False), 3: ("version", BYTES, False)}
_VERSION: Fields = {1: ("producer", VARINT, False), 2: ("min_consumer", VARINT, False)}
_ENTRY: Fields = {
    1: ("dtype", VARINT, False),
    2: ("shape", BYTES, False),
    3: ("shard", VARINT, False),
    4: ("offset", VARINT, False),
    5: ("size", VARINT, False),
    6: ("crc", FIXED32, False),
    7: ("slices", BYTES, True),
}
_SHAPE: Fields = {2: ("dims", BYTES, True), 3: ("unknown_rank", VARINT, False)}
_DIM: Fields = {1: ("size", VARINT, False)}
_SLICE: Fields = {1: ("extents", BYTES, True)}
_EXTENT: Fields = {1: ("start", VARINT, False), 2: ("length", VARINT, False)}


class Header:
    """A BundleHeaderProto: what the index says of the whole bundle.

    Arguments:
        data: bytes or memoryview. The message.

    Attributes:
        num_shards: int. The number of data files.
        big_endian: bool. Whether the data are big-endian.
        min_consumer: int. The oldest version of a reader that may read the bundle.
    """

    def __init__(self, data: Buffer) -> None:
        message = _proto.read_message(data, _HEADER)
        version = _proto.read_message(message.get("version", b""), _VERSION)
        self.num_shards = signed(message.get("num_shards", 0))
        self.big_endian = message.get("endianness", 0) != 0
        self.min_consumer = signed(version.get("min_consumer", 0))


class BundleEntry:
    """A BundleEntryProto: what the index says of one variable, or of one slice of a partitioned variable.

    Arguments:
        data: bytes or memoryview. The message.

    Attributes:
        dtype: int. The number of the dtype in types.proto.
        shape: tuple of int.
        shard: int. The number of the data file.
        offset: int. The position in the data file.
        size: int. The number of bytes.
        crc: int. The masked CRC-32C of the bytes.
        slices: list of slices, each a list of (start, length), if the variable is partitioned. Then it has no data of
            its own. The length -1 stands for the whole axis.
    """

    __slots__ = ("dtype", "shape", "shard", "offset", "size", "crc", "slices")

    def __init__(self, data: Buffer) -> None:
        message = _proto.read_message(data, _ENTRY)
        self.dtype = message.get("dtype", 0)
        self.shape = read_shape(message.get("shape", b""))
        self.shard = signed(message.get("shard", 0))
        self.offset = signed(message.get("offset", 0))
        self.size = signed(message.get("size", 0))
        self.crc = message.get("crc", 0)
        self.slices = [read_slice(data) for data in message.get("slices", ())]


def read_shape(data: Buffer) -> tuple[int, ...]:
    """Read the dimensions of a TensorShapeProto, which may be negative in a damaged file."""
    message = _proto.read_message(data, _SHAPE)
    if message.get("unknown_rank"):
        raise WireError("the shape is unknown")
    return tuple(signed(_proto.read_message(dim, _DIM).get("size", 0)) for dim in message.get("dims", ()))


def read_slice(data: Buffer) -> Extents:
    """Read a TensorSliceProto: (start, length) for each axis. The length -1 stands for the whole axis."""
    extents = []
    for extent in _proto.read_message(data, _SLICE).get("extents", ()):
        message = _proto.read_message(extent, _EXTENT)
        extents.append((signed(message.get("start", 0)), signed(message.get("length", -1 & (1 << 64) - 1))))
    return extents


def header_bytes(num_shards: int) -> bytes:
    """Encode the BundleHeaderProto of a little-endian bundle of version 1."""
    return _proto.varint_field(1, num_shards) + _proto.bytes_field(3, _proto.varint_field(1, 1))


def entry_bytes(dtype: int, shape: Sequence[int], shard: int, offset: int, size: int, crc: int) -> bytes:
    """Encode the BundleEntryProto of a whole variable; `BundleEntry` explains the fields."""
    dims = b"".join(_proto.bytes_field(2, _proto.varint_field(1, dim)) for dim in shape)
    return b"".join([
        _proto.varint_field(1, dtype),
        _proto.bytes_field(2, dims),
        _proto.varint_field(3, shard),
        _proto.varint_field(4, offset),
        _proto.varint_field(5, size),
        _proto.fixed32_field(6, crc),
    ])  # fmt: skip


def slice_key(name: bytes, extents: Extents) -> bytes:
    """Make the key under which a slice of a partitioned variable is stored.

    The key begins with a zero byte, by which it differs from the names of variables.

    Arguments:
        name: bytes. The name of the variable in UTF-8.
        extents: list of (start, length), as the file has it.

    Returns:
        bytes.

    Example:
        >>> from b4k3.models.checkpoints._bundle_format import slice_key
        >>> slice_key(b"p", [(0, 2), (0, -1)])  # rows 0 and 1, all columns
        b'\\x00p\\x00\\x01\\x01\\x02\\x80\\x82\\x80\\x7f'
    """
    escaped = name.replace(b"\0", b"\0\xff")
    numbers = b"".join(_ordered_signed(start) + _ordered_signed(length) for start, length in extents)
    return b"\0" + escaped + b"\0\1" + _ordered_unsigned(len(extents)) + numbers


def _ordered_unsigned(value: int) -> bytes:
    """Encode an unsigned number: the number of its bytes, then the bytes, most significant first."""
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def _ordered_signed(value: int) -> bytes:
    """Encode a signed number so that the order of the codes is the order of the numbers.

    The code is the number in two's complement, in n bytes, with its first n bits inverted. The smallest n is taken for
    which the first n + 1 bits are all equal to the sign. Then bit n + 1, which is not inverted, shows where the others
    end, and a reader knows n. So 0 is `80`, -1 is `7f`, 63 is `bf`, 64 is `c0 40`.
    """
    size = (value if value >= 0 else ~value).bit_length() // 7 + 1
    bits = value & (1 << 8 * size) - 1
    return (bits ^ ((1 << size) - 1) << 7 * size).to_bytes(size, "big")
