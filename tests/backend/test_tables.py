"""Rows of tables by ids: what an id that has no row gives, seen and unseen."""

import numpy as np
import pytest

from b4k3.backend import (
    batch_gather,
    checked_ids,
    misfit,
    nan_unless,
    ops,
    row,
    sparse_multilabel_categorical_crossentropy as loss,
    take_rows,
)
from support.harness import compiled_call, evaluate, gradient, sees_values

TABLE = np.random.RandomState(0).randn(300, 3).astype("float32")
# dtype -> ids that have no row
WRONG = {
    "float32": [-1, 300, 0.5, 299.5, np.nan, np.inf, -np.inf, 1e20, 2.0**32],
    "float64": [-1e-9, 300, 2.0**53],
    "float16": [-1, 304, 0.5, np.nan],
    "int32": [-1, 300, -300, 2**31 - 1, -(2**31)],
    "int64": [-1, 300, 2**31 - 1],
    "int8": [-1, -128],
    "int16": [-1, 300],
    "uint16": [300, 65535],
}


def array(ids, dtype):
    with np.errstate(all="ignore"):
        return np.array([ids], "float64").astype(dtype)


def mixed(dtype):
    return array([0, 7, *WRONG[dtype], 127], dtype)


def test_ids_in_the_table():
    ids = np.array([[0, 7, 127], [7, 1, 255]], "uint8")
    np.testing.assert_array_equal(compiled_call(lambda x: take_rows(TABLE, x, "table"), ids), TABLE[ids.astype(int)])
    for dtype in WRONG:
        ids = np.array([[0, 7, 127]], dtype)
        np.testing.assert_array_equal(evaluate(take_rows(TABLE, ids, "table")), TABLE[ids.astype(int)])


@pytest.mark.parametrize("dtype", list(WRONG))
def test_unseen_ids_without_a_row_are_nan(dtype):
    ids = mixed(dtype)
    got = compiled_call(lambda x: take_rows(TABLE, x, "table"), ids)
    np.testing.assert_array_equal(got[:, [0, 1, -1]], TABLE[np.array([[0, 7, 127]])])
    assert np.isnan(got[:, 2:-1]).all()


@pytest.mark.parametrize("dtype", list(WRONG))
def test_seen_ids_without_a_row_are_refused(dtype):
    for value in array(WRONG[dtype], dtype)[0]:
        ids = np.array([[0, 1], [value, 0]], dtype)
        with pytest.raises(ValueError, match=r"^table: id .* at \[1, 0\], expected whole numbers from 0 to 299$"):
            take_rows(TABLE, ids, "table")
        if sees_values():
            with pytest.raises(ValueError, match=r"^table: id .* at \[1, 0\], expected"):
                take_rows(ops.convert_to_tensor(TABLE), ops.convert_to_tensor(ids), "table")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype):
    got = compiled_call(lambda x: ops.cast(take_rows(ops.cast(TABLE, dtype), x, "t"), "float32"), mixed("int32"))
    want = evaluate(ops.cast(ops.cast(ops.convert_to_tensor(TABLE), dtype), "float32"))
    np.testing.assert_array_equal(got[:, [0, 1, -1]], want[np.array([[0, 7, 127]])])
    assert np.isnan(got[:, 2:-1]).all()


@pytest.mark.skipif(row.backend == "numpy", reason="no gradients")
def test_no_gradient_passes_an_id_without_a_row(monkeypatch):
    """Rows that are read get as many ones as they are read; nothing is NaN."""
    monkeypatch.setattr("b4k3.backend.tables.checks.concrete", lambda x: None)
    ids = array([3, 300, 3, -1, np.nan], "float32")
    got = gradient(lambda t: take_rows(1.0 * t, ops.convert_to_tensor(ids), "table"), TABLE)
    assert got[3].tolist() == [2, 2, 2] and np.isfinite(got).all() and got.sum() == 6


def test_padding_that_has_no_row():
    ids = np.array([[5, -1, 0]], "int32")
    want = np.array([[TABLE[5], 0 * TABLE[0], TABLE[0]]])
    np.testing.assert_array_equal(compiled_call(lambda x: take_rows(TABLE, x, "table", -1), ids), want)
    np.testing.assert_array_equal(evaluate(take_rows(TABLE, ids, "table", -1)), want)
    np.testing.assert_array_equal(evaluate(take_rows(TABLE, np.abs(ids), "table", 5)), TABLE[np.abs(ids)])
    if sees_values():
        with pytest.raises(ValueError, match=r"id -2 at \[0, 1\]"):
            take_rows(TABLE, 2 * ids, "table", -1)


def test_limits_of_ones_own():
    ids = np.array([[-5, 5, 6, -6]], "float32")
    safe, valid = compiled_call(lambda x: checked_ids(x, "ids", -5, 5), ids)
    assert valid.tolist() == [[True, True, False, False]] and safe.tolist() == [[-5, 5, -5, -5]]
    safe, valid = checked_ids(ids[:, :2], "ids", -5, 5)
    assert valid is None and evaluate(safe).tolist() == [[-5, 5]]


def test_nan_unless():
    x = np.ones((2, 3), "float32")
    assert np.isnan(evaluate(nan_unless(np.array([True, False]), x))).tolist() == [[False] * 3, [True] * 3]
    assert nan_unless(None, x) is x


@pytest.mark.parametrize(
    "values, message",
    [
        ([[4, 0, 9]], "id 9 at [0, 2], expected"),
        ([[4, 9, -1]], "id 9 at [0, 1] (1 more like it), expected"),
        ([[1.0, 30.0]], "id 30 at [0, 1], expected"),
        ([0.25], "id 0.25 at [0], expected"),
        ([[2**70]], "id 1.1805916207174113e+21 at [0, 0], expected"),
        (np.array([[2**63]], "uint64"), "id 9223372036854775808 at [0, 0], expected"),
        (np.float32(7), "id 7 at [], expected"),
    ],
)
def test_the_message_names_id_place_and_limits(values, message):
    assert misfit(values, 0, 5) == message + " whole numbers from 0 to 5"


@pytest.mark.parametrize("values", [[], [[]], [[0, 5]], [[5.0]], [[True]], np.zeros((0, 4))])
def test_ids_that_fit(values):
    assert misfit(values, 0, 5) is None


# ------------------------------------------------------------------------------------- other things read by number


@pytest.mark.parametrize("wrong", [-1, 3, 0.5, np.nan])
def test_batch_gather(wrong):
    """A wrong index is that of no neighbour, not even in the row before."""
    params, index = np.random.RandomState(0).randn(2, 3, 4).astype("float32"), np.array([[0, 2], [1, wrong]], "float32")
    got = compiled_call(batch_gather, params, index)
    np.testing.assert_array_equal(got[0], params[0, [0, 2]])
    np.testing.assert_array_equal(got[1, 0], params[1, 1])
    assert np.isnan(got[1, 1]).all()
    numbers = (1000 * params).astype("int32")
    assert (compiled_call(batch_gather, numbers, index)[1, 1] == -1).all()
    with pytest.raises(ValueError, match=r"batch_gather: id .* at \[1, 1\], expected whole numbers from 0 to 2"):
        batch_gather(params, index)


@pytest.mark.parametrize("wrong", [-1, 5, 1.5])
def test_classes_that_there_are_not(wrong):
    labels, scores = np.array([[1, 2], [3, wrong]], "float32"), np.random.RandomState(0).randn(2, 5).astype("float32")
    got = compiled_call(loss, labels, scores)
    np.testing.assert_allclose(got[0], evaluate(loss(labels[:1], scores[:1]))[0], rtol=1e-6)
    assert np.isnan(got[1])
    with pytest.raises(ValueError, match=r"y_true: id .* at \[1, 1\], expected whole numbers from 0 to 4"):
        loss(labels, scores)
