"""Masks over sequences against numpy."""

import numpy as np
import pytest

from b4k3.backend import ops, sequence_masking
from support.harness import call_with_unknown_sizes, evaluate

rng = np.random.RandomState(0)
X = rng.randn(2, 3, 4).astype("float32")
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
