"""Names under which our objects are saved."""

import inspect

import pytest

from b4k3.backend import _serialization, custom_objects, keras, register, row
from b4k3.layers import custom_objects as complete

HAS_REGISTRY = hasattr(keras.utils, "register_keras_serializable")
LAYERS = {
    "Add": {},
    "Embedding": {"input_dim": 3, "output_dim": 2},
    "FeedForward": {"units": 3},
    "LayerNormalization": {"epsilon": 0.25},
    "MultiHeadAttention": {"heads": 2, "head_size": 3},
    "UniLMMask": {},
}


def saved(name):
    import b4k3.layers

    return keras.layers.serialize(getattr(b4k3.layers, name)(name="mine", **LAYERS[name]))


def same_class(layer, name):
    import b4k3.layers

    return type(layer) is getattr(b4k3.layers, name)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_with_the_table_of_custom_objects(name):
    layer = keras.layers.deserialize(saved(name), custom_objects=dict(complete))
    assert same_class(layer, name) and layer.name == "mine"


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_by_the_registry(name):
    """A row without a registry has only the table; where there is one, nothing need be passed."""
    if HAS_REGISTRY:
        layer = keras.layers.deserialize(saved(name))
        assert same_class(layer, name)
        for key, value in LAYERS[name].items():
            assert getattr(layer, key) == value


def test_keras_own_layers_keep_their_names():
    """Our Add, Embedding and LayerNormalization do not stand in for Keras' in a saved model of somebody else."""
    names = keras.utils.get_custom_objects()
    known = (keras.layers, keras.activations)  # keras 2.3 has neither gelu nor a layer normalisation
    theirs = {n for n in ("Add", "Embedding", "LayerNormalization", "gelu") if any(hasattr(m, n) for m in known)}
    assert theirs >= {"Add", "Embedding"} and not theirs & set(names)
    for theirs in (keras.layers.Add(), keras.layers.Embedding(3, 2)):
        assert type(keras.layers.deserialize(keras.layers.serialize(theirs))) is type(theirs)


def test_the_table_is_complete():
    import b4k3.layers

    layers = {name: getattr(b4k3.layers, name) for name in b4k3.layers._NAMES}
    for name, value in layers.items():
        assert not inspect.isclass(value) or complete[name] is value
    functions = {name for name, value in layers.items() if not inspect.isclass(value)}
    assert functions == {"first_tokens_masked", "integerize_shape"}
    for name in ("TruncatedNormal", "Sinusoidal", "gelu_erf", "gelu_tanh"):
        assert name in complete
    assert complete is custom_objects


def test_register_under_another_name():
    try:

        @register(name="another_name_for_a_test")
        def function(x):
            return x

        assert custom_objects["another_name_for_a_test"] is function and function(3) == 3
        if HAS_REGISTRY:
            assert keras.utils.get_registered_name(function) == "b4k3>another_name_for_a_test"
    finally:
        del custom_objects["another_name_for_a_test"]


def test_a_row_without_registry():
    without = _serialization.make_register(None)
    try:

        @without
        class ForATest:
            pass

        assert custom_objects["ForATest"] is ForATest
    finally:
        del custom_objects["ForATest"]


def test_the_rows_that_have_none():
    assert HAS_REGISTRY or row.kind in ("keras2", "tf.keras")
