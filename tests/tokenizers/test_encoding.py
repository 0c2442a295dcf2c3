import random

import pytest

from b4k3.tokenizers import Tokenizer
from b4k3.tokenizers.encoding import longest_first


@pytest.fixture
def tokenizer(vocab):
    return Tokenizer(vocab, do_lower_case=True)


def test_the_fields(tokenizer):
    batch = tokenizer.encode_batch(["Ab, c", "我们"], ["d", "e"])
    assert len(batch) == 2
    assert batch.tokens == [
        ["[CLS]", "ab", ",", "c", "[SEP]", "d", "[SEP]"],
        ["[CLS]", "我", "[UNK]", "[SEP]", "e", "[SEP]"],
    ]
    assert batch.ids == [tokenizer.tokens_to_ids(row) for row in batch.tokens]
    assert batch.offsets[0] == [(0, 0), (0, 2), (2, 3), (4, 5), (0, 0), (0, 1), (0, 0)]
    assert batch.type_ids == [[0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1]]
    assert batch.attention_mask == [[1] * 7, [1] * 6]
    assert batch.special_tokens_mask == [[1, 0, 0, 0, 1, 0, 1], [1, 0, 0, 1, 0, 1]]
    assert batch.sample_index == [0, 1]
    assert len(batch.overflowing) == 0 and batch.overflowing.ids == []
    assert repr(batch) == "Encoding(2 rows)"


def test_ids_cost_only_ids(tokenizer, monkeypatch):
    batch = tokenizer.encode_batch(["a b"], maxlen=3, padding="max_length")
    monkeypatch.setattr(type(tokenizer), "_offsets_of_texts", None)
    assert batch.ids == [[2, tokenizer.token_to_id("a"), 3]]
    assert batch.ids is batch.ids
    assert set(vars(batch)) == {"_batch", "_overflow", "_rows", "ids"}


@pytest.mark.parametrize("padding, width", [(True, 4), ("longest", 4), (6, 6), ("max_length", 9)])
def test_padding(tokenizer, padding, width):
    batch = tokenizer.encode_batch(["a b", "a"], maxlen=9, padding=padding)
    n = width - 3
    assert batch.tokens == [["[CLS]", "a", "b", "[SEP]"] + ["[PAD]"] * (n - 1), ["[CLS]", "a", "[SEP]"] + ["[PAD]"] * n]
    assert batch.ids == [tokenizer.tokens_to_ids(row) for row in batch.tokens]
    assert batch.attention_mask[1] == [1] * 3 + [0] * n
    assert batch.special_tokens_mask[1] == [1, 0, 1] + [1] * n
    assert batch.type_ids[1] == [0] * width
    assert batch.offsets[1] == [(0, 0), (0, 1), (0, 0)] + [(0, 0)] * n


@pytest.mark.parametrize("padding", [False, None, 0, 1, 3])
def test_padding_that_adds_nothing(tokenizer, padding):
    batch = tokenizer.encode_batch(["a", "a b"], padding=padding)
    assert batch.tokens == [["[CLS]", "a", "[SEP]"], ["[CLS]", "a", "b", "[SEP]"]]


def test_overflowing_windows(tokenizer):
    batch = tokenizer.encode_batch(["a b", "a b c d e a b"], maxlen=5, stride=1, padding=True)
    assert batch.tokens == [["[CLS]", "a", "b", "[SEP]", "[PAD]"], ["[CLS]", "a", "b", "c", "[SEP]"]]
    more = batch.overflowing
    assert more.tokens == [["[CLS]", "c", "d", "e", "[SEP]"], ["[CLS]", "e", "a", "b", "[SEP]"]]
    assert more.sample_index == [1, 1]
    assert more.offsets[0] == [(0, 0), (4, 5), (6, 7), (8, 9), (0, 0)]
    assert more.special_tokens_mask == [[1, 0, 0, 0, 1]] * 2


def test_windows_of_pairs_cover_everything(tokenizer):
    rng = random.Random(0)
    for _ in range(300):
        m, n = rng.randrange(12), rng.randrange(12)
        maxlen, stride = rng.randrange(5, 20), rng.randrange(2)
        batch = tokenizer.encode_batch(["a " * m], ["b " * n], maxlen=maxlen, stride=stride)
        try:
            rows = batch.ids + batch.overflowing.ids
        except ValueError as e:
            assert "stride=1" in str(e) or "only" in str(e)
            continue
        assert all(len(row) <= maxlen for row in rows) or maxlen - 3 < 2
        kept = min(m + n, maxlen - 3)
        assert len(batch.ids[0]) == kept + 3
        offsets = {offset for row in batch.offsets + batch.overflowing.offsets for offset in row}
        assert {(2 * i, 2 * i + 1) for i in range(max(m, n))} <= offsets


def test_only_one_side_is_cut(tokenizer):
    texts, pairs = ["a b c d"], ["e d c b a"]
    first = tokenizer.encode_batch(texts, pairs, maxlen=9, truncation="only_first").tokens[0]
    second = tokenizer.encode_batch(texts, pairs, maxlen=9, truncation="only_second").tokens[0]
    assert first == ["[CLS]", "a", "[SEP]", "e", "d", "c", "b", "a", "[SEP]"]
    assert second == ["[CLS]", "a", "b", "c", "d", "[SEP]", "e", "d", "[SEP]"]
    assert tokenizer.encode_batch([""], pairs, maxlen=6, truncation="only_second").tokens[0][2:] == [
        "e",
        "d",
        "c",
        "[SEP]",
    ]
    with pytest.raises(ValueError, match="only_first.*cannot bring texts of 4 and 5 tokens down to maxlen=7"):
        list(tokenizer.encode_batch(texts, pairs, maxlen=7, truncation="only_first").ids)


def test_longest_first():
    # the shorter text is cut when the longer is no longer than it; of an odd room the longer text gets one more
    cases = {
        (10, 2, 8): (6, 2),
        (2, 10, 8): (2, 6),
        (10, 10, 7): (3, 4),
        (12, 10, 7): (4, 3),
        (5, 5, 10): (5, 5),
        (5, 9, 2): (1, 1),
    }
    for (m, n, room), want in cases.items():
        assert longest_first(m, n, room) == want


def test_workers_give_the_same(vocab):
    tokenizer = Tokenizer(vocab, do_lower_case=True, pre_tokenize=lambda text: text.split("-"))  # not picklable
    texts = ["ab-c %d" % i for i in range(50)]
    assert tokenizer.encode_batch(texts, workers=2).ids == tokenizer.encode_batch(texts).ids
    assert tokenizer.encode_batch(texts, workers=2).offsets == tokenizer.encode_batch(texts).offsets
    with pytest.raises(ValueError, match="special token"):
        list(Tokenizer(vocab, special_tokens="refuse").encode_batch(["a", "[SEP]"], workers=2).ids)


def test_nothing_to_encode(tokenizer):
    batch = tokenizer.encode_batch([], padding=True, maxlen=3)
    assert len(batch) == 0
    assert batch.ids == batch.offsets == batch.type_ids == batch.sample_index == []
    assert tokenizer.encode_batch([], workers=2).ids == []
    assert tokenizer.encode_batch(iter(["a"])).ids == [tokenizer.encode("a")[0]]


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (dict(texts="ab"), TypeError, "expected a list of texts, got one str"),
        (dict(texts=["a", None]), TypeError, r"texts\[1\]: expected str, got NoneType"),
        (dict(texts=["a"], pairs=["b", 3]), TypeError, r"pairs\[1\]: expected str, got int"),
        (dict(texts=["a"], pairs=["b", "c"]), ValueError, "1 texts but 2 pairs"),
        (dict(texts=["a"], maxlen=1), ValueError, "maxlen=1 has no room for 2 special tokens"),
        (dict(texts=["a"], stride=-1), ValueError, "stride=-1"),
        (dict(texts=["a"], truncation="right"), ValueError, "truncation='right'"),
        (dict(texts=["a"], padding="max_length"), ValueError, "needs maxlen"),
        (dict(texts=["a"], padding="left"), ValueError, "padding='left'"),
    ],
)
def test_wrong_arguments(tokenizer, arguments, error, message):
    with pytest.raises(error, match=message):
        tokenizer.encode_batch(**arguments)


def test_padding_without_a_padding_token(vocab):
    del vocab["[PAD]"]
    with pytest.raises(ValueError, match=r"no '\[PAD\]'"):
        list(Tokenizer(vocab).encode_batch(["a"], padding=True).ids)


def test_stride_without_progress(tokenizer):
    with pytest.raises(ValueError, match="stride=2"):
        list(tokenizer.encode_batch(["a b c"], maxlen=4, stride=2).ids)
