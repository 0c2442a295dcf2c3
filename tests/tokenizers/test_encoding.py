import random

import pytest

from b4k3.tokenizers import Tokenizer
from b4k3.tokenizers._batch import longest_first


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


def test_lookups(tokenizer):
    #           0         1           0    1
    texts = ["Ab, abab 我"], ["d  hello"]
    batch = tokenizer.encode_batch(*texts, padding=14)
    assert batch.tokens[0][:11] == "[CLS] ab , ab ##ab 我 [SEP] d hello [SEP] [PAD]".split()
    row = batch[0]
    nothing = [None]
    assert batch.word_ids == [[None, 0, 1, 2, 2, 3, None, 0, 1, None] + nothing * 4]
    assert batch.sequence_ids == [[None, 0, 0, 0, 0, 0, None, 1, 1, None] + nothing * 4]
    assert row.word_ids == batch.word_ids[0] and row.ids == batch.ids[0] and len(row) == 14
    assert [row.char_to_token(k) for k in range(11)] == [1, 1, 2, None, 3, 3, 4, 4, None, 5, None]
    assert [row.char_to_token(k, 1) for k in range(5)] == [7, None, None, 8, 8]
    assert [row.char_to_word(k, 1) for k in range(4)] == [0, None, None, 1]
    assert [row.token_to_chars(k) for k in (0, 1, 4, 6, 8, 13, 99)] == [None, (0, 2), (6, 8), None, (3, 8), None, None]
    assert [row.token_to_word(k) for k in (0, 4, 8, 99)] == [None, 2, 1, None]
    assert [row.token_to_sequence(k) for k in (0, 4, 8, 13)] == [None, 0, 1, None]
    assert [row.word_to_tokens(k) for k in range(5)] == [(1, 2), (2, 3), (3, 5), (5, 6), None]
    assert [row.word_to_chars(k, 1) for k in range(3)] == [(0, 1), (3, 8), None]
    assert batch.char_to_token(0, 3, 1) == row.char_to_token(3, sequence_index=1) == 8
    assert batch.word_to_chars(0, 2) == (4, 8) and batch.token_to_word(0, 4) == batch.char_to_word(0, 6) == 2
    assert batch.token_to_chars(0, 1) == (0, 2) and batch.word_to_tokens(0, 2) == (3, 5)
    assert batch.token_to_sequence(0, 8) == 1
    with pytest.raises(ValueError, match="char=-1; expected an integer from 0"):
        row.char_to_token(-1)
    with pytest.raises(TypeError, match="token: expected an int, got str"):
        row.token_to_chars("a")


def test_rows(tokenizer):
    batch = tokenizer.encode_batch(["a b c d", "a"], maxlen=4)
    assert [row.tokens for row in batch] == batch.tokens
    assert batch[-1].ids == batch.ids[1] and [row.ids for row in batch[:1]] == batch.ids[:1]
    assert [more.tokens for more in batch[0].overflowing] == [["[CLS]", "c", "d", "[SEP]"]]
    assert batch[1].overflowing == [] and batch[0].overflowing[0].overflowing == []
    assert repr(batch[0]) == "RowEncoding(4 tokens)"
    with pytest.raises(IndexError, match="row 2; expected an index of 2 rows"):
        batch[2]
    with pytest.raises(AttributeError, match="no attribute 'words'"):
        assert batch[0].words


def test_the_left_side(tokenizer):
    batch = tokenizer.encode_batch(
        ["a b c d e"],
        maxlen=5,
        stride=1,
        truncation_side="left",
        padding=True,
        pad_to_multiple_of=4,
        padding_side="left",
    )
    assert batch.tokens == [["[PAD]"] * 3 + ["[CLS]", "c", "d", "e", "[SEP]"]]
    assert batch.attention_mask == [[0] * 3 + [1] * 5]
    assert batch.overflowing.tokens == [["[PAD]"] * 3 + ["[CLS]", "a", "b", "c", "[SEP]"]]
    assert batch.offsets[0][4] == (4, 5) and batch.special_tokens_mask[0] == [1] * 4 + [0] * 3 + [1]


def test_the_defaults_of_a_tokenizer(tokenizer):
    tokenizer.batch_defaults = {"maxlen": 4, "padding": 6, "pad_id": 7, "pad_type_id": 2, "pad_token": "<p>"}
    batch = tokenizer.encode_batch(["a b c"])
    assert batch.tokens == [["[CLS]", "a", "b", "[SEP]", "<p>", "<p>"]]
    assert batch.ids[0][4:] == [7, 7] and batch.type_ids == [[0, 0, 0, 0, 2, 2]]
    assert tokenizer.encode_batch(["a b c"], maxlen=None, padding=False).ids == [tokenizer.encode("a b c")[0]]
    assert len(tokenizer.encode_batch(["a b c"], padding="max_length").ids[0]) == 4


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
    texts = [f"ab-c {i}" for i in range(50)]
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
        (dict(texts=None), TypeError, "texts: expected a list of texts, got one NoneType"),
        (dict(texts=3), TypeError, "texts: expected a list of texts, got one int"),
        (dict(texts=b"ab"), TypeError, "got one bytes"),
        (dict(texts=[b"ab"]), TypeError, r"texts\[0\]: expected str, got bytes .*decode bytes first"),
        (dict(texts=["a"], maxlen="5"), TypeError, "maxlen: expected an int, got str '5'"),
        (dict(texts=["a"], maxlen=5.5), ValueError, "maxlen: expected an integer, got float 5.5"),
        (dict(texts=["a"], maxlen=True), TypeError, "maxlen: expected an int, got bool True"),
        (dict(texts=["a"], stride=float("nan")), ValueError, "stride: expected an integer, got float nan"),
        (dict(texts=["a"], workers=0), ValueError, "workers=0; expected an integer from 1"),
        (dict(texts=["a"], padding=-1), ValueError, "padding=-1"),
        (dict(texts=["a"], padding=float("nan")), ValueError, "padding=nan"),
        (dict(texts=["a"], truncation_side="x"), ValueError, "truncation_side='x'; expected 'right' or 'left'"),
        (dict(texts=["a"], padding_side=None), ValueError, "padding_side=None"),
        (dict(texts=["a"], pad_token=3), TypeError, "pad_token: expected str"),
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
