"""Check the global heaps of an HDF5 file, which hold strings of variable length, before the library reads them.

A heap is a list of objects without gaps. The library goes from each object to the next by its size. If a damaged size
leads nowhere, the library stays there for ever. This is the layout:

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
from .base import damaged

_MARK = b"GCOL\1\0\0\0"
SIGNATURE = b"\x89HDF\r\n\x1a\n"  # of the superblock
PLACES = (0, 512, 1024, 2048)  # where the superblock may begin, after a user block of so many bytes; and so on
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
        raise damaged(path, f"is a damaged HDF5 file: {wrong}")


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
    """Return how many bytes a size has, as the superblock says; 0 if the file has no superblock."""
    for start in PLACES:
        if data[start : start + 8] == SIGNATURE:
            place = start + (14 if data[start + 8 : start + 9] < b"\2" else 10)  # versions 0 and 1, or 2 and 3
            return ord(data[place : place + 1] or b"\0")
    return 0
