"""The output of an engine: a folder with a file for each part of the input.

The files are written into OUTPUT.part/KEY, where KEY is a digest of the input and of all settings that change answers.
A file appears under its name whole or not at all, and its name is the number of its part. So a part is done if its file
is there, whoever wrote it: when a part is computed twice, because a worker died or the command was interrupted, the
second file takes the place of the first one, and no row can be there twice. When all parts are there, the folder is
renamed to OUTPUT. A worker that still runs then, or that belongs to a run with other settings, writes elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from typing import Any, Mapping, NamedTuple, Sequence

import numpy as np

from b4k3.models import ConfigError
from b4k3.models.checkpoints._files import open_regular
from b4k3.models.checkpoints._json import JSONError, parse_json
from b4k3.models.checkpoints._staging import sync_folder, try_lock, unlock, write_file
from b4k3.models.cli.fingerprints import digest

from .lines import Line, json_of, row_of

FORMATS = (".jsonl", ".parquet")
MANIFEST = "_manifest.json"  # readers of folders of Parquet leave out what begins with an underscore or a dot
ERRORS = "_errors-"
TRIES = ".tries-"  # the beginning of the names of the files that count how often a part was begun
LOCK = ".lock"  # in OUTPUT.part
MAX_MANIFEST = 1 << 20
OURS = re.compile(r"[0-9a-f]{32}|_manifest\.json|\.b4k3-.*\.tmp")  # what OUTPUT.part has


class PartFormat(NamedTuple):
    """How the rows of a part become a file.

    Attributes:
        suffix: str. ".jsonl" or ".parquet".
        named: bool. Whether a row has the name of its file.
        id_type: str or None. The type of the ids in a Parquet input; None where an id may be any value of JSON, which
            Parquet then holds as text.

    Example:
        >>> from b4k3.tasks.commands.lines import read_line
        >>> from b4k3.tasks.commands.part_files import PartFormat
        >>> line = read_line(1, b"a cat", as_json=False)
        >>> PartFormat(".jsonl", named=False, id_type=None).encoded([line], {1: {"label": "animal"}}, {"label": str})
        b'{"label": "animal"}\\n'
    """

    suffix: str
    named: bool
    id_type: str | None

    def encoded(self, lines: Sequence[Line], answers: Mapping[int, Any], columns: Mapping[str, Any]) -> bytes:
        """Write rows as the content of a file.

        Arguments:
            lines: list of `Line`.
            answers: dict from the number of a line to its answer.
            columns: dict from each key of an answer to the type of its value, as `LineTask` has it.

        Returns:
            bytes.
        """
        if self.suffix == ".jsonl":
            return "".join(row_of(line, answers.get(line.number)) + "\n" for line in lines).encode("utf-8")
        import pyarrow
        from pyarrow import parquet

        given = {"id": _arrow_type(self.id_type or str), "line": pyarrow.int64()}
        if self.named:
            given["file"] = pyarrow.string()
        arrays = {name: pyarrow.array([self._given(line, name) for line in lines], given[name]) for name in given}
        for name, kind in columns.items():
            arrays[name] = pyarrow.array([_value(line, answers, name) for line in lines], _arrow_type(kind))
        arrays["error"] = pyarrow.array([line.error or None for line in lines], pyarrow.string())
        sink = pyarrow.BufferOutputStream()
        parquet.write_table(pyarrow.table(arrays), sink)
        return sink.getvalue().to_pybytes()

    def _given(self, line: Line, name: str) -> Any:
        """Return what a row has from its line; an id that is no text is JSON."""
        value = line.given.get(name)
        if name != "id" or self.id_type is not None or value is None or isinstance(value, str):
            return value
        return json_of(value)


def _value(line: Line, answers: Mapping[int, Any], name: str) -> Any:
    """Return a value of an answer; None if the line is wrong."""
    if line.error:
        return None
    answer = answers[line.number]
    return answer[name] if isinstance(answer, Mapping) else answer


def _arrow_type(kind: Any) -> Any:
    """Translate a type of `LineTask.columns`, or the name of a type."""
    import pyarrow

    if isinstance(kind, str):
        return pyarrow.type_for_alias(kind)
    if isinstance(kind, list):
        return pyarrow.list_(_arrow_type(kind[0]))
    if isinstance(kind, Mapping):
        return pyarrow.struct([(name, _arrow_type(of)) for name, of in kind.items()])
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), np.float32: pyarrow.float32()}
    return types[kind]


def part_path(folder: str, number: int, suffix: str) -> str:
    """Name the file of a part.

    Arguments:
        folder: str. The folder of the files.
        number: int. The number of the part.
        suffix: str.

    Returns:
        str.

    Example:
        >>> from b4k3.tasks.commands.part_files import part_path
        >>> part_path("", 12, ".jsonl")
        'part-0000012.jsonl'
    """
    return os.path.join(folder, f"part-{number:07}{suffix}")


def errors_path(folder: str, number: int) -> str:
    """Name the file that lists the wrong lines of a part.

    Arguments:
        folder: str. The folder of the files.
        number: int. The number of the part.

    Returns:
        str.
    """
    return os.path.join(folder, f"{ERRORS}{number:07}.jsonl")


def write_part(folder: str, number: int, suffix: str, data: bytes, wrong: Sequence[Line]) -> None:
    """Write the files of a part: the wrong lines first, so that they are there when the part counts as done.

    Arguments:
        folder: str. The folder of the files.
        number: int. The number of the part.
        suffix: str.
        data: bytes. The rows.
        wrong: list of `Line`. Those that are wrong.
    """
    if wrong:
        rows = "".join(row_of(line, {}) + "\n" for line in wrong)
        write_file(errors_path(folder, number), rows.encode("utf-8"))
    write_file(part_path(folder, number, suffix), data)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_tries_path(folder, number))


def count_try(folder: str, number: int) -> int:
    """Count how often a part was begun, by a file that grows by a byte each time and that `write_part` removes.

    Arguments:
        folder: str. The folder of the files.
        number: int. The number of the part.

    Returns:
        int, this time included.
    """
    with open(_tries_path(folder, number), "ab") as file:
        file.write(b".")
        return file.tell()


def _tries_path(folder: str, number: int) -> str:
    """Name the file that counts how often a part was begun."""
    return os.path.join(folder, f"{TRIES}{number:07}")


class PartFolder:
    """The folder of a run, OUTPUT.part until it is complete. One run at a time has it.

    Arguments:
        output: str. The name that the folder gets when it is complete.
        settings: dict that JSON can hold. What an interrupted run must share with this one, the input included.
        count: int. The number of parts.
        restart: bool. Whether to forget an interrupted run.

    Attributes:
        folder: str. Where the files of the parts are until then.
        suffix: str. The suffix of the files.

    Raises:
        ConfigError: the output has another suffix or is there already, another run is writing it, or the interrupted
            run had other settings.

    Example:
        >>> import os, tempfile
        >>> from b4k3.tasks.commands.part_files import PartFolder, write_part
        >>> output = os.path.join(tempfile.mkdtemp(), "labels.jsonl")
        >>> with PartFolder(output, {"input": "a digest"}, count=1, restart=False) as folder:
        ...     write_part(folder.folder, 0, folder.suffix, b'{"label": "animal"}\\n', [])
        ...     folder.finish({"lines": 1})
        >>> sorted(os.listdir(output))
        ['_manifest.json', 'part-0000000.jsonl']
    """

    def __init__(self, output: str, settings: dict[str, Any], count: int, restart: bool) -> None:
        self.output, self.count = os.path.abspath(output), count
        self.suffix = checked_suffix(output)
        self.staging = self.output + ".part"
        os.makedirs(self.staging, exist_ok=True)
        lock = os.path.join(self.staging, LOCK)
        with open(lock, "ab"):
            self._lock = try_lock(lock)
        if self._lock is None:
            raise ConfigError(f"{self.staging}: another run is writing it; wait for it, or give another --output")
        try:
            self._begin(settings, restart)
        except BaseException:
            self.__exit__()
            raise

    def _begin(self, settings: dict[str, Any], restart: bool) -> None:
        """Refuse to continue a run that had other settings, and write down the settings of this one."""
        manifest = os.path.join(self.staging, MANIFEST)
        before = None if restart else _read_manifest(manifest)
        if before is not None and before != settings:
            changed = [key for key in sorted({*before, *settings}) if before.get(key) != settings.get(key)]
            raise ConfigError(
                f"{self.staging} comes from a run with another {', '.join(changed)}; --restart begins anew"
            )
        text = json.dumps(settings, sort_keys=True)
        self.folder = os.path.join(self.staging, digest(text.encode("utf-8")))
        if before is None:
            self._clear()
        os.makedirs(self.folder, exist_ok=True)
        for name in os.listdir(self.folder):
            if name.startswith(TRIES):  # this run has tries of its own
                _remove(os.path.join(self.folder, name))
        write_file(manifest, text.encode("utf-8"))

    def __enter__(self) -> PartFolder:
        return self

    def __exit__(self, *error: Any) -> None:
        unlock(self._lock)
        self._lock = None

    def missing(self) -> list[int]:
        """List the numbers of the parts that are not done.

        Returns:
            list of int.
        """
        there = set(os.listdir(self.folder))
        return [i for i in range(self.count) if part_path("", i, self.suffix) not in there]

    def wrong(self) -> int:
        """Count the wrong lines of the parts that are done.

        Returns:
            int.
        """
        count, missing = 0, {errors_path("", i) for i in self.missing()}
        for name in os.listdir(self.folder):
            if name.startswith(ERRORS) and name not in missing:
                with open_regular(os.path.join(self.folder, name), ConfigError) as file:
                    count += sum(1 for _ in file)
        return count

    def finish(self, facts: dict[str, Any]) -> None:
        """Give the folder its name.

        Arguments:
            facts: dict that JSON can hold. What its `_manifest.json` says beside the settings.

        Raises:
            ConfigError: a part is missing, or something of the output's name is there meanwhile.
        """
        missing = self.missing()
        if missing:
            raise ConfigError(f"{self.folder}: {len(missing)} parts are missing; the same command goes on")
        settings = _read_manifest(os.path.join(self.staging, MANIFEST))
        write_file(os.path.join(self.folder, MANIFEST), json.dumps(dict(facts, settings=settings)).encode("utf-8"))
        for name in os.listdir(self.folder):
            if name.startswith("."):  # a temporary folder that a killed worker left
                _remove(os.path.join(self.folder, name))
        refuse_existing(self.output)
        os.rename(self.folder, self.output)
        sync_folder(os.path.dirname(self.output))
        self._clear()
        os.unlink(os.path.join(self.staging, LOCK))
        with contextlib.suppress(OSError):  # somebody else's files are in it
            os.rmdir(self.staging)

    def _clear(self) -> None:
        """Remove what runs have left in OUTPUT.part, and nothing else."""
        for name in os.listdir(self.staging):
            if OURS.fullmatch(name):
                _remove(os.path.join(self.staging, name))


def checked_suffix(output: str | None) -> str:
    """Return the suffix of an output.

    Arguments:
        output: str or None.

    Returns:
        str.

    Raises:
        ConfigError: there is no output, or it has another suffix.
    """
    for suffix in FORMATS:
        if output and output.endswith(suffix):
            return suffix
    raise ConfigError(f"--output {output}: an engine writes a folder of parts, NAME.jsonl or NAME.parquet")


def refuse_existing(output: str) -> None:
    """Raise ConfigError if something is where the output will be.

    Arguments:
        output: str.

    Raises:
        ConfigError: it is there.
    """
    if os.path.lexists(output):
        raise ConfigError(f"--output {output} is there already; remove it, or name another")


def _remove(path: str) -> None:
    """Remove a file or a folder; what a worker of an earlier run writes meanwhile stays, and nobody reads it."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        os.unlink(path)


def _read_manifest(path: str) -> dict[str, Any] | None:
    """Read the settings of an interrupted run; None if there was none."""
    if not os.path.lexists(path):
        return None
    try:
        with open_regular(path, ConfigError) as file:
            settings = parse_json(file.read(MAX_MANIFEST))
        if not isinstance(settings, dict):
            raise JSONError("it is no object")
    except JSONError as error:
        raise ConfigError(f"{path} is damaged: {error}; --restart begins anew") from None
    return settings
