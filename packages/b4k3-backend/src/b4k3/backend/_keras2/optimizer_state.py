"""The state of an optimizer of ours before and beside training."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from .flavour import is_standalone, keras


def prepared_optimizer(model: Any) -> Any:
    """Make the slots of the optimizer of a compiled model now, not in the first batch.

    Arguments:
        model: keras.Model, compiled.

    Returns:
        The optimizer; without the one that scales the loss around it, in mixed precision.
    """
    optimizer = model.optimizer
    for around in ("inner_optimizer", "_optimizer"):  # the second one before TensorFlow 2.4
        optimizer = getattr(optimizer, around, optimizer)
    if is_standalone:
        model._make_train_function()  # asks the optimizer for its operations, as the first batch does
        return optimizer
    strategy = getattr(model, "distribute_strategy", None)
    variables = model.trainable_variables
    with (strategy or tf.distribute.get_strategy()).scope(), tf.init_scope():
        with keras.backend.name_scope(optimizer._name if hasattr(optimizer, "_name") else optimizer.name):
            if hasattr(optimizer, "update_step"):
                optimizer.build(variables)
            else:
                getattr(optimizer, "iterations")  # noqa: B009, Keras makes the variable when it is read
                optimizer._create_hypers()
                optimizer._create_slots(variables)
    return optimizer


def counters(optimizer: Any, updates: int) -> list[tuple[Any, int]]:
    """Say what the counters of an optimizer of ours are after so many updates.

    Arguments:
        optimizer: optimizer of `b4k3.optimizers`, prepared.
        updates: int. The number of updates.

    Returns:
        list of (variable, value), to be assigned.
    """
    batches = updates * optimizer.accumulation_steps
    if not is_standalone:
        return [(optimizer.iterations, batches)]  # tf.keras counts batches
    counted = getattr(optimizer, "_batches", None)
    return [(optimizer.iterations, updates)] + ([] if counted is None else [(counted, batches)])
