"""What is special about the optimizers of keras 2.3: their updates are operations, which run in any order."""

import numpy as np
import pytest

from b4k3.backend import K, keras
from b4k3.optimizers import (
    Adam,
    extend_with_gradient_accumulation,
    extend_with_lookahead,
    extend_with_piecewise_linear_lr,
    extend_with_weight_decay,
)
from support.harness import fresh_session

RNG = np.random.RandomState(0)
START = [RNG.randn(3, 4).astype("float32"), RNG.randn(4).astype("float32")]
GRADIENTS = [[RNG.randn(*w.shape).astype("float32") for w in START] for _ in range(6)]


class Linear(keras.layers.Layer):
    """A layer whose loss has the gradients that it is called on."""

    def build(self, input_shape):
        self.kept = [
            self.add_weight(name=f"w{i}", shape=w.shape, initializer="zeros", trainable=True)
            for i, w in enumerate(START)
        ]
        super().build(input_shape)

    def call(self, inputs):
        return K.reshape(sum(K.sum(w * g[0]) for w, g in zip(self.kept, inputs)), (1, 1))

    def compute_output_shape(self, input_shape):
        return (1, 1)


def model_of(optimizer, layer=None):
    """A model that the optimizer trains."""
    inputs = [keras.layers.Input(batch_shape=(1, *w.shape)) for w in START]
    model = keras.models.Model(inputs, (layer or Linear())(inputs))
    model.set_weights(START + model.get_weights()[len(START) :])
    model.compile(loss=lambda y, p: K.sum(p, axis=-1), optimizer=optimizer)
    return model


def train(model, batches=GRADIENTS):
    """Train on the gradients of some batches, and return the weights after each."""
    rows = []
    for batch in batches:
        model.train_on_batch([g[None] for g in batch], np.zeros((1, 1)))
        rows.append(model.get_weights())
    return rows


@pytest.fixture(autouse=True)
def session():
    """A session of its own for each test."""
    fresh_session()


def test_each_run_gives_the_same_numbers():
    base = extend_with_lookahead(extend_with_weight_decay(keras.optimizers.Adam))
    cls = extend_with_gradient_accumulation(extend_with_piecewise_linear_lr(base))
    model = model_of(cls(0.1, lr_schedule={4: 1, 5: 0.5}, grad_accum_steps=2, steps_per_slow_update=2, decay=0.1))
    train(model)
    wanted = None
    for _ in range(20):
        model.set_weights(START)
        model.optimizer.set_weights([np.zeros_like(w) for w in model.optimizer.get_weights()])
        train(model)
        got = np.concatenate([np.ravel(w) for w in model.get_weights() + model.optimizer.get_weights()])
        wanted = got if wanted is None else wanted
        np.testing.assert_array_equal(got, wanted)


def slow(rate, clipnorm=np.inf, clipvalue=np.inf, decay=0.0, weight_decay=0.0, steps=1, momentum=0.0):
    """SGD in loops. Keras 2.3 clips by the norm of all gradients together."""
    weights, rows = [w.astype("float64") for w in START], []
    velocity = [0 * w for w in weights]
    for batch in range(len(GRADIENTS)):
        if (batch + 1) % steps == 0:
            means = [sum(GRADIENTS[batch - j][i] for j in range(steps)) / steps for i in range(len(START))]
            norm = np.sqrt(sum((g.astype("float64") ** 2).sum() for g in means))
            means = [np.clip(g * min(1, clipnorm / norm), -clipvalue, clipvalue) for g in means]
            now = rate / (1 + decay * (batch // steps))
            velocity = [momentum * v - now * g for v, g in zip(velocity, means)]
            weights = [w + v - now * weight_decay * w for w, v in zip(weights, velocity)]
        rows.append(weights)
    return rows


@pytest.mark.parametrize("clip", ["clipnorm", "clipvalue"])
def test_the_mean_of_a_window_is_clipped(clip):
    optimizer = extend_with_gradient_accumulation(keras.optimizers.SGD)(0.1, grad_accum_steps=2, **{clip: 0.5})
    close(train(model_of(optimizer)), slow(0.1, steps=2, **{clip: 0.5}))


def test_extensions_know_the_decay_and_the_momentum_of_keras():
    optimizer = extend_with_weight_decay(keras.optimizers.SGD)(0.1, decay=0.5, momentum=0.9, weight_decay_rate=0.3)
    close(train(model_of(optimizer)), slow(0.1, decay=0.5, momentum=0.9, weight_decay=0.3))


def close(rows, wanted):
    """Compare the weights after each batch."""
    for got, want in zip(rows, wanted):
        for a, b in zip(got, want):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


class ReadsWhatItAssigned(keras.optimizers.SGD):
    """An optimizer that computes from a variable that it has just assigned."""

    def get_updates(self, loss, params):
        first = K.update_add(params[0], K.ones_like(params[0]))
        return [K.update(params[1], params[1] + K.sum(first)), first]


class AssignsOne(keras.optimizers.SGD):
    """An optimizer that leaves a variable out."""

    def get_updates(self, loss, params):
        return super().get_updates(loss, params)[:-2]


@pytest.mark.parametrize(
    "base, words",
    [
        (ReadsWhatItAssigned, "computes from a variable that it has assigned"),
        (AssignsOne, "gives linear_1/w1 no new value"),
    ],
)
def test_an_optimizer_that_cannot_be_extended_is_refused(base, words):
    model = model_of(extend_with_weight_decay(base)(0.1), Linear(name="linear_1"))
    with pytest.raises(TypeError, match=words):
        train(model)


def test_a_variable_without_a_gradient_is_named():
    class Forgets(Linear):
        def build(self, input_shape):
            self.add_weight(name="forgotten", shape=(1,), initializer="zeros", trainable=True)
            super().build(input_shape)

        def call(self, inputs):
            return super().call(inputs)

    inputs = [keras.layers.Input(batch_shape=(1, *w.shape)) for w in START]
    model = keras.models.Model(inputs, Forgets(name="forgets")(inputs))
    model.compile(loss=lambda y, p: K.sum(p, axis=-1), optimizer=Adam(0.1))
    with pytest.raises(ValueError, match="forgets/forgotten"):
        train(model)


def test_a_rate_is_a_number():
    with pytest.raises(TypeError, match="extend_with_piecewise_linear_lr"):
        Adam(lambda step: 0.1)
