"""Which rows make a batch: each once, the longest first, within the limits; and the vectors do not depend on it."""

import numpy as np
import pytest

from b4k3.backend import runs_eagerly
from b4k3.models import batching
from b4k3.models.cli import features
from b4k3.models.cli.subject import Subject
from support import goldens

LENGTHS = np.random.RandomState(0).randint(1, 60, 200).tolist()


def test_rounded():
    assert [batching.rounded(n) for n in (1, 8, 9, 12, 13, 24, 25, 97)] == [8, 8, 12, 12, 16, 24, 32, 128]


def test_padded_length():
    lengths = [batching.padded_length(n) for n in (0, 5, 9, 33)]
    assert lengths == ([1, 5, 9, 33] if runs_eagerly else [8, 8, 12, 48])
    assert batching.padded_length(33, 40) == (33 if runs_eagerly else 40)
    assert batching.padded_length(50, 40) == 50  # the network refuses it, by name


@pytest.mark.parametrize("batch_size, most_tokens", [(1, None), (7, None), (32, 200), (32, 1), (500, 10**6)])
def test_by_length(batch_size, most_tokens):
    batches = batching.by_length(LENGTHS, batch_size, most_tokens)
    order = [i for rows in batches for i in rows]
    assert sorted(order) == list(range(len(LENGTHS)))
    assert [LENGTHS[i] for i in order] == sorted(LENGTHS, reverse=True)
    for rows in batches:
        tokens = len(rows) * batching.padded_length(LENGTHS[rows[0]])
        assert len(rows) <= batch_size and (len(rows) == 1 or most_tokens is None or tokens <= most_tokens)
    assert batching.by_length([], batch_size, most_tokens) == []


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_vectors_do_not_depend_on_the_batches(pooling):
    model = features.Model(Subject(str(goldens.ROOT / "google_bert")), pooling, batch_size=1)
    random = np.random.RandomState(1)
    rows = [random.randint(5, 100, n).tolist() for n in (3, 11, 7, 7, 20, 3, 1)]
    want = np.concatenate([model.vectors([row]) for row in rows])
    # Matrix products of other sizes round otherwise: 3e-6 of numbers up to 3.
    for model.batch_size, model.most_tokens in ((32, None), (3, None), (32, 24)):
        np.testing.assert_allclose(
            model.vectors(rows), want, rtol=0, atol=1e-5
        )  # products of other sizes round otherwise
