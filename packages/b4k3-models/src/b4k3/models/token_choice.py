"""Checks of `keep_tokens` and `compound_tokens`: which rows of a vocabulary a model has."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, Sequence

import numpy as np

from .errors import ConfigError, short

LISTS = (list, tuple, range)


def check_tokens(keep_tokens: Any, compound_tokens: Any, rows: int, owner: str) -> None:
    """Refuse arguments that do not name rows of a vocabulary.

    Arguments:
        keep_tokens: list of ids, or None for all.
        compound_tokens: list of lists of ids, or of pairs (ids, weights); or None. The ids count the rows that
            `keep_tokens` leaves.
        rows: int. The number of rows of the vocabulary.
        owner: str. What has these rows, for the message: 'the vocabulary', 'the checkpoint'.

    Raises:
        ConfigError: an id is no row of the vocabulary, or an argument is no such list. The message names the place.

    Example:
        >>> check_tokens([0, 5, 7], [[1, 2], ([0, 1], [0.3, 0.7])], 30, "the vocabulary")
    """
    if keep_tokens is not None:
        if not len(_listed("keep_tokens", keep_tokens, "a list of ids")):
            raise ConfigError("keep_tokens=[] keeps no token: give the ids to keep, or None for all")
        _check_ids("keep_tokens", keep_tokens, rows, owner)
        rows, owner = len(keep_tokens), "keep_tokens"
    if compound_tokens is not None:
        for i, item in enumerate(_listed("compound_tokens", compound_tokens, "a list of lists of ids")):
            _check_compound(f"compound_tokens[{i}]", item, rows, owner)


def parts_of(item: Any) -> tuple[Any, Any]:
    """Return the ids and the weights of one item of `compound_tokens`.

    Arguments:
        item: list of ids, which all get the weight 1; or a pair (ids, weights).

    Returns:
        (ids, weights).
    """
    return item if isinstance(item, tuple) else (item, [1] * len(item))


def _check_compound(name: str, item: Any, rows: int, owner: str) -> None:
    """Refuse an item of `compound_tokens` that is neither a list of ids of these rows nor a pair (ids, weights).

    Arguments:
        name: str. The name of the item, for the message.
        item: the item.
        rows: int. The number of rows.
        owner: str. What has these rows, for the message.

    Raises:
        ConfigError: the item is neither, it names no id, or it has not one weight for each id.
    """
    expected = "a list of ids, or a pair (ids, weights)"
    if isinstance(item, tuple) and len(item) != 2:
        raise ConfigError(f"{name} is {short(item)}, expected {expected}")
    if not isinstance(item, tuple):
        _listed(name, item, expected)
    ids, weights = (_listed(name, part, expected) for part in parts_of(item))
    if not len(ids):
        raise ConfigError(f"{name} is {short(item)}, which names no id: a token is made of one or more")
    _check_ids(name, ids, rows, owner)
    numbers = [isinstance(w, Real) and not isinstance(w, bool) and math.isfinite(w) for w in weights]
    if len(weights) != len(ids) or not all(numbers) or not sum(weights):
        raise ConfigError(f"{name} is {short(item)}, expected a weight for each id, and weights whose sum is not 0")


def _check_ids(name: str, ids: Sequence[Any], rows: int, owner: str) -> None:
    """Refuse ids that are not among the rows.

    Arguments:
        name: str. The name of the list, for the message.
        ids: the ids.
        rows: int. The number of rows.
        owner: str. What has these rows, for the message.

    Raises:
        ConfigError: an id is no whole number, or negative, or not below the number of rows.
    """
    for place, i in enumerate(ids):
        if isinstance(i, bool) or not isinstance(i, Integral) or not 0 <= i < rows:
            raise ConfigError(f"{name}[{place}] is {short(i)}, expected an id from 0 to {rows - 1}: {owner} has {rows}")


def _listed(name: str, value: Any, expected: str) -> Any:
    """Return the value if it is a list.

    Arguments:
        name: str. The name of the value, for the message.
        value: the value.
        expected: str. What is expected, for the message.

    Returns:
        The value: a list, tuple, range or array of one axis.

    Raises:
        ConfigError: the value is something else.
    """
    if not isinstance(value, LISTS) and not (isinstance(value, np.ndarray) and value.ndim == 1):
        raise ConfigError(f"{name} is {short(value)}, expected {expected}")
    return value
