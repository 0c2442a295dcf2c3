"""SentencePiece models with fairseq's ids: those of the C++ library, shifted; and what is refused."""

import pickle
import random

import pytest

from b4k3.tokenizers import (
    SentencePieceError,
    SentencePieceModel,
    load_fairseq,
    load_tokenizer_json,
    save_tokenizer_json,
)
from support.sentencepiece_models import BPE, USER_DEFINED, build

SPACE = "\u2581"
PIECES = [
    (",", -3.0),
    (".", -3.5),
    (SPACE, -4.0),
    (SPACE + "the", -4.5),
    ("th", -5.0),
    ("e", -5.5),
    ("今天", -6.0),
    ("天", -7.0),
]


def write(folder, pieces=PIECES, **changes):
    path = folder / "sentencepiece.bpe.model"
    path.write_bytes(build(pieces, **changes))
    return path


@pytest.fixture
def tokenizer(tmp_path):
    return load_fairseq(write(tmp_path))


def test_special_tokens_and_template(tokenizer):
    assert tokenizer.ids_to_tokens(range(13)) == [
        *["<s>", "<pad>", "</s>", "<unk>", ",", ".", SPACE, SPACE + "the", "th", "e", "今天", "天", "<mask>"]
    ]
    names = ("start", "pad", "end", "unk", "mask")
    assert [getattr(tokenizer, f"_token_{name}_id") for name in names] == [0, 1, 2, 3, 12]
    assert tokenizer.encode("the, 今天x") == ([0, 7, 4, 6, 10, 3, 2], [0] * 7)
    assert tokenizer.encode("the", "天") == ([0, 7, 2, 2, 6, 11, 2], [0] * 7)
    assert tokenizer.encode("the <mask>.</s>")[0] == [0, 7, 12, 6, 5, 2, 2]
    assert tokenizer.decode([0, 7, 4, 6, 10, 2]) == "the, 今天"


def test_arguments_of_the_class(tmp_path):
    tokenizer = load_fairseq(write(tmp_path), token_start=None, token_end=None, cache_size=0)
    assert tokenizer.encode("the")[0] == [7]


def test_ids_are_shifted_ones_of_the_model(tokenizer, tmp_path):
    model, rng = SentencePieceModel(tmp_path / "sentencepiece.bpe.model"), random.Random(1)
    texts = [
        "".join(rng.choices(["the", "th", "e", " ", "  ", ",", ".", "今", "天", "x", "\t"], k=12)) for _ in range(300)
    ]
    texts = [text.replace("\t", " ") for text in texts]  # without a charsmap a tab is no blank for SentencePiece
    ids = [[0] + [i + 1 if i else 3 for i in row] + [2] for row in model.encode_batch(texts)]
    assert tokenizer.encode_batch(texts).ids == ids
    assert [tokenizer.encode(text)[0] for text in texts] == ids
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.encode_batch(texts).ids == ids and again.encode("the <mask>")[0] == [0, 7, 12, 2]
    save_tokenizer_json(tmp_path / "tokenizer.json", tokenizer)
    written = load_tokenizer_json(tmp_path / "tokenizer.json")
    assert written.encode_batch(texts).ids == ids and written.encode("the", "天") == tokenizer.encode("the", "天")


@pytest.mark.parametrize(
    "pieces, changes, message",
    [
        (PIECES, {"specials": [("<unk>", 0.0, 2), ("</s>", 0.0, 3)]}, "the first pieces are not <unk>, <s>, </s>"),
        (PIECES, {"trainer": {"model_type": BPE}}, "bpe, .*SpTokenizer opens this one with its own ids"),
        (PIECES, {"normalizer": {"add_dummy_prefix": False}}, "'add_dummy_prefix': False"),
        (PIECES, {"trainer": {"suffix": True}}, "fairseq trained are unigram"),
        ([*PIECES, ("<sep>", 0.0, USER_DEFINED)], {}, "the piece '<sep>' is of type 4"),
        ([*PIECES, ("e" + SPACE + "t", -5.0)], {}, "has a space inside"),
        ([*PIECES, ("<pad>", -5.0)], {}, "'<pad>'"),
    ],
)
def test_other_models_are_refused(pieces, changes, message, tmp_path):
    with pytest.raises(SentencePieceError, match=message):
        load_fairseq(write(tmp_path, pieces, **changes))
