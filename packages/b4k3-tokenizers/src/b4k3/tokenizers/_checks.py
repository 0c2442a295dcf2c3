"""Check what users hand to the tokenizers, texts, tokens and ids, where it comes in.

An argument of another kind is a TypeError and one that cannot be met a ValueError (`VocabError` for an id that the
vocabulary does not have); both say the place, what was found and what was expected.
"""

from __future__ import annotations

import operator
import reprlib
from typing import Any, Iterable

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60
_short.maxlong = 30
_PLAIN_INT = {int}


def shown(value: Any) -> str:
    """Return a value as messages show it: short, however long or deep it is.

    Arguments:
        value: Any. What a user or a file gave.

    Returns:
        str.
    """
    return _short.repr(value)


def check_text(text: Any, what: str = "text", expected: str = "str") -> None:
    """Check that a value is a str.

    Arguments:
        text: Any. The value.
        what: str. The name of the argument, for the message.
        expected: str. What the message says was expected.

    Raises:
        TypeError: The value is no str.
    """
    if not isinstance(text, str):
        hint = "; decode bytes first" if isinstance(text, (bytes, bytearray)) else ""
        raise TypeError(f"{what}: expected {expected}, got {type(text).__name__} {shown(text)}{hint}")


def checked(texts: Any, what: str) -> list[str]:
    """Check that a value is an iterable of texts.

    Arguments:
        texts: Any. The value.
        what: str. The name of the argument, for the message.

    Returns:
        list of str. A new list.

    Raises:
        TypeError: The value is one text in place of a list of texts, or an element of it is no text.
    """
    if isinstance(texts, (str, bytes)) or not hasattr(texts, "__iter__"):
        raise TypeError(f"{what}: expected a list of texts, got one {type(texts).__name__}")
    return _list_of_str(texts, what)


def checked_tokens(tokens: Any, what: str = "tokens") -> list[str]:
    """Check that a value is an iterable of tokens; a str is one, its characters are the tokens.

    Arguments:
        tokens: Any. The value.
        what: str. The name of the argument, for the message.

    Returns:
        list of str. A new list.

    Raises:
        TypeError: The value is no such iterable, or an element of it is no str.
    """
    if isinstance(tokens, (bytes, bytearray)) or not hasattr(tokens, "__iter__"):
        raise TypeError(f"{what}: expected str or a list of tokens, got {type(tokens).__name__} {shown(tokens)}")
    return _list_of_str(tokens, what)


def _list_of_str(values: Iterable[Any], what: str) -> list[str]:
    """Make a list of values, and raise TypeError if one of them is no str."""
    values = list(values)
    for place, value in enumerate(values):
        if not isinstance(value, str):
            check_text(value, f"{what}[{place}]")
    return values


def checked_int(value: Any, what: str, lowest: int | None = None, highest: int | None = None) -> int:
    """Check that a value stands for an int: it is an int, an integer of numpy, or a float without a fraction.

    Arguments:
        value: Any. The value. True and False stand for no int.
        what: str. The name of the argument, for the message.
        lowest: int or None. The smallest number that is allowed.
        highest: int or None. The largest number that is allowed.

    Returns:
        int.

    Raises:
        TypeError: The value is no number.
        ValueError: The value is a float with a fraction, or lies outside of the bounds.
    """
    number = _as_int(value)
    if number is None:
        expected = "an integer" if isinstance(value, float) else "an int"
        kind = ValueError if isinstance(value, float) else TypeError
        raise kind(f"{what}: expected {expected}, got {type(value).__name__} {shown(value)}")
    if lowest is not None and number < lowest or highest is not None and number > highest:
        bounds = f"from {lowest}" if highest is None else f"from {lowest} to {highest}"
        raise ValueError(f"{what}={number}; expected an integer {bounds}")
    return number


def _as_int(value: Any) -> int | None:
    """Return the int that a value stands for, None if it stands for none. True and False stand for none."""
    if type(value) is int:
        return value
    if type(value).__name__ in ("bool", "bool_"):  # Python's and numpy's
        return None
    try:
        return operator.index(value)
    except TypeError:
        pass
    try:
        number = int(value) if not isinstance(value, (str, bytes, bytearray)) else None
        return number if number == value else None
    except (TypeError, ValueError, OverflowError):
        return None


def checked_ids(ids: Any) -> list[int]:
    """Check that a value is an iterable of integers; whether the vocabulary has them is not checked.

    Arguments:
        ids: Any. The value.

    Returns:
        list of int. A new list.

    Raises:
        TypeError: `ids` is no iterable of numbers.
        ValueError: A number of them is no integer.
    """
    if isinstance(ids, (str, bytes, bytearray)) or not hasattr(ids, "__iter__") and not hasattr(ids, "__getitem__"):
        raise TypeError(f"ids: expected an iterable of ids, got {type(ids).__name__} {shown(ids)}")
    try:
        ids = list(ids)
    except TypeError:  # such as an array of no dimensions
        raise TypeError(f"ids: expected an iterable of ids, got {type(ids).__name__} {shown(ids)}") from None
    if set(map(type, ids)) <= _PLAIN_INT:
        return ids
    return [checked_int(i, f"ids[{place}]") for place, i in enumerate(ids)]
