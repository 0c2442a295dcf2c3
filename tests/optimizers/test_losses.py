"""Losses over pairs of rows, compared with loops over the rows in float64."""

import numpy as np
import pytest

from b4k3.backend import custom_objects, keras, ops
from b4k3.optimizers import cosent_loss, multiple_negatives_ranking_loss, rdrop_loss, simcse_loss
from support.harness import call_with_unknown_sizes, evaluate, gradient

LOSSES = (cosent_loss, multiple_negatives_ranking_loss, rdrop_loss, simcse_loss)


def cosine(a, b):
    return a @ b / np.sqrt((a @ a) * (b @ b))


def slow_rdrop(labels, p, alpha=4.0):
    """Row by row, with both divergences written out."""
    losses = []
    for i, row in enumerate(p):
        other = p[i ^ 1]
        divergences = (row * np.log(row / other)).sum() + (other * np.log(other / row)).sum()
        losses.append(-np.log(row[int(labels[i])]) + alpha / 4 * divergences)
    return losses


def slow_simcse(labels, x, temperature=0.05):
    losses = []
    for i, row in enumerate(x):
        scores = {j: cosine(row, other) / temperature for j, other in enumerate(x) if j != i}
        losses.append(np.log(sum(np.exp(s) for s in scores.values())) - scores[i ^ 1])
    return losses


def slow_ranking(labels, x, scale=20.0):
    losses = []
    for i in range(0, len(x), 2):
        scores = [scale * cosine(x[i], answer) for answer in x[1::2]]
        losses += 2 * [np.log(np.exp(scores).sum()) - scores[i // 2]]
    return losses


def slow_cosent(labels, x, scale=20.0):
    total = 1.0
    for i in range(0, len(x), 2):
        for j in range(0, len(x), 2):
            if labels[i] > labels[j]:
                total += np.exp(scale * (cosine(x[j], x[j + 1]) - cosine(x[i], x[i + 1])))
    return len(x) * [np.log(total)]


SLOW = dict(zip(LOSSES, (slow_cosent, slow_ranking, slow_rdrop, slow_simcse)))
CASES = [(loss, {}) for loss in LOSSES] + [
    (rdrop_loss, {"alpha": 1.0}),
    (simcse_loss, {"temperature": 0.5}),
    (cosent_loss, {"scale": 5.0}),
    (multiple_negatives_ranking_loss, {"scale": 5.0}),
]


def batch(rows=6, size=5, dtype="float32"):
    """Labels and vectors; the vectors are positive and their sums are 1, so that they are distributions too."""
    rng = np.random.RandomState(0)
    x = rng.rand(rows, size) + 0.1
    return np.repeat(rng.randint(0, 3, rows // 2), 2).astype("float32"), (x / x.sum(1, keepdims=True)).astype(dtype)


@pytest.mark.parametrize("loss, arguments", CASES, ids=lambda x: getattr(x, "__name__", str(x)))
def test_values(loss, arguments):
    labels, x = batch()
    expected = SLOW[loss](labels, x.astype("float64"), **arguments)
    for y_true in (labels, labels[:, None]):
        values = call_with_unknown_rows(loss, arguments, y_true, x)
        np.testing.assert_allclose(values, expected, rtol=2e-5, atol=1e-5)


def call_with_unknown_rows(loss, arguments, y_true, x):
    """The loss, whose number of rows is not known before it runs where a row has graphs."""
    size = x.shape[-1]
    return call_with_unknown_sizes(lambda y, x: loss(y, ops.reshape(x, (-1, size)), **arguments), y_true, x)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_gradients_are_those_of_differences(loss):
    labels, x = batch()
    found = gradient(lambda x: loss(ops.convert_to_tensor(labels), x), x)
    x = x.astype("float64")
    for i, j in ((0, 0), (3, 2), (5, 4)):
        step = np.zeros_like(x)
        step[i, j] = 1e-6
        expected = (np.sum(SLOW[loss](labels, x + step)) - np.sum(SLOW[loss](labels, x - step))) / 2e-6
        np.testing.assert_allclose(found[i, j], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_half_precision_is_computed_in_float32(loss):
    labels, x = batch()
    x = evaluate(ops.cast(ops.cast(ops.convert_to_tensor(x), "float16"), "float32"))
    values = loss(ops.convert_to_tensor(labels), ops.cast(ops.convert_to_tensor(x), "float16"))
    assert "float32" in str(values.dtype)
    np.testing.assert_allclose(evaluate(values), SLOW[loss](labels, x.astype("float64")), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_an_odd_number_of_rows_is_refused(loss):
    labels, x = batch()
    with pytest.raises(ValueError, match=f"{loss.__name__}.*odd: 5"):
        loss(ops.convert_to_tensor(labels[:5]), ops.convert_to_tensor(x[:5]))
    with pytest.raises(Exception, match="odd"):  # TensorFlow's own error where a graph learns the number
        call_with_unknown_rows(loss, {}, labels[:5], x[:5])


def test_logits_of_rdrop():
    labels, p = batch()
    scores = np.log(p) + 90.0 * np.arange(6)[:, None]
    values = rdrop_loss(ops.convert_to_tensor(labels), ops.convert_to_tensor(scores), from_logits=True)
    np.testing.assert_allclose(evaluate(values), slow_rdrop(labels, p.astype("float64")), rtol=1e-3)


def test_rdrop_of_sequences():
    labels, p = batch(rows=12)
    values = rdrop_loss(ops.convert_to_tensor(labels.reshape(4, 3)), ops.convert_to_tensor(p.reshape(4, 3, 5)))
    turned = [p.reshape(4, 3, 5)[:, i].astype("float64") for i in range(3)]
    expected = [slow_rdrop(labels.reshape(4, 3)[:, i], turned[i]) for i in range(3)]
    np.testing.assert_allclose(evaluate(values), np.transpose(expected), rtol=2e-5)


def test_extreme_vectors_give_finite_losses():
    x = np.array([[0, 0], [1e-20, 0], [1e18, 0], [-1e18, 0]], "float32")
    for loss in (cosent_loss, multiple_negatives_ranking_loss, simcse_loss):
        assert np.isfinite(evaluate(loss(ops.ones((4, 1)), ops.convert_to_tensor(x)))).all(), loss.__name__


def test_training_with_each_loss():
    labels, x = batch()
    inputs = keras.Input((5,))
    model = keras.Model(inputs, keras.layers.Dense(5, activation="softmax")(inputs))
    for loss in LOSSES:
        model.compile(loss=loss, optimizer="sgd")
        history = model.fit(x, labels[:, None], batch_size=6, epochs=1, verbose=0).history["loss"]
        assert np.isfinite(history).all(), loss.__name__


def test_the_names_under_which_losses_are_saved():
    for loss in LOSSES:
        assert custom_objects[loss.__name__] is loss
        with keras.utils.custom_object_scope(custom_objects):
            assert keras.losses.get(keras.losses.serialize(loss)) is loss
