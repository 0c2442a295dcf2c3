"""TensorFlow's input pipelines, apart: they are the only thing for which Keras 3 on JAX or torch needs TensorFlow."""

from __future__ import annotations

import tensorflow.compat.v2 as tf

Dataset = tf.data.Dataset
