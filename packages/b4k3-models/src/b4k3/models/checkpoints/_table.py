"""Read and write LevelDB's sorted table (SSTable): keys in ascending order, in blocks with checksums.

The index of a tensor bundle is such a table, and so is a whole checkpoint of TensorFlow's version 1.

    file          data blocks, metaindex block, index block, footer
    block         entries; restart points, uint32 each; their number, uint32
    block trailer one byte for the compression (0 is none), masked CRC-32C of block and this byte, uint32
    entry         varints: length of the prefix shared with the previous key, length of the rest of the key, length of
                  the value; then the rest of the key, and the value
    block handle  varints: offset and size of a block, without its trailer
    footer        handles of the metaindex block and of the index block, padded to 40 bytes; magic number, uint64

The index block has one entry for each data block: a key that is not less than the last key of the block, called the
separator here, and the handle of the block. For example, the keys `layer/a` and `layer/b` are stored as
(0, 7, …) `layer/a` and (6, 1, …) `b`. At a restart point the whole key is stored, so that a reader can search the
block; this reader goes through a block from its beginning.

Specification: https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from __future__ import annotations

import bisect
import struct
from typing import TYPE_CHECKING, Iterator, Sequence

from ._crc32c import masked_crc32c
from ._proto import WireError, read_varint, write_varint

if TYPE_CHECKING:
    from typing import Tuple

    from ._proto import Buffer

    Handle = Tuple[int, int]  # offset and size of a block
    Pairs = Iterator[Tuple[bytes, Buffer]]  # keys and values

MAGIC = 0xDB4775248B80FB57
FOOTER_SIZE = 48
# Keys share prefixes. Without these limits a small file could unfold to any amount of memory.
MAX_KEY = 1 << 16  # bytes of a key
MAX_KEYS_TOTAL = 16 << 20  # bytes of all keys, and KEY_COST for each
KEY_COST = 400  # bytes, about what Python objects for a key and its value take beside their contents

_TRAILER_SIZE = 5
_BLOCK_SIZE = 262144  # TensorFlow's writer ends a block with the entry by which it reaches this size
_RESTART_INTERVAL = 16


class TableError(ValueError):
    """Bytes that are not a valid table. Its text has no file: the caller adds it."""


class Table:
    """A sorted table. The index block is read at once, a data block when it is needed.

    Arguments:
        data: bytes or memoryview. The whole file. If it is a memoryview, only the keys are copied and the values are
            views of it.

    Raises:
        TableError: the footer, the metaindex block or the index block is damaged. Iterating and `get` raise it for a
            damaged data block.

    Example:
        >>> from b4k3.models.checkpoints._table import Table, write_table
        >>> table = Table(write_table([(b"layer/a", b"1"), (b"layer/b", b"2")]))
        >>> table.get(b"layer/b"), list(table)
        (b'2', [(b'layer/a', b'1'), (b'layer/b', b'2')])
    """

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._separators: list[bytes] = []
        self._handles: list[Handle] = []
        end = 0
        for separator, value in _read_block(data, _read_footer(data), "index block", [MAX_KEYS_TOTAL]):
            (offset, size), rest = _read_handle(value)
            if rest != len(value):
                raise TableError("index block: bytes behind the place of a block, where nothing may be")
            if offset < end:
                raise TableError(f"index block: the block at byte {offset} overlaps the one before")
            if self._separators and separator <= self._separators[-1]:
                raise TableError(f"index block: key {separator[:300]!r} is a duplicate or out of order")
            end = offset + size + _TRAILER_SIZE
            self._separators.append(separator)
            self._handles.append((offset, size))

    def _block(self, number: int, budget: list[int]) -> Pairs:
        """Yield the keys and values of a data block, in ascending order of keys.

        Arguments:
            number: int. The number of the block, from 0.
            budget: list of one int, the bytes of keys that may still be read. It is reduced.
        """
        handle = self._handles[number]
        last = self._separators[number - 1] if number else None
        for key, value in _read_block(self._data, handle, f"block at byte {handle[0]}", budget):
            if last is not None and key <= last:
                raise TableError(f"key {key[:300]!r} is a duplicate or out of order, it comes after {last[:300]!r}")
            if key > self._separators[number]:
                end = self._separators[number][:300]
                raise TableError(f"key {key[:300]!r} is out of order, its block ends with {end!r}")
            last = key
            yield key, value

    def __iter__(self) -> Pairs:
        """Yield (key, value) in ascending order of keys. The key is bytes, the value is of the type of `data`."""
        budget = [MAX_KEYS_TOTAL]
        for number in range(len(self._handles)):
            yield from self._block(number, budget)

    def get(self, key: bytes) -> Buffer | None:
        """Find the value of a key. Only the block that can have the key is read.

        Arguments:
            key: bytes.

        Returns:
            The value; None if the table does not have the key.
        """
        number = bisect.bisect_left(self._separators, key)
        if number == len(self._handles):
            return None
        return next((value for found, value in self._block(number, [MAX_KEYS_TOTAL]) if found == key), None)


def _read_footer(data: Buffer) -> Handle:
    """Check the footer and the metaindex block, and return the handle of the index block."""
    size = len(data)
    if size < FOOTER_SIZE:
        raise TableError(f"is too short: {size} bytes, expected at least {FOOTER_SIZE}")
    footer = bytes(data[size - FOOTER_SIZE :])
    (magic,) = struct.unpack("<Q", footer[40:])
    if magic != MAGIC:
        raise TableError(f"bad magic number {magic:016x}, expected {MAGIC:016x} of a sorted table")
    metaindex_handle, at = _read_handle(footer[:40])
    index_handle, _ = _read_handle(footer[:40], at)
    for _ in _read_block(data, metaindex_handle, "metaindex block", [MAX_KEYS_TOTAL]):
        pass
    return index_handle


def _read_handle(value: Buffer, at: int = 0) -> tuple[Handle, int]:
    """Read a block handle, and return it with the position after it."""
    try:
        offset, at = read_varint(value, at, len(value))
        size, at = read_varint(value, at, len(value))
    except WireError as error:
        raise TableError(f"place of a block: {error}") from None
    return (offset, size), at


def _read_block(data: Buffer, handle: Handle, name: str, budget: list[int]) -> Pairs:
    """Check the trailer and the restart points of a block, then yield its keys and values.

    Arguments:
        data: bytes or memoryview. The whole file.
        handle: (offset, size) of the block.
        name: str. What the block is called in error messages.
        budget: list of one int, the bytes of keys that may still be read. It is reduced.
    """
    offset, size = handle
    if offset + size + _TRAILER_SIZE > len(data) - FOOTER_SIZE:
        raise TableError(f"{name}: {size} bytes at byte {offset} lie beyond the end of the file ({len(data)} bytes)")
    block = data[offset : offset + size + 1]
    (stored,) = struct.unpack("<I", bytes(data[offset + size + 1 : offset + size + _TRAILER_SIZE]))
    found = masked_crc32c(block)
    if found != stored:
        raise TableError(f"{name}: checksum {found:08x}, expected {stored:08x}")
    if block[size] != 0:
        kind = "snappy" if block[size] == 1 else f"unknown ({block[size]})"
        raise TableError(f"{name}: {kind} compression, which tensor bundles do not use, is not supported")
    end = _check_restarts(block, size, name)
    try:
        yield from _read_entries(block, end, name, budget)
    except WireError as error:
        raise TableError(f"{name}: {error}") from None


def _check_restarts(block: Buffer, size: int, name: str) -> int:
    """Check the restart points of a block, and return the position after its last entry."""
    if size < 4:
        raise TableError(f"{name}: {size} bytes, at least 4 expected")
    (count,) = struct.unpack_from("<I", block, size - 4)
    end = size - 4 - 4 * count
    if count == 0 or end < 0:
        raise TableError(f"{name}: restart count {count} does not fit a block of {size} bytes")
    last = -1
    for (restart,) in struct.iter_unpack("<I", block[end : size - 4]):
        if restart <= last or restart > end or (last < 0 and restart):
            raise TableError(f"{name}: restart point {restart} is out of order or beyond the entries")
        last = restart
    return end


def _read_entries(block: Buffer, end: int, name: str, budget: list[int]) -> Pairs:
    """Yield the keys and values of a block whose restart points are right."""
    at, key = 0, b""
    while at < end:
        shared, at = read_varint(block, at, end)
        unshared, at = read_varint(block, at, end)
        length, at = read_varint(block, at, end)
        if shared > len(key):
            raise TableError(f"{name}: shared prefix of {shared} bytes, the previous key has {len(key)}")
        if unshared + length > end - at:
            raise TableError(f"{name}: an entry of {unshared + length} bytes, {end - at} are left")
        if shared + unshared > MAX_KEY:
            raise TableError(f"{name}: a key of {shared + unshared} bytes, more than the {MAX_KEY} that are allowed")
        key = key[:shared] + bytes(block[at : at + unshared])
        budget[0] -= len(key) + KEY_COST
        if budget[0] < 0:
            raise TableError(f"{name}: too many or too long keys, more than {MAX_KEYS_TOTAL} bytes in all")
        at += unshared + length
        yield key, block[at - length : at]


class _BlockBuilder:
    """Collect the entries of a block; every `interval` entries there is a restart point."""

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.data, self.restarts, self.count, self.last = bytearray(), [0], 0, b""

    def add(self, key: bytes, value: bytes) -> None:
        """Add an entry, whose key is greater than the previous one."""
        shared = 0
        if self.count == self.interval:
            self.restarts.append(len(self.data))
            self.count = 0
        else:
            while shared < min(len(key), len(self.last)) and key[shared] == self.last[shared]:
                shared += 1
        self.data += write_varint(shared) + write_varint(len(key) - shared) + write_varint(len(value))
        self.data += key[shared:] + value
        self.count += 1
        self.last = key

    def size(self) -> int:
        """Return the number of bytes of the block so far, without its trailer."""
        return len(self.data) + 4 * len(self.restarts) + 4

    def finish(self) -> bytes:
        """Return the block without its trailer."""
        numbers = self.restarts + [len(self.restarts)]
        return bytes(self.data) + struct.pack(f"<{len(numbers)}I", *numbers)


def write_table(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write a table, byte for byte as TensorFlow's own writer does.

    Arguments:
        pairs: list of (key, value), both bytes, in strictly ascending order of keys.

    Returns:
        bytes, the whole file.

    Raises:
        TableError: `Table` would refuse the table because of its keys.
    """
    if sum(len(key) + KEY_COST for key, _ in pairs) > MAX_KEYS_TOTAL or any(len(key) > MAX_KEY for key, _ in pairs):
        raise TableError("too many or too long names of variables to be read again; save them in several checkpoints")
    out = bytearray()
    index = _BlockBuilder(1)
    block = _BlockBuilder(_RESTART_INTERVAL)
    for number, (key, value) in enumerate(pairs):
        block.add(key, value)
        following = pairs[number + 1][0] if number + 1 < len(pairs) else None
        if following is None or block.size() >= _BLOCK_SIZE:
            index.add(_separator(key, following), _write_block(out, block.finish()))
            block = _BlockBuilder(_RESTART_INTERVAL)
    handles = _write_block(out, _BlockBuilder(_RESTART_INTERVAL).finish()) + _write_block(out, index.finish())
    return bytes(out) + handles.ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def _write_block(out: bytearray, content: bytes) -> bytes:
    """Append a block and its trailer to a file, and return the handle of the block."""
    handle = write_varint(len(out)) + write_varint(len(content))
    content += b"\0"  # not compressed
    out += content + struct.pack("<I", masked_crc32c(content))
    return handle


def _separator(key: bytes, following: bytes | None) -> bytes:
    """Find a short key k with `key` <= k < `following`. Behind the last block `following` is None.

    For example, between `abcd` and `abzz` it is `abd`: the first byte in which the two differ, increased by one.
    """
    if following is None:
        for at, byte in enumerate(key):
            if byte != 0xFF:
                return key[:at] + bytes([byte + 1])
        return key
    at = 0
    while at < min(len(key), len(following)) and key[at] == following[at]:
        at += 1
    if at < min(len(key), len(following)) and key[at] != 0xFF and key[at] + 1 < following[at]:
        return key[:at] + bytes([key[at] + 1])
    return key
