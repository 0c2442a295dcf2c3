"""Keras 2 over TensorFlow: what b4k3 uses of Keras 3, under the same names."""

from __future__ import annotations

from . import ops as ops
from .flavour import keras as keras
