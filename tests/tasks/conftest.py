"""A new head has random weights: what a training of it finds is the same each time."""

import pytest

from b4k3.backend import keras


@pytest.fixture(autouse=True)
def seeded():
    if hasattr(keras.utils, "set_random_seed"):  # from tf.keras 2.7 on; the tasks need 2.15
        keras.utils.set_random_seed(0)
