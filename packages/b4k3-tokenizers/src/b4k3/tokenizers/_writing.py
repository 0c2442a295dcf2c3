"""Write files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid

_STALE = 600  # seconds after which no living writer can have a temporary file: a vocabulary takes less than one


def write_text(path: str, text: str, encoding: str = "utf-8") -> None:
    """Write a text file with LF line ends; until it is complete, an old file of this name stays as it is."""
    write_bytes(path, text.encode(encoding))


def write_bytes(path: str, data: bytes) -> None:
    """Write a file under a temporary name beside its place, and rename it when it is on the disk.

    Raises:
        OSError: it cannot be written, on a full disk for instance. The old file is as it was, and nothing else is left.
    """
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise type(error)(error.errno, f"{error.strerror or error}; nothing was written", path) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    _sync_folder(folder)
    _remove_stale(folder, name)


def _sync_folder(folder: str) -> None:
    """Make a rename durable, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_stale(folder: str, name: str) -> None:
    """Remove the temporary files of this name that killed processes left."""
    pattern = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{32}}\.tmp$")
    with contextlib.suppress(OSError):
        for other in os.listdir(folder):
            path = os.path.join(folder, other)
            if pattern.match(other) and time.time() - os.lstat(path).st_mtime > _STALE:
                os.unlink(path)
