"""Random initializers that can be told not to draw."""

from __future__ import annotations

import tensorflow as tf

from .._initialization import skipping
from .flavour import keras
from .layer import register


@register
class TruncatedNormal(keras.initializers.TruncatedNormal):
    """Normal values cut at two standard deviations, as in the code of BERT.

    Arguments:
        mean, stddev, seed: as of the row's `keras.initializers.TruncatedNormal`.
    """

    def __call__(self, shape, dtype=None, **kwargs):
        if skipping():
            return tf.zeros(shape, dtype=dtype or keras.backend.floatx())
        return super(TruncatedNormal, self).__call__(shape, dtype=dtype, **kwargs)
