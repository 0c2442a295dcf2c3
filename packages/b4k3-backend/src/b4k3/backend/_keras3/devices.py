"""What hardware the backend sees."""

from __future__ import annotations

import keras


def gpu_count():
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
