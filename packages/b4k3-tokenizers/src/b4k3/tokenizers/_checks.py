"""What users hand to the tokenizers: texts, tokens and ids, looked at where they come in.

An argument of another kind is a TypeError and one that cannot be met a ValueError (`VocabError` for an id that the
vocabulary does not have); both say the place, what was found and what was expected.
"""

from __future__ import annotations

import operator
import reprlib

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60
_short.maxlong = 30
_PLAIN_INT = {int}


def shown(value):
    """A value as messages show it: short, however long or deep it is."""
    return _short.repr(value)


def check_text(text, what="text", expected="str"):
    """Raise TypeError for what is no str."""
    if not isinstance(text, str):
        hint = "; decode bytes first" if isinstance(text, (bytes, bytearray)) else ""
        raise TypeError(f"{what}: expected {expected}, got {type(text).__name__} {shown(text)}{hint}")


def checked(texts, what):
    """A list of the texts.

    Raises:
        TypeError: one text in place of a list of texts, or something that is no text in it.
    """
    if isinstance(texts, (str, bytes)) or not hasattr(texts, "__iter__"):
        raise TypeError(f"{what}: expected a list of texts, got one {type(texts).__name__}")
    texts = list(texts)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            check_text(text, f"{what}[{i}]")
    return texts


def checked_tokens(tokens, what="tokens"):
    """A list of the tokens, all of them str."""
    if isinstance(tokens, (bytes, bytearray)) or not hasattr(tokens, "__iter__"):
        raise TypeError(f"{what}: expected str or a list of tokens, got {type(tokens).__name__} {shown(tokens)}")
    tokens = list(tokens)
    for place, token in enumerate(tokens):
        if not isinstance(token, str):
            check_text(token, f"{what}[{place}]")
    return tokens


def checked_int(value, what, lowest=None, highest=None):
    """An int out of anything that stands for one, in bounds: an int, numpy's, a float without a fraction."""
    number = _as_int(value)
    if number is None:
        expected = "an integer" if isinstance(value, float) else "an int"
        kind = ValueError if isinstance(value, float) else TypeError
        raise kind(f"{what}: expected {expected}, got {type(value).__name__} {shown(value)}")
    if lowest is not None and number < lowest or highest is not None and number > highest:
        bounds = f"from {lowest}" if highest is None else f"from {lowest} to {highest}"
        raise ValueError(f"{what}={number}; expected an integer {bounds}")
    return number


def _as_int(value):
    """The int that a value stands for, None if it stands for none. True and False stand for none."""
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


def checked_ids(ids):
    """A list of int out of an iterable of ids; their range is not looked at.

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
