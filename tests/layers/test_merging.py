"""Joining and parting tensors, with the masks that Keras 3's own lose."""

import numpy as np
import pytest

from b4k3.layers import Add, BatchConcat, BatchSplit, Concatenate1D
from support.harness import call_with_unknown_sizes
from support.layer_checks import check_layer


def floats(*shapes):
    """Inputs of these shapes: 'b' is the batch, 'n' the length, 'm' the length plus two."""

    def inputs(rng, batch, n):
        sizes = {"b": batch, "n": n, "m": n + 2}
        return [rng.randn(*[sizes[s] if s in sizes else int(s) for s in shape]).astype("float32") for shape in shapes]

    return inputs


def both(arrays, masks):
    """The AND of the masks that are there."""
    out = None
    for m in masks:
        if m is not None:
            out = m if out is None else out * m
    return out


@pytest.mark.parametrize("masked", [(), (0,), (1,), (0, 1, 2)])
def test_add(masked, tmp_path):
    check_layer(
        lambda: Add(name="layer"),
        floats("bn4", "bn4", "bn4"),
        lambda w, x, m: x[0] + x[1] + x[2],
        masked=masked,
        mask_out=both,
        tmp=tmp_path,
    )


def test_add_broadcasts(tmp_path):
    shapes = [("b", "n", 4), ("b", 1, 4), ("b", "n", 1)]
    check_layer(
        lambda: Add(name="layer"),
        floats(*shapes),
        lambda w, x, m: x[0] + x[1] + x[2],
        masked=(0,),
        mask_out=both,
        tmp=tmp_path,
    )


def joined(arrays, masks):
    if all(m is None for m in masks):
        return None
    return np.concatenate([np.ones(x.shape[:2]) if m is None else m for x, m in zip(arrays, masks)], axis=1)


@pytest.mark.parametrize("masked", [(), (0,), (1,), (0, 1)])
@pytest.mark.parametrize("shapes", [("bn4", "bm4"), ("bn", "bm"), (("b", "n", 2, 3), ("b", "m", 2, 3))], ids=str)
def test_concatenate(masked, shapes, tmp_path):
    check_layer(
        lambda: Concatenate1D(name="layer"),
        floats(*shapes),
        lambda w, x, m: np.concatenate(x, axis=1),
        masked=masked,
        mask_out=joined,
        tmp=tmp_path,
        only_outputs=masked != (0,),
    )


# parts -> the sizes of the parts of 7 rows
PARTS = [(2, [4, 3]), (3, [2, 3, 2]), ([1, 2], [2, 5]), ([0.5, 0.25, 0.25], [4, 1, 2]), (1, [7])]


def test_parts_of_a_batch():
    for dtype in ("float32", "int32"):
        array = np.arange(21, dtype=dtype).reshape(7, 3)
        for parts, sizes in PARTS:
            got = call_with_unknown_sizes(BatchSplit(parts).call, array)
            assert [len(part) for part in got] == sizes and (np.concatenate(got) == array).all(), parts
            assert all(part.dtype == array.dtype for part in got)


@pytest.mark.parametrize("parts, masked", [([1, 3], ()), (2, (0,))], ids=str)
def test_a_batch_is_split_and_joined_again(parts, masked, tmp_path):
    check_layer(
        lambda: BatchSplit(parts, name="layer"),
        floats("bn4"),
        lambda w, x, m: x[0],
        masked=masked,
        mask_out=lambda x, m: m[0],
        connect=lambda layer, tensors: BatchConcat()(layer(tensors[0])),
        tmp=tmp_path,
    )


@pytest.mark.parametrize("masked", [(0,), (0, 1)], ids=str)
def test_batches_are_joined(masked, tmp_path):
    check_layer(
        lambda: BatchConcat(name="layer"),
        floats("bn4", "bn4"),
        lambda w, x, m: np.concatenate(x),
        masked=masked,
        mask_out=lambda x, m: np.concatenate([np.ones(a.shape[:2]) if b is None else b for a, b in zip(x, m)]),
        tmp=tmp_path,
    )
