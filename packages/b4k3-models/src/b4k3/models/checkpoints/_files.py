"""Files that are looked at before they are opened, and written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import stat
import uuid

import numpy as np

from ..git_lfs import MAX_POINTER, describe_pointer
from .base import CheckpointError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def special_kind(path: str) -> str | None:
    """What a path is that is neither a regular file nor a folder: 'a named pipe (FIFO)', 'a device' …

    Nothing is opened. Links are followed, and one that leads nowhere is such a kind too.

    Returns:
        str, or None for a regular file, a folder, or where nothing is.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return f"a link to {_target(path)}, which does not exist" if os.path.islink(path) else None
    except NotADirectoryError:
        return None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ELOOP:
            return "a link that leads in a circle"
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            return None
        return f"a path that cannot be looked at ({getattr(error, 'strerror', None) or error})"
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    return next((name for test, name in _KINDS if test(mode)), "no file")


def is_dangling(path: str) -> bool:
    """Whether a path is a link that leads nowhere."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return os.path.islink(path)
    except (OSError, ValueError):
        pass
    return False


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return "another path"


def is_regular(path: str) -> bool:
    """Whether a path leads to a regular file. A pipe, a device, a folder or a dangling link does not."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def check_regular(path: str) -> int:
    """The size of a regular file. Raises CheckpointError for a pipe, a device, a folder; FileNotFoundError."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in _KINDS if test(status.st_mode)), "something else")
        raise CheckpointError(f"{path}: is not a regular file, but {kind}")
    return status.st_size


def map_file(path: str) -> np.ndarray:
    """uint8[size], a read-only memory map of a regular file; unmapped when the last array over it is gone."""
    try:
        check_regular(path)
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return np.empty(0, dtype=np.uint8)
            data = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None
    if size <= MAX_POINTER:
        refuse_pointer(path, data.tobytes())
    return data


def refuse_pointer(path: str, head: bytes) -> None:
    """Raise CheckpointError if a file begins as a Git LFS pointer does."""
    pointer = describe_pointer(head)
    if pointer is not None:
        raise CheckpointError(f"{path}: {pointer}.")


def read_small(path: str, limit: int) -> bytes:
    """The bytes of a regular file of at most limit bytes."""
    size = check_regular(path)
    if size > limit:
        raise CheckpointError(f"{path}: {size} bytes, more than the {limit} that such a file may have")
    data = read_head(path, limit)
    refuse_pointer(path, data[:MAX_POINTER])
    return data


def read_head(path: str, size: int) -> bytes:
    """The first bytes of a regular file."""
    return _read(path, 0, size)


def read_tail(path: str, size: int) -> bytes:
    """The last bytes of a regular file."""
    return _read(path, max(0, check_regular(path) - size), size)


def _read(path: str, start: int, size: int) -> bytes:
    check_regular(path)
    try:
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(size)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None


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
