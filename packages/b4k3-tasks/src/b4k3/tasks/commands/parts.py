"""The input of an engine: files that are divided into parts. Another machine can read a part by itself.

A part is as many lines as a window, in the order of the file. Files of lines are divided by bytes, and Parquet by rows.
pyarrow is imported only where there is a file of Parquet.
"""

from __future__ import annotations

import hashlib
import io
import os
from itertools import islice
from typing import Any, NamedTuple, Sequence

from b4k3.models import ConfigError
from b4k3.models.checkpoints._files import open_regular

from .lines import JSON_ENDS, Line, line_of, raw_lines, read_line

PARQUET = ".parquet"
COLUMNS = ("id", "text", "text_pair")
ID_TYPES = (None, "string", "large_string", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


class Part(NamedTuple):
    """Some lines of a file.

    Attributes:
        number: int. The number of the part, from 0.
        path: str. The file.
        start: int. Where the part begins: a byte, or a row of Parquet.
        stop: int. Where it ends.
        lines: int. The number of its lines.
        first: int. The number of lines of the file before it.
        before: int. The number of lines of all files before it.

    Example:
        >>> from b4k3.tasks.commands.parts import Part
        >>> Part(number=0, path="lines.txt", start=0, stop=6, lines=2, first=0, before=0).lines
        2
    """

    number: int
    path: str
    start: int
    stop: int
    lines: int
    first: int
    before: int


class Inputs(NamedTuple):
    """What `divide` found.

    Attributes:
        parts: list of `Part`.
        lines: int. The number of lines in all of them.
        digest: str. A digest of the content of all files.
        named: bool. Whether the input is a folder, so that a row says its file.
        id_type: str or None. The type of the ids in Parquet, "int64" for example; None for JSON, where an id may be
            any value.

    Example:
        >>> from b4k3.tasks.commands.parts import Inputs
        >>> Inputs([], 0, "", named=False, id_type=None).lines
        0
    """

    parts: list[Part]
    lines: int
    digest: str
    named: bool
    id_type: str | None


def divide(path: str, window: int) -> Inputs:
    """Divide a file, or the files of a folder in the order of their names, into parts. All of them are read once.

    Arguments:
        path: str. The file or folder. A folder's files whose names begin with a dot or an underscore are left out.
        window: int. The number of lines in a part.

    Returns:
        `Inputs`.

    Raises:
        ConfigError: the path is standard input, a folder without files, or no regular file; a line has more than 16 MB;
            a file of Parquet is damaged, or has no texts, or has ids of another type than the others.
        ImportError: pyarrow is not there, and the file is Parquet.

    Example:
        >>> import os, tempfile
        >>> from b4k3.tasks.commands.parts import divide
        >>> path = os.path.join(tempfile.mkdtemp(), "lines.txt")
        >>> with open(path, "w") as file:
        ...     count = file.write("a cat\\na dog\\nhere\\n")
        >>> [(part.start, part.stop, part.first, part.lines) for part in divide(path, 2).parts]
        [(0, 12, 0, 2), (12, 17, 2, 1)]
    """
    if path == "-":
        raise ConfigError("an engine reads files that all its machines can see, not standard input: name one")
    path, named = os.path.abspath(path), os.path.isdir(path)
    paths = [path]
    if named:
        paths = [os.path.join(path, name) for name in sorted(os.listdir(path)) if name[0] not in "._"]
        if not paths:
            raise ConfigError(f"{path} is a folder without files")
    parts: list[Part] = []
    types, before, found = set(), 0, hashlib.blake2b(digest_size=16)
    for file in paths:
        if named:
            found.update(os.path.basename(file).encode("utf-8", "surrogateescape") + b"\0")
        if file.endswith(PARQUET):
            ranges, id_type = _rows_of(file, window, found)
            types.add(id_type)
        else:
            ranges = _bytes_of(file, window, found)
            types.add(None)
        first = 0
        for start, stop, lines in ranges:
            parts.append(Part(len(parts), file, start, stop, lines, first, before))
            first, before = first + lines, before + lines
    if len(types) > 1:
        raise ConfigError(f"{path}: the ids of its files have several types: {', '.join(sorted(map(str, types)))}")
    return Inputs(parts, before, found.hexdigest(), named, types.pop())


def _bytes_of(path: str, window: int, found: Any) -> list[tuple[int, int, int]]:
    """Return (first byte, byte behind the last, number of lines) of the parts of a file of lines."""
    ranges, start = [], 0
    with open_regular(path, ConfigError) as file:
        lines = raw_lines(file, path)
        while True:
            chosen = list(islice(lines, window))
            if not chosen:
                return ranges
            data = b"".join(chosen)
            found.update(data)
            ranges.append((start, start + len(data), len(chosen)))
            start += len(data)


def _rows_of(path: str, window: int, found: Any) -> tuple[list[tuple[int, int, int]], str | None]:
    """Return (first row, row behind the last, number of rows) of the parts of Parquet, and the type of the ids."""
    with open_regular(path, ConfigError) as file:
        for data in iter(lambda: file.read(1 << 20), b""):
            found.update(data)
    parquet = open_parquet(path)
    names, rows = parquet.schema_arrow.names, parquet.metadata.num_rows
    if "text" not in names:
        raise ConfigError(f"{path} has no column text, but {', '.join(map(repr, names))}")
    id_type = str(parquet.schema_arrow.field("id").type) if "id" in names else None
    if id_type not in ID_TYPES:
        raise ConfigError(f"{path}: id has type {id_type}, expected one of {', '.join(ID_TYPES[1:])}")
    return [(i, min(i + window, rows), min(window, rows - i)) for i in range(0, rows, window)], id_type


def open_parquet(path: str) -> Any:
    """Open a file of Parquet.

    Arguments:
        path: str. The file.

    Returns:
        `pyarrow.parquet.ParquetFile`.

    Raises:
        ConfigError: the file is damaged, or no Parquet.
        ImportError: pyarrow is not there.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ImportError(f"{path} needs pyarrow: pip install 'b4k3-tasks[ray]' ({error})") from None
    try:
        return ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise ConfigError(f"{path} cannot be read as Parquet: {error}") from None


def read_part(part: Part, format: str, pairs: bool, named: bool) -> list[Line]:
    """Read the lines of a part.

    Arguments:
        part: `Part`.
        format: str. "text" or "json"; "auto" takes JSON for files that end in .jsonl or .ndjson.
        pairs: bool. Whether there may be a second text, "text_pair".
        named: bool. Whether a line keeps the name of its file.

    Returns:
        list of `Line`, whose numbers count the lines of the file, and whose `given` has the line and the file too.

    Raises:
        ConfigError: the file has changed since it was divided.
    """
    if part.path.endswith(PARQUET):
        lines = [line_of(part.first + i, row, pairs) for i, row in enumerate(_table_rows(part), 1)]
    else:
        as_json = part.path.endswith(JSON_ENDS) if format == "auto" else format == "json"
        with open_regular(part.path, ConfigError) as file:
            file.seek(part.start)
            data = io.BytesIO(file.read(part.stop - part.start))
        numbered = enumerate(raw_lines(data, part.path), part.first + 1)
        lines = [read_line(number, line, as_json, pairs) for number, line in numbered]
    if len(lines) != part.lines:
        raise ConfigError(f"{part.path} has changed: {len(lines)} lines are where {part.lines} were")
    file_name = {"file": os.path.basename(part.path)} if named else {}
    return [line._replace(given=dict(line.given, **file_name, line=line.number)) for line in lines]


def _table_rows(part: Part) -> Sequence[Any]:
    """Read rows of Parquet. Only the row groups that hold some of them are read."""
    parquet = open_parquet(part.path)
    names = [name for name in COLUMNS if name in parquet.schema_arrow.names]
    groups, begin, skipped = [], 0, None
    for i in range(parquet.metadata.num_row_groups):
        end = begin + parquet.metadata.row_group(i).num_rows
        if begin < part.stop and end > part.start:
            groups.append(i)
            skipped = begin if skipped is None else skipped
        begin = end
    table = parquet.read_row_groups(groups, columns=names)
    rows = table.slice(part.start - (skipped or 0), part.stop - part.start).to_pylist()
    return [{name: value for name, value in row.items() if name != "text_pair" or value is not None} for row in rows]
