"""Which function an activation's name means."""

import json
import math

import numpy as np
import pytest

from b4k3.backend import activations, dtype as dtype_of, keras, ops
from support.harness import answer, evaluate
from support.layer_checks import known_objects

X = np.linspace(-12, 12, 121).astype("float32")
ERF = 0.5 * X * (1 + np.vectorize(math.erf)(X / np.sqrt(2)))
TANH = 0.5 * X * (1 + np.tanh(np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)))
SWISH = X / (1 + np.exp(-X))
SOFTPLUS = np.log1p(np.exp(X.astype("float64")))
LAPLACE = 0.5 * (1 + np.vectorize(math.erf)((X - 0.707107) / (0.282095 * math.sqrt(2))))


@pytest.fixture(autouse=True)
def the_default_gelu():
    yield
    activations.set_gelu("erf")


NAMES = [
    ("gelu", ERF),
    ("gelu_erf", ERF),
    ("gelu_tanh", TANH),
    ("gelu_10", np.clip(ERF, -10, 10)),
    ("gelu_accurate", TANH),
    ("gelu_fast", TANH),
    ("gelu_new", TANH),
    ("gelu_python", ERF),
    ("gelu_python_tanh", TANH),
    ("gelu_pytorch_tanh", TANH),
    ("quick_gelu", X / (1 + np.exp(-1.702 * X))),
    ("b4k3>gelu_tanh", TANH),
    ("swish", SWISH),
    ("silu", SWISH),
    ("leaky_relu", np.where(X > 0, X, 0.2 * X)),
    ("leaky_relu_torch", np.where(X > 0, X, 0.01 * X)),
    ("hardswish", X * np.clip(X + 3, 0, 6) / 6),
    ("laplace", LAPLACE),
    ("mish", X * np.tanh(SOFTPLUS)),
    ("relu", np.maximum(X, 0)),
    ("relu2", np.maximum(X, 0) ** 2),
    ("relu6", np.clip(X, 0, 6)),
    ("sigmoid", 1 / (1 + np.exp(-X))),
    ("sqrtsoftplus", np.sqrt(SOFTPLUS)),
    ("linear", X),
    (None, X),
    ("tanh", np.tanh(X)),
    (activations.gelu_erf, ERF),
]
NAME_IDS = [getattr(name, "__qualname__", str(name)) for name, _ in NAMES]


@pytest.mark.parametrize("name, expected", NAMES, ids=NAME_IDS)
def test_get(name, expected):
    found = evaluate(activations.get(name)(ops.convert_to_tensor(X)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name, expected", NAMES, ids=NAME_IDS)
def test_serialize_and_get_again(name, expected):
    config = activations.serialize(activations.get(name))
    np.testing.assert_allclose(
        evaluate(activations.get(config)(ops.convert_to_tensor(X))), expected, rtol=1e-5, atol=2e-6
    )


@pytest.mark.parametrize("name", sorted(activations.OURS))
def test_every_name_survives_in_a_model(name):
    """As the activation of a layer of Keras and of one of ours, through the JSON of the model's config."""
    from b4k3.layers import FeedForward

    x = keras.Input((3,))
    y = keras.layers.Activation(activations.get(name))(x)
    y = keras.layers.Dense(3, activation=activations.get(name))(y)
    model = keras.Model(x, FeedForward(3, name)(y))
    config = json.loads(json.dumps(model.get_config()))
    with known_objects():
        copy = keras.Model.from_config(config)
    copy.set_weights(model.get_weights())
    ids = np.linspace(-3, 3, 12).astype("float32").reshape(4, 3)
    np.testing.assert_allclose(answer(copy, [ids])[0], answer(model, [ids])[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(activations.OURS))
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_keeps_its_dtype(name, dtype):
    found = activations.get(name)(ops.cast(ops.convert_to_tensor(X), dtype))
    assert dtype_of(found) == dtype
    assert np.isfinite(evaluate(ops.cast(found, "float32"))).all()


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
