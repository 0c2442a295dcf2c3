"""Rows of ranks: every row once or marked, the same order for a seed, with every loader and our tokenizers."""

import itertools
import multiprocessing

import numpy as np
import pytest

from b4k3.snippets import DataGenerator, DistributedSampler, sequence_padding
from b4k3.tokenizers import Tokenizer

TOKENS = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz"])}
LETTERS = "abcdefghijklm"
TEXTS = [f"{a} {b}" for a, b in zip(LETTERS, LETTERS[1:] + "a")]  # 13 rows, all different


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 17])
def test_every_row_once_and_the_others_are_marked(ranks, shuffle):
    for epoch in range(3):
        rows, lengths = [], set()
        for rank in range(ranks):
            sampler = DistributedSampler(TEXTS, ranks, rank, shuffle, seed=5)
            sampler.set_epoch(epoch)
            assert list(sampler) == sampler.indices.tolist() and len(sampler) == len(sampler.weights)
            rows += [i for i, weight in zip(sampler, sampler.weights) if weight]
            assert set(sampler) <= set(range(13))
            lengths.add(len(sampler))
        assert sorted(rows) == list(range(13))
        assert lengths == {-(-13 // ranks)}


def test_the_order_is_that_of_the_seed_and_the_epoch():
    def orders(seed):
        sampler = DistributedSampler(13, 2, 1, seed=seed)
        for epoch in range(3):
            sampler.set_epoch(epoch)
            yield tuple(sampler)

    assert list(orders(0)) == list(orders(0))
    assert len({*orders(0), *orders(1)}) == 6
    sampler = DistributedSampler(5, 1, 0, seed=3)
    assert list(sampler) == [1, 4, 2, 0, 3]  # on every machine, and with every numpy


@pytest.mark.parametrize(
    "arguments, message",
    [((0, 1, 0), "no rows"), ((3, 2, 2), "rank=2"), ((3, 2, -1), "rank=-1"), ((3, 0, 0), "rank=0")],
)
def test_what_is_no_rank_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DistributedSampler(*arguments)


# ------------------------------------------------------------------------------------------------------- loaders


class Rows:
    """A data set by numbers of rows, which encodes them where it is asked: in a worker, if there are any."""

    def __init__(self):
        self.tokenizer = Tokenizer(TOKENS)

    def __len__(self):
        return len(TEXTS)

    def __getitem__(self, i):
        return self.tokenizer.encode(TEXTS[i])[0]


class Batches(DataGenerator):
    def __iter__(self, random=False):
        rows = []
        for is_end, ids in self.sample(random):
            rows.append(ids)
            if len(rows) == self.batch_size or is_end:
                yield sequence_padding(rows), None
                rows = []


def samplers(epoch):
    found = [DistributedSampler(TEXTS, 2, rank, seed=7) for rank in range(2)]
    for sampler in found:
        sampler.set_epoch(epoch)
    return found


def expected(sampler):
    rows = Rows()
    return [list(rows[i]) for i in sampler]


def by_generator(sampler):
    """Its batches of one epoch."""
    return [row for x, _ in Batches(Rows(), 3, sampler=sampler) for row in x]


def by_py_dataset(sampler):
    from b4k3.backend import keras

    rows = Rows()

    class Sequence(getattr(keras.utils, "PyDataset", keras.utils.Sequence)):
        def __len__(self):
            return -(-len(sampler) // 3)

        def __getitem__(self, batch):
            return sequence_padding([rows[i] for i in sampler.indices[batch * 3 : batch * 3 + 3]])

    sequence = Sequence()
    return [row for batch in range(len(sequence)) for row in sequence[batch]]


def by_tf_data(sampler):
    import tensorflow as tf

    rows = Rows()
    data = tf.data.Dataset.from_generator(lambda: (rows[i] for i in sampler), tf.int32, [None])
    return [row for batch in data.batch(3) for row in batch.numpy()]


def by_torch(sampler, method):
    from torch.utils.data import DataLoader

    context = None if method is None else multiprocessing.get_context(method)
    workers = 0 if method is None else 2
    loader = DataLoader(
        Rows(), 3, sampler=sampler, num_workers=workers, collate_fn=sequence_padding, multiprocessing_context=context
    )
    return [row for batch in loader for row in batch]


@pytest.mark.parametrize("load", [by_generator, by_py_dataset], ids=lambda f: f.__name__)
def test_loaders_of_keras(load):
    for sampler in samplers(0) + samplers(1):
        assert [row.tolist() for row in load(sampler)] == expected(sampler)


def test_tf_data():
    for sampler in samplers(0) + samplers(1):
        assert [row.tolist() for row in by_tf_data(sampler)] == expected(sampler)


@pytest.mark.parametrize("method", [None, "fork", "spawn"])
def test_loaders_of_torch(method):
    for sampler in samplers(1)[1:]:
        assert [row.tolist() for row in by_torch(sampler, method)] == expected(sampler)


def test_a_generator_goes_on_to_the_next_epoch():
    (sampler, _) = samplers(0)
    batches = Batches(Rows(), 3, sampler=sampler)
    assert len(batches) == 3  # 7 rows
    endless = batches.forfit()
    for epoch in range(3):
        rows = [row.tolist() for batch in itertools.islice(endless, 3) for row in np.asarray(batch[0])]
        assert rows == expected(samplers(epoch)[0])


def test_lines_of_a_file_that_has_no_length():
    shares = [list(itertools.islice(iter(TEXTS), rank, None, 3)) for rank in range(3)]
    assert sorted(sum(shares, [])) == sorted(TEXTS)
