"""Lines that a command reads: each of them a text, or each of them a JSON object with a text."""

from __future__ import annotations

import contextlib
import json
from typing import Any, BinaryIO, Iterator, Mapping, NamedTuple, Sequence, Union

from b4k3.models import ConfigError
from b4k3.models.checkpoints._files import open_regular
from b4k3.models.checkpoints._json import JSONError, parse_json
from b4k3.models.cli.vectors import json_line

MAX_LINE = 16 << 20  # bytes of a line
JSON_ENDS = (".jsonl", ".ndjson")
FORMATS = ("auto", "text", "json")
Answer = Union[Mapping[str, Any], Any]  # keys and values, or a vector, an array of numpy


class Line(NamedTuple):
    """A line of the input.

    Attributes:
        number: int. Its number, from 1.
        raw: str. The line with its end, by which a run knows the lines of an interrupted one.
        text: str, (str, str), or None. The text or the pair of texts; None if the line is wrong.
        given: dict. The key "id" and its value, if the line has them.
        error: str. What is wrong with the line; "" if nothing is.

    Example:
        >>> from b4k3.tasks.commands.lines import read_line
        >>> read_line(1, b'{"id": 7, "text": "a cat"}', as_json=True)
        Line(number=1, raw='{"id": 7, "text": "a cat"}', text='a cat', given={'id': 7}, error='')
    """

    number: int
    raw: str
    text: Any
    given: dict[str, Any]
    error: str = ""


@contextlib.contextmanager
def open_lines(path: str, format: str, pairs: bool = False) -> Iterator[Iterator[Line]]:
    """Open the input of a command, whose lines are read as they come.

    Arguments:
        path: str. The file; '-' is standard input, which may be a pipe.
        format: str. "text" or "json"; "auto" takes JSON for files that end in .jsonl or .ndjson.
        pairs: bool. Whether a JSON object may have a second text, "text_pair".

    Yields:
        Iterator of `Line`. A line that is wrong is one of them.

    Raises:
        ConfigError: the path is no regular file, or is Parquet, or a line has more than 16 MB.
    """
    if path.endswith(".parquet"):
        raise ConfigError(f"{path} is no text; --engine ray reads Parquet")
    as_json = path.endswith(JSON_ENDS) if format == "auto" else format == "json"
    try:
        file: BinaryIO = open(0, "rb", closefd=False) if path == "-" else open_regular(path, ConfigError)
    except ConfigError as error:
        raise ConfigError(f"{error}; - reads standard input") from None
    with file:
        yield _lines(file, "standard input" if path == "-" else path, as_json, pairs)


def _lines(file: BinaryIO, name: str, as_json: bool, pairs: bool) -> Iterator[Line]:
    """Yield the lines of a file."""
    for number, data in enumerate(raw_lines(file, name), 1):
        yield read_line(number, data, as_json, pairs)


def raw_lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the lines of a file as bytes.

    Arguments:
        file: binary file.
        name: str. What messages call it.

    Yields:
        bytes, a line with its end.

    Raises:
        ConfigError: a line has more than 16 MB.
    """
    for i, data in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), 1):
        if len(data) > MAX_LINE:
            raise ConfigError(f"{name}, line {i}: more than {MAX_LINE:,} bytes without a line end; is it a text?")
        yield data


def read_line(number: int, data: bytes, as_json: bool, pairs: bool = False) -> Line:
    """Read a line. A byte order mark before the first one is left out.

    Arguments:
        number: int. Its number.
        data: bytes. The line with its end.
        as_json: bool. Whether it is a JSON object, or the text itself.
        pairs: bool. Whether a JSON object may have a second text, "text_pair".

    Returns:
        `Line`. If the line is wrong, it says so.
    """
    if number == 1 and data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    try:
        raw = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raw = data.decode("utf-8", "backslashreplace")
        return Line(number, raw, None, {}, f"byte 0x{data[error.start]:02x} at position {error.start} is not UTF-8")
    if not as_json:
        return Line(number, raw, raw.rstrip("\r\n"), {})
    try:
        value = parse_json(raw)
    except JSONError as error:
        return Line(number, raw, None, {}, f"no JSON: {error}")
    if not isinstance(value, dict):
        return Line(number, raw, None, {}, f"expected a JSON object with a text, got {type(value).__name__}")
    return line_of(number, value, pairs, raw)


def line_of(number: int, value: Mapping[str, Any], pairs: bool = False, raw: str = "") -> Line:
    """Take the text and the id out of a JSON object or a row of a table.

    Arguments:
        number: int. The number of the line or row.
        value: dict with "text", and perhaps "id" and "text_pair".
        pairs: bool. Whether there may be a second text, "text_pair".
        raw: str. The line that the object was read from.

    Returns:
        `Line`. If something in it is wrong, it says so.

    Example:
        >>> from b4k3.tasks.commands.lines import line_of
        >>> line_of(1, {"id": 7, "text": None}).error
        'text: expected str, got NoneType'
    """
    given = {"id": value["id"]} if "id" in value else {}
    keys = ["text", "text_pair"] if "text_pair" in value else ["text"]
    if len(keys) > 1 and not pairs:
        return Line(number, raw, None, given, "text_pair: this command reads single texts")
    for key in keys:
        if not isinstance(value.get(key), str):
            found = f"{type(value[key]).__name__}" if key in value else "nothing"
            return Line(number, raw, None, given, f"{key}: expected str, got {found}")
    texts = [value[key] for key in keys]
    return Line(number, raw, texts[0] if len(texts) == 1 else tuple(texts), given)


def json_of(value: Any) -> str:
    """Write a value as JSON.

    Arguments:
        value: what JSON can hold.

    Returns:
        str, in one line. Characters are written as they are, unless UTF-8 does not have them.

    Example:
        >>> from b4k3.tasks.commands.lines import json_of
        >>> json_of({"id": 7, "text": "猫"})
        '{"id": 7, "text": "猫"}'
    """
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a pair of surrogates
        text = json.dumps(value)
    return text


def number_of(x: float) -> float:
    """Round a number to the nine digits by which float32 is exact.

    Arguments:
        x: float.

    Returns:
        float.

    Example:
        >>> from b4k3.tasks.commands.lines import number_of
        >>> number_of(0.10000000149011612)
        0.100000001
    """
    return float(f"{x:.9g}")


def row_of(line: Line, answer: Answer) -> str:
    """Write the row that belongs to a line.

    Arguments:
        line: `Line`.
        answer: dict, the keys and values of the answer; or float32 array, [d], a vector. Not read if the line is wrong.

    Returns:
        str, without a line end.

    Example:
        >>> from b4k3.tasks.commands.lines import read_line, row_of
        >>> row_of(read_line(1, b'{"id": 7, "text": "a cat"}', as_json=True), {"label": "animal"})
        '{"id": 7, "label": "animal"}'
    """
    if line.error:
        return json_of(dict(line.given, line=line.number, error=line.error))
    if isinstance(answer, Mapping):
        return json_of(dict(line.given, **answer))
    given = json_of(line.given)[1:-1]
    return f'{{{given}{", " * bool(given)}"vector": {json_line(answer.tolist())}}}'


def good(lines: Sequence[Line]) -> list[Line]:
    """Return the lines that have a text.

    Arguments:
        lines: list of `Line`.

    Returns:
        list of `Line`.
    """
    return [line for line in lines if not line.error]
