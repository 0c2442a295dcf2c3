"""TensorFlow's input pipelines."""

from __future__ import annotations

import tensorflow.compat.v2 as tf

Dataset = tf.data.Dataset
