"""Batches of rows for training, each padded on its own, in another order in each epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .pair_training import Dataset

if TYPE_CHECKING:
    from .task import Rows, Task


class TaskBatches(Dataset):
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
        super().__init__()
        self.task, self.rows, self.targets, self.batch_size = task, rows, targets, batch_size
        self.random = None if seed is None else np.random.RandomState(seed)
        self.group = group
        self.order = np.arange(len(rows.ids) // group)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        groups = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        chosen = (groups[:, None] * self.group + np.arange(self.group)).reshape(-1)
        inputs = tuple(self.task.inputs(self.rows, chosen))
        targets = self.targets(chosen, inputs[0].shape[1]) if callable(self.targets) else self.targets[chosen]
        targets = targets if isinstance(targets, tuple) else (targets,)
        return (inputs if len(inputs) > 1 else inputs[0], *targets)

    def on_epoch_end(self) -> None:
        """Choose the order of the next epoch."""
        if self.random is not None:
            self.order = self.random.permutation(len(self.order))
