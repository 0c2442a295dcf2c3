"""Files of vectors that grow row by row, and can be gone on with after an interruption."""

from __future__ import annotations

import json
import os
import struct
import zlib

from ..errors import ConfigError

_HEADER = 128


def open_output(path, settings, restart):
    """The writer for a file name.

    Arguments:
        path: ends in .npy or .jsonl.
        settings: dict that an interrupted run must share to be gone on with.
        restart: whether to forget an interrupted run.

    Raises:
        ConfigError: another suffix, or an interrupted run with other settings.
    """
    for suffix, cls in ((".npy", NpyFile), (".jsonl", JsonlFile)):
        if path.endswith(suffix):
            return cls(path, settings, restart)
    raise ConfigError("--output %s: the name should end in .npy or .jsonl" % path)


def json_line(row):
    return "[%s]" % ", ".join("%.9g" % x for x in row)


class Jsonl:
    """Rows as lines of JSON to a function; nothing can be gone on with."""

    def __init__(self, write):
        self.write, self.rows = write, 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def skip(self, lines):
        pass

    def add(self, vectors, texts):
        for row in vectors:
            self.write(json_line(row))
        self.rows += len(vectors)

    def finish(self, size):
        pass


class OutputFile:
    """`PATH.part`, with `PATH.part.json` beside it that says how many of its bytes count, and of which lines they are.

    The state is written after the rows: what an interruption leaves behind the last state is cut off and done again.
    """

    def __init__(self, path, settings, restart):
        self.path, self.part, self.state_path = path, path + ".part", path + ".part.json"
        self.settings, self.rows, self.crc = settings, 0, 0
        state = None if restart else self.read_state()
        if state is None:
            self.file = open(self.part, "w+b")
            self.begin()
        else:
            self.rows, self.crc = state["rows"], state["crc"]
            self.file = open(self.part, "r+b")
            self.file.truncate(state["bytes"])
            self.file.seek(state["bytes"])

    def read_state(self):
        if not (os.path.exists(self.part) and os.path.exists(self.state_path)):
            return None
        with open(self.state_path, encoding="utf-8") as f:
            state = json.load(f)
        if state["settings"] != self.settings:
            changed = [key for key in self.settings if state["settings"].get(key) != self.settings[key]]
            raise ConfigError(
                "%s is of a run with another %s; --restart begins anew" % (self.part, ", ".join(changed or ["setting"]))
            )
        if os.path.getsize(self.part) < state["bytes"]:
            raise ConfigError("%s is shorter than %s says; --restart begins anew" % (self.part, self.state_path))
        return state

    def write_state(self):
        self.file.flush()
        state = {"settings": self.settings, "rows": self.rows, "crc": self.crc, "bytes": self.file.tell()}
        with open(self.state_path + ".tmp", "w", encoding="utf-8") as f:
            json.dump(state, f)
        os.replace(self.state_path + ".tmp", self.state_path)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def skip(self, lines):
        """Pass over the lines that are done. Raises: ConfigError: they are not those of the interrupted run."""
        crc = 0
        for _ in range(self.rows):
            crc = zlib.crc32(next(lines, "").encode("utf-8"), crc)
        if crc != self.crc:
            raise ConfigError("%s is of other lines; --restart begins anew" % self.part)

    def add(self, vectors, texts):
        """Append rows. Arguments: vectors: float32 [n, d]; texts: the n lines that they are of."""
        self.append(vectors)
        self.rows += len(vectors)
        for text in texts:
            self.crc = zlib.crc32(text.encode("utf-8"), self.crc)
        self.write_state()

    def finish(self, size):
        """Give the file its name. Arguments: size: d, of the vectors."""
        self.complete(size)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self.part, self.path)
        if os.path.exists(self.state_path):
            os.unlink(self.state_path)


class JsonlFile(OutputFile):
    """A line of JSON for each row."""

    def begin(self):
        pass

    def append(self, vectors):
        self.file.write("".join(json_line(row) + "\n" for row in vectors).encode("ascii"))

    def complete(self, size):
        pass


class NpyFile(OutputFile):
    """numpy's format. The number of rows is filled in at the end, into a header of fixed size."""

    def begin(self):
        self.file.write(b"\0" * _HEADER)

    def append(self, vectors):
        self.file.write(vectors.astype("<f4", copy=False).tobytes())

    def complete(self, size):
        text = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (self.rows, size)
        self.file.seek(0)
        self.file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", _HEADER - 10))
        self.file.write(text.ljust(_HEADER - 11).encode("ascii") + b"\n")
