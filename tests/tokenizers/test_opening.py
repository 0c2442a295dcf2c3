"""`load_tokenizer`: files by their names, folders by their files, and refusals that say what to do."""

import base64
import json

import pytest

from b4k3.tokenizers import (
    BpeTokenizer,
    SpTokenizer,
    Tokenizer,
    VocabError,
    load_tokenizer,
    save_tiktoken,
    save_tokenizer_json,
    save_vocab_and_merges,
)
from b4k3.tokenizers._byte_level import BYTE_CHARS
from support.sentencepiece_models import build

SPACE = "\u2581"
MERGES = [("t", "h"), ("th", "e"), ("Ġ", "the")]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>"]


def write_bpe(folder, model_type=None, config=None, first=(), names=("vocab.json", "merges.txt")):
    vocab = {token: i for i, token in enumerate([*first, *BYTE_CHARS, *map("".join, MERGES)])}
    save_vocab_and_merges(folder / names[0], folder / names[1], BpeTokenizer(vocab, MERGES))
    for name, value in (("config.json", model_type and {"model_type": model_type}), ("tokenizer_config.json", config)):
        if value:
            (folder / name).write_text(json.dumps(value))
    return vocab


def write_ranks(path):
    tokens = [bytes([byte]) for byte in range(256)] + [b"th", b"the", b" the"]
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens)))


def test_vocab_and_merges_of_roberta(tmp_path):
    vocab = write_bpe(tmp_path, "roberta", first=ROBERTA)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.tokenize("the the") == ["<s>", "the", "Ġthe", "</s>"]
    mask = len(vocab)
    assert tokenizer.encode("the", "the <mask>")[0] == [0, vocab["the"], 2, 2, vocab["the"], mask, 2]
    assert tokenizer.encode("the")[0] == load_tokenizer(tmp_path / "vocab.json").encode("the")[0]
    assert load_tokenizer(tmp_path, token_start=None, token_end=None).tokenize("the") == ["the"]


@pytest.mark.parametrize("config", [{"tokenizer_class": "GPT2TokenizerFast"}, {"tokenizer_class": "GPT2Tokenizer"}])
def test_class_of_tokenizer_config(tmp_path, config):
    vocab = write_bpe(tmp_path, "a model with the tokenizer of GPT-2", config, names=("encoder.json", "vocab.bpe"))
    assert load_tokenizer(tmp_path).encode("the<|endoftext|>")[0] == [vocab["the"], len(vocab)]


def test_added_tokens_of_tokenizer_config(tmp_path):
    token = {"content": "<|im_end|>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    config = {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": {"259": dict(token, special=True)}}
    vocab = write_bpe(tmp_path, config=config)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.encode("the<|im_end|>12")[0] == [vocab["the"], 259, vocab["1"], vocab["2"]]
    assert tokenizer.encode("e\u0301")[0] == tokenizer.encode("\xe9")[0]  # NFC
    for wrong in ({"last": token}, {"259": "<|im_end|>"}):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(dict(config, added_tokens_decoder=wrong)))
        with pytest.raises(VocabError, match="added_tokens_decoder has .*; expected an id and a token"):
            load_tokenizer(tmp_path)


def test_pattern_and_specials(tmp_path):
    vocab = write_bpe(tmp_path)
    with pytest.raises(VocabError, match="does not say how a text is cut into words; say it by pattern .*: gpt2"):
        load_tokenizer(tmp_path)
    tokenizer = load_tokenizer(tmp_path, pattern="gpt2", specials=["<end>"])
    assert tokenizer.encode("the<end>")[0] == [vocab["the"], len(vocab)]
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(FileNotFoundError, match="needs merges.txt beside it"):
        load_tokenizer(tmp_path, pattern="gpt2")


@pytest.mark.parametrize("name", ["qwen.tiktoken", "tokenizer.model"])
def test_ranks_of_tiktoken(tmp_path, name):
    write_ranks(tmp_path / name)
    with pytest.raises(VocabError, match="say it by pattern"):
        load_tokenizer(tmp_path)
    tokenizer = load_tokenizer(tmp_path, pattern="qwen2", specials=["<|endoftext|>"])
    assert tokenizer.encode("the the<|endoftext|>")[0] == [257, 258, 259]
    save_tiktoken(tmp_path / "again.tiktoken", tokenizer)
    assert load_tokenizer(tmp_path / "again.tiktoken", pattern="gpt2").encode("the")[0] == [257]


def test_sentencepiece(tmp_path):
    data = build([(",", -3.0), (SPACE, -4.0), (SPACE + "the", -4.5)])
    (tmp_path / "sentencepiece.bpe.model").write_bytes(data)
    for config in ({}, {"tokenizer_class": "XLMRobertaTokenizer"}, {"tokenizer_class": "XLMRobertaTokenizerFast"}):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        assert load_tokenizer(tmp_path).encode("the")[0] == [0, 6, 2]
    (tmp_path / "tokenizer_config.json").unlink()
    for model_type in ("xlm-roberta", "bert"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
        assert load_tokenizer(tmp_path).encode("the")[0] == [0, 6, 2]
    for model_type in ("camembert", "mbart"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
        with pytest.raises(VocabError, match=f"is of '{model_type}', by the files beside it; .* the ids of XLM-R"):
            load_tokenizer(tmp_path)
    (tmp_path / "sentencepiece.bpe.model").rename(tmp_path / "spiece.model")
    tokenizer = load_tokenizer(tmp_path, token_start=None, token_end="</s>")
    assert isinstance(tokenizer, SpTokenizer) and tokenizer.encode("the")[0] == [5, 2]


def test_wordpiece_and_tokenizer_json(tmp_path, vocab):
    (tmp_path / "vocab.txt").write_text("".join(token + "\n" for token in vocab), encoding="utf-8")
    assert load_tokenizer(tmp_path).encode("Ab")[0] == Tokenizer(vocab).encode("Ab")[0]
    lower = Tokenizer(vocab, do_lower_case=True)
    (tmp_path / "tokenizer_config.json").write_text("{}")  # which means lower-casing in transformers
    assert load_tokenizer(tmp_path).encode("Ab")[0] == lower.encode("Ab")[0]
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    assert load_tokenizer(tmp_path).encode("Ab")[0] == lower.encode("Ab")[0]
    assert load_tokenizer(tmp_path, lower=False).encode("Ab")[0] == Tokenizer(vocab).encode("Ab")[0]
    save_tokenizer_json(tmp_path / "tokenizer.json", lower)
    assert load_tokenizer(tmp_path).encode("Ab")[0] == lower.encode("Ab")[0]


@pytest.mark.parametrize(
    "name, arguments, error, message",
    [
        ("", {}, FileNotFoundError, "has no tokenizer; expected tokenizer.json, "),
        ("merges.txt", {}, ValueError, "has no ids; name vocab.json beside it"),
        ("vocab.bpe", {}, ValueError, "has no ids; name encoder.json beside it"),
        ("tokenizer.json", {"pattern": "gpt2"}, ValueError, "pattern and specials are for vocab.json and tiktoken"),
        ("vocab.txt", {"specials": ["<s>"]}, ValueError, "pattern and specials are for vocab.json and tiktoken"),
        ("spiece.model", {"lower": True}, ValueError, "--lower is for vocabulary files"),
        ("x.tiktoken", {"lower": True}, ValueError, "--lower is for vocabulary files"),
        ("nowhere.txt", {}, FileNotFoundError, "nowhere.txt"),
    ],
)
def test_refusals(tmp_path, name, arguments, error, message):
    with pytest.raises(error, match=message):
        load_tokenizer(tmp_path / name, **arguments)
