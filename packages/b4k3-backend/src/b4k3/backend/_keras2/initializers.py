"""Random initializers that can be told not to draw."""

from __future__ import annotations

from typing import Any

from .._initialization import skipping
from ..types import Tensor
from .flavour import keras
from .layer import register


@register
class TruncatedNormal(keras.initializers.TruncatedNormal):
    """Draw normal values that lie within two standard deviations, as BERT's code does.

    The arguments are the same as for `keras.initializers.TruncatedNormal`.

    Example:
        >>> values = TruncatedNormal(stddev=0.02)((2, 3))  # [2, 3]

    Reference: https://github.com/google-research/bert
    """

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
        if skipping():
            return keras.initializers.Zeros()(shape, dtype=dtype)
        return super().__call__(shape, dtype=dtype, **kwargs)
