"""Files and folders that appear whole or not at all. Everything that this package writes goes through here.

New files are written into a temporary folder beside their place, `.b4k3-HOST-NUMBER.tmp`, and renamed when all of them
are on the disk. The process that writes holds a lock (flock) on its temporary folder. The system lets go of the lock
when the process dies, so that the next writer sees what a killed one left and removes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import shutil
import time
import uuid
import zlib
from types import TracebackType
from typing import Any, BinaryIO, Iterator

from .base import CheckpointError

try:
    import fcntl
except ImportError:  # Windows: renames are as safe there, but writers of one name do not wait for each other
    fcntl = None  # type: ignore[assignment]

_TEMPORARY = re.compile(r"\.b4k3-([0-9a-f]{8})-[0-9a-f]{32}\.tmp$")
_HOST = f"{zlib.crc32(platform.node().encode('utf-8', 'replace')):08x}"
_DAY = 24 * 3600


def sync_folder(folder: str) -> None:
    """Make renames in a folder durable, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_file(path: str) -> None:
    """Flush a closed file to the disk. Raises OSError where the disk is full."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_room(path: str, size: int) -> None:
    """Raise OSError if the disk has no room for a new file. HDF5's library crashes where it finds out by itself."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, size)
            return
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that cannot reserve
            raise
    finally:
        os.close(handle)
        os.unlink(path)
    if shutil.disk_usage(os.path.dirname(path)).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# ------------------------------------------------------------------------------------------------------- locks


def _lock(path: str, wait: bool) -> int | None:
    """A handle that locks a file or folder until it is closed; None if another process has the lock.

    Where the system has no such locks the handle locks nothing.
    """
    if fcntl is None:
        return -1
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:  # a file system without locks
        pass
    return handle


def unlock(handle: int | None) -> None:
    """Let go of a lock."""
    if handle is not None and handle >= 0:
        os.close(handle)


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Let the writers into one folder commit one after the other, which takes each of them milliseconds."""
    handle = _lock(folder, wait=True)
    try:
        yield
    finally:
        unlock(handle)


def try_lock(path: str) -> int | None:
    """A handle that locks a file for this process, to be given to `os.close`; None if another process writes it."""
    return _lock(path, wait=False)


def temporary_folder(parent: str) -> tuple[str, int]:
    """(path, handle of its lock) of a new temporary folder in another one."""
    while True:
        path = os.path.join(parent, f".b4k3-{_HOST}-{uuid.uuid4().hex}.tmp")
        os.mkdir(path)
        with contextlib.suppress(FileNotFoundError):  # another writer saw it before it was locked, and removed it
            handle = _lock(path, wait=False)
            if handle is not None and os.path.isdir(path):
                return path, handle
            unlock(handle)


def remove_stale(parent: str) -> None:
    """Remove the temporary folders of killed processes: nobody locks them. Those of other machines get a day."""
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            match = _TEMPORARY.match(name)
            if match:
                _remove_if_stale(os.path.join(parent, name), match.group(1) == _HOST and fcntl is not None)


def _remove_if_stale(path: str, ours: bool) -> None:
    with contextlib.suppress(OSError):
        if not ours and time.time() - os.lstat(path).st_mtime < _DAY:
            return
        handle = _lock(path, wait=False)
        if handle is not None:
            try:
                shutil.rmtree(path, ignore_errors=True)
            finally:
                unlock(handle)


# ------------------------------------------------------------------------------------------------------ staging


class Staging:
    """New files of one folder, which get their names together.

    Use it in a `with` statement: `open` and `finish` write temporary files; then, in `with staging.commit():`, `place`
    gives them their names in order. Should anything fail, in the commit too, the folder is as it was before.
    The last file to be placed is the one that points to the others: with it the new checkpoint becomes the current one.

    Arguments:
        path: str, a file in the folder; the folder is made if it is not there.
        replace: whether `place` may replace files.
    """

    def __init__(self, path: str, replace: bool = True) -> None:
        self.folder = os.path.dirname(os.path.abspath(path))
        self.replace = replace
        self._count = 0
        self._undo: list[tuple[str, str | None]] = []
        self._open: list[BinaryIO] = []

    def __enter__(self) -> Staging:
        self._made = make_folders(self.folder)
        try:
            remove_stale(self.folder)
            self.temporary, self._handle = temporary_folder(self.folder)
        except OSError:
            remove_folders(self._made)
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self._open:
            with contextlib.suppress(OSError):  # what is still in its buffer finds no room either
                file.close()
        try:
            shutil.rmtree(self.temporary, ignore_errors=True)
        finally:
            unlock(self._handle)
        if kind is not None:
            remove_folders(self._made)

    def name(self) -> str:
        """A path for a new temporary file."""
        self._count += 1
        return os.path.join(self.temporary, str(self._count))

    def open(self) -> BinaryIO:
        """A new binary file under a temporary name, to be closed with `finish`."""
        file = open(self.name(), "xb")
        self._open.append(file)
        return file

    def finish(self, file: BinaryIO) -> str:
        """Flush a file to the disk and close it. Returns its temporary name."""
        file.flush()
        os.fsync(file.fileno())
        self._open.remove(file)
        file.close()
        return file.name

    @contextlib.contextmanager
    def commit(self) -> Iterator[None]:
        """The time in which files get their names, one writer at a time. An error in it undoes what it did."""
        with locked(self.folder):
            try:
                yield
            except BaseException:
                self._roll_back()
                raise
            sync_folder(self.folder)

    def place(self, temporary: str, final: str) -> None:
        """Give a file its name. Raises CheckpointError if a file has it already that may not be replaced."""
        kept = None
        if os.path.lexists(final):
            if not self.replace:
                raise CheckpointError(f"{final} is there already")
            kept = self.name()
            try:
                os.link(final, kept, follow_symlinks=False)
            except (OSError, NotImplementedError):  # no hard links: it cannot be brought back
                kept = final
        os.replace(temporary, final)
        self._undo.append((final, kept))

    def sync(self) -> None:
        """Make the names that were given so far durable, before the file that points to them gets its own."""
        sync_folder(self.folder)

    def remove(self, path: str) -> None:
        """Remove a file that the new ones make superfluous."""
        kept = self.name()
        os.rename(path, kept)
        self._undo.append((path, kept))

    def _roll_back(self) -> None:
        for final, kept in reversed(self._undo):
            with contextlib.suppress(OSError):
                if kept is None:
                    os.unlink(final)
                elif kept != final:
                    os.replace(kept, final)


def write_file(path: str, data: bytes, replace: bool = True) -> str:
    """Write one file, whole or not at all. Returns its path."""
    with Staging(path, replace) as staging:
        file = staging.open()
        file.write(data)
        temporary = staging.finish(file)
        with staging.commit():
            staging.place(temporary, path)
    return path


def make_folders(folder: str) -> list[str]:
    """Make a folder and those above it. Returns the paths of those that were not there, the outermost first."""
    made = []
    above = folder
    while not os.path.isdir(above) and above != os.path.dirname(above):
        made.append(above)
        above = os.path.dirname(above)
    os.makedirs(folder, exist_ok=True)
    return made[::-1]


def remove_folders(made: list[str]) -> None:
    """Remove the folders that `make_folders` made, as far as they are empty."""
    for folder in reversed(made):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def describe_failure(path: Any, error: Exception) -> OSError:
    """The same error, with the path that the user knows instead of a temporary one, and that nothing was written."""
    message = f"{path}: {getattr(error, 'strerror', None) or error}; nothing was written"
    if not isinstance(error, OSError):
        return OSError(message)
    return type(error)(message) if error.errno is None else type(error)(error.errno, message)
