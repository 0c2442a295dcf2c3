"""JSON from files that are not trusted: limited before it is parsed, strict where the standard library is lenient."""

from __future__ import annotations

import json

MAX_CONTAINERS = 1 << 18  # each costs some sixty bytes or more, however short its text
MAX_COMMAS = 1 << 20
MAX_DIGITS = 20


class JSONError(ValueError):
    """Text that is not the JSON expected; the caller adds the file."""


def parse_json(data):
    """The value of a JSON text in UTF-8, bytes. Duplicate keys, NaN and long numbers are refused."""
    if data.count(b"{") + data.count(b"[") > MAX_CONTAINERS or data.count(b",") > MAX_COMMAS:
        raise JSONError("too many values")
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_number,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise JSONError(f"is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise JSONError("is nested too deeply") from None
    except JSONError:
        raise
    except ValueError as error:
        raise JSONError(f"is not valid JSON: {error}") from None


def _unique(pairs):
    value = dict(pairs)
    if len(value) != len(pairs):
        seen = set()
        for key, _ in pairs:
            if key in seen:
                raise JSONError(f"the key {key!r} is a duplicate")
            seen.add(key)
    return value


def _no_number(text):
    raise JSONError(f"{text} is no number")


def _integer(text):
    if len(text) > MAX_DIGITS:
        raise JSONError(f"a number of {len(text)} digits")
    return int(text)
