"""Open large text files, and read their lines by number."""

from __future__ import annotations

import builtins
import json
import operator
import os
import stat
import uuid
from array import array
from typing import TYPE_CHECKING, Any, Iterator

if TYPE_CHECKING:
    from typing import IO

FORMAT = 1  # the version of the file that an index is kept in
_MOST_PER_LINE = 24  # the bytes that a line takes in this file at most
_WITHOUT_WAITING = 0  # the flags with which opening a pipe or a terminal does not wait
for _flag in ("O_NONBLOCK", "O_NOCTTY"):  # not every system has them
    _WITHOUT_WAITING |= getattr(os, _flag, 0)
_KINDS = (
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class open:
    """Open a file as the built-in `open` does; if indexable, the file is also a sequence of its lines.

    A line ends with a line feed. `f[i]` has the line feed at its end, without a carriage return before it; in a binary
    mode it is the bytes of the file. Everything else of the file object (`read`, `readline`, `write`, `seek` …) is
    there too.

    Arguments:
        name: str or path. The file.
        mode: str. The mode, as for the built-in `open`.
        encoding: str, or None. The encoding of a text, as for the built-in `open`.
        errors: str. What happens to bytes that cannot be decoded, as for the built-in `open`.
        indexable: bool, str or path. Whether `f[i]` and `len(f)` work. A path does the same and keeps the index in this
            file, from one time to the next; the index is made anew if the size or the time of `name` has changed.

    Raises:
        ValueError: `indexable` with a mode that does not only read, or with an encoding in which a line feed is not one
            byte. Or the file to be read is a pipe, a device or a socket, which might never end.
        FileNotFoundError: there is no such file.
        IsADirectoryError: it is a directory.

    Example:
        >>> import os, tempfile
        >>> from b4k3.snippets import open
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = os.path.join(folder.name, "corpus.txt")
        >>> with open(path, "w", encoding="utf-8") as f:
        ...     n = f.write("one\\ntwo\\nthree\\n")
        >>> with open(path, encoding="utf-8", indexable=True) as f:
        ...     len(f), f[1], f[-2:]
        (3, 'two\\n', ['two\\n', 'three\\n'])

    Reference: the class of the same name in bert4keras, https://github.com/bojone/bert4keras
    """

    def __init__(
        self,
        name: str | os.PathLike[str],
        mode: str = "r",
        encoding: str | None = None,
        errors: str = "strict",
        indexable: bool | str | os.PathLike[str] = False,
    ) -> None:
        self.name = name
        self.errors = errors
        self._lines: IO[bytes] | None = None
        if indexable:
            _check_indexable(name, mode, encoding)
        text: Any = {} if "b" in mode else {"encoding": encoding, "errors": errors}
        self.file: IO[Any] = builtins.open(name, mode, opener=_open_regular if mode[:1] == "r" else None, **text)
        self.encoding = getattr(self.file, "encoding", None)
        if indexable:
            self.offsets = _index(name, None if indexable is True else indexable)
            self._lines = builtins.open(name, "rb", opener=_open_regular)

    def __getitem__(self, key: Any) -> Any:
        """Return the line with a number, or for a slice a list of lines."""
        if self._lines is None:
            raise TypeError(f"{self.name} was opened without indexable=True, so its lines have no numbers")
        if isinstance(key, slice):
            return [self[i] for i in range(*key.indices(len(self)))]
        if not -len(self) <= key < len(self):
            raise IndexError(f"{self.name} has {len(self)} lines, there is no line {key}")
        self._lines.seek(self.offsets[key])
        line = self._lines.readline()
        if self.encoding is None:
            return line
        line = line.decode(self.encoding, self.errors)
        return line[:-2] + "\n" if line.endswith("\r\n") else line

    def __len__(self) -> int:
        """Return the number of lines."""
        if self._lines is None:
            raise TypeError(f"{self.name} was opened without indexable=True, so its lines are not counted")
        return len(self.offsets)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.file)

    def __next__(self) -> Any:
        return next(self.file)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the file object."""
        if name == "file":  # it is not open yet
            raise AttributeError(name)
        return getattr(self.file, name)

    def close(self) -> None:
        """Close the file."""
        if self._lines is not None:
            self._lines.close()
        self.file.close()

    def __enter__(self) -> open:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def _check_indexable(name: Any, mode: str, encoding: str | None) -> None:
    """Raise ValueError if lines of a file cannot be found by number."""
    if mode.replace("t", "") not in ("r", "rb"):
        raise ValueError(f"{name}: mode={mode!r}, but with indexable a file can only be read: expected 'r' or 'rb'")
    if "b" not in mode and not "a\n".encode(encoding or "ascii").endswith(b"a\n"):
        raise ValueError(f"{name}: lines in {encoding} cannot be indexed; convert the file to UTF-8")


def _index(name: Any, path: Any) -> array[int]:
    """Return the offset of each line of a file. The file `path` keeps them, unless it is None."""
    status = os.stat(name)
    key = {"format": FORMAT, "size": status.st_size, "time": status.st_mtime_ns}
    if path is not None and os.path.exists(path):
        offsets = _stored_offsets(path, key)
        if offsets is not None:
            return offsets
    offsets = _find_lines(name)
    if path is not None:
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        with builtins.open(temporary, "x", encoding="utf-8") as f:
            json.dump(dict(key, offsets=offsets.tolist()), f)
        os.replace(temporary, path)
    return offsets


def _stored_offsets(path: Any, key: dict[str, int]) -> array[int] | None:
    """Return the offsets in the file of an index; None if it is damaged or belongs to another text than `key` says."""
    with builtins.open(path, encoding="utf-8", opener=_open_regular) as f:
        if os.fstat(f.fileno()).st_size > _MOST_PER_LINE * (key["size"] + 10):
            return None  # a text of this size needs no such large index
        try:
            stored = json.load(f)
            if not isinstance(stored, dict) or {k: stored.get(k) for k in key} != key:
                return None
            offsets = array("q", stored["offsets"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
    ascending = all(map(operator.lt, offsets, offsets[1:]))
    return offsets if ascending and (not offsets or 0 == offsets[0] <= offsets[-1] < key["size"]) else None


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file for the built-in `open`. Anything else is refused, and nothing is waited for."""
    _check_regular(path, os.stat(path))
    handle = os.open(path, flags | _WITHOUT_WAITING)
    try:
        _check_regular(path, os.fstat(handle))
    except ValueError:
        os.close(handle)
        raise
    return handle


def _check_regular(path: str, status: os.stat_result) -> None:
    """Raise ValueError if the file is a pipe, a socket or a device."""
    for test, kind in _KINDS:
        if test(status.st_mode):
            raise ValueError(f"{os.fsdecode(path)} is {kind}, not a file that can be read to its end")


def _find_lines(name: Any) -> array[int]:
    """Return the offset of each line of a file."""
    offsets, offset = array("q"), 0
    with builtins.open(name, "rb", opener=_open_regular) as f:
        for line in f:
            offsets.append(offset)
            offset += len(line)
    return offsets
