"""Slices of partitioned variables: where they lie, and that together they are the whole variable."""

from __future__ import annotations


class SliceError(ValueError):
    """Slices that do not make up a variable; the caller adds the file and the variable."""


def checked_extents(stored, shape):
    """[(start, length)] within shape, of stored extents in which a length of -1 stands for the whole axis."""
    if len(stored) != len(shape):
        raise SliceError(f"has a slice of {len(stored)} dimensions, it has {len(shape)}")
    extents = [(start, dim if length == -1 else length) for (start, length), dim in zip(stored, shape)]
    if any(start < 0 or length < 0 or start + length > dim for (start, length), dim in zip(extents, shape)):
        raise SliceError(f"has a slice {extents} outside its shape {list(shape)}")
    return extents


def check_tiling(slices, shape):
    """The slices must be the cells of a grid, each once: the only way in which TensorFlow partitions a variable."""
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
