"""Rows of ids as arrays and batches: padded to few shapes, computed, and trained on.

How rows are grouped by their lengths is said in `b4k3.models.batching`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, Sequence

import numpy as np

from b4k3.backend import keras
from b4k3.backend._progress import ProgressBar
from b4k3.models import ConfigError
from b4k3.models.batching import by_length, rounded
from b4k3.models.errors import short

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Keras 3 has given its class of data sets another name.
Dataset: Any = getattr(keras.utils, "PyDataset", None) or keras.utils.Sequence


def padded(
    rows: Sequence[Sequence[int]], value: int, height: int | None = None, longest: int | None = None
) -> NDArray[np.int32]:
    """Make an array of rows, whose shape is one of few.

    Arguments:
        rows: list of lists of int, at least one.
        value: int. What stands at the padding.
        height: int or None. The number of rows of the array; None takes the number of the rows.
        longest: int or None. The largest number of columns.

    Returns:
        int32 array, [height, n]. Rows without ids have the padding only.

    Example:
        >>> from b4k3.tasks.batches import padded
        >>> padded([[2, 5, 3], [2, 3]], 0, height=3).shape
        (3, 8)
    """
    length = max(map(len, rows))
    width = rounded(length) if longest is None else max(length, min(rounded(length), longest))
    array = np.full((height or len(rows), width), value, dtype="int32")
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return array


def run_batches(
    lengths: Sequence[int],
    batch_size: int,
    compute: Callable[[list[int]], Any],
    progress: bool,
    unit: str = "texts",
    most_tokens: int | None = None,
) -> Iterator[tuple[list[int], Any]]:
    """Compute batch after batch, and show how far it is.

    Arguments:
        lengths: list of int. The lengths of the rows.
        batch_size: int. The largest number of rows in a batch.
        compute: function from the numbers of the rows of a batch to its result.
        progress: bool. Whether a progress bar is shown, on a terminal only.
        unit: str. What is counted.
        most_tokens: int or None. The largest number of tokens in a batch, padding included; one row may have more.

    Yields:
        (numbers of the rows, the result of `compute`).

    Example:
        >>> from b4k3.tasks.batches import run_batches
        >>> list(run_batches([3, 9], 1, lambda rows: rows[0] * 10, progress=False))
        [([1], 10), ([0], 0)]
    """
    done = 0
    with ProgressBar(len(lengths), unit, progress) as bar:
        bar.show(0)
        for rows in by_length(lengths, batch_size, most_tokens):
            yield rows, compute(rows)
            done += len(rows)
            bar.show(done)


class ShuffledBatches(Dataset):
    """Batches of numbered elements, in another order in each epoch. A subclass gives the arrays of a batch.

    Keras looks at the first batch and calls `on_epoch_end` before an epoch, how often depends on its version and
    backend. So the order changes when a batch is read after the last one was, and a seed means the same orders
    everywhere.

    Arguments:
        count: int. The number of elements.
        batch_size: int. The number of elements in a batch.
        seed: int or None. The seed of the orders; None keeps the order.

    Example:
        >>> from b4k3.tasks.batches import ShuffledBatches
        >>> batches = ShuffledBatches(3, 2, seed=None)
        >>> len(batches), batches.chosen(0).tolist(), batches.chosen(1).tolist()
        (2, [0, 1], [2])
    """

    def __init__(self, count: int, batch_size: int, seed: int | None) -> None:
        super().__init__()
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size}, expected 1 or more")
        self.batch_size = batch_size
        self.random = None if seed is None else np.random.RandomState(seed)
        self.order = np.arange(count)
        self._next_order()

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def chosen(self, index: int) -> NDArray[np.int64]:
        """Return the numbers of the elements of a batch.

        Arguments:
            index: int. The number of the batch.

        Returns:
            int array, [elements].
        """
        if self._complete:
            self._next_order()
        self._complete = index == len(self) - 1
        return self.order[index * self.batch_size : (index + 1) * self.batch_size]

    def _next_order(self) -> None:
        """Choose the order of an epoch."""
        self._complete = False
        if self.random is not None:
            self.order = self.random.permutation(len(self.order))


# Arguments of Keras' `fit` for arrays, which these data sets are not, and what to give instead.
NOT_FOR_BATCHES = {
    "sample_weight": "repeat texts that count more",
    "shuffle": "seed= gives the order, which differs from epoch to epoch",
    "validation_split": "give validation_data=, of the same form as what is trained on",
    "x": "the texts are the first argument",
    "y": "the labels are the second argument",
}


def fit_batches(model: Any, batches: Any, epochs: int, kwargs: Mapping[str, Any]) -> Any:
    """Train a model on a data set by the method `fit` of Keras.

    Arguments:
        model: keras.Model, compiled.
        batches: a data set of Keras.
        epochs: int.
        kwargs: dict. Further arguments of `fit`.

    Returns:
        The History of Keras.

    Raises:
        ConfigError: an argument of `fit` is for arrays only.
    """
    for name in sorted(set(kwargs).intersection(NOT_FOR_BATCHES)):
        raise ConfigError(f"{name} is not for texts: {NOT_FOR_BATCHES[name]}")
    return model.fit(batches, epochs=epochs, shuffle=False, **kwargs)


def checked_validation(data: Any, optional: bool = False) -> tuple[Any, Any]:
    """Return the two parts of `validation_data`.

    Arguments:
        data: (texts, labels).
        optional: bool. Whether the labels may be left out: (texts,).

    Returns:
        (texts, labels); the labels are None if they were left out.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(data, (tuple, list)) or not (len(data) == 2 or (optional and len(data) == 1)):
        raise ConfigError(f"validation_data: expected (texts, labels), got {short(data)}")
    return data[0], data[1] if len(data) == 2 else None
