"""What hardware the backend sees."""

from __future__ import annotations

from typing import NoReturn

import keras


def gpu_count() -> int:
    """Return the number of GPUs that the backend can use.

    Returns:
        int.
    """
    if keras.config.backend() == "torch":
        import torch

        return torch.cuda.device_count()
    if keras.config.backend() == "jax":
        import jax

        return sum(device.platform == "gpu" for device in jax.local_devices())
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return len(tf.config.list_physical_devices("GPU"))
    return 0


# What a backend offers for several devices.
INSTEAD = {
    "jax": "build, compile and fit it inside b4k3.models.distribution.data_parallel().scope(), which is a "
    "keras.distribution.DataParallel for batches of any size",
    "tensorflow": "build and compile the model inside tf.distribute.MirroredStrategy().scope()",
    "torch": "distributed_data_parallel(model) of b4k3.models.distribution, in the processes of torchrun",
}


def device_scope(name: str) -> NoReturn:
    """Refuse to put a part of a model on a device, because Keras 3 has no graph in which it would stay there.

    Arguments:
        name: str. The device, such as '/device:GPU:0'.

    Raises:
        NotImplementedError: always; the message says what the backend offers instead.
    """
    backend = keras.config.backend()
    instead = INSTEAD.get(backend, "a backend that trains, as this one is for inference only")
    raise NotImplementedError(
        f"Keras 3 on {backend} does not keep a part of a model on a device; to train it on several: {instead}. "
        "The page 'From one core to a cluster' of the documentation has recipes."
    )
