"""TruncatedNormal, and the switch by which it does not draw."""

import threading

import numpy as np
import pytest

from b4k3.backend import TruncatedNormal, copy_initializer, keras, skip_initialization
from support.harness import evaluate


def drawn():
    """Standard deviation and largest number of a fresh weight."""
    values = evaluate(TruncatedNormal(stddev=0.02)((50, 40), dtype="float32"))
    assert values.shape == (50, 40) and values.dtype == "float32"
    return values.std(), np.abs(values).max()


def test_cut_at_two_standard_deviations():
    std, largest = drawn()
    assert 0.016 < std < 0.019 and 0.036 < largest <= 0.04


def test_no_number_of_millions_is_beyond():
    """Keras' own initializer leaves four in a million on torch."""
    values = evaluate(TruncatedNormal(stddev=0.02)((2000, 2000), dtype="float32"))
    assert 0.0399 < np.abs(values).max() <= 0.04


def test_skipping():
    with skip_initialization():
        assert drawn() == (0, 0)
        with skip_initialization(False):
            assert drawn()[0] > 0
        assert drawn() == (0, 0)
        with pytest.raises(KeyError):
            with skip_initialization(False):
                raise KeyError
        assert drawn() == (0, 0)
    assert drawn()[0] > 0


def test_another_thread_is_not_concerned():
    from b4k3.backend import _initialization

    seen = []
    with skip_initialization():
        thread = threading.Thread(target=lambda: seen.append(_initialization.skipping()))
        thread.start()
        thread.join()
        assert _initialization.skipping()
    assert seen == [False]


def test_weights_of_a_layer():
    for skip in (True, False):
        with skip_initialization(skip):
            x = keras.Input((3,))
            dense = keras.layers.Dense(4, kernel_initializer=TruncatedNormal(stddev=0.5))
            keras.Model(x, dense(x))
        assert bool(np.any(dense.get_weights()[0])) is not skip


def test_the_config_keeps_the_initializer():
    with skip_initialization():
        config = keras.initializers.serialize(TruncatedNormal(stddev=0.5))
    assert config["config"]["stddev"] == 0.5
    with keras.utils.custom_object_scope({"TruncatedNormal": TruncatedNormal}):
        copy = keras.initializers.get(config)
    assert type(copy) is TruncatedNormal and copy.stddev == 0.5


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal", "random_normal", "zeros"])
def test_copies(name):
    """Unseeded ones draw anew; what the config says stays."""
    one = keras.initializers.get(name)
    two = copy_initializer(one)
    assert type(one) is type(two) and two is not one and one.get_config() == two.get_config()
    a, b = (evaluate(i((3, 4), dtype="float32")) for i in (one, two))
    assert (a == b).all() if name == "zeros" else (a != b).all()


def test_copies_of_seeded_ones_and_of_functions():
    one = TruncatedNormal(stddev=0.5, seed=3)
    two = copy_initializer(one)
    assert type(two) is TruncatedNormal and two.stddev == 0.5 and two.seed == 3
    assert copy_initializer(len) is len
