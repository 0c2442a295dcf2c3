"""Files of vectors that grow row by row, and that another run can continue after an interruption."""

from __future__ import annotations

import json
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Sequence

from ..checkpoints._files import open_regular, special_kind
from ..checkpoints._json import parse_json
from ..checkpoints._staging import sync_folder, try_lock, unlock
from ..errors import ConfigError, short

if TYPE_CHECKING:
    import numpy as np

MAX_STATE = 1 << 20  # a file of the state with more bytes is refused
_HEADER = 128  # how many bytes the header of a .npy file takes


def writer_class(path: str) -> type[OutputFile]:
    """Return the class that writes a file, by the suffix of its name.

    Arguments:
        path: str. The file.

    Returns:
        Subclass of `OutputFile`.

    Raises:
        ConfigError: the name ends neither in .npy nor in .jsonl.
    """
    for suffix, cls in ((".npy", NpyFile), (".jsonl", JsonlFile)):
        if path.endswith(suffix):
            return cls
    raise ConfigError(f"--output {path}: the name should end in .npy or .jsonl")


def json_line(row: Iterable[float]) -> str:
    """Write a vector as a list in JSON, with nine digits for each number, which is exact for float32.

    Arguments:
        row: the numbers, as Python has them; formatting a number of numpy takes almost twice as long.

    Returns:
        str, without a line end.
    """
    return "[" + ", ".join([f"{x:.9g}" for x in row]) + "]"


class Jsonl:
    """Give rows as lines of JSON to a function. An interrupted run cannot be continued.

    Arguments:
        write: function that takes a line, without its end.

    Example:
        >>> from b4k3.models.cli.vectors import Jsonl
        >>> with Jsonl(print) as output:
        ...     output.add(np.array([[0.5, 2.0]], dtype="float32"), ["a line"])
        [0.5, 2]
    """

    def __init__(self, write: Callable[[str], Any]) -> None:
        self.write, self.rows = write, 0

    def __enter__(self) -> Jsonl:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def skip(self, lines: Iterator[str]) -> None:
        """Do nothing: there is no earlier run whose lines could be passed over.

        Arguments:
            lines: the lines of the text.
        """

    def add(self, vectors: np.ndarray, texts: Sequence[str]) -> None:
        """Give rows to the function.

        Arguments:
            vectors: float32, [n, d]. The vectors.
            texts: list of str. The n lines of the text that the vectors belong to.
        """
        for row in vectors:
            self.write(json_line(row.tolist()))
        self.rows += len(vectors)

    def finish(self, size: int) -> None:
        """Do nothing: every row has been given away already.

        Arguments:
            size: int. The number d of numbers in a vector.
        """


class OutputFile:
    """A file of vectors that grows row by row, and that an interrupted run leaves ready to be continued.

    The rows go into `PATH.part`. The state, `PATH.part.json` beside it, says how many bytes of it count and which lines
    they belong to. The state is written after the rows: what an interruption leaves behind the last state is cut off
    and done again. The file is locked while it grows, so that two runs do not write into it. A subclass says how a
    vector is written.

    Arguments:
        path: str. The name that the file gets when it is complete.
        settings: dict that JSON can hold. The settings that an interrupted run must share with this one.
        restart: bool. Whether to forget an interrupted run.

    Attributes:
        rows: int. The number of rows so far; above 0 from the start if an interrupted run is continued.
        wrong: int. How many of them say what is wrong with their line; a command that has such rows counts them.
        header: int. How many bytes a subclass writes before the rows.

    Raises:
        ConfigError: a path is no regular file, another run is writing the file, or the interrupted run cannot be
            continued.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.cli.vectors import JsonlFile
        >>> path = os.path.join(tempfile.mkdtemp(), "vectors.jsonl")
        >>> with JsonlFile(path, {"pooling": "cls"}, restart=False) as output:
        ...     output.add(np.array([[0.5, 2.0]], dtype="float32"), ["a line"])
        ...     os.listdir(os.path.dirname(path)) == ["vectors.jsonl"], output.rows
        ...     output.finish(2)
        (False, 1)
        >>> os.listdir(os.path.dirname(path))
        ['vectors.jsonl']
    """

    header: int

    def __init__(self, path: str, settings: dict[str, Any], restart: bool) -> None:
        self.path, self.part, self.state_path = path, path + ".part", path + ".part.json"
        self.settings, self.rows, self.crc, self.part_crc, self.size = settings, 0, 0, 0, None
        self.wrong = 0
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

    def _lock_part(self) -> None:
        """Open the file and lock it. Raise ConfigError if another run has locked it."""
        self.file = open(self.part, "ab")  # made if it is not there, and not changed
        self._lock = try_lock(self.part)
        if self._lock is None:
            self.file.close()
            raise ConfigError(f"{self.part}: another run is writing this file; wait for it, or give another --output")

    def _start(self) -> None:
        """Begin a new file."""
        if os.path.exists(self.state_path):  # left by a run that was complete, or that --restart gives up
            os.unlink(self.state_path)
        self.file.close()
        self.file = open(self.part, "r+b")
        self.file.truncate(0)
        self.begin()

    def _go_on(self, state: dict[str, Any]) -> None:
        """Continue the file of an interrupted run after the last row that its state knows."""
        self.rows, self.crc, self.part_crc, self.size = (state[key] for key in ("rows", "crc", "part_crc", "size"))
        self.wrong = state["wrong"]
        self.file.close()
        self.file = open(self.part, "r+b")
        self.file.truncate(state["bytes"])
        self.file.seek(state["bytes"])

    def read_state(self) -> dict[str, Any] | None:
        """Read the state that an interrupted run left.

        Returns:
            dict, or None if there was no interrupted run.

        Raises:
            ConfigError: the run cannot be continued; the message says why.
        """
        if not os.path.exists(self.state_path) or not os.path.getsize(self.part):
            return None
        state = parsed_state(self.state_path)
        if state["settings"] != self.settings:
            keys = sorted(set(state["settings"]) | set(self.settings))
            changed = [key for key in keys if state["settings"].get(key) != self.settings.get(key)]
            raise ConfigError(f"{self.part} comes from a run with another {', '.join(changed)}; --restart begins anew")
        self._check_part(state)
        return state

    def _check_part(self, state: dict[str, Any]) -> None:
        """Raise ConfigError if the rows so far are not the rows that the state describes."""
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
                f"{self.part} is damaged: its checksum is not the one in {self.state_path}; --restart begins anew"
            )
        if not self.holds(state, lines):
            raise ConfigError(
                f"{self.state_path}: rows={state['rows']} and bytes={state['bytes']} do not fit each other; "
                "--restart begins anew"
            )

    def write_state(self) -> None:
        """Flush the rows and write the state, which replaces the one before it in one step."""
        self.file.flush()
        state = {"settings": self.settings, "rows": self.rows, "crc": self.crc, "bytes": self.file.tell()}
        state.update(part_crc=self.part_crc, size=self.size, wrong=self.wrong)
        temporary = self.state_path + ".tmp"
        try:
            with open(temporary, "w", encoding="utf-8") as f:
                json.dump(state, f)
            os.replace(temporary, self.state_path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)

    def __enter__(self) -> OutputFile:
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            self.file.close()
        finally:
            unlock(self._lock)
            self._lock = None

    # ------------------------------------------------------------------------------------ what a subclass has

    def begin(self) -> None:
        """Write what comes before the rows."""
        raise NotImplementedError

    def holds(self, state: dict[str, Any], lines: int) -> bool:
        """Return whether the numbers of a state fit each other.

        Arguments:
            state: dict. The state of an interrupted run.
            lines: int. The number of line ends in the bytes that the state counts.

        Returns:
            bool.
        """
        raise NotImplementedError

    def encoded(self, vectors: np.ndarray) -> bytes:
        """Write vectors as the bytes that are appended to the file.

        Arguments:
            vectors: float32, [n, d]. The vectors.

        Returns:
            bytes.
        """
        raise NotImplementedError

    def complete(self, size: int) -> None:
        """Finish the file after the last row.

        Arguments:
            size: int. The number d of numbers in a vector.
        """
        raise NotImplementedError

    # --------------------------------------------------------------------------------------------- the rows

    def skip(self, lines: Iterator[str]) -> None:
        """Pass over the lines that the interrupted run has done.

        Arguments:
            lines: the lines of the text, from the first one.

        Raises:
            ConfigError: the interrupted run had other lines.
        """
        crc = 0
        for _ in range(self.rows):
            crc = zlib.crc32(next(lines, "").encode("utf-8"), crc)
        if crc != self.crc:
            raise ConfigError(f"{self.part} comes from other lines; --restart begins anew")

    def add(self, vectors: np.ndarray, texts: Sequence[str]) -> None:
        """Append rows and write the state.

        Arguments:
            vectors: float32, [n, d]. The vectors.
            texts: list of str. The n lines of the text that the vectors belong to.
        """
        self.size = vectors.shape[1]
        self.append(self.encoded(vectors), texts)

    def append(self, data: bytes, texts: Sequence[str]) -> None:
        """Append the bytes of rows and write the state.

        Arguments:
            data: bytes. One row for each line of the text.
            texts: list of str. The lines of the text that the rows belong to.
        """
        self.file.write(data)
        self.part_crc = zlib.crc32(data, self.part_crc)
        self.rows += len(texts)
        for text in texts:
            self.crc = zlib.crc32(text.encode("utf-8"), self.crc)
        self.write_state()

    def finish(self, size: int) -> None:
        """Complete the file and give it its name.

        Arguments:
            size: int. The number d of numbers in a vector, which matters if there is no row.
        """
        self.complete(size)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self.part, self.path)
        sync_folder(os.path.dirname(os.path.abspath(self.path)))
        if os.path.exists(self.state_path):
            os.unlink(self.state_path)


def parsed_state(path: str) -> dict[str, Any]:
    """Read and check a file of the state of an interrupted run.

    Arguments:
        path: str. The file.

    Returns:
        dict.

    Raises:
        ConfigError: the file cannot be read, or holds no such state.
    """
    try:
        if os.path.getsize(path) > MAX_STATE:
            raise ValueError(f"it has more than {MAX_STATE} bytes")
        with open_regular(path, ConfigError) as f:
            state = parse_json(f.read(MAX_STATE + 1))
        if not isinstance(state, dict) or not isinstance(state.get("settings"), dict):
            raise ValueError("it is no JSON object with settings")
        state.setdefault("wrong", 0)
        for key in ("rows", "bytes", "crc", "part_crc", "size", "wrong"):
            if type(state.get(key)) is not int or state[key] < 0:
                raise ValueError(f"{key} is {short(state.get(key))}, expected an integer from 0")
    except (ValueError, OSError) as error:
        raise ConfigError(
            f"{path} is not the state of an interrupted run, or is damaged: {error}; --restart begins anew"
        ) from None
    return state


class JsonlFile(OutputFile):
    """A file with a line of JSON for each row.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.cli.vectors import JsonlFile
        >>> path = os.path.join(tempfile.mkdtemp(), "vectors.jsonl")
        >>> with JsonlFile(path, {}, restart=False) as output:
        ...     output.add(np.array([[0.5, 2.0]], dtype="float32"), ["a line"])
        ...     output.finish(2)
        >>> with open(path) as file:
        ...     file.read()
        '[0.5, 2]\\n'
    """

    header = 0

    def begin(self) -> None:
        """Do nothing: the file has no header."""

    def holds(self, state: dict[str, Any], lines: int) -> bool:
        """Return whether the state has as many rows as the file has lines.

        Arguments:
            state: dict. The state of an interrupted run.
            lines: int. The number of lines in the bytes that the state counts.

        Returns:
            bool.
        """
        return state["rows"] == lines

    def encoded(self, vectors: np.ndarray) -> bytes:
        """Write vectors as the bytes that are appended to the file.

        Arguments:
            vectors: float32, [n, d]. The vectors.

        Returns:
            bytes: n lines.
        """
        return "".join(json_line(row.tolist()) + "\n" for row in vectors).encode("ascii")

    def complete(self, size: int) -> None:
        """Do nothing: the file has no header.

        Arguments:
            size: int. The number d of numbers in a vector.
        """


class NpyFile(OutputFile):
    """A file in numpy's format. The number of rows is filled in at the end, into a header of fixed size.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.cli.vectors import NpyFile
        >>> path = os.path.join(tempfile.mkdtemp(), "vectors.npy")
        >>> with NpyFile(path, {}, restart=False) as output:
        ...     output.add(np.array([[0.5, 2.0]], dtype="float32"), ["a line"])
        ...     output.finish(2)
        >>> np.load(path)
        array([[0.5, 2. ]], dtype=float32)
    """

    header = _HEADER

    def begin(self) -> None:
        """Write zeros in the place of the header."""
        self.file.write(b"\0" * _HEADER)

    def holds(self, state: dict[str, Any], lines: int) -> bool:
        """Return whether the rows of a state take as many bytes as the state says.

        Arguments:
            state: dict. The state of an interrupted run.
            lines: int. It is not used: this format has no lines.

        Returns:
            bool.
        """
        return state["bytes"] == _HEADER + 4 * state["rows"] * state["size"]

    def encoded(self, vectors: np.ndarray) -> bytes:
        """Write vectors as the bytes that are appended to the file.

        Arguments:
            vectors: float32, [n, d]. The vectors.

        Returns:
            bytes: n · d numbers of four bytes each, little-endian.
        """
        return vectors.astype("<f4", copy=False).tobytes()

    def complete(self, size: int) -> None:
        """Write the header.

        Arguments:
            size: int. The number d of numbers in a vector.
        """
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({self.rows}, {size}), }}"
        self.file.seek(0)
        self.file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", _HEADER - 10))
        self.file.write(text.ljust(_HEADER - 11).encode("ascii") + b"\n")
