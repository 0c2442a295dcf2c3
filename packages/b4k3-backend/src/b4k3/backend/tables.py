"""Look up rows of a table by ids that a user gives.

An id that is negative, beyond the table, fractional or NaN has no row, and must not get the row of another id:

    table of 3 rows, ids [[0, 2, 3, -1, 0.5]]
    values are there (an eager call)      ValueError: … id 3 at [0, 2], expected whole numbers from 0 to 2
    a graph is compiled, they are not     row 0, row 2, NaN, NaN, NaN

Nothing else in the batch changes: the NaN is a constant, so that no gradient of a valid id passes it.
"""

from __future__ import annotations

from typing import Any

from ._environment import checks, fused, load, ops
from ._ids import misfit
from .types import Tensor

_replaying = load("replaying")
_quantising = load("quantising")

NARROW = ("bool", "int8", "int16", "uint8", "uint16")  # dtypes that cannot hold every limit


def take_rows(table: Tensor, ids: Tensor, owner: str, padding_id: int | None = None) -> Tensor:
    """Look up rows of a table; an id that has no row is an error, or NaN where a graph cannot see it.

    Arguments:
        table: float, [rows, d]. The table. Its number of rows is known.
        ids: int or float, [...]. Whole numbers of any dtype.
        owner: str. The name of a layer, with which the message begins.
        padding_id: int, or None. The id that stands for padding. If the table has no such row (-1), it gets zeros,
            which a mask hides from everything else.

    Returns:
        float, [..., d]. The rows in the dtype of the table.

    Raises:
        ValueError: an id has no row, and its value can be seen.

    Example:
        >>> take_rows(np.eye(3), np.array([[2, 0]]), "colours")  # float [1, 2, 3]
    """
    count = int(table.shape[0])
    if padding_id is not None and not 0 <= padding_id < count:
        real = ops.not_equal(ids, padding_id)
        rows = take_rows(table, ops.where(real, ids, ops.zeros_like(ids)), owner)
        return ops.where(ops.expand_dims(real, -1), rows, ops.zeros_like(rows))
    ids, valid = checked_ids(ids, owner, 0, count - 1)
    return nan_unless(valid, fused.rows_at(table, ids))


def matrix_rows(layer: Any, attribute: str, ids: Tensor, padding_id: int | None = None) -> Tensor:
    """Look up rows of a matrix of a layer as `take_rows` does. Of a quantised matrix only these rows become floats.

    Arguments:
        layer: `Layer`. The layer that has the matrix.
        attribute: str. The attribute of the matrix, [rows, d].
        ids: int or float, [...]. Whole numbers of any dtype.
        padding_id: int, or None. As for `take_rows`.

    Returns:
        float, [..., d].

    Raises:
        ValueError: an id has no row, and its value can be seen.

    Example:
        >>> class Table(Layer):
        ...     matrix_axes = {"rows": (-1,)}
        ...     def build(self, input_shape):
        ...         self.add_matrix("rows", (3, 8))
        ...     def call(self, inputs):
        ...         return matrix_rows(self, "rows", inputs)
        >>> y = Table()(np.array([[2, 0]]))  # [1, 2, 8]
    """
    table = _replaying.weight_value(getattr(layer, attribute))
    if layer.quantization_mode is None:
        return take_rows(table, ids, layer.name, padding_id)
    scales = take_rows(getattr(layer, f"{attribute}_scale"), ids, layer.name, padding_id)  # [..., 1]
    found = ops.greater(ops.squeeze(scales, -1), 0)  # False where an id has no row: its scale is NaN, or 0 for padding
    ids = ops.cast(ops.where(found, ids, ops.zeros_like(ids)), "int32")
    return _quantising.unpacked(layer, attribute, fused.rows_at(table, ids), scales)  # [..., d]


def checked_ids(ids: Tensor, owner: str, least: int, most: int | Tensor) -> tuple[Tensor, Tensor | None]:
    """Return ids as int32, each of them within limits.

    Arguments:
        ids: int or float, [...]. Whole numbers of any dtype.
        owner: str. The name of a layer, with which the message begins.
        least: int. The smallest id that is allowed.
        most: int, or int tensor, []. The largest id that is allowed. A graph may know it only as a tensor.

    Returns:
        int32, [...], within the limits, and bool, [...], True where this is the id that was given. The second is None
        where values can be seen, because all of them are right there.

    Raises:
        ValueError: an id is no whole number within the limits, and its value can be seen.

    Example:
        >>> ids, valid = checked_ids(np.array([[2.0, 0.0]]), "colours", 0, 2)
    """
    values = checks.concrete(ids) if isinstance(most, int) else None
    if values is not None:
        problem = misfit(values, least, most)
        if problem is not None:
            raise ValueError(f"{owner}: {problem}")
        return ops.cast(ids, "int32"), None
    ids = _comparable(ids)
    valid = ops.logical_and(ops.greater_equal(ids, least), ops.less_equal(ids, most))
    if "float" in ops.dtype(ids):
        valid = ops.logical_and(valid, ops.equal(ids, ops.floor(ids)))
    return ops.cast(ops.where(valid, ids, ops.zeros_like(ids) + least), "int32"), valid


def nan_unless(valid: Tensor | None, rows: Tensor) -> Tensor:
    """Return rows with NaN in place of the rows that are not valid.

    Arguments:
        valid: bool, [...], or None. True where a row is valid. None if all are.
        rows: float, [..., d]. The rows.

    Returns:
        float, [..., d]. The rows in their own dtype.

    Example:
        >>> nan_unless(np.array([True, False]), np.ones((2, 3)))
    """
    if valid is None:
        return rows
    return ops.where(ops.expand_dims(valid, -1), rows, ops.full_like(rows, float("nan")))


def _comparable(ids: Tensor) -> Tensor:
    """Cast ids to a dtype that holds both them and every limit."""
    name = ops.dtype(ids)
    if name in NARROW:
        return ops.cast(ids, "int32")
    if name in ("uint32", "uint64"):  # what is too large becomes negative
        return ops.cast(ids, "int64")
    return ops.cast(ids, "float32") if name in ("float16", "bfloat16") else ids
