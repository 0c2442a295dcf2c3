"""A parsed JSON file that is asked for one value after the other, each of the kind that it has to be.

All that a file can have wrong ends here in a `VocabError` that names the file, the place and what was found there:

    model = read_json(path)["model"]
    model["unk_id"].integer(0)       # VocabError "…/tokenizer.json: model.unk_id is 'x'; expected an integer from 0"
    model.get("byte_fallback", False).boolean()
"""

from __future__ import annotations

import json
import math
import re

from ._checks import shown
from ._reading import read_file
from .vocab import VocabError

MAX_FILE_SIZE = 1 << 28
LARGEST_FLOAT = 3.4028234663852886e38
LARGEST = (1 << 32) - 1  # ids and sizes are 32-bit numbers in Hugging Face's tokenizers
_LONGEST_NUMBER = 40
_MISSING = object()
_SURROGATE = re.compile("[\ud800-\udfff]")


class Node:
    """A value of a JSON file, and where it stands.

    Arguments: `path`, the file; `value`; `name`, such as 'model.vocab'.
    """

    def __init__(self, path, value, name=""):
        self.path, self.value, self.name = path, value, name

    def error(self, expected):
        """The error that says what is here and what should be."""
        return VocabError(f"{self.path}: {self.name or 'the file'} is {shown(self.value)}; expected {expected}")

    def get(self, key, default=_MISSING):
        """What an object has under a key; without a default it has to be there."""
        if not isinstance(self.value, dict):
            raise self.error(f"an object with {key!r}")
        name = f"{self.name}.{key}" if self.name else str(key)
        if key in self.value:
            return Node(self.path, self.value[key], name)
        if default is _MISSING:
            raise VocabError(f"{self.path} has no {name!r}; expected a tokenizer.json")
        return Node(self.path, default, name)

    def __getitem__(self, key):
        return self.get(key)

    @property
    def is_null(self):
        """Is there nothing, or null?"""
        return self.value is None

    def items(self, length=None):
        """The values of a list, as nodes."""
        if not isinstance(self.value, list) or length is not None and len(self.value) != length:
            raise self.error("a list" if length is None else f"a list of {length} values")
        return [Node(self.path, value, f"{self.name}[{i}]") for i, value in enumerate(self.value)]

    def object(self):
        """A dict of the keys of an object and their values, as they are."""
        if not isinstance(self.value, dict):
            raise self.error("an object")
        return self.value

    def text(self):
        """A str, in which no half of a surrogate pair stands alone."""
        if not isinstance(self.value, str) or _SURROGATE.search(self.value):
            raise self.error("text")
        return self.value

    def boolean(self):
        """True or False."""
        if not isinstance(self.value, bool):
            raise self.error("true or false")
        return self.value

    def integer(self, lowest=0, highest=LARGEST):
        """An int in bounds."""
        if type(self.value) is not int or not lowest <= self.value <= highest:
            raise self.error(f"an integer from {lowest} to {highest}")
        return self.value

    def number(self):
        """A float that 32 bits can hold."""
        if type(self.value) not in (int, float) or not abs(self.value) <= LARGEST_FLOAT:
            raise self.error("a number of 32 bits")
        return float(self.value)

    def one_of(self, *values):
        """One of some values."""
        if type(self.value) not in map(type, values) or self.value not in values:
            raise self.error(" or ".join(map(repr, values)))
        return self.value


def read_json(path):
    """The `Node` of a JSON file.

    Raises:
        FileNotFoundError: There is no such file.
        VocabError: It is no regular file, too large, or no JSON; it has a key twice, or a number that is none.
    """
    data = read_file(path, MAX_FILE_SIZE, VocabError)
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
        )
    except (ValueError, RecursionError) as e:
        raise VocabError(f"{path} is no JSON file: {e}") from e
    return Node(path, value)


def _object(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        left = dict(found)
        twice = next(key for key, _ in pairs if left.pop(key, _MISSING) is _MISSING)
        raise ValueError(f"an object has the key {shown(twice)} twice")
    return found


def _integer(digits):
    if len(digits) > _LONGEST_NUMBER:  # Python takes time that is quadratic in their number
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _float(digits):
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"the number {shown(digits)} is too large")
    return value


def _constant(name):
    raise ValueError(f"{name} is no number of JSON")
