"""The Keras 2 of this environment: the package keras 2.3, tf.keras, or tf_keras."""

from __future__ import annotations

import importlib

import tensorflow as tf

from .._runtime import environment

if environment.keras_flavour == "keras2":
    keras = importlib.import_module("keras")
elif environment.keras_flavour == "tf_keras":
    keras = importlib.import_module("tf_keras")
else:
    keras = tf.keras

# keras 2.3 has neither a registry for serialization nor automatic casts. tf.keras got both later.
is_standalone = environment.keras_flavour == "keras2"
registry = getattr(keras.utils, "register_keras_serializable", None)
