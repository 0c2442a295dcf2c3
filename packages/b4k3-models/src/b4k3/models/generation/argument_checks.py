"""Checks of the arguments of `generate`: by their values as they were given, before anything is cast."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from b4k3.backend import misfit

from ..errors import ConfigError, short

LARGEST = 2**31 - 1  # of int32, which compiled functions count in


def whole(name: str, value: Any, least: int, most: int | None = LARGEST, reason: str = "") -> int:
    """Return the value as an int.

    Arguments:
        name: str. The name of the argument, for the message.
        value: the value as it was given.
        least: int. The lowest value that is allowed.
        most: int or None. The highest value that is allowed; None allows any.
        reason: str. Words that the message ends with.

    Returns:
        int.

    Raises:
        ConfigError: the value is no whole number, or not within the limits.
    """
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    if not is_whole or value < least or (most is not None and value > most):
        limits = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ConfigError(f"{name}={short(value)}, expected a whole number {limits}{reason}")
    return int(value)


def number(name: str, value: Any, expected: str = "a number") -> float:
    """Return the value as a float.

    Arguments:
        name: str. The name of the argument, for the message.
        value: the value as it was given.
        expected: str. What is expected, for the message.

    Returns:
        float.

    Raises:
        ConfigError: the value is no finite number.
    """
    try:
        found = float(value) if isinstance(value, Real) and not isinstance(value, (bool, np.bool_)) else math.nan
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise ConfigError(f"{name}={short(value)}, expected {expected}")
    return found


def positive(name: str, value: Any, most: float = math.inf) -> float:
    """Return the value as a float above 0.

    Arguments:
        name: str. The name of the argument, for the message.
        value: the value as it was given.
        most: float. The highest value that is allowed: 1, or infinity for no limit. The message knows these two.

    Returns:
        float.

    Raises:
        ConfigError: the value is no finite number above 0, or higher than `most`.
    """
    expected = "a number above 0" + ("" if most > 1 else " and up to 1")
    found = number(name, value, expected)
    if not 0 < found <= most:
        raise ConfigError(f"{name}={short(value)}, expected {expected}")
    return found


def flag(name: str, value: Any) -> bool:
    """Return the value as a bool.

    Arguments:
        name: str. The name of the argument, for the message.
        value: the value as it was given: a bool, 0 or 1.

    Returns:
        bool.

    Raises:
        ConfigError: the value is something else.
    """
    if not isinstance(value, (bool, int, np.bool_)) or value not in (0, 1):
        raise ConfigError(f"{name}={short(value)}, expected True or False")
    return bool(value)


def ids_in(name: str, value: Any) -> list[int]:
    """Return one id or several ids as a list.

    Arguments:
        name: str. The name of the argument, for the message.
        value: an id, a collection of ids, or None for no id.

    Returns:
        list of int, empty for None.

    Raises:
        ConfigError: something in it is no whole number from 0, or the collection is empty.
    """
    if value is None:
        return []
    values = np.ravel(value).tolist() if isinstance(value, np.ndarray) else value
    values = list(values) if isinstance(values, (list, tuple, set, frozenset, range)) else [values]
    if not values:
        raise ConfigError(f"{name}={short(value)} names no id: give one, or None for none")
    return [whole(name, i, 0) for i in values]


def id_within(name: str, value: Any, vocab_size: int) -> int:
    """Return the value as an id of the vocabulary.

    Arguments:
        name: str. The name of the argument, for the message.
        value: the value as it was given.
        vocab_size: int. Ids are below it.

    Returns:
        int.

    Raises:
        ConfigError: the value is no id of the vocabulary.
    """
    return whole(name, value, 0, vocab_size - 1, f": the vocabulary has {vocab_size}")


def matrix(name: str, x: Any, least: int, most: int, padding: int = 0, reason: str = "") -> np.ndarray:
    """Return ids as an int32 array.

    Arguments:
        name: str. The name of the argument, for the message.
        x: array-like of numbers, [batch, n].
        least: int. The lowest id that is allowed.
        most: int. The highest id that is allowed.
        padding: int. What shorter rows are padded with, for the message.
        reason: str. Words that the message ends with.

    Returns:
        int32 array, [batch, n].

    Raises:
        ConfigError: it is no such array, or an id in it is no whole number within the limits. The message names the
            first such id.
    """
    try:
        array = np.asarray(x)
        array = array.astype("float64") if array.dtype == object else array  # ints that are too large for numpy
    except (TypeError, ValueError, OverflowError):  # lists of unequal lengths, or of what are no numbers
        array = np.zeros(0)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "iuf":
        raise ConfigError(f"{name}: expected whole numbers [batch, n], shorter rows right-padded with {padding}")
    problem = misfit(array, least, most)
    if problem is not None:
        raise ConfigError(f"{name}: {problem}{reason}")
    return array.astype("int32")
