"""The dtype policy of the layers that are made in a scope, on Keras 3."""

from __future__ import annotations

import contextlib
from typing import Iterator

import keras

POLICIES = ("float32", "bfloat16", "float16", "float64", "mixed_bfloat16", "mixed_float16")


def check_policy(dtype: str) -> None:
    """Refuse what is no dtype policy.

    Arguments:
        dtype: str. The name of the policy.

    Raises:
        ValueError: there is no such policy, or it is one of quantised weights.
    """
    if dtype not in POLICIES:
        raise ValueError(f"dtype={dtype!r}, expected one of {', '.join(POLICIES)}")


@contextlib.contextmanager
def policy_scope(dtype: str) -> Iterator[None]:
    """Return a context in which layers are made with a dtype policy. Keras keeps the policy for each thread apart.

    Arguments:
        dtype: str. The name of the policy.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
