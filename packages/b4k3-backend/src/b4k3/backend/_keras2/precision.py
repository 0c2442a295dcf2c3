"""Keras 2 has no dtype policy of a model: some versions have one for all layers, and others none."""

from __future__ import annotations

from typing import ContextManager


def check_policy(dtype: str) -> None:
    """Refuse every policy.

    Arguments:
        dtype: str. The name of the policy.

    Raises:
        ValueError: always; the message says what to do instead.
    """
    raise ValueError(
        f"dtype={dtype!r} needs Keras 3. On Keras 2 leave it out; where tf.keras has mixed precision, call "
        "keras.mixed_precision.set_global_policy before the model is built"
    )


def policy_scope(dtype: str) -> ContextManager[None]:
    """Refuse every policy, as `check_policy` does.

    Arguments:
        dtype: str. The name of the policy.

    Raises:
        ValueError: always.
    """
    check_policy(dtype)
    raise AssertionError(dtype)
