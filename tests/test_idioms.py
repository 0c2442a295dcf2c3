"""What scripts for bert4keras do: idioms of its author's other repositories, with only the name of the package changed.

The migration guide names each; those of `K` alone are in backend/test_K.py, of `Loss` in layers/test_loss.py.
"""

import numpy as np
import pytest

from b4k3.backend import (
    K,
    Layer,
    batch_gather,
    keras,
    multilabel_categorical_crossentropy,
    row,
    sparse_multilabel_categorical_crossentropy,
)
from support.harness import evaluate

rng = np.random.RandomState(0)
B, N, H, V = 4, 5, 2, 6
VECTORS = rng.randn(B, V).astype("float32")
SPANS = rng.randn(B, H, N, N).astype("float32")
LOGITS = rng.randn(B, N, V).astype("float32")
IDS = rng.randint(1, V, (B, N)).astype("float32")
IDS[1, 3:] = 0
MARKS = (rng.rand(B, H, N, N) > 0.8).astype("float32")
POINTS = rng.randint(1, N, (B, H, 3, 2)).astype("float32")


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def log_sum(x):
    return np.log(np.exp(x).sum(-1))


def global_pointer(y_true, y_pred):
    """GlobalPointer and CLUE: all spans of a kind in one row."""
    rows = K.prod(K.shape(y_pred)[:2])
    y_true, y_pred = K.reshape(y_true, (rows, -1)), K.reshape(y_pred, (rows, -1))
    return K.mean(multilabel_categorical_crossentropy(y_true, y_pred))


def spans_oracle(marks):
    losses = []
    for y, s in zip(marks.reshape(-1, N * N), SPANS.reshape(-1, N * N)):
        losses.append(np.log(1 + np.exp(-s[y > 0]).sum()) + np.log(1 + np.exp(s[y == 0]).sum()))
    return np.mean(losses)


def gplinker(y_true, y_pred):
    """GPLinker: pairs of positions, as one number each; (0, 0) is padding."""
    shape = K.shape(y_pred)
    y_true = y_true[..., 0] * K.cast(shape[2], K.floatx()) + y_true[..., 1]
    y_pred = K.reshape(y_pred, (shape[0], -1, K.prod(shape[2:])))
    return K.mean(K.sum(sparse_multilabel_categorical_crossentropy(y_true, y_pred, True), axis=1))


def gplinker_oracle():
    total = 0
    for points, scores in zip(POINTS.reshape(B * H, 3, 2).astype(int), SPANS.reshape(B * H, N, N)):
        right = np.zeros((N, N), bool)
        right[points[:, 0], points[:, 1]] = True
        others = ~right
        others[0, 0] = False
        total += np.log(1 + np.exp(-scores[right]).sum()) + np.log(1 + np.exp(scores[others]).sum())
    return total / B


def reading(y_true, y_pred):
    """Reading comprehension of CLUE: the span as one class of n²."""
    b, n = K.shape(y_pred)[0], K.shape(y_pred)[1]
    y_true = K.cast(K.reshape(y_true, (b, 2)), "int32")
    y_true = y_true[:, 0] * n + y_true[:, 1]
    return K.mean(K.sparse_categorical_crossentropy(y_true, K.reshape(y_pred, (b, -1)), from_logits=True))


def reading_oracle():
    points = POINTS[:, 0, 0].astype(int)
    scores = SPANS[:, 0]
    return np.mean([log_sum(s.reshape(-1)) - s[i, j] for s, (i, j) in zip(scores, points)])


def simcse(y_true, y_pred):
    """SimCSE: the neighbour in the batch is the class, oneself none."""
    ids = K.arange(0, K.shape(y_pred)[0])
    y_true = K.cast(K.equal(ids[None, :], (ids + 1 - ids % 2 * 2)[:, None]), K.floatx())
    y_pred = K.l2_normalize(y_pred, axis=1)
    similarities = K.dot(y_pred, K.transpose(y_pred)) - K.cast(K.equal(ids[None, :], ids[:, None]), K.floatx()) * 1e12
    return K.mean(K.categorical_crossentropy(y_true, similarities * 20, from_logits=True))


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def simcse_oracle():
    scores = 20 * unit(VECTORS) @ unit(VECTORS).T - 1e12 * np.eye(B)
    return np.mean([log_sum(scores[i]) - scores[i, j] for i, j in enumerate([1, 0, 3, 2])])


def cosent(y_true, y_pred):
    """CoSENT: pairs of neighbours in the batch, ranked."""
    y_true = y_true[::2, 0]
    y_true = K.cast(y_true[:, None] < y_true[None, :], K.floatx())
    y_pred = K.l2_normalize(y_pred, axis=1)
    y_pred = K.sum(y_pred[::2] * y_pred[1::2], axis=1) * 20
    y_pred = y_pred[:, None] - y_pred[None, :]
    y_pred = K.reshape(y_pred - (1 - y_true) * 1e12, [-1])
    return K.logsumexp(K.concatenate([[0], y_pred], axis=0))


def cosent_oracle():
    pairs = 20 * (unit(VECTORS)[::2] * unit(VECTORS)[1::2]).sum(1)
    return np.log(1 + np.exp(pairs[0] - pairs[1]))


def rdrop(y_true, y_pred):
    """R-Drop: each row twice in the batch. The guide's `kld` in place of `keras.losses.kullback_leibler_divergence`."""

    def kld(p, q):
        p, q = K.clip(p, K.epsilon(), 1), K.clip(q, K.epsilon(), 1)
        return K.sum(p * K.log(p / q), axis=-1)

    y_true = K.cast(K.reshape(y_true, K.shape(y_pred)[:-1]), "int32")
    y_pred = K.softmax(y_pred)
    loss = K.mean(K.sparse_categorical_crossentropy(y_true, y_pred))
    return loss + K.mean(kld(y_pred[::2], y_pred[1::2]) + kld(y_pred[1::2], y_pred[::2])) / 4 * 4


def rdrop_oracle():
    p = softmax(VECTORS)
    a, b = p[::2], p[1::2]
    return -np.log(p[range(B), [0, 0, 1, 1]]).mean() + ((a - b) * np.log(a / b)).sum(-1).mean()


def masked(y_true, y_pred):
    """Cloze questions: padding of the answer does not count; the loss is given an axis to look like Keras' own."""
    y_true = K.reshape(y_true, K.shape(y_true)[:2])
    y_mask = K.cast(K.greater(y_true, 0.5), K.floatx())
    loss = K.sparse_categorical_crossentropy(y_true, K.softmax(y_pred))
    return (K.sum(loss * y_mask) / K.sum(y_mask))[None, None]


def masked_oracle():
    losses = -np.log(np.take_along_axis(softmax(LOGITS), IDS.astype(int)[..., None], -1)[..., 0])
    return (losses * (IDS > 0)).sum() / (IDS > 0).sum()


def choices(y_true, y_pred):
    """Multiple choice: one score for each of two answers, rows of the batch side by side."""
    y_true = K.cast(y_true, "int32")[::2]
    y_pred = K.reshape(y_pred, (-1, 2))
    return K.mean(K.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True))


def choices_oracle():
    scores = VECTORS[:, :1].reshape(-1, 2)
    return (log_sum(scores) - scores[range(2), [0, 1]]).mean()


def sparse_softmax(y_true, y_pred):
    """SPACES: the score of each token against the sum over all."""
    y_true = K.reshape(y_true, K.shape(y_pred)[:-1])
    right = batch_gather(y_pred, y_true[..., None])[..., 0]
    return K.mean(K.logsumexp(y_pred, axis=-1) - right)


def sparse_softmax_oracle():
    return (log_sum(LOGITS) - np.take_along_axis(LOGITS, IDS.astype(int)[..., None], -1)[..., 0]).mean()


def one_hot(y_true, y_pred):
    """Gradient penalty and reading comprehension of LIC: cross-entropy that has a second derivative."""
    y_true = K.cast(K.reshape(y_true, K.shape(y_pred)[:-1]), "int32")
    return K.mean(K.categorical_crossentropy(K.one_hot(y_true, K.shape(y_pred)[-1]), K.softmax(y_pred)))


def one_hot_oracle():
    return -np.log(np.take_along_axis(softmax(LOGITS), IDS.astype(int)[..., None], -1)).mean()


CLASSES = np.array([[0], [0], [1], [1]], "float32")
# the loss, targets, predictions, the number that it gives
LOSSES = [
    (global_pointer, MARKS, SPANS, spans_oracle(MARKS)),
    (gplinker, POINTS, SPANS, gplinker_oracle()),
    (reading, POINTS[:, 0, 0], SPANS[:, 0], reading_oracle()),
    (simcse, CLASSES, VECTORS, simcse_oracle()),
    (cosent, CLASSES, VECTORS, cosent_oracle()),
    (rdrop, CLASSES, VECTORS, rdrop_oracle()),
    (masked, IDS, LOGITS, masked_oracle()),
    (choices, CLASSES, VECTORS[:, :1], choices_oracle()),
    (sparse_softmax, IDS, LOGITS, sparse_softmax_oracle()),
    (one_hot, IDS, LOGITS, one_hot_oracle()),
]


@pytest.mark.parametrize("loss, targets, scores, expected", LOSSES, ids=[case[0].__name__ for case in LOSSES])
def test_losses(loss, targets, scores, expected):
    """In a compiled model, which does not know the sizes of its batches."""
    x = keras.layers.Input(shape=(None,) * (scores.ndim - 2) + scores.shape[-1:])
    model = keras.Model(x, keras.layers.Activation("linear")(x))
    model.compile("sgd", loss)
    np.testing.assert_allclose(model.test_on_batch(scores, targets), expected, rtol=1e-4)


class RandomChoice(keras.layers.Layer):
    """BERT-of-Theseus: in training one of two inputs, by chance; else the second."""

    def call(self, inputs):
        first, second = inputs
        mask = K.random_binomial(shape=[1], p=0.5)
        return K.in_train_phase(mask * first + (1 - mask) * second, second)

    def compute_output_shape(self, input_shape):
        return input_shape[1]


class Sampled(Layer):
    """UniVAE: noise from a table that the layer keeps, and from the normal distribution."""

    def build(self, input_shape):
        self.table = self.add_weight(name="table", shape=(9,), initializer="ones", trainable=False)
        self.built = True

    def call(self, inputs):
        ids = K.random_uniform(K.shape(inputs[..., :1]), 0, 9, dtype="int32")
        return inputs * K.gather(self.table, ids) + K.random_normal(K.shape(inputs)) * 0.1

    def compute_output_shape(self, input_shape):
        return input_shape


def losses_of_steps(layer, count):
    """The losses of training steps that learn nothing."""
    keras.backend.clear_session()
    if hasattr(keras.utils, "set_random_seed"):
        keras.utils.set_random_seed(1)
    x = keras.layers.Input(shape=(3,))
    model = keras.Model(x, layer(x))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    zeros = np.zeros((2, 3), "float32")
    steps = []
    for _ in range(count):
        getattr(model, "reset_metrics", lambda: None)()
        steps.append(float(np.ravel(model.train_on_batch(zeros + 1, zeros))[0]))
    return model, steps


def test_training_with_layers_that_choose_by_chance():
    def choose(x):
        return RandomChoice()([keras.layers.Dense(3, kernel_initializer="zeros")(x), x])

    model, steps = losses_of_steps(choose, 24)
    np.testing.assert_allclose(model.predict_on_batch(np.ones((2, 3), "float32")), np.ones((2, 3)))
    assert {round(loss, 5) for loss in steps} <= {0.0, 1.0}
    # Keras 2.3 on TensorFlow 2 draws the same number in each step. Keras 3.5 on JAX tells the phase to layers that
    # declare `training`.
    if row.kind != "keras2" and not getattr(keras, "__version__", "").startswith("3.5."):
        assert 3 < sum(steps) < 21
    if hasattr(keras.utils, "set_random_seed"):
        assert losses_of_steps(choose, 24)[1] == steps


def test_training_with_layers_that_add_noise():
    _, steps = losses_of_steps(lambda x: Sampled()(keras.layers.Dense(3, kernel_initializer="zeros")(x)), 4)
    assert len(set(steps)) == 4 and 0 < max(steps) < 0.1


def test_merged_halves_of_a_batch():
    """Sentence-BERT as CoSENT has it. Keras 3 wants `output_shape`, as it asks with a batch that has no halves."""

    def merge(inputs):
        a, b = inputs[::2], inputs[1::2]
        return K.repeat_elements(K.concatenate([a, b, K.abs(a - b)], axis=1), 2, 0)

    x = keras.layers.Input(shape=(V,))
    model = keras.Model(x, keras.layers.Lambda(merge, output_shape=(3 * V,))(x))
    a, b = VECTORS[::2], VECTORS[1::2]
    expected = np.repeat(np.concatenate([a, b, np.abs(a - b)], 1), 2, 0)
    np.testing.assert_allclose(
        evaluate(model(VECTORS)) if row.is_keras3 else model.predict(VECTORS), expected, rtol=1e-5
    )
