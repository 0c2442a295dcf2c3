"""LevelDB's sorted table, the form of a tensor bundle's index: keys in ascending order, in blocks with checksums.

block    entries, restart points (uint32 each), their number (uint32); then 1 byte of compression and a checksum
entry    varints: bytes shared with the key before, further bytes of the key, bytes of the value; then key and value
footer   the places of two blocks, metaindex and index, padded to 40 bytes; 8 bytes of magic
"""

from __future__ import annotations

import bisect
import struct

from ._crc32c import masked_crc32c
from ._proto import WireError, read_varint, write_varint

MAGIC = 0xDB4775248B80FB57
FOOTER_SIZE = 48
MAX_KEY = 1 << 16  # prefixes are shared: without limits a small file could ask for any amount of memory
MAX_KEYS_TOTAL = 16 << 20
KEY_COST = 400  # counted for each key beside its length

_TRAILER_SIZE = 5
_BLOCK_SIZE = 262144  # TensorFlow's writer: a block ends with the entry that reaches this size
_RESTART_INTERVAL = 16


class TableError(ValueError):
    """A table that breaks its format; the caller adds the file."""


class Table:
    """A table whose index block is read and whose other blocks are read when they are needed.

    Arguments: data, the whole file, a memoryview or bytes; of a view only the keys are copied, values are views too.
    Raises: TableError, also later, where a block turns out to be damaged.
    """

    def __init__(self, data):
        self._data = data
        self._separators, self._handles = [], []
        end = 0
        for separator, value in _read_block(data, _read_footer(data), "index block", [MAX_KEYS_TOTAL]):
            (offset, size), rest = _read_handle(value)
            if rest != len(value):
                raise TableError("index block: bytes behind the place of a block")
            if offset < end:
                raise TableError(f"index block: the block at byte {offset} overlaps the one before")
            if self._separators and separator <= self._separators[-1]:
                raise TableError(f"index block: key {separator[:300]!r} is a duplicate or out of order")
            end = offset + size + _TRAILER_SIZE
            self._separators.append(separator)
            self._handles.append((offset, size))

    def _block(self, number, budget):
        """Yields (key, value) of a block. budget: [bytes of keys that may still be read]."""
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

    def __iter__(self):
        """Yields (key, value), bytes and what `data` is, in ascending order of keys."""
        budget = [MAX_KEYS_TOTAL]
        for number in range(len(self._handles)):
            yield from self._block(number, budget)

    def get(self, key):
        """The value of a key, or None. Only the block is read in which it lies."""
        number = bisect.bisect_left(self._separators, key)
        if number == len(self._handles):
            return None
        return next((value for found, value in self._block(number, [MAX_KEYS_TOTAL]) if found == key), None)


def _read_footer(data):
    size = len(data)
    if size < FOOTER_SIZE:
        raise TableError(f"is too short: {size} bytes, a table has at least {FOOTER_SIZE}")
    footer = bytes(data[size - FOOTER_SIZE :])
    (magic,) = struct.unpack("<Q", footer[40:])
    if magic != MAGIC:
        raise TableError(f"bad magic number {magic:016x}, expected {MAGIC:016x}; the file is damaged or no table")
    metaindex_handle, at = _read_handle(footer[:40])
    index_handle, _ = _read_handle(footer[:40], at)
    for _ in _read_block(data, metaindex_handle, "metaindex block", [MAX_KEYS_TOTAL]):
        pass
    return index_handle


def _read_handle(value, at=0):
    try:
        offset, at = read_varint(value, at, len(value))
        size, at = read_varint(value, at, len(value))
    except WireError as error:
        raise TableError(f"place of a block: {error}") from None
    return (offset, size), at


def _read_block(data, handle, name, budget):
    """Yields (key, value) of one block once its checksum is right. budget: [bytes of keys that may still be read]."""
    offset, size = handle
    if offset + size + _TRAILER_SIZE > len(data) - FOOTER_SIZE:
        raise TableError(f"{name}: {size} bytes at {offset} lie beyond the end of the file")
    block = data[offset : offset + size + 1]
    (stored,) = struct.unpack("<I", bytes(data[offset + size + 1 : offset + size + _TRAILER_SIZE]))
    found = masked_crc32c(block)
    if found != stored:
        raise TableError(f"{name}: checksum {found:08x}, expected {stored:08x}; the file is damaged")
    if block[size] != 0:
        kind = "snappy" if block[size] == 1 else f"unknown ({block[size]})"
        raise TableError(f"{name}: {kind} compression, which tensor bundles do not use, is not supported")
    end = _check_restarts(block, size, name)
    try:
        yield from _read_entries(block, end, name, budget)
    except WireError as error:
        raise TableError(f"{name}: {error}") from None


def _check_restarts(block, size, name):
    """The position behind the last entry."""
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


def _read_entries(block, end, name, budget):
    at, key = 0, b""
    while at < end:
        shared, at = read_varint(block, at, end)
        unshared, at = read_varint(block, at, end)
        length, at = read_varint(block, at, end)
        if shared > len(key):
            raise TableError(f"{name}: shared prefix of {shared} bytes, the key before has {len(key)}")
        if unshared + length > end - at:
            raise TableError(f"{name}: an entry of {unshared + length} bytes, {end - at} are left")
        if shared + unshared > MAX_KEY:
            raise TableError(f"{name}: a key of {shared + unshared} bytes, more than {MAX_KEY}")
        key = key[:shared] + bytes(block[at : at + unshared])
        budget[0] -= len(key) + KEY_COST
        if budget[0] < 0:
            raise TableError(f"{name}: too many or too long keys, more than {MAX_KEYS_TOTAL} bytes")
        at += unshared + length
        yield key, block[at - length : at]


class _BlockBuilder:
    def __init__(self, interval):
        self.interval = interval
        self.data, self.restarts, self.count, self.last = bytearray(), [0], 0, b""

    def add(self, key, value):
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

    def size(self):
        return len(self.data) + 4 * len(self.restarts) + 4

    def finish(self):
        numbers = self.restarts + [len(self.restarts)]
        return bytes(self.data) + struct.pack(f"<{len(numbers)}I", *numbers)


def write_table(pairs):
    """The bytes of a table, equal to those of TensorFlow's own writer.

    Arguments: pairs, list of (key, value), both bytes, in strictly ascending order of keys.
    """
    if sum(len(key) + KEY_COST for key, _ in pairs) > MAX_KEYS_TOTAL or any(len(key) > MAX_KEY for key, _ in pairs):
        raise TableError("too many or too long keys to be read again")
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


def _write_block(out, content):
    handle = write_varint(len(out)) + write_varint(len(content))
    content += b"\0"  # not compressed
    out += content + struct.pack("<I", masked_crc32c(content))
    return handle


def _separator(key, following):
    """A short key k with key <= k < following; following is None behind the last block."""
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
