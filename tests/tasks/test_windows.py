"""Windows of long texts."""

import warnings

import numpy as np
import pytest

from b4k3.models import ConfigError
from b4k3.tasks.windows import make_windows, mean_of_windows
from b4k3.tokenizers import Tokenizer

TOKENIZER = Tokenizer({token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghij"])})


@pytest.mark.parametrize("maxlen, stride", [(4, 1), (6, 0), (7, 3), (12, None), (None, None)])
def test_windows_have_every_token(maxlen, stride):
    texts = [" ".join("abcdefghij"[:n]) for n in (0, 3, 10)] + [" ".join("abcdefghij" * 3)]
    found = make_windows(TOKENIZER, texts, maxlen=maxlen, stride=stride)
    assert found.owners == sorted(found.owners) and set(found.owners) == {0, 1, 2, 3}
    step = stride if stride is not None else (maxlen or 0) // 4
    for i, text in enumerate(texts):
        rows = [row for owner, row in zip(found.owners, found.rows) if owner == i]
        assert all(maxlen is None or len(row) <= maxlen for row in rows)
        offsets = [row.offsets[1:-1] for row in rows]
        for before, after in zip(offsets, offsets[1:]):
            assert before[len(before) - step :] == after[:step]
        together = offsets[0] + [offset for row in offsets[1:] for offset in row[step:]]
        assert [text[a:b] for a, b in together] == text.split()


def test_texts_that_are_cut_are_counted():
    with pytest.warns(UserWarning, match="2 of 3 texts have more than 4 tokens and were cut"):
        found = make_windows(TOKENIZER, ["a b c", "a", "a b c d e f"], maxlen=4, cut=True)
    assert found.owners == [0, 1, 2] and [len(row) for row in found.rows] == [4, 3, 4]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        make_windows(TOKENIZER, ["a b", "a"], maxlen=4, cut=True)


def test_no_room():
    with pytest.raises(ConfigError, match="maxlen=5, stride=3: "):
        make_windows(TOKENIZER, ["a b c d e"], maxlen=5, stride=3)
    with pytest.raises(ConfigError, match="maxlen=5, stride=1: "):
        make_windows(TOKENIZER, ["a b c d e"], ["a b c"], maxlen=5, truncation="only_second")


def test_means():
    values = np.arange(8, dtype="float32").reshape(4, 2)
    np.testing.assert_array_equal(mean_of_windows(values, [0, 1, 1, 1], 2), [[0, 1], [4, 5]])
