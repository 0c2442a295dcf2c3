"""Checks of ids by numpy alone, before any Keras is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # numpy 1.18, the newest for some environments of Python 3.7, has no numpy.typing
    from numpy.typing import ArrayLike, NDArray


def misfit(values: ArrayLike, least: int, most: int) -> str | None:
    """Describe the first id that is no whole number within limits.

    Arguments:
        values: array-like of numbers, [...]. The ids.
        least: int. The smallest id that is allowed.
        most: int. The largest id that is allowed.

    Returns:
        str that names the first wrong id, its place and the limits; None if all are whole numbers within them.

    Example:
        >>> misfit(np.array([[4, 0, 9]]), 0, 5)
        'id 9 at [0, 2], expected whole numbers from 0 to 5'
    """
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        values = values.astype("float32" if values.dtype.kind == "V" else "float64")  # bfloat16; Python's large ints
    if not values.size or _fits(values, least, most):
        return None
    wrong = ~((values >= least) & (values <= most))
    if values.dtype.kind == "f":
        wrong |= values != np.floor(values)
    place = [int(i) for i in np.argwhere(wrong)[0]]
    others = int(wrong.sum()) - 1
    more = f" ({others} more like it)" if others else ""
    found = values[tuple(place)]
    if values.dtype.kind == "f" and float(found).is_integer() and abs(float(found)) < 2**53:
        found = int(found)  # 30 rather than 30.0
    return f"id {found} at {place}{more}, expected whole numbers from {least} to {most}"


def _fits(values: NDArray[Any], least: int, most: int) -> bool:
    """Return whether all are whole numbers within the limits; NaN is in no limits."""
    inside = values.min() >= least and values.max() <= most
    return bool(inside and (values.dtype.kind != "f" or (values == np.floor(values)).all()))
