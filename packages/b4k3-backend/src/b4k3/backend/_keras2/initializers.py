"""Random initializers that can be told not to draw."""

from __future__ import annotations

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
            return keras.initializers.Zeros()(shape, dtype=dtype)
        return super().__call__(shape, dtype=dtype, **kwargs)
