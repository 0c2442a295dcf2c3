"""Looks through the global heaps of an HDF5 file, where strings of any length lie, before the library reads them.

A heap is a list of objects, one behind the other. The library goes from each to the next by its size, and where a
damaged size leads nowhere it stays there for ever:

heap     'GCOL', version 1, 3 bytes; its size, uint64; objects up to that size
object   index and count, uint16 each; 4 bytes; size, uint64; data, padded to 8 bytes
free     an object of index 0, whose size has its own 16 bytes in it
"""

from __future__ import annotations

import functools
import mmap
import os
import struct

from ._files import open_regular
from .base import CheckpointError

_MARK = b"GCOL\1\0\0\0"
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEADER = 16  # bytes, of a heap and of an object in it
_MAX_OBJECTS = 1 << 20


def check_heaps(path: str) -> None:
    """Refuse a file in which the library could loop for ever.

    The verdict on a file is remembered as long as the file does not change.

    Arguments:
        path: str. The HDF5 file.

    Raises:
        CheckpointError: an object of a heap has a size that leads nowhere or out of the heap; or the heaps have more
            than a million objects.
    """
    status = os.stat(path)
    wrong = _what_is_wrong(path, status.st_ino, status.st_size, status.st_mtime_ns)
    if wrong is not None:
        raise CheckpointError(f"{path}: is a damaged HDF5 file: {wrong}")


@functools.lru_cache(maxsize=16)
def _what_is_wrong(path: str, *identity: int) -> str | None:
    """Say in words what is wrong with the heaps of a file; None if nothing is.

    Arguments:
        path: str. The HDF5 file.
        identity: numbers that change if the file changes, for the cache.
    """
    with open_regular(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if _size_of_lengths(data) != 8:
            return "the sizes in it do not have 8 bytes each"
        objects, at = 0, data.find(_MARK)
        while at >= 0:
            (size,) = struct.unpack("<Q", data[at + 8 : at + _HEADER].ljust(8, b"\0"))
            place, end = at + _HEADER, min(at + size, len(data))
            while place + _HEADER <= end:
                objects += 1
                step = _step(data[place : place + _HEADER])
                if step < _HEADER or step > end - place or objects > _MAX_OBJECTS:
                    return f"the strings at byte {at} are of no sensible size"
                place += step
            at = data.find(_MARK, at + _HEADER)
    return None


def _step(header: bytes) -> int:
    """Return how many bytes an object takes, by its 16 bytes of header."""
    index, size = struct.unpack("<H6xQ", header)
    return _HEADER + -(-size // 8) * 8 if index else size


def _size_of_lengths(data: mmap.mmap) -> int:
    """Return how many bytes a size has, as the head of the file says; 0 if the file has no head."""
    for start in (0, 512, 1024, 2048):
        if data[start : start + 8] == _SIGNATURE:
            version = data[start + 8 : start + 9]
            return (
                ord(data[start + 14 : start + 15] or b"\0") if version < b"\2" else ord(data[start + 10 : start + 11])
            )
    return 0
