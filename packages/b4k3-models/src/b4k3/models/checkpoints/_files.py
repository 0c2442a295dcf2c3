"""Files that are looked at before they are opened, and written whole or not at all."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import uuid

import numpy as np

from .base import CheckpointError


def check_regular(path):
    """The size of a regular file. Raises CheckpointError for a pipe, a device, a folder; FileNotFoundError."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"{path}: is not a regular file")
    return status.st_size


def map_file(path):
    """uint8[size], a read-only memory map of a regular file; unmapped when the last array over it is gone."""
    try:
        check_regular(path)
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return np.empty(0, dtype=np.uint8)
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None


def read_small(path, limit):
    """The bytes of a regular file of at most limit bytes."""
    size = check_regular(path)
    if size > limit:
        raise CheckpointError(f"{path}: {size} bytes, more than the {limit} that such a file may have")
    with open(path, "rb") as file:
        return file.read(limit)


def read_tail(path, size):
    """The last bytes of a regular file."""
    length = check_regular(path)
    with open(path, "rb") as file:
        file.seek(max(0, length - size))
        return file.read(size)


def sync_folder(folder):
    """Makes renames in a folder durable, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class Staging:
    """New files of one checkpoint under temporary names. `commit` renames them; without it they vanish on exit.

    The files are renamed in the order in which they are named to `commit`; the last rename is what makes the new
    checkpoint the current one, so a writer names last the file that points to the others.
    """

    def __init__(self, path):
        self.folder = os.path.dirname(os.path.abspath(path))
        os.makedirs(self.folder, exist_ok=True)
        self._temporary = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for name in self._temporary:
            with contextlib.suppress(OSError):
                os.unlink(name)

    def open(self):
        """A new binary file under a temporary name, to be closed with `finish`."""
        name = os.path.join(self.folder, f".b4k3-{uuid.uuid4().hex}.tmp")
        file = open(name, "xb")
        self._temporary.append(name)
        return file

    @staticmethod
    def finish(file):
        """Flushes a file to the disk and closes it. Returns its temporary name."""
        file.flush()
        os.fsync(file.fileno())
        file.close()
        return file.name

    def commit(self, names):
        """names: list of (temporary name, final path)."""
        for number, (temporary, final) in enumerate(names, 1):
            if number == len(names):
                sync_folder(self.folder)
            os.replace(temporary, final)
        sync_folder(self.folder)
