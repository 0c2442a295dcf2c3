"""Read JSON files. A parsed file is asked for one value after the other, each of the kind that it has to be.

All that a file can have wrong ends here in a `VocabError` that names the file, the place and what was found there:

    model = read_json(path)["model"]
    model["unk_id"].integer(0)       # VocabError "…/tokenizer.json: model.unk_id is 'x'; expected an integer from 0"
    model.get("byte_fallback", False).boolean()
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

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
    """Hold a value of a JSON file, and the place where it stands in the file.

    Arguments:
        path: str. The file, as messages name it.
        value: Any. What `json.loads` gives for this place.
        name: str. The place in the file, such as 'model.vocab'; "" for the whole file.
    """

    def __init__(self, path: str, value: Any, name: str = ""):
        self.path, self.value, self.name = path, value, name

    def error(self, expected: str) -> VocabError:
        """Make the error that says what is here and what should be here.

        Arguments:
            expected: str. What should be here, such as "a list".

        Returns:
            VocabError. The caller raises it.
        """
        return VocabError(f"{self.path}: {self.name or 'the file'} is {shown(self.value)}; expected {expected}")

    def get(self, key: str, default: Any = _MISSING) -> Node:
        """Return what an object has under a key.

        Arguments:
            key: str. The key.
            default: Any. The value where the object does not have the key. Without a default it must have the key.

        Returns:
            Node. The value, or the default.

        Raises:
            VocabError: This value is no object, or it does not have the key and there is no default.
        """
        if not isinstance(self.value, dict):
            raise self.error(f"an object with {key!r}")
        name = f"{self.name}.{key}" if self.name else str(key)
        if key in self.value:
            return Node(self.path, self.value[key], name)
        if default is _MISSING:
            raise VocabError(f"{self.path} has no {name!r}; expected a tokenizer.json")
        return Node(self.path, default, name)

    def __getitem__(self, key: str) -> Node:
        return self.get(key)

    @property
    def is_null(self) -> bool:
        """Whether the value is null, or is missing and has the default None."""
        return self.value is None

    def items(self, length: int | None = None) -> list[Node]:
        """Return the values of a list.

        Arguments:
            length: int or None. How many values the list must have; None for any number.

        Returns:
            list of Node.

        Raises:
            VocabError: This value is no list, or has another length.
        """
        if not isinstance(self.value, list) or length is not None and len(self.value) != length:
            raise self.error("a list" if length is None else f"a list of {length} values")
        return [Node(self.path, value, f"{self.name}[{i}]") for i, value in enumerate(self.value)]

    def object(self) -> dict:
        """Return the dict of an object, whose values are not nodes.

        Returns:
            dict from str to the values of `json.loads`. It is not copied.

        Raises:
            VocabError: This value is no object.
        """
        if not isinstance(self.value, dict):
            raise self.error("an object")
        return self.value

    def text(self) -> str:
        """Return a str in which no half of a surrogate pair stands alone.

        Returns:
            str.

        Raises:
            VocabError: This value is no such str.
        """
        if not isinstance(self.value, str) or _SURROGATE.search(self.value):
            raise self.error("text")
        return self.value

    def boolean(self) -> bool:
        """Return a bool.

        Returns:
            bool.

        Raises:
            VocabError: This value is neither true nor false.
        """
        if not isinstance(self.value, bool):
            raise self.error("true or false")
        return self.value

    def integer(self, lowest: int = 0, highest: int = LARGEST) -> int:
        """Return an int that lies within bounds.

        Arguments:
            lowest: int. The smallest number that is allowed.
            highest: int. The largest number that is allowed.

        Returns:
            int.

        Raises:
            VocabError: This value is no int, or lies outside.
        """
        if type(self.value) is not int or not lowest <= self.value <= highest:
            raise self.error(f"an integer from {lowest} to {highest}")
        return self.value

    def number(self) -> float:
        """Return a number as a float that does not overflow in 32 bits.

        Returns:
            float.

        Raises:
            VocabError: This value is no number, or is too large.
        """
        if type(self.value) not in (int, float) or not abs(self.value) <= LARGEST_FLOAT:
            raise self.error("a number of 32 bits")
        return float(self.value)

    def one_of(self, *values: Any) -> Any:
        """Return the value if it is one of those that are allowed.

        Arguments:
            values: Any. The values that are allowed, each with its type: 1 does not stand for True.

        Returns:
            Any. The value.

        Raises:
            VocabError: This value is another one.
        """
        if type(self.value) not in map(type, values) or self.value not in values:
            raise self.error(" or ".join(map(repr, values)))
        return self.value


def read_json(path: str) -> Node:
    """Read a JSON file.

    Arguments:
        path: str. The file.

    Returns:
        Node. The value of the whole file.

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


def _object(pairs: list[tuple[str, Any]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        left = dict(found)
        twice = next(key for key, _ in pairs if left.pop(key, _MISSING) is _MISSING)
        raise ValueError(f"an object has the key {shown(twice)} twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:  # Python takes time that is quadratic in their number
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"the number {shown(digits)} is too large")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
