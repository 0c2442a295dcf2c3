"""Read the list of files in a zip archive, within limits: `zipfile` alone reads as much as the archive says."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import BinaryIO

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
