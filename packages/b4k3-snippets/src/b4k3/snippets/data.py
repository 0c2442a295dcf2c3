"""Batches from data, for `fit`, `predict` and `tf.data`."""

from __future__ import annotations

import numpy as np


class DataGenerator:
    """Batches of data; the subclass says how a batch is made.

        class Batches(DataGenerator):
            def __iter__(self, random=False):
                token_ids, labels = [], []
                for is_end, (text, label) in self.sample(random):
                    token_ids.append(tokenizer.encode(text)[0])
                    labels.append(label)
                    if len(token_ids) == self.batch_size or is_end:
                        yield sequence_padding(token_ids), np.array(labels)
                        token_ids, labels = [], []

        batches = Batches(data, batch_size=32)
        model.fit(batches.forfit(), steps_per_epoch=len(batches), epochs=5)

    Arguments:
        data: a sequence of samples, or an iterable that can be read again and again,
            for example a lazy reader of files.
        batch_size: int.
        buffer_size: how many samples of an iterable are held to draw from when it is shuffled; by default 1000 batches.
    """

    def __init__(self, data, batch_size=32, buffer_size=None):
        self.data = data
        self.batch_size = batch_size
        self.steps = -(-len(data) // batch_size) if hasattr(data, "__len__") else None
        self.buffer_size = buffer_size or batch_size * 1000

    def __len__(self):
        """The number of batches in an epoch."""
        if self.steps is None:
            raise TypeError("%s has no length: its data has none" % type(self).__name__)
        return self.steps

    def sample(self, random=False):
        """Yields (is_end, sample) for one epoch, is_end being True with the last sample.

        Arguments:
            random: whether to shuffle, by `numpy.random`; an iterable within a buffer of buffer_size samples.
        """
        samples = self._shuffled() if random else iter(self.data)
        for current in samples:
            for following in samples:
                yield False, current
                current = following
            yield True, current

    def _shuffled(self):
        if self.steps is not None:
            for i in np.random.permutation(len(self.data)):
                yield self.data[i]
            return
        buffer = []
        for sample in self.data:
            buffer.append(sample)
            if len(buffer) > self.buffer_size:
                yield _take_any(buffer)
        while buffer:
            yield _take_any(buffer)

    def __iter__(self, random=False):
        """Yields the batches of one epoch: (x, y) or (x, y, sample_weight), where x and y may be lists of arrays."""
        raise NotImplementedError("%s.__iter__(self, random=False) is not there" % type(self).__name__)

    def forfit(self, random=True):
        """Endless batches, shuffled anew in each epoch, in the form that the `fit` of this row takes."""
        from b4k3.backend.feeding import fit_batch

        for batch in self._endless(random):
            yield fit_batch(batch)

    def fortest(self, random=False):
        """Endless inputs of batches, without labels, in the form that the `predict` of this row takes."""
        from b4k3.backend.feeding import predict_batch

        for batch in self._endless(random):
            yield predict_batch(batch[0])

    def _endless(self, random):
        while True:
            batch = None
            for batch in self.__iter__(random):
                yield batch
            if batch is None:
                raise ValueError("%s has no batches: its data is empty or can be read only once" % type(self).__name__)

    def to_dataset(self, types, shapes, names=None, padded_batch=False):
        """A `tf.data.Dataset` of endless, shuffled batches.

        The batches of `__iter__` are taken for single samples: `__iter__` yields one sample at a time, and the dataset
        puts batch_size of them together.

        Arguments:
            types, shapes: dtypes and shapes of a sample, in its structure, of tuples.
            names: names for the arrays, for models with named inputs: a str, or a tuple of str, or a tuple of such
                tuples; the dataset then yields dicts.
            padded_batch: whether to fill up samples of different lengths with zeros to `shapes`, where None is as
                long as the longest of the batch.

        Raises:
            ImportError: TensorFlow is not installed.
        """
        from b4k3.backend.feeding import Dataset

        def generator():
            for sample in self._endless(random=True):
                yield _named(names, sample)

        types, shapes = _named(names, types), _named(names, shapes)
        if padded_batch:
            return Dataset().from_generator(generator, output_types=types).padded_batch(self.batch_size, shapes)
        return Dataset().from_generator(generator, output_types=types, output_shapes=shapes).batch(self.batch_size)


def _take_any(buffer):
    """Remove and return a random element of a list, in constant time."""
    i = np.random.randint(len(buffer))
    buffer[i], buffer[-1] = buffer[-1], buffer[i]
    return buffer.pop()


def _named(names, values):
    if names is None:
        return values
    if isinstance(names, str):
        return {names: values}
    if isinstance(names[0], str):
        return dict(zip(names, values))
    return tuple(dict(zip(n, v)) for n, v in zip(names, values))
