"""The state of an optimizer of ours before and beside training."""

from __future__ import annotations

from typing import Any


def prepared_optimizer(model: Any) -> Any:
    """Make the slots of the optimizer of a compiled model now, not in the first batch.

    Arguments:
        model: keras.Model, compiled.

    Returns:
        The optimizer; without the one that scales the loss around it, in mixed precision.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)])
        >>> model.compile(loss="mse", optimizer="adam")
        >>> len(prepared_optimizer(model).variables)
        6
    """
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    return getattr(optimizer, "inner_optimizer", optimizer)


def counters(optimizer: Any, updates: int) -> list[tuple[Any, int]]:
    """Say what the counters of an optimizer of ours are after so many updates.

    Arguments:
        optimizer: optimizer of `b4k3.optimizers`, prepared.
        updates: int. The number of updates.

    Returns:
        list of (variable, value), to be assigned.
    """
    steps = optimizer.gradient_accumulation_steps or 1
    return [(optimizer._iterations, updates * steps)]  # Keras counts batches
