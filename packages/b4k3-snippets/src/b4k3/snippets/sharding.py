"""Share the rows of a data set among processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, Sized

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DistributedSampler:
    """The rows of one process, called a rank: together the ranks have every row, and no two ranks have the same one.

    All ranks have equally many rows, because ranks that train together wait for each other in every step. So if the
    ranks do not divide the number of rows, some ranks get one more row, a repeated one, at their end. `weights` marks
    it by 0. For ten rows on four ranks without shuffling:

        rank 0: 0 4 8    rank 1: 1 5 9    rank 2: 2 6 (0)    rank 3: 3 7 (1)

    The order depends on the seed and the epoch alone, and is the same on every machine. Iterating yields the numbers of
    the rows, so that it is a `sampler` for `torch.utils.data.DataLoader` and for `DataGenerator`; `dataset.select(
    sampler.indices)` does the same for a data set of Hugging Face.

    Arguments:
        data: sequence, or anything with a length. The rows. int, the number of rows, is allowed too.
        num_replicas: int. The number of ranks.
        rank: int. The number of this process, from 0.
        shuffle: bool. Whether the rows are shuffled, in another order in each epoch.
        seed: int, 0 or more. The same on all ranks.

    Attributes:
        epoch: int. The number of the epoch, which `set_epoch` changes.

    Raises:
        ValueError: there are no rows, or no such rank.

    Example:
        >>> from b4k3.snippets import DistributedSampler
        >>> sampler = DistributedSampler(10, num_replicas=4, rank=2, shuffle=False)
        >>> list(sampler), sampler.weights.tolist()
        ([2, 6, 0], [1.0, 1.0, 0.0])

    Reference: the class of the same name in torch.utils.data.distributed has the same arguments, but repeats rows
    without a mark
    """

    def __init__(self, data: Sized | int, num_replicas: int, rank: int, shuffle: bool = True, seed: int = 0) -> None:
        self.rows = data if isinstance(data, int) else len(data)
        if self.rows < 1:
            raise ValueError("DistributedSampler: there are no rows")
        if not 0 <= rank < num_replicas:
            raise ValueError(f"DistributedSampler: rank={rank}, expected 0 to num_replicas - 1 = {num_replicas - 1}")
        self.num_replicas = num_replicas
        self.rank = rank
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch. All ranks must call it alike.

        Arguments:
            epoch: int. The number of the epoch, from 0.
        """
        self.epoch = epoch

    @property
    def indices(self) -> NDArray[np.int64]:
        """The numbers of the rows of this rank in this epoch: int64, [len(self)]."""
        order = np.arange(self.rows)
        if self.shuffle:  # RandomState gives the same numbers in every version of numpy
            order = np.random.RandomState([self.seed, self.epoch]).permutation(self.rows)
        return order[self._places() % self.rows].astype("int64")

    @property
    def weights(self) -> NDArray[np.float32]:
        """The weight of each row, 0 for a repeated one and else 1: float32, [len(self)]."""
        return (self._places() < self.rows).astype("float32")

    def _places(self) -> Any:
        """Return the places of this rank's rows in the order of all: int, [len(self)]."""
        return np.arange(len(self)) * self.num_replicas + self.rank

    def __len__(self) -> int:
        """Return the number of rows of a rank, with the repeated one."""
        return -(-self.rows // self.num_replicas)

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of the rows of this rank in this epoch."""
        return iter(self.indices.tolist())
