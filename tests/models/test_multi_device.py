"""data_parallel: on two devices that are one CPU, where the row has graphs; elsewhere what to use instead."""

import numpy as np
import pytest

from b4k3.backend import keras, row
from b4k3.layers import Add, Embedding
from b4k3.models import data_parallel

CPUS = ["/device:CPU:0"] * 2


def small_model():
    a, b = keras.Input((None,), name="a"), keras.Input((4,), name="b")
    x = keras.layers.Dense(4)(b)
    y = Add()([Embedding(9, 4)(a), keras.layers.Reshape((1, 4))(x)])
    return keras.Model([a, b], [keras.layers.Dense(2, name="left")(y), keras.layers.Dense(3, name="right")(x)])


def has_graphs():
    import importlib

    return not row.is_keras3 and importlib.import_module("b4k3.backend._keras2.devices").HAS_GRAPHS


@pytest.mark.parametrize("parts", [None, [1, 3]], ids=str)
def test_two_devices(parts):
    model = small_model()
    if not has_graphs():
        names = {"jax": r"distribution\.data_parallel\(\)", "torch": "distributed_data_parallel", "numpy": "inference"}
        with pytest.raises(NotImplementedError, match=names.get(row.backend, "MirroredStrategy") + ".*one core"):
            data_parallel(model, CPUS, parts)
        return
    parallel = data_parallel(model, CPUS, parts)
    assert parallel.output_names == ["left", "right"]
    rng = np.random.RandomState(0)
    arrays = [rng.randint(0, 9, (7, 5)).astype("float32"), rng.randn(7, 4).astype("float32")]
    for got, wanted in zip(parallel.predict(arrays), model.predict(arrays)):
        np.testing.assert_allclose(got, wanted, atol=1e-6)
    before = model.get_weights()
    parallel.compile(optimizer="sgd", loss="mse")
    parallel.train_on_batch(arrays, [np.ones((7, 5, 2)), np.ones((7, 3))])
    assert all((a != b).any() for a, b in zip(before, model.get_weights()))


def test_one_device():
    model = small_model()
    assert data_parallel(model) is model and data_parallel(model, CPUS[:1]) is model


def test_parts_are_as_many_as_devices():
    with pytest.raises(ValueError, match="3 parts for 2 devices"):
        data_parallel(small_model(), CPUS, [1, 1, 1])
