"""Read the list of files in a zip archive, within limits: `zipfile` alone reads as much as the archive says."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOCAL_HEADER = 30  # bytes, without the name and the extra field
MAX_DIRECTORY = 4 << 20  # bytes of the list of files
MAX_FILES = 50000  # each takes half a kilobyte of memory, however short its name
ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
)
_MARK = b"PK\1\2"  # begins every file's entry in the list


def read_directory(file: BinaryIO) -> list[zipfile.ZipInfo]:
    """Read the list of files of a zip archive.

    Arguments:
        file: binary file. It is open for reading.

    Returns:
        list of `zipfile.ZipInfo`, in the order of the archive's list.

    Raises:
        One of ERRORS: the file is no zip archive, or a damaged one, or its list of files is too long.
    """
    with zipfile.ZipFile(_Limited(file)) as archive:
        return archive.infolist()


def raw_bytes(member: zipfile.ZipInfo, data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Find the bytes of a member as they lie in the archive.

    The name, the method and the size stand in the list of files and again before the bytes, where other programs read
    them. The two must agree, so that no two programs read different files.

    Arguments:
        member: `zipfile.ZipInfo`, as `read_directory` gives it.
        data: uint8, [size of the archive].

    Returns:
        uint8, [member.compress_size]. A view.

    Raises:
        ValueError: the bytes lie outside of the archive, or the header before them says something else.
    """
    start = member.header_offset
    local = data[start : start + LOCAL_HEADER].tobytes()
    if len(local) < LOCAL_HEADER or not local.startswith(b"PK\3\4"):
        raise ValueError(f"has no local header at byte {start}, where the list of members says it is")
    flags, method, size, length, extra = struct.unpack("<6xHH8xI4xHH", local)
    start += LOCAL_HEADER
    name = data[start : start + length].tobytes().decode("utf-8" if flags & 0x800 else "cp437", "replace")
    later = flags & 8 and size == 0  # the size stands behind the bytes
    if name != member.orig_filename or method != member.compress_type or flags & 1 != member.flag_bits & 1:
        raise ValueError(f"has another name or method in its local header at byte {member.header_offset}")
    if not later and size not in (member.compress_size, 0xFFFFFFFF):
        raise ValueError(f"has {size} bytes in its local header, {member.compress_size} in the list of members")
    start += length + extra
    stored = member.compress_type == zipfile.ZIP_STORED
    if (stored and member.compress_size != member.file_size) or start + member.compress_size > data.size:
        raise ValueError(f"ends beyond the end of the file ({data.size} bytes)")
    return data[start : start + member.compress_size]


class _Limited:
    """A binary file that never gives more bytes at once than the list of files of an archive may have.

    Arguments:
        file: binary file. It is open for reading.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self._read = file.seek, file.tell, file.read

    def read(self, size: int = -1) -> bytes:
        """Read bytes, as the method of a file does.

        Arguments:
            size: int. The number of bytes; a negative number asks for all that are left.

        Returns:
            bytes.

        Raises:
            ValueError: more bytes or more entries were read than a list of files may have.
        """
        data = self._read(MAX_DIRECTORY + 1 if size < 0 else min(size, MAX_DIRECTORY + 1))
        if len(data) > MAX_DIRECTORY or data.count(_MARK) > MAX_FILES:
            raise ValueError(f"its list of files has more than {MAX_DIRECTORY:,} bytes or {MAX_FILES:,} entries")
        return data
