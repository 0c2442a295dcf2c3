"""A dtype policy for the layers of one model."""

from __future__ import annotations

import contextlib
from typing import ContextManager

from ._environment import load

_precision = load("precision")


def dtype_scope(dtype: str | None) -> ContextManager[None]:
    """Return a context in which layers are made with a dtype policy; afterwards the policy is what it was.

    Arguments:
        dtype: str or None. "float32", "bfloat16", "float16" or "float64"; or "mixed_bfloat16" or "mixed_float16", which
            keep the weights in float32. None changes nothing. Layers that are given a dtype of their own keep it.

    Returns:
        A context. It affects this thread alone.

    Raises:
        ValueError: there is no such policy, or the environment has Keras 2; before the context is entered.

    Example:
        >>> with dtype_scope("bfloat16"):
        ...     layer = keras.layers.Dense(8)
        >>> layer.compute_dtype, keras.layers.Dense(8).compute_dtype
        ('bfloat16', 'float32')
    """
    if dtype is None:
        return contextlib.nullcontext()
    _precision.check_policy(dtype)
    return _precision.policy_scope(dtype)
