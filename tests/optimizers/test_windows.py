"""Accumulated gradients: a window of batches is one update by their mean, for the optimizers of Keras too."""

import numpy as np
import pytest

from b4k3.backend import environment, keras
from b4k3.optimizers import (
    Adam,
    extend_with_exponential_moving_average,
    extend_with_gradient_accumulation,
    extend_with_weight_decay,
)
from support import optimizer_goldens as goldens
from support.harness import fresh_session

K, WINDOWS = 2, 2
SPECS = [
    {"name": "Embedding/embeddings", "shape": [5, 3], "sparse": True},
    {"name": "Dense/kernel", "shape": [3, 4], "sparse": False},
]
# (optimizer of Keras, or Adam of ours; arguments)
CASES = [
    ("SGD", dict(momentum=0.9, nesterov=True)),
    ("Adam", dict(amsgrad=True)),
    ("RMSprop", dict()),
    ("Nadam", dict()),
    ("AdamW", dict(weight_decay=0.5)),
    ("ours", dict(clipnorm=0.5)),
    ("ours", dict(clipvalue=0.1)),
    ("ours", dict(global_clipnorm=0.5)),
]


def problem(steps, seed=0):
    """Random variables and gradients; the rows of the embedding come twice."""
    rng = np.random.RandomState(seed)
    arrays = {"start|" + s["name"]: rng.randn(*s["shape"]).astype("float32") for s in SPECS}
    for i in range(steps):
        arrays[f"ids|{i}|Embedding/embeddings"] = np.array([1, 3, 1, 0])
        arrays[f"grad|{i}|Embedding/embeddings"] = rng.randn(4, 3).astype("float32")
        arrays[f"grad|{i}|Dense/kernel"] = rng.randn(3, 4).astype("float32")
    return goldens.Problem(SPECS, arrays)


def means(batches):
    """The problem whose steps have the mean gradients of the windows of another."""
    arrays = {"start|" + name: value for name, value in batches.start.items()}
    for i in range(WINDOWS):
        for spec in SPECS:
            window = [batches.dense(spec, K * i + j) for j in range(K)]
            arrays[f"grad|{i}|{spec['name']}"] = np.mean(window, axis=0)
    return goldens.Problem([{**spec, "sparse": False} for spec in SPECS], arrays)


def has(name, arguments):
    """Whether this Keras has an optimizer, and its arguments."""
    if environment.keras_flavour == "keras2" and "global_clipnorm" in arguments:
        return False
    return name == "ours" or hasattr(keras.optimizers, name)


HERE = [case for case in CASES if has(*case)]


@pytest.mark.parametrize("name, arguments", HERE, ids=[f"{n}-{'-'.join(a)}" for n, a in HERE])
def test_a_window_is_one_update_by_the_mean(name, arguments):
    base = Adam if name == "ours" else getattr(keras.optimizers, name)
    extended = extend_with_exponential_moving_average(extend_with_weight_decay(base, "Decayed"), "Averaged")
    batches = problem(K * WINDOWS)
    fresh_session()
    wanted = goldens.history(means(batches), extended(0.1, **arguments), goldens.bare_variables, WINDOWS)
    fresh_session()
    make = extend_with_gradient_accumulation(extended, "Accumulated")
    try:
        optimizer = make(0.1, grad_accum_steps=K, **arguments)
    except TypeError as error:
        assert name == "Nadam" and "cannot be accumulated" in str(error)
        return
    got = goldens.history(batches, optimizer, goldens.bare_variables, K * WINDOWS)
    before = batches.start
    for i in range(K * WINDOWS):
        closed = wanted[str(i // K)] if i % K == K - 1 else before
        for path, value in closed.items():
            np.testing.assert_allclose(got[str(i)][path], value, rtol=2e-5, atol=2e-6, err_msg=f"{path} after {i}")
        before = got[str(i)]
    assert all(np.abs(before[path] - batches.start[path]).max() > 1e-3 for path in before)


def test_a_schedule_of_keras_counts_batches():
    """The rate of an update is that of its last batch."""
    fresh_session()
    schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 10, end_learning_rate=0.0)
    optimizer = extend_with_gradient_accumulation(keras.optimizers.SGD, "ScheduledSGD")(schedule, grad_accum_steps=K)
    batches = problem(K * WINDOWS)
    got = goldens.history(batches, optimizer, goldens.bare_variables, K * WINDOWS)
    expected = means(batches)
    kernel = batches.start["Dense/kernel"]
    for i in range(WINDOWS):
        kernel = kernel - (1 - 0.1 * (K * i + K - 1)) * expected.arrays[f"grad|{i}|Dense/kernel"]
        np.testing.assert_allclose(got[str(K * i + K - 1)]["Dense/kernel"], kernel, rtol=1e-5, atol=1e-6)
