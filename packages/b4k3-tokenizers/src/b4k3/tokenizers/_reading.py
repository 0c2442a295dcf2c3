"""Read files, but only regular ones."""

from __future__ import annotations

import errno
import os
import stat

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISSOCK, "a socket"),
)
# A pipe that takes the name after it was looked at must not block the opening.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def read_file(path: str, limit: int, error: type) -> bytes:
    """Read a regular file.

    Its kind is looked at before it is opened, so that a device is never opened, and again afterwards, because another
    file may have taken the name in between.

    Arguments:
        path: str. The file.
        limit: int. The most bytes that such a file may have.
        error: The class of the error for what cannot be read.

    Returns:
        bytes.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An `error`: a pipe, a device, a folder, a loop of links, a name that is no name, a file that is
            too large or may not be read.
    """
    try:
        _check(path, os.stat(path), limit, error)
        with open(os.open(path, _FLAGS), "rb") as f:
            size = _check(path, os.fstat(f.fileno()), limit, error)
            data = f.read(size + 1)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "there is no such file", path) from None
    except OSError as e:
        what = "a link that leads to itself" if e.errno == errno.ELOOP else f"cannot be read: {e.strerror or e}"
        raise error(f"{path}: {what}; expected a regular file") from None
    except ValueError as e:
        if isinstance(e, error):
            raise
        raise error(f"{path!r} is no name of a file: {e}") from None
    if len(data) > size:
        raise error(f"{path} grew while it was read")
    return data


def _check(path: str, status: os.stat_result, limit: int, error: type) -> int:
    """Return the size of a file, and refuse it if it is no regular file or too large."""
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in _KINDS if test(status.st_mode)), "something else")
        raise error(f"{path} is {kind}; expected a regular file")
    if status.st_size > limit:
        raise error(f"{path}: {status.st_size} bytes; expected {limit} at most, is it another file?")
    return status.st_size
