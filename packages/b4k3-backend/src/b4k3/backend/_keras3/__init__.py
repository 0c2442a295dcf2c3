"""Keras 3: the language that b4k3 is written in, so there is little to add."""

from __future__ import annotations

import keras as keras
from keras import ops as ops
