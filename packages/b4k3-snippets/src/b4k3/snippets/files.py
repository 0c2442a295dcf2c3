"""`open` for corpora: with an encoding, and with lines by number."""

from __future__ import annotations

import builtins
import json
import operator
import os
import stat
import uuid
from array import array

FORMAT = 1
_MOST_PER_LINE = 24  # bytes of the file of an index
_WITHOUT_WAITING = 0
for _flag in ("O_NONBLOCK", "O_NOCTTY"):  # not every system has them
    _WITHOUT_WAITING |= getattr(os, _flag, 0)
_KINDS = (
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class open:
    """A file, as by the built-in `open`; if indexable also a sequence of its lines.

        with open("corpus.txt", encoding="utf-8", indexable=True) as f:
            f[10 ** 6], f[-3:], len(f)

    Arguments:
        name, mode, encoding, errors: as for the built-in `open`.
        indexable: whether `f[i]` and `len(f)` shall work; a path keeps the index in this file from one time to the
            next. It is made anew when the size or time of `name` has changed.

    A line ends with a line feed; `f[i]` has it at its end, without a carriage return before it, or as bytes in a binary
    mode. Everything else of the file object (`read`, `readline`, `write`, `seek` …) is there too.

    Raises:
        ValueError: indexable with a mode that does not only read, or with an encoding in which a line feed is not one
            byte; what is to be read is a pipe, a device or a socket, which might never end: it is refused at once.
        FileNotFoundError, IsADirectoryError: as of the built-in `open`.
    """

    def __init__(self, name, mode="r", encoding=None, errors="strict", indexable=False):
        self.name = name
        self.errors = errors
        self._lines = None
        if indexable:
            _check_indexable(name, mode, encoding)
        text = {} if "b" in mode else {"encoding": encoding, "errors": errors}
        self.file = builtins.open(name, mode, opener=_open_regular if mode[:1] == "r" else None, **text)
        self.encoding = getattr(self.file, "encoding", None)
        if indexable:
            self.offsets = _index(name, None if indexable is True else indexable)
            self._lines = builtins.open(name, "rb", opener=_open_regular)

    def __getitem__(self, key):
        """Line number key, or a list of the lines of a slice."""
        if self._lines is None:
            raise TypeError("%s was opened without indexable=True" % self.name)
        if isinstance(key, slice):
            return [self[i] for i in range(*key.indices(len(self)))]
        if not -len(self) <= key < len(self):
            raise IndexError("%s has %d lines, there is no line %d" % (self.name, len(self), key))
        self._lines.seek(self.offsets[key])
        line = self._lines.readline()
        if self.encoding is None:
            return line
        line = line.decode(self.encoding, self.errors)
        return line[:-2] + "\n" if line.endswith("\r\n") else line

    def __len__(self):
        if self._lines is None:
            raise TypeError("%s was opened without indexable=True" % self.name)
        return len(self.offsets)

    def __iter__(self):
        return iter(self.file)

    def __next__(self):
        return next(self.file)

    def __getattr__(self, name):
        if name == "file":  # not yet opened
            raise AttributeError(name)
        return getattr(self.file, name)

    def close(self):
        if self._lines is not None:
            self._lines.close()
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _check_indexable(name, mode, encoding):
    if mode.replace("t", "") not in ("r", "rb"):
        raise ValueError("%s: indexable=True reads, but mode=%r" % (name, mode))
    if "b" not in mode and not "a\n".encode(encoding or "ascii").endswith(b"a\n"):
        raise ValueError("%s: lines in %s cannot be indexed; convert the file to UTF-8" % (name, encoding))


def _index(name, path):
    """The offset of each line of a file, kept in the file `path` unless that is None."""
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


def _stored_offsets(path, key):
    """The offsets that the file of an index has, None unless it is whole and of the same text as `key` says."""
    with builtins.open(path, encoding="utf-8", opener=_open_regular) as f:
        if os.fstat(f.fileno()).st_size > _MOST_PER_LINE * (key["size"] + 10):
            return None  # more than any text of this size needs
        try:
            stored = json.load(f)
            if not isinstance(stored, dict) or {k: stored.get(k) for k in key} != key:
                return None
            offsets = array("q", stored["offsets"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
    ascending = all(map(operator.lt, offsets, offsets[1:]))
    return offsets if ascending and (not offsets or 0 == offsets[0] <= offsets[-1] < key["size"]) else None


def _open_regular(path, flags):
    """An opener for the built-in `open`, for what is read: of a regular file only, and without waiting for anything."""
    _check_regular(path, os.stat(path))
    handle = os.open(path, flags | _WITHOUT_WAITING)
    try:
        _check_regular(path, os.fstat(handle))
    except ValueError:
        os.close(handle)
        raise
    return handle


def _check_regular(path, status):
    for test, kind in _KINDS:
        if test(status.st_mode):
            raise ValueError(f"{os.fsdecode(path)} is {kind}, not a file that can be read to its end")


def _find_lines(name):
    offsets, offset = array("q"), 0
    with builtins.open(name, "rb", opener=_open_regular) as f:
        for line in f:
            offsets.append(offset)
            offset += len(line)
    return offsets
