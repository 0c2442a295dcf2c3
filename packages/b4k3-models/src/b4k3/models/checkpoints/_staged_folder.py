"""Replace a folder of files that belong together, a checkpoint with its config and vocabulary: all new or all old."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from types import TracebackType
from typing import Iterable, Sequence

from ._staging import (
    Staging,
    already_there,
    locked,
    make_folders,
    remove_folders,
    remove_stale,
    sync_folder,
    temporary_folder,
    unlock,
)


class StagedFolder:
    """Write files under their final names into a temporary folder, which then takes the place of the target.

    A target that is not there appears by one rename. If it is there, the two folders are exchanged in one step where
    the system can do that and nobody notices: the target holds no folders, is ours, and is not the current directory.
    Otherwise the files are moved into it one by one: first the old checkpoint loses the file by which it is opened,
    last the new one gets its own, so that no checkpoint is ever seen beside the config of another.

    Arguments:
        target: str. The folder.
        replace: bool. Whether files in it may be replaced.

    Attributes:
        path: str. The temporary folder, in which to write.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.checkpoints._staged_folder import StagedFolder
        >>> target = os.path.join(tempfile.mkdtemp(), "bert")
        >>> with StagedFolder(target, replace=False) as staged:
        ...     with open(os.path.join(staged.path, "config.json"), "w") as file:
        ...         count = file.write("{}")
        ...     staged.commit(last=["config.json"])
        >>> os.listdir(target)
        ['config.json']
    """

    def __init__(self, target: str, replace: bool) -> None:
        self.target, self.replace = os.path.realpath(target), replace

    def __enter__(self) -> StagedFolder:
        parent = os.path.dirname(self.target)
        self._made = make_folders(parent)
        remove_stale(parent)
        remove_stale(self.target)
        where = self.target if os.path.isdir(self.target) and not may_exchange(self.target) else parent
        try:
            self._temporary, self._handle = temporary_folder(where)
            self.path = os.path.join(self._temporary, "new")
            os.mkdir(self.path)
        except OSError:
            remove_folders(self._made)
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            shutil.rmtree(self._temporary, ignore_errors=True)
        finally:
            unlock(self._handle)
        if kind is not None:
            remove_folders(self._made)

    def commit(self, last: Sequence[str], obsolete: Iterable[str] = ()) -> None:
        """Put the files into the target, in the place of the old ones.

        Arguments:
            last: names of the files by which the new checkpoint is opened.
            obsolete: names of files in the target that belong to the checkpoint that is replaced; the files by which it
                is opened come first.

        Raises:
            CheckpointError: a file is there that may not be replaced; the target stays as it is.
        """
        names, obsolete = os.listdir(self.path), list(obsolete)
        sync_folder(self.path)
        with locked(os.path.dirname(self.target)):
            if not os.path.lexists(self.target):
                with contextlib.suppress(OSError):
                    os.rename(self.path, self.target)
                    sync_folder(os.path.dirname(self.target))
                    return
            there = [name for name in names if os.path.lexists(os.path.join(self.target, name))]
            if there and not self.replace:
                raise already_there(os.path.join(self.target, there[0]))
            if may_exchange(self.target) and self._exchange(set(names), set(obsolete)):
                return
        self._move(names, last, obsolete)

    def _exchange(self, names: set[str], obsolete: set[str]) -> bool:
        """Give the new folder the other files of the old one, then exchange the two.

        Arguments:
            names: names of the new files.
            obsolete: names of the old files that are dropped.

        Returns:
            bool, whether it was done.
        """
        kept = [name for name in os.listdir(self.target) if name not in names | obsolete]
        linked = []
        try:
            for name in kept:
                os.link(os.path.join(self.target, name), os.path.join(self.path, name), follow_symlinks=False)
                linked.append(name)
            shutil.copymode(self.target, self.path)
            sync_folder(self.path)
            done = exchange(self.path, self.target)
        except (OSError, NotImplementedError):  # a file system without hard links
            done = False
        if not done:
            for name in linked:
                os.unlink(os.path.join(self.path, name))
            return False
        for name in set(os.listdir(self.path)) - names - obsolete - set(kept):  # what came between the two steps
            with contextlib.suppress(OSError):
                os.rename(os.path.join(self.path, name), os.path.join(self.target, name))
        sync_folder(os.path.dirname(self.target))
        return True

    def _move(self, names: Sequence[str], last: Sequence[str], obsolete: Iterable[str]) -> None:
        """Move the files into the target one by one, the files by which a checkpoint is opened last."""
        with Staging(os.path.join(self.target, "file"), self.replace) as staging, staging.commit():
            for name in [*obsolete, *last] if self.replace else ():
                path = os.path.join(self.target, name)
                if os.path.lexists(path):
                    staging.remove(path)
            for name in sorted(names, key=lambda name: (name in last, name)):
                if name in last:
                    staging.sync()
                staging.place(os.path.join(self.path, name), os.path.join(self.target, name))


def may_exchange(folder: str) -> bool:
    """Tell whether nobody would notice that a folder is replaced by another one of the same name and content.

    Arguments:
        folder: str. The folder.

    Returns:
        bool. It is False also if the folder cannot be examined.
    """
    try:
        parent, status = os.path.dirname(folder), os.stat(folder)
        ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
        inside = os.path.join(os.getcwd(), "").startswith(os.path.join(folder, ""))
        movable = os.access(parent, os.W_OK) and os.stat(parent).st_dev == status.st_dev and not os.path.ismount(folder)
        with os.scandir(folder) as entries:
            return ours and movable and not inside and not any(e.is_dir(follow_symlinks=False) for e in entries)
    except OSError:
        return False


def exchange(first: str, second: str) -> bool:
    """Exchange two folders in one step, which Linux and macOS can do.

    Arguments:
        first: str. One folder.
        second: str. The other folder.

    Returns:
        bool, whether it was done.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):  # Windows
        return False
    names = os.fsencode(first), os.fsencode(second)
    if hasattr(libc, "renameat2"):
        at_cwd, flag = -100, 2  # RENAME_EXCHANGE
        return bool(libc.renameat2(at_cwd, names[0], at_cwd, names[1], flag) == 0)
    if hasattr(libc, "renamex_np"):
        return bool(libc.renamex_np(names[0], names[1], 2) == 0)  # RENAME_SWAP
    return False
