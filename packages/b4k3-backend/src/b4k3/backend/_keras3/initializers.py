"""Random initializers that can be told not to draw."""

from __future__ import annotations

import keras
import numpy as np

from .._initialization import skipping
from .layer import register


@register
class TruncatedNormal(keras.initializers.TruncatedNormal):
    """Normal values cut at two standard deviations, as in the code of BERT.

    Arguments:
        mean, stddev, seed: as of `keras.initializers.TruncatedNormal`.
    """

    def __call__(self, shape, dtype=None):
        if skipping():
            return untouched_zeros(shape, dtype)
        return super().__call__(shape, dtype=dtype)


def untouched_zeros(shape, dtype):
    """A tensor of zeros that takes no memory before it is written: the system maps pages of numpy's when asked to."""
    dtype = keras.backend.standardize_dtype(dtype)
    if dtype == "bfloat16":  # which numpy does not know, or torch does not take from it
        return keras.initializers.Zeros()(shape, dtype=dtype)
    zeros = np.zeros(shape, dtype=dtype)
    if keras.backend.backend() != "torch":
        return keras.ops.convert_to_tensor(zeros)
    import torch

    return torch.from_numpy(zeros)  # convert_to_tensor would copy them
