"""What hardware TensorFlow sees."""

from __future__ import annotations

import tensorflow as tf


def gpu_count():
    return len(tf.config.experimental.list_physical_devices("GPU"))
