"""Random initializers that can be told not to draw."""

from __future__ import annotations

from typing import Any

import keras

from .._initialization import skipping
from ..types import Tensor
from .distribution import on_devices_asked_for
from .layer import register
from .memory import untouched_zeros


@register
class TruncatedNormal(keras.initializers.TruncatedNormal):
    """Draw normal values that lie within two standard deviations, as BERT's code does.

    The arguments are the same as for `keras.initializers.TruncatedNormal`.

    Example:
        >>> values = TruncatedNormal(stddev=0.02)((2, 3))  # [2, 3]

    Reference: https://github.com/google-research/bert
    """

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        if skipping():
            return lazy_zeros(shape, dtype)
        values = super().__call__(shape, dtype=dtype)
        if keras.backend.backend() != "torch":
            return values
        # On torch Keras draws each value four times, and keeps one beyond the limits if all four lie beyond them.
        return keras.ops.clip(values, self.mean - 2 * self.stddev, self.mean + 2 * self.stddev)


def lazy_zeros(shape: tuple[int, ...], dtype: Any) -> Tensor:
    """Make a tensor of zeros that takes no memory before it is written.

    numpy asks the operating system for zeros, which maps a page of memory only when it is touched.

    Arguments:
        shape: tuple of int. The shape.
        dtype: str, or None for Keras' default. The dtype.

    Returns:
        The tensor, of the given shape, on the devices that the variable which is being made will have.
    """
    dtype = keras.backend.standardize_dtype(dtype)
    zeros = on_devices_asked_for(shape, lambda index: untouched_zeros(sliced(shape, index), dtype))
    if zeros is not None:
        return zeros
    if dtype == "bfloat16" and keras.backend.backend() != "jax":  # torch does not take it from numpy
        return keras.initializers.Zeros()(shape, dtype=dtype)
    zeros = untouched_zeros(shape, dtype)
    if keras.backend.backend() != "torch":
        return keras.ops.convert_to_tensor(zeros, dtype=dtype)  # JAX would copy them if the dtype were not given
    import torch

    return torch.from_numpy(zeros)  # convert_to_tensor would copy them


def sliced(shape: tuple[int, ...], index: tuple[slice, ...]) -> tuple[int, ...]:
    """Return the shape of a slice of an array."""
    return tuple(len(range(*part.indices(size))) for part, size in zip(index, shape))
