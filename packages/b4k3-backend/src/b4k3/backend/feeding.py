"""Batches in the form that the `fit` and `predict` of the row take from a generator."""

from __future__ import annotations

import importlib

from ._runtime import row


def fit_batch(batch):
    """A batch (x, y) or (x, y, sample_weight) for `fit`.

    keras 2.3 wants lists of arrays, and a pair even without labels; the others take tuples (Keras 3 on TensorFlow
    nothing else), and want labels that are None left out.
    """
    batch = tuple(batch)
    if row.kind == "keras2":
        return batch + (None,) * (2 - len(batch))
    while len(batch) > 1 and batch[-1] is None:
        batch = batch[:-1]
    return tuple(_tuples(part) for part in batch)


def predict_batch(inputs):
    """The inputs of a batch for `predict`."""
    return inputs if row.kind == "keras2" else (_tuples(inputs),)


def Dataset():
    """The class `tf.data.Dataset`.

    Raises:
        ImportError: TensorFlow is not installed.
    """
    folder = "._keras3" if row.is_keras3 else "._keras2"
    try:
        return importlib.import_module(folder + ".datasets", __package__).Dataset
    except ImportError as error:
        raise ImportError(
            "tf.data needs TensorFlow (%s); fit takes DataGenerator.forfit() without it" % error
        ) from error


def _tuples(x):
    return tuple(_tuples(part) for part in x) if isinstance(x, (list, tuple)) else x
