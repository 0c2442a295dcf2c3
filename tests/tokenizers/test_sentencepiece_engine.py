"""The C++ package as the engine, and against it: the same answers on the same lines."""

import pickle
import random

import pytest

from b4k3.tokenizers import SentencePieceError, SentencePieceModel, SpTokenizer
from b4k3.tokenizers.sp_tokenizer import load_model
from support.sentencepiece_models import BPE, UNIGRAM, build
from support.tokenizer_goldens import model_path, models_meta

TEXTS = ["", " ", "  a ", "Hello world <sep> 今天天气 x <extra_id_1> y", "\u3042\u3099 ﾊﾟ Ⅷ  😀😀 z ▁<extra_id_2>▁"]
ALPHABET = "ab  \t\u3000\u00a0\u200bÄé\u0301\u0308\u3099\u309aカガｶﾞﾊﾟ각각▁①ﬁ™½²´😀天，！Ａ़<sep>=="


@pytest.fixture(scope="module", params=sorted(models_meta()))
def engines(request):
    path = model_path(request.param)
    return load_model(path, extra_ids=3), load_model(path, extra_ids=3, engine="sentencepiece")


def test_both_engines_give_the_same(engines):
    ours, theirs = engines
    rng = random.Random(0)
    texts = TEXTS + ["".join(rng.choice(ALPHABET) for _ in range(rng.randrange(30))) for _ in range(1000)]
    assert ours.encode_batch(texts) == theirs.encode_batch(texts)
    for text in texts:
        assert ours.encode(text) == theirs.encode(text), text
        assert ours.normalize(text) == theirs.normalize(text), text
        assert ours.tokenize(text) == theirs.tokenize(text), text
        assert ours.encode_with_offsets(text) == theirs.encode_with_offsets(text), text
        assert ours.decode(ours.encode(text)) == theirs.decode(ours.encode(text)), text


def test_both_know_the_same_about_their_pieces(engines):
    ours, theirs = engines
    assert len(ours) == len(theirs) and ours.pieces == theirs.pieces and ours.model_type == theirs.model_type
    for name in ("unk_id", "bos_id", "eos_id", "pad_id"):
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ("is_control", "is_unknown", "is_unused", "is_byte", "score", "id_to_piece"):
        assert list(map(getattr(ours, name), range(len(ours)))) == list(map(getattr(theirs, name), range(len(ours))))
    assert list(map(ours.piece_to_id, ours.pieces)) == list(map(theirs.piece_to_id, ours.pieces))


def test_n_best_scores(engines):
    ours, theirs = engines
    if ours.model_type == "unigram":
        for text in TEXTS[1:]:
            scores = [score for _, score in theirs.nbest(text, 8)]
            assert [score for _, score in ours.nbest(text, 8)] == pytest.approx(scores, abs=1e-3)


def test_errors_and_pickle_are_those_of_the_python_engine(engines, tmp_path):
    _, theirs = engines
    again = pickle.loads(pickle.dumps(theirs))
    assert again.encode(TEXTS[3]) == theirs.encode(TEXTS[3])
    with pytest.raises(IndexError):
        theirs.decode([len(theirs)])
    path = tmp_path / "broken.model"
    path.write_bytes(b"<html>")
    with pytest.raises(SentencePieceError, match="broken.model"):
        load_model(str(path), engine="sentencepiece")
    tokenizer = SpTokenizer(model_path("bpe"), token_start=None, token_end=None, engine="sentencepiece")
    assert tokenizer.encode_batch(TEXTS).ids == [tokenizer.sp_model.encode(text) for text in TEXTS]


@pytest.mark.parametrize("kind", [UNIGRAM, BPE])
def test_user_defined_and_unused_pieces(kind, tmp_path):
    pieces = [
        ("a", -1.0),
        ("b", -2.0),
        ("\u2581", -2.5),
        ("ab", -1.5, 5),
        ("abc", -2.5),
        ("ba", 0.0, 4),
        ("a b", 0.0, 4),
    ]
    path = tmp_path / "m.model"
    path.write_bytes(build(pieces, {"model_type": kind}))
    ours, theirs = SentencePieceModel(str(path)), load_model(str(path), engine="sentencepiece")
    rng = random.Random(1)
    for _ in range(2000):
        text = "".join(rng.choice("aabbc  ") for _ in range(rng.randrange(14)))
        assert ours.encode_with_offsets(text) == theirs.encode_with_offsets(text), text
        assert ours.encode(text) == theirs.encode(text), text
