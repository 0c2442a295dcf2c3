"""Check the slices of partitioned variables: each lies within the variable, and together they are the whole of it.

`tf.fixed_size_partitioner` and its relatives cut a variable along its axes and store each piece apart. For example, a
variable of shape [4, 3] in two pieces has the slices [(0, 2), (0, 3)] and [(2, 2), (0, 3)]: for each axis the start and
the length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

if TYPE_CHECKING:
    from typing import List, Tuple

    Extents = List[Tuple[int, int]]  # (start, length) for each axis


class SliceError(ValueError):
    """Slices that do not make up a variable. Its text has no file and no variable: the caller adds them."""


def checked_extents(stored: Extents, shape: Sequence[int]) -> Extents:
    """Check that a slice lies within a variable, and resolve the length -1, which stands for the whole axis.

    Arguments:
        stored: list of (start, length). The slice as the file has it.
        shape: tuple of int. The shape of the variable.

    Returns:
        list of (start, length), without -1.

    Raises:
        SliceError: the slice has another number of axes, or does not lie within the shape.
    """
    if len(stored) != len(shape):
        raise SliceError(f"has a slice of {len(stored)} dimensions, it has {len(shape)}")
    extents = [(start, dim if length == -1 else length) for (start, length), dim in zip(stored, shape)]
    if any(start < 0 or length < 0 or start + length > dim for (start, length), dim in zip(extents, shape)):
        raise SliceError(f"has a slice {extents} outside its shape {list(shape)}")
    return extents


def check_tiling(slices: Sequence[Extents], shape: Sequence[int]) -> None:
    """Check that slices are the cells of a grid, each of them once. TensorFlow partitions in no other way.

    On each axis the different intervals must follow each other from 0 to the end. Then the grid has as many cells as
    the product of the numbers of intervals, and there must be so many slices, all different.

    Arguments:
        slices: list of lists of (start, length). What `checked_extents` gives for each slice.
        shape: tuple of int. The shape of the variable.

    Raises:
        SliceError: slices are missing or overlap.
    """
    axes = [sorted(set(intervals)) for intervals in zip(*slices)]
    for axis, (intervals, dim) in enumerate(zip(axes, shape)):
        at = 0
        for start, length in intervals:
            if start != at:
                wrong = "missing" if start > at else "overlapping"
                raise SliceError(f"has {wrong} slices at {min(start, at)} of axis {axis}")
            at += length
        if at != dim:
            raise SliceError(f"has missing slices at {at} of axis {axis}")
    cells = 1
    for intervals in axes:
        cells *= len(intervals)
    if len(slices) != cells or len(set(map(tuple, slices))) != cells:
        wrong = "missing" if len(slices) < cells else "overlapping"
        raise SliceError(f"has {wrong} slices: {len(slices)} of a grid of {cells}")
