"""The backend names of this row's Keras 2, and those few that it lacks or gives another meaning."""

from __future__ import annotations

from . import ops
from .flavour import keras

_K = keras.backend


def is_tensor(x):
    return ops.is_tensor(x)


def is_keras_tensor(x):
    """Unlike Keras' own it answers False to what is no tensor at all."""
    return ops.is_tensor(x) and hasattr(x, "_keras_history")


def identity(x):
    return ops.copy(x)


def slice(x, start, size):
    return ops.slice(x, start, size)


def symbolic(func):
    """keras 2.3.1's decorator for functions that build a graph; elsewhere the function as it is."""
    return getattr(_K, "symbolic", lambda f: f)(func)


def __getattr__(name):
    return getattr(_K, name)


def __dir__():
    return sorted(set(dir(_K)) | {"identity", "is_keras_tensor", "is_tensor", "slice", "symbolic"})
