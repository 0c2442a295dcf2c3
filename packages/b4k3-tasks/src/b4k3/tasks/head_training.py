"""Batches of rows for training, each padded on its own, in another order in each epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Sequence

import numpy as np

from .batches import ShuffledBatches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .task import Rows, Task


class TaskBatches(ShuffledBatches):
    """Batches of rows with their targets.

    Arguments:
        task: `Task`. It makes the inputs.
        rows: `Rows`.
        targets: array, [n, ...], or function from (numbers of the rows, number of columns) to the targets of a batch,
            or to (targets, weights).
        batch_size: int. The number of rows in a batch.
        seed: int or None. The seed of the orders; None keeps the order.
        group: int. So many rows stay together, the choices of a question for example; `batch_size` counts groups.

    Example:
        >>> from b4k3.tasks.head_training import TaskBatches
        >>> class Plain:
        ...     def inputs(self, rows, chosen):
        ...         return [np.array([rows.ids[i] for i in chosen])]
        >>> from b4k3.tasks.task import Rows
        >>> batches = TaskBatches(Plain(), Rows([[2, 3], [2, 4], [2, 5]], []), np.zeros(3), 2, seed=0)
        >>> len(batches), batches[0][0].shape
        (2, (2, 2))
    """

    def __init__(self, task: Task, rows: Rows, targets: Any, batch_size: int, seed: int | None, group: int = 1) -> None:
        super().__init__(len(rows.ids) // group, batch_size, seed)
        self.task, self.rows, self.targets, self.group = task, rows, targets, group

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        groups = self.chosen(index)
        chosen = (groups[:, None] * self.group + np.arange(self.group)).reshape(-1)
        inputs = tuple(self.task.inputs(self.rows, chosen))
        targets = self.targets(chosen, inputs[0].shape[1]) if callable(self.targets) else self.targets[chosen]
        targets = targets if isinstance(targets, tuple) else (targets,)
        return (inputs if len(inputs) > 1 else inputs[0], *targets)


def padded_targets(targets: Sequence[Sequence[int]], padding: int) -> Callable[[Sequence[int], int], NDArray[np.int32]]:
    """Make the function that gives the targets of a batch, one for each token.

    Arguments:
        targets: list of lists of int. The targets of each row.
        padding: int. The target of padding.

    Returns:
        function from (numbers of the rows, number of columns) to an int32 array, [batch, columns].

    Example:
        >>> from b4k3.tasks.head_training import padded_targets
        >>> padded_targets([[5], [7, 8]], -1)([1, 0], 3).tolist()
        [[7, 8, -1], [5, -1, -1]]
    """

    def of_batch(chosen: Sequence[int], columns: int) -> NDArray[np.int32]:
        """Return the targets of a batch."""
        array = np.full((len(chosen), columns), padding, dtype="int32")
        for line, i in zip(array, chosen):
            line[: len(targets[i])] = targets[i]
        return array

    return of_batch
