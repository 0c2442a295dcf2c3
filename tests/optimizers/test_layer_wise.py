"""Layer-wise rates: the factor of every variable of a model, against its name, which an oracle reads."""

from __future__ import annotations

import re

import numpy as np
import pytest

from b4k3.backend import keras, weight_path
from b4k3.models import BERT, ConfigError, build_transformer_model
from b4k3.optimizers import layer_wise_rates
from b4k3.optimizers._extensions import ParameterWiseRate
from support.small_models import SMALL

CONFIG = {**SMALL, "vocab_size": 12, "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 2}
T5 = {key: value for key, value in CONFIG.items() if key != "max_position"}
T5.update(num_hidden_layers=2, num_decoder_layers=3, hidden_act="relu")
NUMBERED = r"Transformer-(\d+)-"
GROUPED = r"Transformer-G(\d+)-I0-"
# config, arguments, the blocks, where the number of a block is in the path of a variable, what else is embeddings
CASES = {
    "bert": ({**CONFIG, "num_hidden_layers": 12}, {"with_mlm": True, "with_nsp": True}, 12, NUMBERED, "Embedding-"),
    "bert with a prefix and a name": (CONFIG, {"prefix": "My-", "name": "mine"}, 2, "My-" + NUMBERED, "My-Embedding-"),
    "albert": (CONFIG, {"model": "albert", "with_mlm": True}, 1, r"Transformer()-", "Embedding-"),
    "albert groups": (
        {**CONFIG, "num_hidden_layers": 6, "num_hidden_groups": 3},
        {"model": "albert"},
        3,
        GROUPED,
        "Embedding-",
    ),
    "albert_unshared": (CONFIG, {"model": "albert_unshared"}, 2, NUMBERED, "Embedding-"),
    "roformer_v2": (CONFIG, {"model": "roformer_v2", "with_mlm": True}, 2, NUMBERED, "Embedding-"),
    "gpt2": (CONFIG, {"model": "gpt2"}, 2, NUMBERED, "Embedding-"),
    "gau": (CONFIG, {"model": "gau"}, 2, NUMBERED, "Embedding-"),
}


def built(config, arguments):
    return build_transformer_model(config, return_keras_model=False, **arguments)


def factor(rates, path):
    """What the optimizer makes of the rates."""
    return ParameterWiseRate(paramwise_lr_schedule=rates).factor(path)


def expected(path, blocks, numbered, embeddings, decay):
    found = re.match(numbered, path)
    if found:
        return decay ** (blocks - int(found.group(1) or 0))
    return decay ** (blocks + 1) if path.startswith(embeddings) else 1.0


@pytest.mark.parametrize("name", CASES)
def test_every_variable(name):
    config, arguments, blocks, numbered, embeddings = CASES[name]
    transformer = built(config, arguments)
    rates = layer_wise_rates(transformer, 0.9)
    weights = transformer.model.weights
    assert len(weights) > 8
    for weight in weights:
        # a layer of a name that was taken has a number behind it on keras 2.3.1
        path = re.sub(r"_\d+/", "/", weight_path(weight), count=1)
        assert np.isclose(factor(rates, weight_path(weight)), expected(path, blocks, numbered, embeddings, 0.9)), path


def test_encoder_and_decoder_of_t5():
    transformer = built(T5, {"model": "t5.1.1"})
    rates = layer_wise_rates(transformer, 0.5)
    found = {}
    for name, layer in transformer.layers.items():
        for weight in getattr(layer, "weights", ()):
            found[re.sub("-(Multi|Feed).*", "", name)] = factor(rates, weight_path(weight))
    assert found == {
        "Embedding-Token": 0.5**4,
        "Encoder-Embedding-Relative-Position": 0.5**3,
        "Encoder-Transformer-0": 0.5**2,
        "Encoder-Transformer-1": 0.5,
        "Encoder-Output-Norm": 1.0,
        "Decoder-Embedding-Relative-Position": 0.5**4,
        "Decoder-Transformer-0": 0.5**3,
        "Decoder-Transformer-1": 0.5**2,
        "Decoder-Transformer-2": 0.5,
        "Decoder-Output-Norm": 1.0,
        "Decoder-Output-LM": 1.0,
    }


def test_layers_shared_with_another_model_and_new_layers():
    first = built(CONFIG, {"name": "first"})
    second = built(CONFIG, {"layers": first.layers, "with_mlm": True, "name": "second"})
    head = keras.layers.Dense(3, name="Transformer-1")(first.model.output)
    model = keras.models.Model(first.model.inputs, head)
    rates = layer_wise_rates(second, 0.5, model=model)
    assert rates == layer_wise_rates(second, 0.5)
    assert {factor(rates, weight_path(weight)) for weight in model.layers[-1].weights} == {1.0}


def test_two_towers():
    towers = [built(CONFIG, {"prefix": prefix}) for prefix in ("Left-", "Right-")]
    outputs = [tower.model.output for tower in towers]
    model = keras.models.Model([i for tower in towers for i in tower.model.inputs], outputs)
    rates = [layer_wise_rates(tower, decay, model=model) for tower, decay in zip(towers, (0.5, 0.25))]
    both = {**rates[0], **rates[1]}
    for weight in model.weights:
        path = weight_path(weight)
        mine, decay = (rates[0], 0.5) if path.startswith("Left-") else (rates[1], 0.25)
        assert factor(both, path) == factor(mine, path) in (decay, decay**2, decay**3)


def test_a_path_that_is_the_end_of_another_one_is_refused():
    towers = [built({**CONFIG, "num_hidden_layers": 1}, {"prefix": prefix}) for prefix in ("R-", "Other-R-")]
    inputs = [i for tower in towers for i in tower.model.inputs]
    model = keras.models.Model(inputs, [tower.model.output for tower in towers])
    assert layer_wise_rates(towers[1], model=model)
    with pytest.raises(
        ValueError, match="Other-R-.* contains it too. Build one of the two models with another prefix="
    ):
        layer_wise_rates(towers[0], model=model)


class Extra(BERT):
    """A layer of its own, of which nobody knows where it stands."""

    def variable_mapping(self):
        return {"My-Table": ["mine/table"], **super().variable_mapping()}


@pytest.mark.parametrize(
    "transformer,decay,error,said",
    [
        (lambda: built({**CONFIG, "num_hidden_layers": 1}, {}).model, 0.9, TypeError, "return_keras_model=False"),
        (lambda: built({**CONFIG, "num_hidden_layers": 1}, {}), 1.5, ValueError, "above 0 and at most 1; found 1.5"),
        (lambda: built({**CONFIG, "num_hidden_layers": 1}, {"model": Extra}), 0.9, ConfigError, "whether My-Table"),
    ],
    ids=["a model of Keras", "growth", "an unknown layer"],
)
def test_what_is_refused(transformer, decay, error, said):
    with pytest.raises(error, match=said):
        layer_wise_rates(transformer(), decay)
