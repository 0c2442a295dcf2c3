import copy
import json

import pytest

from b4k3.tokenizers import Tokenizer, VocabError, load_tokenizer_json, save_tokenizer_json

TEXTS = ["Hello, abcs 我们!", "a [MASK] b", "É 19 x" + "y" * 150, ""]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("specials", ["split", "recognise"])
def test_what_is_written_is_read(vocab, path, lower, specials):
    tokenizer = Tokenizer(vocab, do_lower_case=lower, word_maxlen=120, special_tokens=specials)
    save_tokenizer_json(path, tokenizer)
    again = load_tokenizer_json(path)
    assert again.encode_batch(TEXTS, TEXTS[::-1]).ids == tokenizer.encode_batch(TEXTS, TEXTS[::-1]).ids
    assert again._word_maxlen == 120
    assert load_tokenizer_json(path, word_maxlen=5)._word_maxlen == 5


def test_the_fields_are_hugging_faces(vocab, path):
    save_tokenizer_json(path, Tokenizer(vocab, do_lower_case=True, special_tokens="recognise"))
    with open(path, encoding="utf-8") as f:
        description = json.load(f)
    assert description["model"]["vocab"] == vocab
    assert description["normalizer"]["lowercase"] is True
    assert description["post_processor"]["special_tokens"]["[SEP]"] == {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}
    assert [t["content"] for t in description["added_tokens"]] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.mark.parametrize("start, end", [("[CLS]", "[SEP]"), (None, "[SEP]"), ("[CLS]", None), (None, None)])
def test_specials_around_a_text(vocab, path, start, end):
    tokenizer = Tokenizer(vocab, token_start=start, token_end=end)
    save_tokenizer_json(path, tokenizer)
    again = load_tokenizer_json(path)
    assert (again._token_start, again._token_end) == (start, end)


def test_the_older_form_of_the_post_processor(vocab, path):
    edit(
        path, Tokenizer(vocab), {"post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}}
    )
    assert load_tokenizer_json(path).encode("a") == Tokenizer(vocab).encode("a")
    edit(path, Tokenizer(vocab), {"post_processor": None})
    assert load_tokenizer_json(path).encode("a")[0] == [vocab["a"]]


def edit(path, tokenizer, changes):
    """Write the tokenizer's file with some values changed; keys with dots go into objects."""
    save_tokenizer_json(path, tokenizer)
    with open(path, encoding="utf-8") as f:
        description = json.load(f)
    for key, value in copy.deepcopy(changes).items():
        *parents, last = key.split(".")
        target = description
        for parent in parents:
            target = target[parent]
        target[last] = value
    with open(path, "w", encoding="utf-8") as f:
        json.dump(description, f)


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("model", {}, "has no 'model.type'"),
        ("model.type", "BPE", "model.type is 'BPE'; expected 'Unigram' or 'WordPiece'"),
        ("model.vocab", None, "model.vocab is None; expected an object"),
        ("model.vocab", {"[UNK]": "0"}, r"model.vocab.\[UNK\] is '0'; expected an integer"),
        ("model.vocab", {"a": 0}, "the unknown token"),
        ("model.continuing_subword_prefix", "@@", "continuing_subword_prefix is '@@'"),
        ("model.unk_token", "<unk>", "unk_token is '<unk>'"),
        ("normalizer", {"type": "NFKC"}, "normalizer.type is 'NFKC'"),
        ("normalizer", None, "normalizer is None; expected an object with 'type'"),
        ("normalizer.clean_text", False, "clean_text is False"),
        ("normalizer.strip_accents", False, "strip_accents"),
        ("pre_tokenizer", {"type": "Whitespace"}, "pre_tokenizer.type is 'Whitespace'"),
        ("post_processor.type", "ByteLevel", "post_processor.type is 'ByteLevel'"),
        ("post_processor.single", [], "post_processor.single is .*expected each text once"),
        ("post_processor", {"type": "BertProcessing"}, "has no 'post_processor.cls'"),
        ("post_processor", [], "post_processor is .*expected an object with 'type'"),
        ("added_tokens", [{"content": "[NEW]", "id": 500}], r"the added token '\[NEW\]' has id 500; expected 103"),
        ("added_tokens", [{"id": 500}], r"has no 'added_tokens\[0\].content'"),
    ],
)
def test_files_that_are_refused(vocab, path, key, value, message):
    edit(path, Tokenizer(vocab, do_lower_case=True), {key: value})
    with pytest.raises(VocabError, match=message) as caught:
        load_tokenizer_json(path)
    assert path in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100000, "[]", "3"])
def test_files_that_are_no_tokenizer(path, text):
    with open(path, "w") as f:
        f.write(text)
    with pytest.raises(VocabError, match="no JSON file|the file is .*expected an object with 'model'"):
        load_tokenizer_json(path)


def test_a_file_that_is_not_there(path):
    with pytest.raises(FileNotFoundError):
        load_tokenizer_json(path)


def test_what_the_file_cannot_say(vocab, path):
    for tokenizer in (
        Tokenizer(vocab, pre_tokenize=str.split),
        Tokenizer(vocab, token_translate={"a": "b"}),
        Tokenizer(vocab, special_tokens="refuse"),
    ):
        with pytest.raises(VocabError, match="a tokenizer.json cannot say"):
            save_tokenizer_json(path, tokenizer)
