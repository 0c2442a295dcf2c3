"""Make batches from data, for `fit`, `predict` and `tf.data`."""

from __future__ import annotations

import itertools
from typing import Any, Iterable, Iterator

import numpy as np

from .sharding import DistributedSampler


class DataGenerator:
    """The base class of generators of batches. A subclass says in `__iter__` how a batch is made.

    Arguments:
        data: sequence of samples, or an iterable that can be read again and again, for example a lazy reader of files.
        batch_size: int. The number of samples in a batch.
        buffer_size: int or None. The number of samples of an iterable that are kept in memory to shuffle them; None
            keeps 1000 batches. A sequence is shuffled as a whole.
        sampler: `DistributedSampler` or None. It says which rows of a sequence this process takes, and in which order;
            `random` has no effect then. `forfit` sets its epoch anew in each pass.

    Example:
        >>> import numpy as np
        >>> from b4k3.snippets import DataGenerator, sequence_padding
        >>> class Batches(DataGenerator):
        ...     def __iter__(self, random=False):
        ...         token_ids, labels = [], []
        ...         for is_end, (ids, label) in self.sample(random):
        ...             token_ids.append(ids)
        ...             labels.append(label)
        ...             if len(token_ids) == self.batch_size or is_end:
        ...                 yield sequence_padding(token_ids), np.array(labels)
        ...                 token_ids, labels = [], []
        >>> batches = Batches([([101, 102], 0), ([101], 1), ([102], 0)], batch_size=2)
        >>> len(batches), [x.shape for x, y in batches]
        (2, [(2, 2), (1, 1)])

        A model is trained by `model.fit(batches.forfit(), steps_per_epoch=len(batches), epochs=5)`.

    Reference: the class of the same name in bert4keras, https://github.com/bojone/bert4keras
    """

    def __init__(
        self,
        data: Iterable[Any],
        batch_size: int = 32,
        buffer_size: int | None = None,
        sampler: DistributedSampler | None = None,
    ) -> None:
        self.data: Any = data
        self.batch_size = batch_size
        rows = self.data if sampler is None else sampler
        self.steps = -(-len(rows) // batch_size) if hasattr(rows, "__len__") else None
        self.buffer_size = buffer_size or batch_size * 1000
        self.sampler = sampler

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        if self.steps is None:
            raise TypeError(f"{type(self).__name__} has no length: its data has none")
        return self.steps

    def sample(self, random: bool = False) -> Iterator[tuple[bool, Any]]:
        """Yield the samples of one epoch.

        Arguments:
            random: bool. Whether the samples are shuffled by `numpy.random`; an iterable is shuffled within a buffer of
                buffer_size samples.

        Yields:
            (is_end, sample), where is_end is True for the last sample.
        """
        if self.sampler is not None:
            samples: Iterator[Any] = (self.data[i] for i in self.sampler)
        else:
            samples = self._shuffled() if random else iter(self.data)
        for current in samples:
            for following in samples:
                yield False, current
                current = following
            yield True, current

    def _shuffled(self) -> Iterator[Any]:
        """Yield the samples of one epoch in random order."""
        if self.steps is not None:
            for i in np.random.permutation(len(self.data)):
                yield self.data[i]
            return
        buffer: list[Any] = []
        for sample in self.data:
            buffer.append(sample)
            if len(buffer) > self.buffer_size:
                yield _take_any(buffer)
        while buffer:
            yield _take_any(buffer)

    def __iter__(self, random: bool = False) -> Iterator[Any]:
        """Yield the batches of one epoch. A subclass must override it.

        Arguments:
            random: bool. Whether the samples are shuffled.

        Yields:
            (x, y) or (x, y, sample_weight), where x and y are arrays or lists of arrays.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __iter__(self, random=False)")

    def forfit(self, random: bool = True) -> Iterator[Any]:
        """Yield batches without end for `model.fit`.

        Arguments:
            random: bool. Whether the samples are shuffled, anew in each epoch.

        Yields:
            A batch in the form that the `fit` of this environment's Keras takes.
        """
        from b4k3.backend.feeding import fit_batch

        for batch in self._endless(random):
            yield fit_batch(batch)

    def fortest(self, random: bool = False) -> Iterator[Any]:
        """Yield the inputs of batches, without labels and without end, for `model.predict`.

        Arguments:
            random: bool. Whether the samples are shuffled, anew in each epoch.

        Yields:
            The inputs of a batch in the form that the `predict` of this environment's Keras takes.
        """
        from b4k3.backend.feeding import predict_batch

        for batch in self._endless(random):
            yield predict_batch(batch[0])

    def _endless(self, random: bool) -> Iterator[Any]:
        """Yield the batches of one epoch after another."""
        for epoch in itertools.count():
            if self.sampler is not None:
                self.sampler.set_epoch(epoch)
            batch = None
            for batch in self.__iter__(random):
                yield batch
            if batch is None:
                raise ValueError(f"{type(self).__name__} has no batches: its data is empty or can be read only once")

    def to_dataset(self, types: Any, shapes: Any, names: Any = None, padded_batch: bool = False) -> Any:
        """Make a `tf.data.Dataset` of shuffled batches without end.

        `__iter__` must yield single samples instead of batches; the dataset puts batch_size of them together.

        Arguments:
            types: tuple. The dtypes of the arrays of a sample, in the same structure as the sample.
            shapes: tuple. The shapes of the arrays of a sample, in the same structure.
            names: str, tuple of str, or tuple of tuples of str. The names of the arrays, for models with named inputs;
                the dataset then yields dicts. None yields tuples.
            padded_batch: bool. Whether samples of different lengths are padded with zeros to `shapes`; an axis that is
                None becomes as long as the longest sample of the batch.

        Returns:
            `tf.data.Dataset`.

        Raises:
            ImportError: TensorFlow is not installed.
        """
        from b4k3.backend.feeding import Dataset

        def generator() -> Iterator[Any]:
            """Yield the samples, with their names."""
            for sample in self._endless(random=True):
                yield _named(names, sample)

        types, shapes = _named(names, types), _named(names, shapes)
        if padded_batch:
            return Dataset().from_generator(generator, output_types=types).padded_batch(self.batch_size, shapes)
        return Dataset().from_generator(generator, output_types=types, output_shapes=shapes).batch(self.batch_size)


def _take_any(buffer: list[Any]) -> Any:
    """Remove and return a random element of a list, in constant time."""
    i = np.random.randint(len(buffer))
    buffer[i], buffer[-1] = buffer[-1], buffer[i]
    return buffer.pop()


def _named(names: Any, values: Any) -> Any:
    """Put values into dicts by their names; without names return them as they are."""
    if names is None:
        return values
    if isinstance(names, str):
        return {names: values}
    if isinstance(names[0], str):
        return dict(zip(names, values))
    return tuple(dict(zip(n, v)) for n, v in zip(names, values))
