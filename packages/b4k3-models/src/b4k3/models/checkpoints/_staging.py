"""Write files and folders that appear whole or not at all. Everything that this package writes goes through here.

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
    """Flush a closed file to the disk.

    Arguments:
        path: str. The file.

    Raises:
        OSError: the file cannot be written, for instance because the disk is full.
    """
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_room(path: str, size: int) -> None:
    """Refuse to begin a new file that the disk has no room for.

    The library of HDF5 crashes if it finds out by itself that the disk is full.

    Arguments:
        path: str. Where the new file will be. Nothing may be there yet, and nothing is left there.
        size: int. The number of bytes of the new file.

    Raises:
        OSError: the disk has no room, or the folder cannot be written.
    """
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
    """Lock a file or folder until the handle is closed. Where the system has no such locks, the handle locks nothing.

    Arguments:
        path: str. The file or folder.
        wait: bool. Whether to wait for a process that has the lock.

    Returns:
        int, the handle; None if another process has the lock.
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
    """Let go of a lock.

    Arguments:
        handle: int, the handle of the lock; None for no lock.
    """
    if handle is not None and handle >= 0:
        os.close(handle)


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Lock a folder, so that the writers into it commit one after the other, each within milliseconds.

    Arguments:
        folder: str. The folder, which is locked as long as the `with` statement runs.
    """
    handle = _lock(folder, wait=True)
    try:
        yield
    finally:
        unlock(handle)


def try_lock(path: str) -> int | None:
    """Lock a file for this process, unless another process has locked it.

    Arguments:
        path: str. The file.

    Returns:
        int, the handle for `unlock`; None if another process has the lock.
    """
    return _lock(path, wait=False)


def temporary_folder(parent: str) -> tuple[str, int]:
    """Make a temporary folder and lock it.

    Arguments:
        parent: str. The folder in which it is made.

    Returns:
        (path of the temporary folder, handle of its lock).
    """
    while True:
        path = os.path.join(parent, f".b4k3-{_HOST}-{uuid.uuid4().hex}.tmp")
        os.mkdir(path)
        with contextlib.suppress(FileNotFoundError):  # another writer saw it before it was locked, and removed it
            handle = _lock(path, wait=False)
            if handle is not None and os.path.isdir(path):
                return path, handle
            unlock(handle)


def remove_stale(parent: str) -> None:
    """Remove the temporary folders that killed processes left: nobody locks such a folder any more.

    The locks of another machine may be invisible here, so that a folder of another machine is kept for a day.

    Arguments:
        parent: str. The folder in which the temporary folders lie.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            match = _TEMPORARY.match(name)
            if match:
                _remove_if_stale(os.path.join(parent, name), match.group(1) == _HOST and fcntl is not None)


def _remove_if_stale(path: str, ours: bool) -> None:
    """Remove a temporary folder that nobody locks; if it is not `ours`, only when it is a day old."""
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
    """Write new files into one folder, which get their names together.

    Use it in a `with` statement: `open` and `finish` write temporary files; then, in `with staging.commit():`, `place`
    gives them their names in order. If anything fails, even in the commit, the folder is as it was before.
    The last file to be placed is the one that points to the others: with it the new checkpoint becomes the current one.

    Arguments:
        path: str. A file in the folder; the folder is made if it is not there.
        replace: bool. Whether `place` may replace files.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.checkpoints._staging import Staging
        >>> path = os.path.join(tempfile.mkdtemp(), "new.bin")
        >>> with Staging(path) as staging:
        ...     file = staging.open()
        ...     count = file.write(b"data")
        ...     temporary = staging.finish(file)
        ...     with staging.commit():
        ...         staging.place(temporary, path)
        >>> os.listdir(os.path.dirname(path))
        ['new.bin']
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
        """Return a path for a new temporary file."""
        self._count += 1
        return os.path.join(self.temporary, str(self._count))

    def open(self) -> BinaryIO:
        """Open a new binary file under a temporary name; `finish` closes it."""
        file = open(self.name(), "xb")
        self._open.append(file)
        return file

    def finish(self, file: BinaryIO) -> str:
        """Flush a file to the disk and close it.

        Arguments:
            file: binary file. What `open` returned.

        Returns:
            str, its temporary name.
        """
        file.flush()
        os.fsync(file.fileno())
        self._open.remove(file)
        file.close()
        return file.name

    @contextlib.contextmanager
    def commit(self) -> Iterator[None]:
        """Let one writer at a time give files their names, in a `with` statement.

        An error inside the statement undoes everything that was done in it.
        """
        with locked(self.folder):
            try:
                yield
            except BaseException:
                self._roll_back()
                raise
            sync_folder(self.folder)

    def place(self, temporary: str, final: str) -> None:
        """Give a file its name.

        Arguments:
            temporary: str. The path under which the file was written.
            final: str. The path that it gets.

        Raises:
            CheckpointError: a file of this name is there and may not be replaced.
        """
        kept = None
        if os.path.lexists(final):
            if not self.replace:
                raise already_there(final)
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
        """Remove a file that the new ones make superfluous.

        Arguments:
            path: str. The file.
        """
        kept = self.name()
        os.rename(path, kept)
        self._undo.append((path, kept))

    def _roll_back(self) -> None:
        """Undo what the commit did, the last step first."""
        for final, kept in reversed(self._undo):
            with contextlib.suppress(OSError):
                if kept is None:
                    os.unlink(final)
                elif kept != final:
                    os.replace(kept, final)


def write_file(path: str, data: bytes, replace: bool = True) -> str:
    """Write one file, whole or not at all.

    Arguments:
        path: str. The file.
        data: bytes. What it will hold.
        replace: bool. Whether a file that is there may be replaced.

    Returns:
        str, the path.

    Raises:
        CheckpointError: the file is there and may not be replaced.
    """
    with Staging(path, replace) as staging:
        file = staging.open()
        file.write(data)
        temporary = staging.finish(file)
        with staging.commit():
            staging.place(temporary, path)
    return path


def make_folders(folder: str) -> list[str]:
    """Make a folder and the folders above it.

    Arguments:
        folder: str. The folder; nothing happens if it is there.

    Returns:
        list of str, the paths of the folders that were made, the outermost first.
    """
    made = []
    above = folder
    while not os.path.isdir(above) and above != os.path.dirname(above):
        made.append(above)
        above = os.path.dirname(above)
    os.makedirs(folder, exist_ok=True)
    return made[::-1]


def remove_folders(made: list[str]) -> None:
    """Remove the folders that `make_folders` made, as far as they are empty.

    Arguments:
        made: list of str. What `make_folders` returned.
    """
    for folder in reversed(made):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def already_there(path: str) -> CheckpointError:
    """Make the error for a file that may not be replaced.

    Arguments:
        path: str. The file.

    Returns:
        `CheckpointError`.
    """
    return CheckpointError(f"{path} is there already; give another path, or allow that it is replaced")


def describe_failure(path: Any, error: Exception) -> OSError:
    """Make an error that names the path that the user knows, and that says that nothing was written.

    Arguments:
        path: str or path. The file or folder that the user asked for.
        error: the error, whose message may name a temporary file instead.

    Returns:
        `OSError`, of the same class and with the same number if the error is one.
    """
    message = f"{path}: {getattr(error, 'strerror', None) or error}; nothing was written"
    if not isinstance(error, OSError):
        return OSError(message)
    return type(error)(message) if error.errno is None else type(error)(error.errno, message)
