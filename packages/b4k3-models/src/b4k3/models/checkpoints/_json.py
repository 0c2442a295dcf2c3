"""Read JSON from files that are not trusted: configs, headers of safetensors, indices of shards, Keras' model_config.

The standard library reads more than RFC 8259 allows, and takes as much memory and time as a file asks for. So the text
is limited before it is parsed, and what two programs could read in two ways is refused: a key that occurs twice, NaN
and Infinity, numbers beyond float64.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_CONTAINERS = 1 << 18  # objects and lists; each takes sixty bytes of memory or more, however short its text is
MAX_COMMAS = 1 << 20  # one less than values of an object or a list
MAX_DIGITS = 100  # of an integer; int(text) takes a time that grows with the square of the digits


class JSONError(ValueError):
    """A text that is not JSON, or that is refused. The message is a sentence about "it"; the caller adds the file."""


def parse_json(data: bytes | str) -> Any:
    """Read the value of a JSON text.

    Arguments:
        data: bytes in UTF-8 without a byte order mark, or str.

    Returns:
        dict, list, str, int, float, bool or None.

    Raises:
        JSONError: the text is not valid JSON in UTF-8, or is nested too deeply; an object has a key twice; a number is
            NaN or infinite, is larger than any float, or has more than 100 digits; or there are more than 2**18 objects
            and lists or 2**20 commas.

    Example:
        >>> from b4k3.models.checkpoints._json import JSONError, parse_json
        >>> parse_json('{"hidden_size": 768}')
        {'hidden_size': 768}
        >>> try:
        ...     parse_json('{"layer_norm_eps": 1e999}')
        ... except JSONError as error:
        ...     print("config.json:", error)
        config.json: layer_norm_eps is 1e999, which is larger than any float
    """
    text = _decoded(data)
    containers = text.count("{") + text.count("[")
    if containers > MAX_CONTAINERS:
        raise JSONError(f"it has {containers:,} objects and lists, more than the {MAX_CONTAINERS:,} that are allowed")
    if text.count(",") > MAX_COMMAS:
        raise JSONError(f"it has {text.count(','):,} commas, more than the {MAX_COMMAS:,} that are allowed")
    reader = _Reader()
    try:
        value = json.loads(
            text,
            object_pairs_hook=reader.object,
            parse_constant=_refuse_constant,
            parse_int=reader.integer,
            parse_float=reader.float,
        )
    except RecursionError:
        raise JSONError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise JSONError(f"it is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    if reader.refused:
        raise JSONError(f"it has {reader.refused[0].what} outside any object")
    return value


def _decoded(data: bytes | str) -> str:
    if isinstance(data, str):
        return data
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JSONError(f"it is not UTF-8 at byte {error.start}") from None


class _BadNumber:
    """Takes the place of a number that is refused, until the object is complete and the key of the number is known."""

    def __init__(self, what: str) -> None:
        self.what = what


class _Reader:
    """The functions that `json.loads` calls for the parts of one text. `refused` has the bad numbers so far."""

    def __init__(self) -> None:
        self.refused: list[_BadNumber] = []

    def _refuse(self, what: str) -> _BadNumber:
        self.refused.append(_BadNumber(what))
        return self.refused[-1]

    def integer(self, text: str) -> int | _BadNumber:
        """Convert an integer, unless it is too long."""
        digits = len(text.lstrip("-"))
        return int(text) if digits <= MAX_DIGITS else self._refuse(f"a number of {digits:,} digits, {text[:20]}…")

    def float(self, text: str) -> float | _BadNumber:
        """Convert a number with a fraction or an exponent, unless it is larger than any float."""
        value = float(text)
        return value if math.isfinite(value) else self._refuse(f"{text[:60]}, which is larger than any float")

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Make a dict, and refuse it if a key occurs twice or a value is a bad number."""
        values = dict(pairs)
        if len(values) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    raise JSONError(f"the key {key[:200]!r} occurs twice; delete the one that is not meant")
                seen.add(key)
        if self.refused:
            for key, value in pairs:
                bad = _bad_number(value)
                if bad is not None:
                    raise JSONError(f"{key[:200]} is {bad.what}")
        return values


def _bad_number(value: Any) -> _BadNumber | None:
    """Find a bad number in a value. Lists are searched; objects were searched when they were complete."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, _BadNumber):
            return value
        if isinstance(value, list):
            left.extend(value)
    return None


def _refuse_constant(name: str) -> NoReturn:
    raise JSONError(f"{name} is not a number in JSON")
