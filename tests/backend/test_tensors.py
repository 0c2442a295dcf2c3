"""The helpers on tensors against numpy."""

import numpy as np
import pytest

from b4k3.backend import assert_at_most, ops, tensors
from support.harness import call_with_unknown_sizes, evaluate

X = np.random.RandomState(0).randn(2, 6, 4).astype("float32")
INDICES = np.array([[0, 5, 5], [1, 0, 2]], "int32")


def padded(x, n):
    return np.pad(x, ((0, 0), (0, -x.shape[1] % n), (0, 0)), "constant")


def slow_logsumexp(x):
    rows = [np.logaddexp.reduce(row.astype("float64").ravel()) for row in x]
    return np.array(rows)[:, None, None]


CASES = [
    ("align", lambda x: tensors.align(x[0], [0, 2]), lambda x: x[0][:, None, :]),
    ("align", lambda x: tensors.align(x[:, :, 0], [0, -1], 4), lambda x: x[:, None, None, :, 0]),
    ("reshape", lambda x: tensors.reshape(x, (-1, 4)), lambda x: x.reshape(-1, 4)),
    ("reshape", lambda x: tensors.reshape(x, (-1, 3), 1), lambda x: x.reshape(2, 2, 3, 4)),
    ("reshape", lambda x: tensors.reshape(x, (2, -1), 1, (-1, 2), -1), lambda x: x.reshape(2, 2, 3, 2, 2)),
    ("flatten", lambda x: tensors.flatten(x), lambda x: x.reshape(-1)),
    ("flatten", lambda x: tensors.flatten(x, 1), lambda x: x.reshape(2, 24)),
    ("flatten", lambda x: tensors.flatten(x, 0, 2), lambda x: x.reshape(12, 4)),
    ("where", lambda x: tensors.where(x > 0, x, -np.inf), lambda x: np.where(x > 0, x, -np.inf)),
    ("where", lambda x: tensors.where(ops.cast(x > 0, "float32"), 1, x), lambda x: np.where(x > 0, 1, x)),
    ("where", lambda x: tensors.where(x[:, :, :1] > 0, x, x[:, :1]), lambda x: np.where(x[..., :1] > 0, x, x[:, :1])),
    (
        "batch_gather",
        lambda x: tensors.batch_gather(x, INDICES),
        lambda x: np.stack([v[i] for v, i in zip(x, INDICES)]),
    ),
    (
        "batch_gather",
        lambda x: tensors.batch_gather(x[..., 0], INDICES.astype("float32")),
        lambda x: np.take_along_axis(x[..., 0], INDICES, 1),
    ),
    (
        "batch_gather",
        lambda x: tensors.batch_gather(x, ops.zeros((2, 6, 1))),
        lambda x: x[..., :1],
    ),
    ("pool1d", lambda x: tensors.pool1d(x, 3), lambda x: np.stack([x[:, i : i + 3].max(1) for i in range(4)], 1)),
    (
        "pool1d",
        lambda x: tensors.pool1d(ops.transpose(x, (0, 2, 1)), 2, 2, data_format="channels_first", pool_mode="avg"),
        lambda x: x.reshape(2, 3, 2, 4).mean(2).transpose(0, 2, 1),
    ),
    ("padding", lambda x: tensors.divisible_temporal_padding(x, 4), lambda x: padded(x, 4)),
    ("padding", lambda x: tensors.divisible_temporal_padding(x, 3), lambda x: x),
    (
        "rms",
        lambda x: tensors.root_mean_square(x, axis=-1, keepdims=True),
        lambda x: np.sqrt((x**2).mean(-1))[..., None],
    ),
]


@pytest.mark.parametrize("name, call, expected", CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_helper_equals_numpy(name, call, expected):
    expected = expected(X)
    for found in (evaluate(call(ops.convert_to_tensor(X))), call_with_unknown_sizes(call, X)):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_logsumexp_of_infinities():
    x = np.array([[1, -np.inf, 2], [-np.inf] * 3, [0, np.inf, -np.inf]], "float32")
    found = evaluate(tensors.logsumexp(ops.convert_to_tensor(x), axis=-1))
    np.testing.assert_allclose(found, [np.log(np.exp(1) + np.exp(2)), -np.inf, np.inf], rtol=1e-6)


def test_dtype():
    assert tensors.dtype(ops.zeros((1,))) == "float32"
    assert tensors.dtype(ops.zeros((1,), "int32")) == "int32"
    assert tensors.dtype(1.0) is None


@pytest.mark.parametrize("axes, ndim", [([0], None), ([0, 1, -1], None), ([2, 0, 1], 3)])
def test_align_refuses(axes, ndim):
    with pytest.raises(ValueError, match="align"):
        tensors.align(ops.convert_to_tensor(X), axes, ndim)


SCHEDULES = [
    ({1000: 1, 2000: 0.1}, True, {0: 0, 500: 0.5, 1000: 1, 1500: 0.55, 2000: 0.1, 9999: 0.1}),
    ({0: 0.5, 10: 1}, True, {0: 0.5, 5: 0.75, 20: 1}),
    ({10: 1, 20: 2}, False, {0: 1, 10: 1, 15: 1.5}),
    ({5: 3}, True, {0: 0, 1: 0.6, 5: 3, 6: 3}),
]


@pytest.mark.parametrize("schedule, from_zero, points", SCHEDULES)
def test_piecewise_linear(schedule, from_zero, points):
    for t, expected in points.items():
        assert abs(evaluate(tensors.piecewise_linear(t, schedule, from_zero)) - expected) < 1e-6
    step = ops.convert_to_tensor(np.int32(max(points)))
    assert abs(evaluate(tensors.piecewise_linear(step, schedule, from_zero)) - points[max(points)]) < 1e-6


def at_most(limit):
    return call_with_unknown_sizes(lambda x: assert_at_most(x, ops.shape(x)[0], limit, "too long by far"), X)


@pytest.mark.parametrize("limit", [2, 3])
def test_assert_at_most_returns_what_fits(limit):
    assert (at_most(limit) == X).all()
    assert (evaluate(assert_at_most(ops.convert_to_tensor(X), 2, limit, "")) == X).all()


def test_assert_at_most_refuses_what_is_longer():
    with pytest.raises(ValueError, match="too long by far"):
        assert_at_most(ops.convert_to_tensor(X), 2, 1, "too long by far")
    with pytest.raises(Exception, match="too long by far") as error:
        at_most(1)
    assert isinstance(error.value, ValueError) or type(error.value).__name__ == "InvalidArgumentError"
