"""SentencePiece against the answers of the C++ library 0.2.3, and the normalizer against a slow one."""

import random
from pathlib import Path

import pytest

from b4k3.tokenizers import SentencePieceModel, SpTokenizer
from support.sentencepiece_models import Twin, slow_normalize, texts_of
from support.tokenizer_goldens import SENTENCEPIECE, model_path, models_meta, rows

META = models_meta()


class Case:
    def __init__(self, name):
        self.path = model_path(name)
        lines = rows(SENTENCEPIECE / "lines.jsonl.xz")
        self.texts = [line["text"] for line in lines]
        self.rows = [dict(line[name], text=line["text"]) for line in lines]
        self.model = SentencePieceModel(self.path)


@pytest.fixture(scope="module", params=sorted(META))
def case(request):
    return Case(request.param)


def differing(got, want, texts):
    return [(text, g, w) for text, g, w in zip(texts, got, want) if g != w][:3]


@pytest.mark.parametrize("method, key", [("encode", "ids"), ("tokenize", "pieces"), ("normalize", "normalized")])
def test_text_to_pieces(case, method, key):
    got = list(map(getattr(case.model, method), case.texts))
    assert not differing(got, [row[key] for row in case.rows], case.texts)


def test_the_twin_gives_the_same(case):
    twin, sample = Twin(case.model._spec), [row for row in case.rows if len(row["normalized"]) < 200][::20]
    assert len(sample) > 20
    for row in sample:
        assert twin.encode(row["normalized"]) == (row["ids"], row["pieces"]), row["text"]


def test_batch_is_what_single_texts_give(case):
    assert case.model.encode_batch(case.texts) == [row["ids"] for row in case.rows]


def test_no_cache_and_a_tiny_cache_change_nothing(case):
    for size in (0, 10):
        model = SentencePieceModel(case.path, cache_size=size)
        assert model.encode_batch(case.texts[:400]) == [row["ids"] for row in case.rows[:400]]
        for cache in (model._segmenter._ids_of_chunk, model._segmenter._ids_of_word):
            assert len(cache) + len(cache._old) <= size


@pytest.mark.parametrize(
    "method, source, key", [("decode", "ids", "decode_ids"), ("decode_pieces", "pieces", "decode_pieces")]
)
def test_pieces_to_text(case, method, source, key):
    got = [getattr(case.model, method)(row[source]) for row in case.rows]
    assert not differing(got, [row[key] for row in case.rows], case.texts)


def test_decoding_of_random_ids(case):
    name = Path(case.path).stem
    for row in (line[name] for line in rows(SENTENCEPIECE / "random_ids.jsonl.xz")):
        assert [case.model.id_to_piece(i) for i in row["ids"]] == row["pieces"]
        assert case.model.decode(row["ids"]) == row["decode"]


def test_aligned_text_is_the_normalized_text_and_offsets_cover_it(case):
    for row in case.rows:
        ids, pieces, offsets = case.model.encode_with_offsets(row["text"])
        assert (ids, pieces) == (row["ids"], row["pieces"])
        ends = [0] + [end for _, end in offsets]
        for (start, end), previous in zip(offsets, ends):
            assert previous <= start <= end <= len(row["text"])


def test_special_ids(case, request):
    name = Path(case.path).stem
    for key in ("unk_id", "bos_id", "eos_id", "pad_id"):
        assert getattr(case.model, key) == META[name].get(key, -1)
    assert [i for i in range(len(case.model)) if case.model.is_control(i)] == META[name]["control"]
    assert len(case.model) == META[name]["piece_size"]


def test_sp_tokenizer_gives_the_same(case):
    tokenizer = SpTokenizer(case.path, token_start=None, token_end=None)
    rows = case.rows[:300]
    batch = tokenizer.encode_batch([row["text"] for row in rows])
    assert batch.ids == [row["ids"] for row in rows]
    for row, offsets in zip(rows, batch.offsets):
        assert tokenizer.tokenize(row["text"]) == row["pieces"]
        assert tokenizer.encode(row["text"])[0] == row["ids"]
        assert tokenizer.decode(row["ids"]) == row["decode_ids"]
        assert len(offsets) == len(row["ids"])


# characters that the charsmaps change, compose, delete or turn into blanks
ALPHABET = (
    "ab  \t\n\r\u3000\u00a0\u200b\ufeff\x00\x01\x7f\x85ÄÖéèİß\u0300\u0301\u0308\u0327\u3099\u309aカガｶﾞﾊﾟはば가각각"
    "▁①㈱㎏ﬁ™½²¨´😀天，。！ＡＢ१़\u0653ا<sep>"
)


def test_normalizer_against_the_slow_one(case):
    rng = random.Random(0)
    texts = ["".join(rng.choice(ALPHABET) for _ in range(rng.randrange(12))) for _ in range(1500)]
    for text in texts + case.texts[::20]:
        want = slow_normalize(case.model._spec, text)
        assert case.model.normalize(text) == want, text
        aligned, origin = case.model._normalizer.align(text)
        assert aligned == want and len(origin) == len(want) + 1 and origin == sorted(origin), text


def test_words_are_normalized_as_single_texts(case):
    normalizer = case.model._normalizer
    for texts in (
        [""],
        ["", " "],
        ["a", "", "b  c ", " ▁"],
        ["\u200b", "x"],
        ["a\0b", "c"],
        case.texts[:50],
        case.texts,
    ):
        words = normalizer.words(texts) if normalizer.by_words else None
        if words is not None:
            assert texts_of(words) == list(map(normalizer.normalize, texts))
