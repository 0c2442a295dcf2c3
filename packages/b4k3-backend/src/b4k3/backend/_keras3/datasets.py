"""TensorFlow's input pipelines, in a module of their own: Keras 3 on JAX or torch needs TensorFlow for nothing else."""

from __future__ import annotations

import tensorflow.compat.v2 as tf

Dataset = tf.data.Dataset
