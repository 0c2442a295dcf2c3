"""`from b4k3.layers import *`: the row's keras.layers, with ours on top."""

import pytest

import b4k3.layers
from b4k3.backend import Layer, keras


def test_star():
    names = {}
    exec("from b4k3.layers import *", names)
    for name in ("Dense", "Dropout", "Input", "Lambda", "LSTM", "Reshape", "Softmax"):
        assert names[name] is getattr(keras.layers, name), name
    for name in b4k3.layers._NAMES:
        assert names[name] is getattr(b4k3.layers, name), name
        assert names[name].__module__.startswith("b4k3.layers."), name
    assert names["Add"] is not keras.layers.Add and names["Embedding"] is not keras.layers.Embedding
    assert names["Layer"] is Layer and names["keras"] is keras
    assert names["K"] is b4k3.layers.K and "custom_objects" in names


def test_every_name_of_keras_layers():
    missing = [n for n in dir(keras.layers) if not n.startswith("_") and not hasattr(b4k3.layers, n)]
    assert not missing
    assert set(dir(b4k3.layers)) >= set(n for n in dir(keras.layers) if not n.startswith("_"))


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'b4k3.layers' has no attribute 'MultiHeadAttentoin'"):
        b4k3.layers.MultiHeadAttentoin  # noqa: B018
    with pytest.raises(ImportError):
        exec("from b4k3.layers import MultiHeadAttentoin", {})
