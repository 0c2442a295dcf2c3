"""Adversarial training, compared with numpy in float64, and with plain training where the move has no length."""

import numpy as np
import pytest

from b4k3.backend import assign_weights, keras, ops
from b4k3.layers import Embedding
from b4k3.optimizers import adversarial_training, gradient_penalty, virtual_adversarial_training
from b4k3.optimizers.embedding_models import VirtualAdversarialModel

WORDS, SIZE, LENGTH, RATE = 6, 3, 5, 0.5
RNG = np.random.RandomState(3)
IDS = RNG.randint(0, WORDS, (4, LENGTH))
LABELS = RNG.randint(0, WORDS, (4, LENGTH, 1))
WEIGHTS = np.array([1.0, 0.5, 2.0, 0.25])
START = [RNG.randn(WORDS, SIZE), RNG.randn(SIZE, SIZE), RNG.randn(SIZE)]  # table, kernel, bias
DIRECTION = RNG.randn(WORDS, SIZE)


# --- the oracle: a tied head, so that the table is used twice --------------------------------------------------------


def answers(weights):
    """Probabilities of the words at each place; of complex numbers too."""
    table, kernel, bias = weights
    scores = np.tanh(table[IDS] @ kernel + bias) @ table.T
    return np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)


def crossentropy(weights):
    """What Keras makes of sample weights: the weighted sum divided by the number of all places."""
    losses = -np.log(np.take_along_axis(answers(weights), LABELS, -1))[..., 0]
    return (losses * WEIGHTS[:, None]).mean()


def gradient(function, array):
    """The gradient by complex steps, which is exact: f(x + ih) = f(x) + ih f'(x)."""
    found = np.zeros_like(array)
    for place in np.ndindex(*array.shape):
        step = np.zeros(array.shape, complex)
        step[place] = 1e-30j
        found[place] = np.imag(function(array + step)) / 1e-30
    return found


def differences(function, array):
    """The gradient by differences, of a function that takes gradients itself."""
    found = np.zeros_like(array)
    for place in np.ndindex(*array.shape):
        step = np.zeros_like(array)
        step[place] = 1e-5
        found[place] = (function(array + step) - function(array - step)) / 2e-5
    return found


def unit(x):
    return x / np.sqrt((x**2).sum())


def moved(weights, move):
    return [weights[0] + move] + weights[1:]


def table_gradient(loss, weights, move):
    return gradient(lambda table: loss([table] + weights[1:]), weights[0] + move)


def fgm(weights, epsilon=0.4):
    move = epsilon * unit(table_gradient(crossentropy, weights, 0.0))
    return lambda weights: crossentropy(moved(weights, move))


def fgm_and_clean(weights):
    at_moved = fgm(weights)
    return lambda weights: at_moved(weights) + 0.7 * crossentropy(weights)


def pgd(weights, epsilon=0.4, step_size=0.3):
    move = np.zeros_like(weights[0])
    for _ in range(3):
        move = move + step_size * unit(table_gradient(crossentropy, weights, move))
        move = unit(move) * min(np.sqrt((move**2).sum()), epsilon)
    return lambda weights: crossentropy(moved(weights, move))


def penalty(weights):
    def loss(weights):
        return crossentropy(weights) + 0.5 * 0.3 * (table_gradient(crossentropy, weights, 0.0) ** 2).sum()

    return loss


def vat(weights, epsilon=0.4, xi=0.2):
    p = answers(weights)

    def divergence(weights):
        return (p * (np.log(p) - np.log(answers(weights)))).sum(-1).mean()

    towards = DIRECTION
    for _ in range(2):
        towards = table_gradient(divergence, weights, xi * unit(towards))
    move = epsilon * unit(towards)
    return lambda weights: crossentropy(weights) + 0.6 * divergence(moved(weights, move))


METHODS = {
    "fgm": (fgm, lambda model: adversarial_training(model, "words", 0.4)),
    "fgm and clean": (fgm_and_clean, lambda model: adversarial_training(model, "words", 0.4, clean_weight=0.7)),
    "pgd": (pgd, lambda model: adversarial_training(model, "words", 0.4, steps=3, step_size=0.3)),
    "vat": (vat, lambda model: virtual_adversarial_training(model, "words", 0.4, 0.2, iterations=2, weight=0.6)),
    "penalty": (penalty, lambda model: gradient_penalty(model, "words", 0.3)),
}


def step(loss, weights, take):
    """The weights after one step of gradient descent."""

    def by(i):
        return take(lambda array: loss(weights[:i] + [array] + weights[i + 1 :]), weights[i])

    return [array - RATE * by(i) for i, array in enumerate(weights)]


def trained_by_numpy(method):
    """The weights after two steps of gradient descent, and what the loss of each step was."""
    weights, losses = [array.copy() for array in START], []
    for _ in range(2):
        loss = method(weights)
        losses.append(loss(weights))
        weights = step(loss, weights, differences if method is penalty else gradient)
    return weights, losses


# --- the same in Keras -----------------------------------------------------------------------------------------------


def tied_model():
    ids = keras.Input((LENGTH,), dtype="int32")
    table = Embedding(WORDS, SIZE, name="words")
    x = keras.layers.Dense(SIZE, activation="tanh", name="dense")(table(ids))
    model = keras.Model(ids, keras.layers.Activation("softmax")(table(x, mode="dense")))
    set_weights(model, START)
    return model


def set_weights(model, values):
    dense = model.get_layer("dense")
    variables = [model.get_layer("words").embeddings, dense.kernel, dense.bias]
    assign_weights([(v, value.astype("float32")) for v, value in zip(variables, values)])


def weights_of(model):
    return model.get_layer("words").get_weights() + model.get_layer("dense").get_weights()


def sgd(rate=RATE):
    return keras.optimizers.SGD(rate)


@pytest.mark.parametrize("method", METHODS)
def test_training_equals_numpy(method, monkeypatch):
    slow, fast = METHODS[method]
    monkeypatch.setattr(VirtualAdversarialModel, "start", lambda self, passes: ops.convert_to_tensor(DIRECTION32))
    expected, losses = trained_by_numpy(slow)
    plain = tied_model()
    model = fast(plain)
    model.compile(loss=one_hot_crossentropy, optimizer=sgd())
    history = model.fit(IDS, LABELS, sample_weight=WEIGHTS, batch_size=4, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-5)
    for found, array in zip(weights_of(plain), expected):  # they are shared
        np.testing.assert_allclose(found, array, rtol=1e-4, atol=2e-5)
    clean = model.evaluate(IDS, LABELS, sample_weight=WEIGHTS, verbose=0)
    np.testing.assert_allclose(clean, crossentropy(expected), rtol=1e-5)
    np.testing.assert_allclose(model.predict(IDS, verbose=0), answers(expected), rtol=1e-4, atol=1e-5)


DIRECTION32 = DIRECTION.astype("float32")


def one_hot_crossentropy(y_true, y_pred):
    """The mean over the places of a row. TensorFlow 1 has no second gradient of its sparse cross-entropy."""
    labels = ops.one_hot(ops.cast(ops.reshape(y_true, (-1, LENGTH)), "int32"), WORDS)
    return -ops.mean(ops.sum(labels * ops.log(y_pred), axis=-1), axis=-1)
