"""Files of vectors that grow row by row, and can be gone on with after an interruption."""

from __future__ import annotations

import json
import os
import struct
import zlib

from ..checkpoints._files import open_regular, special_kind
from ..checkpoints._staging import sync_folder, try_lock, unlock
from ..errors import ConfigError, short

MAX_STATE = 1 << 20
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
    return writer_class(path)(path, settings, restart)


def writer_class(path):
    """The class of the writer for a file name. Raises: ConfigError: another suffix."""
    for suffix, cls in ((".npy", NpyFile), (".jsonl", JsonlFile)):
        if path.endswith(suffix):
            return cls
    raise ConfigError(f"--output {path}: the name should end in .npy or .jsonl")


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
    The file is locked while it grows, so that two runs do not write into it.
    """

    def __init__(self, path, settings, restart):
        self.path, self.part, self.state_path = path, path + ".part", path + ".part.json"
        self.settings, self.rows, self.crc, self.part_crc, self.size = settings, 0, 0, 0, None
        for existing in (self.path, self.part, self.state_path):
            if os.path.lexists(existing) and special_kind(existing) is not None or os.path.isdir(existing):
                raise ConfigError(f"--output {path}: {existing} is there and is not a regular file; name another")
        self._lock_part()
        try:
            state = None if restart else self.read_state()
            if state is None:
                self._start()
            else:
                self._go_on(state)
        except BaseException:
            self.__exit__()
            raise

    def _lock_part(self):
        self.file = open(self.part, "ab")  # made if it is not there, and not changed
        self._lock = try_lock(self.part)
        if self._lock is None:
            self.file.close()
            raise ConfigError(f"{self.part}: another run is writing this file; wait for it, or give another --output")

    def _start(self):
        if os.path.exists(self.state_path):  # of a run that was over, or is given up
            os.unlink(self.state_path)
        self.file.close()
        self.file = open(self.part, "r+b")
        self.file.truncate(0)
        self.begin()

    def _go_on(self, state):
        self.rows, self.crc, self.part_crc, self.size = (state[key] for key in ("rows", "crc", "part_crc", "size"))
        self.file.close()
        self.file = open(self.part, "r+b")
        self.file.truncate(state["bytes"])
        self.file.seek(state["bytes"])

    def read_state(self):
        """What an interrupted run left, None if there was none.

        Raises:
            ConfigError: it cannot be gone on with; the message says why.
        """
        if not os.path.exists(self.state_path) or not os.path.getsize(self.part):
            return None
        state = parsed_state(self.state_path)
        if state["settings"] != self.settings:
            keys = sorted(set(state["settings"]) | set(self.settings))
            changed = [key for key in keys if state["settings"].get(key) != self.settings.get(key)]
            raise ConfigError(f"{self.part} is of a run with another {', '.join(changed)}; --restart begins anew")
        self._check_part(state)
        return state

    def _check_part(self, state):
        """Raise ConfigError if the rows so far are not those that the state speaks of."""
        size = os.path.getsize(self.part)
        if size < state["bytes"]:
            raise ConfigError(
                f"{self.part} has {size} bytes, and is shorter than {self.state_path} says ({state['bytes']}); "
                "--restart begins anew"
            )
        crc, lines = 0, 0
        with open_regular(self.part, ConfigError) as file:
            left = state["bytes"] - len(file.read(min(self.header, state["bytes"])))
            while left > 0:
                data = file.read(min(left, 1 << 20))
                left, lines, crc = left - len(data), lines + data.count(b"\n"), zlib.crc32(data, crc)
        if crc != state["part_crc"]:
            raise ConfigError(
                f"{self.part} is damaged: its checksum is not that of {self.state_path}; --restart begins anew"
            )
        if not self.holds(state, lines):
            raise ConfigError(
                f"{self.state_path}: rows={state['rows']} and bytes={state['bytes']} do not fit each other; "
                "--restart begins anew"
            )

    def write_state(self):
        self.file.flush()
        state = {"settings": self.settings, "rows": self.rows, "crc": self.crc, "bytes": self.file.tell()}
        state.update(part_crc=self.part_crc, size=self.size)
        temporary = self.state_path + ".tmp"
        try:
            with open(temporary, "w", encoding="utf-8") as f:
                json.dump(state, f)
            os.replace(temporary, self.state_path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        try:
            self.file.close()
        finally:
            unlock(self._lock)
            self._lock = None

    def skip(self, lines):
        """Pass over the lines that are done. Raises: ConfigError: they are not those of the interrupted run."""
        crc = 0
        for _ in range(self.rows):
            crc = zlib.crc32(next(lines, "").encode("utf-8"), crc)
        if crc != self.crc:
            raise ConfigError(f"{self.part} is of other lines; --restart begins anew")

    def add(self, vectors, texts):
        """Append rows. Arguments: vectors: float32 [n, d]; texts: the n lines that they are of."""
        data = self.encoded(vectors)
        self.file.write(data)
        self.part_crc = zlib.crc32(data, self.part_crc)
        self.rows, self.size = self.rows + len(vectors), vectors.shape[1]
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
        sync_folder(os.path.dirname(os.path.abspath(self.path)))
        if os.path.exists(self.state_path):
            os.unlink(self.state_path)


def parsed_state(path):
    """The state in a file. Raises: ConfigError: it is damaged."""
    try:
        if os.path.getsize(path) > MAX_STATE:
            raise ValueError(f"has more than {MAX_STATE} bytes")
        with open_regular(path, ConfigError) as f:
            state = json.loads(f.read(MAX_STATE + 1).decode("utf-8"))
        if not isinstance(state, dict) or not isinstance(state.get("settings"), dict):
            raise ValueError("is no JSON object with settings")
        for key in ("rows", "bytes", "crc", "part_crc", "size"):
            if type(state.get(key)) is not int or state[key] < 0:
                raise ValueError(f"{key} is {short(state.get(key))}, expected an integer from 0")
    except (ValueError, RecursionError, OSError) as error:
        raise ConfigError(
            f"{path} is not the state of an interrupted run, or is damaged: {error}; --restart begins anew"
        ) from None
    return state


class JsonlFile(OutputFile):
    """A line of JSON for each row."""

    header = 0

    def begin(self):
        pass

    def holds(self, state, lines):
        """Whether the rows of a state are as many as the lines in the file."""
        return state["rows"] == lines

    def encoded(self, vectors):
        return "".join(json_line(row) + "\n" for row in vectors).encode("ascii")

    def complete(self, size):
        pass


class NpyFile(OutputFile):
    """numpy's format. The number of rows is filled in at the end, into a header of fixed size."""

    header = _HEADER

    def begin(self):
        self.file.write(b"\0" * _HEADER)

    def holds(self, state, lines):
        """Whether the rows of a state take as many bytes as it says."""
        return state["bytes"] == _HEADER + 4 * state["rows"] * state["size"]

    def encoded(self, vectors):
        return vectors.astype("<f4", copy=False).tobytes()

    def complete(self, size):
        text = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (self.rows, size)
        self.file.seek(0)
        self.file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", _HEADER - 10))
        self.file.write(text.ljust(_HEADER - 11).encode("ascii") + b"\n")
