"""FeedForward, plain and gated."""

import math

import numpy as np
import pytest

from b4k3.backend import activations, keras
from b4k3.layers import FeedForward
from support.layer_checks import check_layer

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "linear": lambda x: x,
    "tanh": np.tanh,
    "gelu": lambda x: 0.5 * x * (1 + np.vectorize(math.erf)(x / np.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}


def oracle(config):
    names = config["activation"] if isinstance(config["activation"], list) else [config["activation"]]

    def compute(weights, arrays, masks):
        hidden = 1.0
        for i, name in enumerate(names):
            branch = "intermediate" if i == 0 else f"intermediate_{i}"
            x = arrays[0] @ weights[branch + "/kernel"] + weights.get(branch + "/bias", 0)
            hidden = hidden * ACTIVATIONS[name](x)
        return hidden @ weights["output/kernel"] + weights.get("output/bias", 0)

    return compute


CASES = [
    {"activation": "relu"},
    {"activation": "gelu"},
    {"activation": "gelu_tanh", "use_bias": False},
    {"activation": ["gelu_tanh", "linear"], "use_bias": False},  # T5.1.1
    {"activation": ["tanh", "relu", "linear"]},
]


@pytest.mark.parametrize("config", CASES, ids=str)
def test_feedforward(config, tmp_path):
    branches = len(config["activation"]) if isinstance(config["activation"], list) else 1
    dense = ["intermediate"] + [f"intermediate_{i}" for i in range(1, branches)] + ["output"]
    parts = ["kernel", "bias"] if config.get("use_bias", True) else ["kernel"]
    check_layer(
        lambda: FeedForward(7, name="layer", **config),
        lambda rng, batch, n: [rng.randn(batch, n, 4).astype("float32")],
        oracle(config),
        weights=[f"{d}/{p}" for d in dense for p in parts],
        masked=(0,),
        mask_out=lambda x, m: m[0],
        tmp=tmp_path,
    )


def test_a_config_tells_the_two_gelus_apart():
    """What 'gelu' meant when a layer was made is what its config says, whatever set_gelu says later."""
    layer = FeedForward(4, activation=["gelu", "gelu_tanh"])
    assert layer.get_config()["activation"] == ["gelu_erf", "gelu_tanh"]
    copy = FeedForward.from_config(layer.get_config())
    assert copy.activation == [activations.gelu_erf, activations.gelu_tanh]


def test_the_branches_start_with_values_of_their_own():
    x = keras.Input((None, 4))
    layer = FeedForward(4, activation=["relu", "linear"], use_bias=False, name="layer")
    keras.Model(x, layer(x))
    assert len({w.tobytes() for w in layer.get_weights()}) == 3
