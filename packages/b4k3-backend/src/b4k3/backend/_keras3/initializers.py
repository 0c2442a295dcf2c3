"""Random initializers that can be told not to draw."""

from __future__ import annotations

import keras
import numpy as np

from .._initialization import skipping
from .layer import register

ALIGNMENT = 64  # bytes: XLA takes over memory that begins at a multiple of it


@register
class TruncatedNormal(keras.initializers.TruncatedNormal):
    """Normal values cut at two standard deviations, as in the code of BERT.

    Arguments:
        mean, stddev, seed: as of `keras.initializers.TruncatedNormal`.
    """

    def __call__(self, shape, dtype=None):
        if skipping():
            return untouched_zeros(shape, dtype)
        values = super().__call__(shape, dtype=dtype)
        if keras.backend.backend() != "torch":
            return values
        # there Keras draws each value four times, and takes one that is too far where all four are
        return keras.ops.clip(values, self.mean - 2 * self.stddev, self.mean + 2 * self.stddev)


def untouched_zeros(shape, dtype):
    """A tensor of zeros that takes no memory before it is written: the system maps pages of numpy's when asked to."""
    dtype = keras.backend.standardize_dtype(dtype)
    if dtype == "bfloat16":  # which numpy does not know, or torch does not take from it
        return keras.initializers.Zeros()(shape, dtype=dtype)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + ALIGNMENT, dtype="uint8")
    start = -memory.ctypes.data % ALIGNMENT
    zeros = memory[start : start + size].view(dtype).reshape(shape)
    if keras.backend.backend() != "torch":
        return keras.ops.convert_to_tensor(zeros, dtype=dtype)  # without a dtype JAX would copy them
    import torch

    return torch.from_numpy(zeros)  # convert_to_tensor would copy them
