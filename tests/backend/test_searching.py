"""search_layer through plain, shared, nested and many-input models."""

import pytest

from b4k3.backend import keras
from b4k3.backend.searching import search_layer

L = keras.layers


def dense(name):
    return L.Dense(3, name=name)


@pytest.fixture(scope="module")
def model():
    a, b = L.Input(shape=(3,), name="a"), L.Input(shape=(3,), name="b")
    inner_input = L.Input(shape=(3,), name="inner-input")
    inner = keras.Model(inner_input, dense("deep")(dense("deeper")(inner_input)), name="inner")
    shared = dense("shared")
    x = L.Add(name="add")([shared(dense("left")(a)), shared(inner(b))])
    dense("aside")(x)
    return keras.Model([a, b], [dense("top")(x), dense("second")(x)], name="whole")


@pytest.mark.parametrize("name", ["top", "add", "shared", "left", "inner", "deep", "deeper", "a", "b"])
def test_found(model, name):
    found = search_layer(model.outputs[0], name)
    assert found is not None and found.name == name


@pytest.mark.parametrize("name", ["second", "aside", "nothing"])
def test_not_found(model, name):
    assert search_layer(model.outputs[0], name) is None


def test_start_from_many_tensors_a_layer_or_a_model(model):
    assert search_layer(model.outputs, "second").name == "second"
    assert search_layer(model.get_layer("add"), "left").name == "left"
    assert search_layer(model, "deeper").name == "deeper"
    assert search_layer(model.outputs[0], "shared") is model.get_layer("shared")


def test_excluded_layers_are_not_looked_at(model):
    seen = {model.get_layer("inner")}
    assert search_layer(model.outputs[0], "deep", seen) is None
    assert model.get_layer("add") in seen
