"""What hardware TensorFlow sees, and the device that a part of a graph is put on."""

from __future__ import annotations

from typing import Any, ContextManager

import tensorflow as tf

from .flavour import is_standalone
from .layer import TF1

HAS_GRAPHS = TF1 or is_standalone  # here a model is a graph, whose operations stay on the device they were put on


def gpu_count() -> int:
    """Return the number of GPUs.

    Returns:
        int.
    """
    return len(tf.config.experimental.list_physical_devices("GPU"))


def device_scope(name: str) -> ContextManager[Any]:
    """Make a context that puts what is added to a graph on a device.

    Arguments:
        name: str. The device, such as '/device:GPU:0'.

    Returns:
        A context manager.

    Raises:
        NotImplementedError: this Keras has no graph to put on a device.
    """
    if not HAS_GRAPHS:
        raise NotImplementedError(
            "This Keras does not keep a part of a model on a device. To train on several devices, build and compile "
            "the model inside tf.distribute.MirroredStrategy().scope(). The page 'From one core to a cluster' of the "
            "documentation has recipes."
        )
    return tf.device(name)
