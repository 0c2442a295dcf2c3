"""The losses of several right classes against sums written out."""

import math

import numpy as np
import pytest

from b4k3.backend import ops
from b4k3.backend.losses import multilabel_categorical_crossentropy, sparse_multilabel_categorical_crossentropy
from support.harness import call_with_unknown_sizes, evaluate, gradient

INF = float("inf")
rng = np.random.RandomState(0)
SCORES = (rng.randn(2, 3, 6) * 3).astype("float32")
LABELS = (rng.rand(2, 3, 6) > 0.6).astype("float32")
SOFT = rng.rand(2, 3, 6).astype("float32")
SOFT[0, 0, :2] = 0, 1


def slow_loss(labels, scores):
    out = np.zeros(scores.shape[:-1])
    for index in np.ndindex(*out.shape):
        positive = negative = 1.0
        for y, s in zip(labels[index].tolist(), scores[index].tolist()):
            if s == -INF:
                continue
            positive += y * math.exp(-s) if y else 0
            negative += (1 - y) * math.exp(s) if y < 1 else 0
        out[index] = math.log(positive) + math.log(negative)
    return out


def masked(scores):
    scores = scores.copy()
    scores[..., 0] = -INF
    scores[0, 1] = -INF
    return scores


@pytest.mark.parametrize("labels", [LABELS, SOFT, np.zeros_like(LABELS), np.ones_like(LABELS)])
@pytest.mark.parametrize("scores", [SCORES, masked(SCORES)], ids=["finite", "-inf"])
def test_multilabel(labels, scores):
    expected = slow_loss(labels, scores)
    found = evaluate(multilabel_categorical_crossentropy(ops.convert_to_tensor(labels), ops.convert_to_tensor(scores)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    found = call_with_unknown_sizes(multilabel_categorical_crossentropy, labels, scores)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_scores_that_are_surely_right_or_wrong():
    labels = np.array([[1, 0], [0, 0], [1, 0]], "float32")
    scores = np.array([[INF, -2], [INF, -2], [200, -200]], "float32")
    found = evaluate(multilabel_categorical_crossentropy(labels, ops.convert_to_tensor(scores)))
    np.testing.assert_allclose(found, [math.log1p(math.exp(-2)), INF, 0], rtol=1e-6)


SPARSE = [
    (np.array([[1, 3, 5], [2, 2, 2], [0, 1, 2]]), False),
    (np.array([[1, 3, 0], [2, 0, 0], [0, 0, 0]]), True),
    (np.array([[1, 3, 5], [2, 2, 0], [0, 1, 0]]), True),
]


@pytest.mark.parametrize("classes, mask_zero", SPARSE)
@pytest.mark.parametrize("scores", [SCORES, masked(SCORES)], ids=["finite", "-inf"])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_sparse(classes, mask_zero, scores, dtype):
    classes = np.stack([classes, classes[::-1]]).astype(dtype)
    labels = np.zeros(scores.shape)
    for index in np.ndindex(2, 3):
        labels[index][classes[index].astype(int)] = 1
    first = 1 if mask_zero else 0
    expected = slow_loss(labels[..., first:], scores[..., first:])

    def call(y, s):
        return sparse_multilabel_categorical_crossentropy(y, s, mask_zero)

    found = evaluate(call(ops.convert_to_tensor(classes), ops.convert_to_tensor(scores)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(call_with_unknown_sizes(call, classes, scores), expected, rtol=1e-5, atol=1e-6)


def test_half_precision_is_computed_wide():
    scores = np.full((1, 4), 11.0, "float32")  # exp(11) is beyond float16
    found = evaluate(multilabel_categorical_crossentropy(np.zeros((1, 4)), ops.cast(scores, "float16")))
    np.testing.assert_allclose(found, slow_loss(np.zeros((1, 4)), scores), rtol=1e-3)


def numeric_gradient(function, x, step=1e-3):
    out = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        if np.isfinite(x[index]):
            up, down = x.astype("float64"), x.astype("float64")
            up[index] += step
            down[index] -= step
            out[index] = (function(up).sum() - function(down).sum()) / (2 * step)
    return out


def test_gradients_are_right_where_scores_are_masked():
    scores = masked(SCORES)
    found = gradient(lambda s: multilabel_categorical_crossentropy(LABELS, s), scores)
    np.testing.assert_allclose(found, numeric_gradient(lambda s: slow_loss(LABELS, s), scores), atol=1e-4)
    classes = np.array([[[1, 3, 5], [2, 2, 2], [3, 1, 2]]] * 2)
    labels = np.zeros(SCORES.shape)
    np.put_along_axis(labels, classes, 1, -1)
    found = gradient(lambda s: sparse_multilabel_categorical_crossentropy(classes, s), scores)
    np.testing.assert_allclose(found, numeric_gradient(lambda s: slow_loss(labels, s), scores), atol=1e-4)
