"""Masks and attention weights against loops."""

import math

import numpy as np
import pytest

from b4k3.backend import ops
from b4k3.backend.masking import attention_normalize, sequence_masking
from support.harness import call_with_unknown_sizes, evaluate

rng = np.random.RandomState(0)
X = rng.randn(2, 3, 4).astype("float32")
SCORES = rng.randn(2, 2, 3, 4).astype("float32")
MASK3 = np.array([[1, 1, 0], [1, 0, 0]], "float32")
MASK4 = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], "float32")
BIAS = np.where(np.tril(np.ones((3, 4))) > 0, 0, -np.inf).astype("float32")

MASKED = [
    ({"mask": MASK3}, MASK3[:, :, None]),
    ({"mask": MASK3, "value": -np.inf}, MASK3[:, :, None]),
    ({"mask": MASK3 > 0, "value": "-inf"}, MASK3[:, :, None]),
    ({"mask": MASK4, "axis": -1, "value": -5}, MASK4[:, None, :]),
    ({"mask": MASK4, "axis": 2, "bias": BIAS == 0}, MASK4[:, None, :] * (BIAS == 0)),
    ({"bias": BIAS == 0, "value": 9.0}, BIAS == 0),
    ({}, np.ones(())),
]


@pytest.mark.parametrize("options, keep", MASKED)
def test_sequence_masking(options, keep):
    expected = np.where(np.broadcast_to(keep, X.shape) > 0, X, float(options.get("value", 0)))
    np.testing.assert_array_equal(evaluate(sequence_masking(ops.convert_to_tensor(X), **options)), expected)
    np.testing.assert_array_equal(call_with_unknown_sizes(lambda x: sequence_masking(x, **options), X), expected)
    found, mask = sequence_masking(ops.convert_to_tensor(X), return_mask=True, **options)
    np.testing.assert_array_equal(evaluate(found), expected)
    assert (mask is None) == (not options)
    if mask is not None:
        np.testing.assert_array_equal(np.broadcast_to(evaluate(mask), X.shape), np.broadcast_to(keep, X.shape) > 0)


def test_masks_of_two_axes_and_a_float_bias():
    square = X[:, :, :3]
    found = sequence_masking(ops.convert_to_tensor(square), MASK3, -1, [1, -1], bias=np.float32(2))
    keep = MASK3[:, :, None] * MASK3[:, None, :]
    np.testing.assert_allclose(evaluate(found), np.where(keep > 0, square + 2, -1))


def slow_weights(scores, keep, method):
    """One row of scores at a time, over the visible keys only."""
    out = np.zeros_like(scores)
    for index in np.ndindex(*scores.shape[:-1]):
        seen = np.flatnonzero(keep[index])
        s, n = scores[index][seen].astype("float64"), len(seen)
        if method == "squared_relu":
            out[index][seen] = np.maximum(s, 0) ** 2 / n
            continue
        s = s * (math.log(max(n, 16)) / math.log(512)) if method == "softmax_plus" else s
        out[index][seen] = np.exp(s) / np.exp(s).sum()
    return out


@pytest.mark.parametrize("method", ["softmax", "squared_relu", "softmax_plus"])
def test_attention_normalize(method):
    scores = ops.convert_to_tensor(SCORES)
    everything = np.ones(SCORES.shape)
    masked = everything * MASK4[:, None, None, :]
    visible = masked * (BIAS == 0)
    for options, keep in [
        ({}, everything),
        ({"mask": MASK4}, masked),
        ({"mask": MASK4, "bias": BIAS == 0}, visible),
    ]:
        found = evaluate(attention_normalize(scores, method=method, **options))
        np.testing.assert_allclose(found, slow_weights(SCORES, keep, method), rtol=1e-5, atol=1e-7)
    if method == "softmax":
        found = evaluate(attention_normalize(scores, MASK4, bias=BIAS))
        np.testing.assert_allclose(found, slow_weights(SCORES, visible, method), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method, expected", [("softmax", 0.25), ("softmax_plus", 0.25), ("squared_relu", 0.0)])
def test_a_row_without_keys_is_no_nan(method, expected):
    found = evaluate(attention_normalize(ops.convert_to_tensor(SCORES), np.zeros((2, 4)), method=method))
    np.testing.assert_allclose(found, np.full(SCORES.shape, expected))


def test_half_precision_is_kept():
    half = ops.cast(ops.convert_to_tensor(SCORES), "float16")
    found = evaluate(attention_normalize(half, MASK4))
    assert found.dtype == "float16"
    np.testing.assert_allclose(found, slow_weights(SCORES, MASK4[:, None, None] * np.ones(SCORES.shape), ""), atol=1e-3)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="squared_relu"):
        attention_normalize(ops.convert_to_tensor(SCORES), method="softmin")
