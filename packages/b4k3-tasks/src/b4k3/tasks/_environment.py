"""Refuse environments whose Keras is too old for the tasks."""

from __future__ import annotations

from b4k3.backend import BackendError, environment, keras


def has_current_keras() -> bool:
    """Ask whether this is Keras 3, tf_keras, or a tf.keras that is about as new as 2.15, as `Model.export` shows."""
    return environment.is_keras3 or hasattr(keras.Model, "export")


def require_current_keras() -> None:
    """Raise BackendError if this is keras 2.3 or an old tf.keras."""
    if not has_current_keras():
        raise BackendError(
            f"b4k3.tasks needs Keras 3, tf_keras or tf.keras 2.15; this is an older {environment}. Upgrade, or use "
            "b4k3.models and b4k3.tokenizers directly, which work here"
        )
