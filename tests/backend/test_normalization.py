"""Layer normalisation against numpy in float64."""

import itertools

import numpy as np
import pytest

from b4k3.backend import layer_normalization, ops
from support.harness import call_with_unknown_sizes, evaluate

rng = np.random.RandomState(0)
X = (rng.randn(2, 3, 8) * 3 + 1).astype("float32")
TERMS = {"none": None, "constant": 0.5, "[d]": rng.randn(8), "[b, 1, d]": rng.randn(2, 1, 8)}
TERMS = {name: t.astype("float32") if isinstance(t, np.ndarray) else t for name, t in TERMS.items()}


def oracle(x, gamma, beta, epsilon=1e-12, zero_mean=True, unit_variance=True):
    y = x.astype("float64")
    if zero_mean:
        y = y - y.mean(-1, keepdims=True)
    if unit_variance:
        y = y / np.sqrt(np.mean(y**2, -1, keepdims=True) + epsilon)
    return y * (1 if gamma is None else gamma) + (0 if beta is None else beta)


MODES = [{}, {"zero_mean": False}, {"unit_variance": False}, {"epsilon": 0.5}]


@pytest.mark.parametrize("gamma, beta", itertools.product(sorted(TERMS), sorted(TERMS)))
def test_terms(gamma, beta):
    terms = [TERMS[gamma], TERMS[beta]]
    arrays = [t for t in terms if isinstance(t, np.ndarray)]

    def run(x, *rest):
        rest = list(rest)
        given = [rest.pop(0) if isinstance(t, np.ndarray) else t for t in terms]
        return [layer_normalization(x, *given, **mode) for mode in MODES]

    for got, mode in zip(call_with_unknown_sizes(run, X, *arrays), MODES):
        np.testing.assert_allclose(got, oracle(X, *terms, **mode), atol=2e-5)


@pytest.mark.parametrize("dtype, rtol", [("float16", 2e-3), ("bfloat16", 2e-2)])
@pytest.mark.parametrize("zero_mean", [True, False])
def test_half_precision_computes_in_float32(dtype, rtol, zero_mean):
    """The squares of these numbers are beyond float16."""
    x = ops.cast(ops.convert_to_tensor(X * 400), dtype)
    rounded = evaluate(x).astype("float32")
    out = layer_normalization(x, zero_mean=zero_mean)
    assert ops.dtype(out) == dtype
    got = evaluate(out).astype("float32")
    np.testing.assert_allclose(got, oracle(rounded, None, None, zero_mean=zero_mean), atol=2 * rtol)


@pytest.mark.parametrize("zero_mean", [True, False])
def test_a_constant_row(zero_mean):
    got = evaluate(layer_normalization(ops.convert_to_tensor(np.zeros((1, 8), "float32")), zero_mean=zero_mean))
    assert (got == 0).all()
