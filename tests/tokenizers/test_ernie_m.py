"""ERNIE-M: pieces cut further, by a slow and obvious twin; ids, template and special tokens."""

import json
import random

import pytest

from b4k3.tokenizers import ErnieMTokenizer, SentencePieceModel, VocabError, load_tokenizer
from support.sentencepiece_models import build

SPACE = "\u2581"
PIECES = [SPACE, SPACE + "the", "th", "e", "今天", "天", "12", "1", "a1b", SPACE + "3", ".", "!", "今天12。", "e."]
SPECIAL = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
VOCAB = {
    token: i for i, token in enumerate([*SPECIAL, SPACE, SPACE + "the", "th", "e", "今", "天", "12", "1", "3", "."])
}


def slowly_cut(pieces):
    """Walk through each piece, and end a part before or after a character where the kind of character says so."""
    for k, piece in enumerate(pieces):
        if piece == SPACE:
            following = pieces[k + 1] if k + 1 < len(pieces) else SPACE
            if k > 0 and following[0] != SPACE:
                yield SPACE
            continue
        part = ""
        for char in piece:
            alone = "\u4e00" <= char <= "\u9fff" or char in ",;:.?!~，；：。？！《》【】"
            if part and (alone or part[-1].isdigit() != char.isdigit()):
                if part != SPACE:
                    yield part
                part = ""
            if alone:
                yield char
            else:
                part += char
        if part:
            yield part


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sentencepiece.bpe.model").write_bytes(build([(piece, -3.0) for piece in PIECES]))
    (tmp_path / "vocab.txt").write_text("".join(token + "\n" for token in VOCAB), encoding="utf-8")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "ernie_m"}))
    return tmp_path


def test_tokens_and_ids(folder):
    tokenizer = load_tokenizer(folder)
    assert isinstance(tokenizer, ErnieMTokenizer)
    assert tokenizer.tokenize("the 今天12。") == ["[CLS]", SPACE + "the", SPACE, "今", "天", "12", "。", "[SEP]"]
    assert tokenizer.encode("the 3天x")[0] == [0, 6, 13, 10, 3, 2]
    assert tokenizer.encode("the", "12") == ([0, 6, 2, 2, 11, 2], [0, 0, 1, 1, 1, 1])
    assert tokenizer.encode_batch(["the[MASK]e."]).tokens == [["[CLS]", SPACE + "the", "[MASK]", "e", ".", "[SEP]"]]
    assert tokenizer.decode([0, 6, 9, 10, 14, 2]) == "the今天."
    names = ("pad", "unk", "mask", "start", "end")
    assert [getattr(tokenizer, f"_token_{name}_id") for name in names] == [1, 3, 4, 0, 2]


def test_cut_like_the_twin(folder):
    tokenizer, rng = load_tokenizer(folder), random.Random(2)
    model = SentencePieceModel(folder / "sentencepiece.bpe.model")
    for _ in range(500):
        text = "".join(rng.choices(["the", "e", " ", "今天", "天", "12", "1", "a1b", "3", ".", "!", "。", "x"], k=8))
        assert tokenizer.tokenize(text)[1:-1] == [*slowly_cut(model.tokenize(text))], text


def test_refusals(folder):
    with pytest.raises(VocabError, match=r"lacks \[PAD\], \[MASK\]"):
        ErnieMTokenizer(folder / "sentencepiece.bpe.model", {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2})
    with pytest.raises(VocabError, match="id 99 is not in the vocabulary, which has 15 tokens"):
        load_tokenizer(folder).decode([99])
    (folder / "vocab.txt").unlink()
    with pytest.raises(FileNotFoundError, match="vocab.txt"):
        load_tokenizer(folder)
