"""Which function an activation's name means."""

import math

import numpy as np
import pytest

from b4k3.backend import activations, keras, ops
from harness import evaluate

X = np.linspace(-4, 4, 41).astype("float32")
ERF = 0.5 * X * (1 + np.vectorize(math.erf)(X / np.sqrt(2)))
TANH = 0.5 * X * (1 + np.tanh(np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)))
SWISH = X / (1 + np.exp(-X))


@pytest.fixture(autouse=True)
def the_default_gelu():
    yield
    activations.set_gelu("erf")


NAMES = [
    ("gelu", ERF),
    ("gelu_erf", ERF),
    ("gelu_tanh", TANH),
    ("gelu_new", TANH),
    ("b4k3>gelu_tanh", TANH),
    ("swish", SWISH),
    ("silu", SWISH),
    ("leaky_relu", np.where(X > 0, X, 0.2 * X)),
    ("relu", np.maximum(X, 0)),
    ("linear", X),
    (None, X),
    ("tanh", np.tanh(X)),
    (activations.gelu_erf, ERF),
]


@pytest.mark.parametrize("name, expected", NAMES, ids=[str(n) for n, _ in NAMES])
def test_get(name, expected):
    found = evaluate(activations.get(name)(ops.convert_to_tensor(X)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name, expected", NAMES, ids=[str(n) for n, _ in NAMES])
def test_serialize_and_get_again(name, expected):
    config = activations.serialize(activations.get(name))
    np.testing.assert_allclose(
        evaluate(activations.get(config)(ops.convert_to_tensor(X))), expected, rtol=1e-5, atol=2e-6
    )


def test_the_two_gelus_differ():
    assert np.abs(ERF - TANH).max() > 1e-4


def test_set_gelu_moves_the_name_and_nothing_of_keras():
    before = keras.utils.get_custom_objects().copy()
    keras_gelu = getattr(keras.activations, "gelu", None)
    made_before = activations.get("gelu")
    activations.set_gelu("tanh")
    assert activations.get("gelu") is activations.gelu_tanh
    assert activations.get("gelu_erf") is activations.gelu_erf
    assert made_before is activations.gelu_erf
    assert activations.serialize(activations.get("gelu")) == "gelu_tanh"
    assert keras.utils.get_custom_objects() == before
    assert getattr(keras.activations, "gelu", None) is keras_gelu


@pytest.mark.parametrize("version", ["gelu", "", None])
def test_set_gelu_refuses(version):
    with pytest.raises(ValueError, match="'erf' and 'tanh'"):
        activations.set_gelu(version)


def test_a_list_is_refused():
    with pytest.raises(TypeError, match="FeedForward"):
        activations.get(["gelu", "linear"])


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="gelu_tanh"):
        activations.get("gelu_tahn")
