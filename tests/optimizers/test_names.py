"""The names under which optimizers are saved: none is loaded as another one."""

import json
import os
import warnings

import numpy as np
import pytest

from b4k3.backend import keras
from b4k3.optimizers import Adam, extend_with_exponential_moving_average, extend_with_weight_decay
from b4k3.optimizers._registering import names_of_keras
from support.harness import fresh_session

HAS_REGISTRY = hasattr(keras.utils, "register_keras_serializable")
TAKEN = ["Adam", "SGD", "AdamW"]  # AdamW is taken only where Keras has one


def made(name):
    """The class with a name that Keras may have too, and the warnings of its creation."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cls = extend_with_weight_decay(Adam, name)
    return cls, [str(w.message) for w in caught if "of its own" in str(w.message)]


@pytest.mark.parametrize("name", TAKEN)
def test_a_name_of_keras_is_loaded_as_the_class_that_has_it_or_warned_of(name):
    for _ in range(2):  # a notebook runs a cell twice
        cls, messages = made(name)
    assert cls.__name__ == name
    if not HAS_REGISTRY and name.lower() in names_of_keras():
        assert len(messages) == 1 and f"'My{name}'" in messages[0]
        return
    assert not messages
    config = keras.optimizers.serialize(cls(0.5, weight_decay_rate=0.25))
    again = keras.optimizers.deserialize(json.loads(json.dumps(config, default=float)))
    assert type(again) is cls and again.get_config()["weight_decay_rate"] == 0.25
    of_keras = keras.optimizers.get("sgd" if name == "SGD" else "adam")
    assert type(of_keras) is not cls and not isinstance(of_keras, Adam)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_a_name_of_keras_in_an_hdf5_file(name, tmp_path):
    if not HAS_REGISTRY and name.lower() in names_of_keras():
        name = f"My{name}"  # as the warning says
    cls, _ = made(name)
    fresh_session()
    model = keras.models.Sequential([keras.layers.Dense(2, input_shape=(3,))])
    model.compile(loss="mse", optimizer=cls(0.5))
    model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    path = os.path.join(str(tmp_path), "model.h5")
    model.save(path)
    fresh_session()
    assert type(keras.models.load_model(path, custom_objects={"mse": keras.losses.mean_squared_error}).optimizer) is cls


def test_other_names_are_saved_as_they_are():
    cls = extend_with_exponential_moving_average(Adam, name="AdamEMA")
    assert keras.utils.get_custom_objects()["AdamEMA"] is cls
