"""The Keras 2 of this row: the package keras 2.3, tf.keras, or tf_keras."""

from __future__ import annotations

import importlib

import tensorflow as tf

from .._runtime import row

if row.kind == "keras2":
    keras = importlib.import_module("keras")
elif row.kind == "tf_keras":
    keras = importlib.import_module("tf_keras")
else:
    keras = tf.keras

# keras 2.3 has neither a registry for serialization nor automatic casts; tf.keras got both later.
is_standalone = row.kind == "keras2"
registry = getattr(keras.utils, "register_keras_serializable", None)
