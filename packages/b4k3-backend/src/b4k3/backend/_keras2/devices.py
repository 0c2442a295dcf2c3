"""What hardware TensorFlow sees, and where a graph is put on it."""

from __future__ import annotations

import tensorflow as tf

from .flavour import is_standalone
from .layer import TF1

HAS_GRAPHS = TF1 or is_standalone  # a model is a graph of which the operations stay where they are put


def gpu_count():
    return len(tf.config.experimental.list_physical_devices("GPU"))


def device_scope(name):
    if not HAS_GRAPHS:
        raise NotImplementedError(
            "This Keras does not keep a part of a model on a device; build and compile the model inside "
            "tf.distribute.MirroredStrategy().scope() to train it on several."
        )
    return tf.device(name)
