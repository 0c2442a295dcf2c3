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
    """The value as an int. Raises: ConfigError: it is none, or not within the limits; None is no limit."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    if not is_whole or value < least or (most is not None and value > most):
        limits = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ConfigError(f"{name}={short(value)}, expected a whole number {limits}{reason}")
    return int(value)


def number(name: str, value: Any, expected: str = "a number") -> float:
    """The value as a float. Raises: ConfigError: it is no finite number."""
    try:
        found = float(value) if isinstance(value, Real) and not isinstance(value, (bool, np.bool_)) else math.nan
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise ConfigError(f"{name}={short(value)}, expected {expected}")
    return found


def positive(name: str, value: Any, most: float = math.inf) -> float:
    """The value as a float. Raises: ConfigError: it is no finite number above 0, or above the most."""
    expected = "a number above 0" + ("" if most > 1 else " and up to 1")
    found = number(name, value, expected)
    if not 0 < found <= most:
        raise ConfigError(f"{name}={short(value)}, expected {expected}")
    return found


def flag(name: str, value: Any) -> bool:
    """The value as a bool. Raises: ConfigError: it is none; 0 and 1 are."""
    if not isinstance(value, (bool, int, np.bool_)) or value not in (0, 1):
        raise ConfigError(f"{name}={short(value)}, expected True or False")
    return bool(value)


def ids_in(name: str, value: Any) -> list[int]:
    """One id or several as a list. Raises: ConfigError: something in it is no id, or nothing is in it."""
    if value is None:
        return []
    values = np.ravel(value).tolist() if isinstance(value, np.ndarray) else value
    values = list(values) if isinstance(values, (list, tuple, set, frozenset, range)) else [values]
    if not values:
        raise ConfigError(f"{name}={short(value)} names no id: give one, or None for none")
    return [whole(name, i, 0) for i in values]


def id_within(name: str, value: Any, vocab_size: int) -> int:
    """The value as an id of the vocabulary. Raises: ConfigError: it is none."""
    return whole(name, value, 0, vocab_size - 1, f": the vocabulary has {vocab_size}")


def matrix(name: str, x: Any, least: int, most: int, padding: int = 0, reason: str = "") -> np.ndarray:
    """Ids as an int32 array [batch, n].

    Arguments:
        name: str, that of the argument.
        x: array-like of numbers.
        least, most: int. The limits of an id.
        padding: int. What shorter rows are padded with, for the message.
        reason: str, put behind the limits in the message.

    Raises:
        ConfigError: it is no such array, or an id in it is no whole number within the limits; it names the first one.
    """
    try:
        array = np.asarray(x)
        array = array.astype("float64") if array.dtype == object else array  # Python's ints, above those of numpy
    except (TypeError, ValueError, OverflowError):  # lists of unequal lengths, or of what are no numbers
        array = np.zeros(0)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "iuf":
        raise ConfigError(f"{name}: expected whole numbers [batch, n], shorter rows right-padded with {padding}")
    problem = misfit(array, least, most)
    if problem is not None:
        raise ConfigError(f"{name}: {problem}{reason}")
    return array.astype("int32")
