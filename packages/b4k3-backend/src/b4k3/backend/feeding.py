"""Batches in the form that `fit` and `predict` of the Keras in use take from a generator."""

from __future__ import annotations

import importlib
from typing import Any, Sequence

from ._runtime import environment


def fit_batch(batch: Sequence[Any]) -> tuple[Any, ...]:
    """Convert a batch to the form that `fit` takes.

    keras 2.3 takes lists of arrays, and wants a pair even without labels. The other versions take tuples (Keras 3 on
    TensorFlow takes nothing else), and want labels that are None left out.

    Arguments:
        batch: sequence. (x,), (x, y) or (x, y, sample_weight), where each is an array, or a list of arrays.

    Returns:
        tuple. The batch with the same arrays.

    Example:
        >>> from b4k3.backend.feeding import fit_batch
        >>> batch = fit_batch([[np.zeros((2, 4)), np.zeros((2, 4))], np.zeros(2)])
    """
    batch = tuple(batch)
    if environment.keras_flavour == "keras2":
        return batch + (None,) * (2 - len(batch))
    while len(batch) > 1 and batch[-1] is None:
        batch = batch[:-1]
    return tuple(_to_tuples(part) for part in batch)


def predict_batch(inputs: Any) -> Any:
    """Convert the inputs of a batch to the form that `predict` takes.

    Arguments:
        inputs: array, or list of arrays.

    Returns:
        The inputs; for Keras other than 2.3 in a tuple of one, with tuples instead of lists.
    """
    return inputs if environment.keras_flavour == "keras2" else (_to_tuples(inputs),)


def Dataset() -> Any:
    """Return the class `tf.data.Dataset`.

    Returns:
        The class.

    Raises:
        ImportError: TensorFlow is not installed.
    """
    folder = "._keras3" if environment.is_keras3 else "._keras2"
    try:
        return importlib.import_module(folder + ".datasets", __package__).Dataset
    except ImportError as error:
        raise ImportError(
            f"tf.data needs TensorFlow ({error}). Without it, fit takes DataGenerator.forfit()."
        ) from error


def _to_tuples(x: Any) -> Any:
    """Convert lists within lists to tuples."""
    return tuple(_to_tuples(part) for part in x) if isinstance(x, (list, tuple)) else x
