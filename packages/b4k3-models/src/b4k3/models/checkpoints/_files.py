"""Open regular files, and nothing else. Everything that this package reads is opened here.

A path from a user or from a file may lead to a named pipe, where reading waits for ever, to a device without an end, or
out of a folder. Each is refused by name. Nothing is read without a limit.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ..git_lfs import MAX_POINTER, describe_pointer
from .base import CheckpointError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_READ = os.O_RDONLY
for _flag in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):  # not every system has each
    _READ |= getattr(os, _flag, 0)
_KINDS = (
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_CIRCLE = "a link that leads in a circle"


def special_kind(path: str) -> str | None:
    """Tell what a path leads to, if it is neither a regular file nor a folder.

    Nothing is opened. Links are followed; a link that leads nowhere counts as such a kind.

    Arguments:
        path: str.

    Returns:
        str, 'a named pipe (FIFO)' or 'a device' for example, to follow "is"; None for a regular file, a folder, or a
        path where nothing is.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return f"a link to {_target(path)}, which does not exist" if os.path.islink(path) else None
    except NotADirectoryError:
        return None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ELOOP:
            return _CIRCLE
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            return None
        return f"a path that cannot be examined ({getattr(error, 'strerror', None) or error})"
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    return next((name for test, name in _KINDS if test(mode)), "of an unknown kind")


def is_dangling(path: str) -> bool:
    """Check whether a path is a link that leads nowhere."""
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
    """Check whether a path leads to a regular file. A pipe, a device, a folder or a dangling link does not."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def check_regular(path: str, error: type[ValueError] = CheckpointError) -> None:
    """Refuse a path that does not lead to a regular file.

    Arguments:
        path: str.
        error: the class of the error for a folder, a pipe, a device or a socket. Its message says which it is.

    Raises:
        FileNotFoundError: nothing is there, or a link leads nowhere.
    """
    kind = "a folder" if os.path.isdir(path) else special_kind(path)
    if is_dangling(path):
        raise FileNotFoundError(f"{path[:1000]} is {kind}")
    if kind is not None:
        raise error(f"{path}: is not a regular file, but {kind}; put the file itself there")
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {path[:1000]}")


def open_regular(path: str, error: type[ValueError] = CheckpointError) -> BinaryIO:
    """Open a regular file for reading, and refuse at once whatever else is there.

    The path is examined before it is opened, because opening alone sets some devices in motion. The open file is
    examined too, because something else may have been put there in between. Opening does not wait, because a pipe would
    wait for its writer.

    Arguments:
        path: str.
        error: the class of the error for what is not a regular file or cannot be read.

    Returns:
        The binary file, open for reading.

    Raises:
        FileNotFoundError: nothing is there, or a link leads nowhere.
    """
    check_regular(path, error)
    try:
        handle = os.open(path, _READ)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path[:1000]}") from None
    except OSError as e:
        raise error(f"{path}: cannot be read: {e.strerror or e}") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise error(f"{path}: is not a regular file any more: something else was put there while it was opened")
    return os.fdopen(handle, "rb")


def map_file(path: str, limit: int | None = None) -> NDArray[np.uint8]:
    """Map a regular file into memory, read-only. It is unmapped when the last array over it is gone.

    Arguments:
        path: str.
        limit: int or None. The greatest number of bytes that such a file may have.

    Returns:
        uint8, [size].

    Raises:
        CheckpointError: the path is not a regular file, the file is too large, or it is a Git LFS pointer.
        FileNotFoundError: nothing is there.
    """
    with open_regular(path) as file:
        data = map_open(path, file, limit)
    if data.size <= MAX_POINTER:
        refuse_pointer(path, data.tobytes())
    return data


def map_open(path: str, file: BinaryIO, limit: int | None = None) -> NDArray[np.uint8]:
    """Map an open file into memory, as `map_file` does; `path` is its name for error messages."""
    size = os.fstat(file.fileno()).st_size
    if limit is not None:
        _check_size(path, size, limit)
    if size == 0:
        return np.empty(0, dtype=np.uint8)
    try:
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)
    except (OSError, ValueError) as e:
        raise CheckpointError(f"{path}: cannot be read: {getattr(e, 'strerror', None) or e}") from None


def _check_size(path: str, size: int, limit: int) -> None:
    if size > limit:
        raise CheckpointError(
            f"{path}: has {size:,} bytes, more than the {limit:,} that such a file may have; check that it is the one "
            "that you want"
        )


def refuse_pointer(path: str, head: bytes) -> None:
    """Raise CheckpointError if a file begins as a Git LFS pointer does."""
    pointer = describe_pointer(head)
    if pointer is not None:
        raise CheckpointError(f"{path}: {pointer}.")


def read_small(path: str, limit: int) -> bytes:
    """Read a whole regular file of at most `limit` bytes, which is not a Git LFS pointer."""
    data = _read(path, 0, limit, limit)
    refuse_pointer(path, data[:MAX_POINTER])
    return data


def read_head(path: str, size: int) -> bytes:
    """Read the first `size` bytes of a regular file, or all if it is shorter."""
    return _read(path, 0, size)


def read_tail(path: str, size: int) -> bytes:
    """Read the last `size` bytes of a regular file, or all if it is shorter."""
    return _read(path, -size, size)


def _read(path: str, start: int, size: int, limit: int | None = None) -> bytes:
    """Read `size` bytes of a regular file from `start` on. A negative `start` counts from the end."""
    with open_regular(path) as file:
        whole = os.fstat(file.fileno()).st_size
        if limit is not None:
            _check_size(path, whole, limit)
        try:
            file.seek(max(start + whole, 0) if start < 0 else start)
            return file.read(size)
        except OSError as e:
            raise CheckpointError(f"{path}: cannot be read: {e.strerror or e}") from None
