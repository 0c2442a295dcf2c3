"""The state of an optimizer: training that was saved and loaded goes on as if nothing had happened."""

import os

import numpy as np
import pytest

import b4k3.optimizers as optimizers
from b4k3.backend import keras
from b4k3.optimizers import Adam, extend_with_exponential_moving_average
from support.harness import fresh_session, whole_model_suffix

# (name of the class, base, extensions from the inside out, arguments)
CASES = [
    (
        "StateAll",
        "Adam",
        "weight_decay piecewise_linear_lr gradient_accumulation lookahead exponential_moving_average",
        dict(lr_schedule={4: 1, 12: 0.1}, grad_accum_steps=3, steps_per_slow_update=2, ema_momentum=0.5),
    ),
    (
        "StateKeras",
        "keras.Adam",
        "layer_adaptation piecewise_linear_lr gradient_accumulation exponential_moving_average",
        dict(lr_schedule={4: 1, 12: 0.1}, grad_accum_steps=3, ema_momentum=0.5),
    ),
    ("StateAdaFactor", "AdaFactor", "lookahead", dict(min_dim_size_to_factor=4, beta1=0.5)),
    ("Adam", "Adam", "", dict(epsilon=1e-3, bias_correction=False)),
]
BATCHES = 11  # with windows of three, the fifth batch is in the middle of one
RNG = np.random.RandomState(0)
X = RNG.randint(0, 7, (BATCHES, 4, 5)).astype("int32")
Y = RNG.randn(BATCHES, 4, 2).astype("float32")


def make_optimizer(name, base, extensions, arguments, rate=0.05):
    """An optimizer of a class that is registered under a name."""
    module, base = (keras.optimizers, base[6:]) if base.startswith("keras.") else (optimizers, base)
    cls = getattr(module, base)
    for i, extension in enumerate(extensions.split()):
        last = i == len(extensions.split()) - 1
        cls = getattr(optimizers, f"extend_with_{extension}")(cls, name=name if last else f"{name}{i}")
    return cls(rate, **arguments)


def make_model(optimizer):
    """A model with an embedding, whose weights are always the same, compiled."""
    layers = keras.layers
    inputs = layers.Input(shape=(5,), dtype="int32")
    x = layers.Flatten()(layers.Embedding(7, 6)(inputs))
    model = keras.models.Model(inputs, layers.Dense(2)(layers.Dense(5, activation="tanh")(x)))
    rng = np.random.RandomState(1)
    model.set_weights([0.3 * rng.randn(*w.shape) for w in model.get_weights()])
    model.compile(loss="mse", optimizer=optimizer)
    return model


def train(model, batches):
    """Train on some batches, one by one."""
    for i in batches:
        model.train_on_batch(X[i], Y[i])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_training_goes_on_after_a_model_was_saved_and_loaded(case, tmp_path):
    fresh_session()
    model = make_model(make_optimizer(*case))
    train(model, range(4))
    path = os.path.join(str(tmp_path), "model" + whole_model_suffix())
    model.save(path)
    train(model, range(4, BATCHES))
    wanted = model.get_weights()
    kind, config = type(model.optimizer), model.optimizer.get_config()
    fresh_session()
    model = keras.models.load_model(path)
    assert type(model.optimizer) is kind and model.optimizer.get_config() == config
    train(model, range(4, BATCHES))
    for got, want in zip(model.get_weights(), wanted):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_an_optimizer_of_ours_does_not_become_one_of_keras():
    config = keras.optimizers.serialize(Adam(1e-3, bias_correction=False))
    assert type(keras.optimizers.deserialize(config)) is Adam
    of_keras = keras.optimizers.deserialize(keras.optimizers.serialize(keras.optimizers.Adam()))
    assert type(of_keras) is not Adam and not isinstance(of_keras, Adam)


def test_averages_are_applied_and_taken_out_in_callbacks():
    fresh_session()
    optimizer = extend_with_exponential_moving_average(Adam, "StateEMA")(0.05, ema_momentum=0.5)
    model, rows = make_model(optimizer), []

    class Average(keras.callbacks.Callback):
        """What scripts do: they keep the optimizer that they gave to compile."""

        def on_epoch_end(self, epoch, logs=None):
            before = model.get_weights()
            optimizer.apply_ema_weights()
            averaged = model.get_weights()
            optimizer.reset_old_weights()
            rows.append((before, averaged, model.get_weights()))

    for i in range(3):
        model.fit(X[i], Y[i], batch_size=4, epochs=1, verbose=0, callbacks=[Average()])
    average = [0 * w for w in rows[0][0]]
    for step, (before, averaged, after) in enumerate(rows):
        average = [0.5 * a + 0.5 * w for a, w in zip(average, before)]
        for a, got in zip(average, averaged):
            np.testing.assert_allclose(got, a / (1 - 0.5 ** (step + 1)), rtol=1e-5, atol=1e-6)
        for w, got in zip(before, after):
            np.testing.assert_array_equal(got, w)
    assert np.abs(rows[2][0][0] - rows[2][1][0]).max() > 1e-3


def test_callbacks_and_scripts_set_the_learning_rate():
    fresh_session()
    model = make_model(make_optimizer("StateRate", "keras.SGD", "weight_decay", {}, rate=0.5))
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.0 if epoch == 1 else 0.25)
    weights = [model.get_weights()[0]]
    for epoch in range(3):
        model.fit(X[0], Y[0], epochs=epoch + 1, initial_epoch=epoch, verbose=0, callbacks=[schedule])
        weights.append(model.get_weights()[0])
    moved = [np.abs(b - a).max() for a, b in zip(weights, weights[1:])]
    assert moved[0] > 0 and moved[1] == 0 and moved[2] > 0
    model.optimizer.learning_rate = 0.0
    train(model, [0])
    np.testing.assert_array_equal(model.get_weights()[0], weights[-1])


def test_the_plateau_callback_lowers_the_rate():
    fresh_session()
    model = make_model(make_optimizer("StatePlateau", "AdaFactor", "", {}, rate=0.25))
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=1e6)
    model.fit(X[0], Y[0], epochs=2, verbose=0, callbacks=[plateau])
    assert model.optimizer.get_config()["learning_rate"] == pytest.approx(0.125)
