import copy
import json
import pickle

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


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("char", ["\ue000", "\uf8ff", "\U000f0000"])
def test_characters_for_private_use_are_dropped_by_such_a_file_alone(vocab, path, char, lower):
    tokenizer = Tokenizer(vocab, do_lower_case=lower)
    save_tokenizer_json(path, tokenizer)
    again = load_tokenizer_json(path)
    for text, without in (("ab{0}cs", "abcs"), ("我{0}们", "我们"), ("a {0} b", "a b"), ("ab{0}cs Σ", "abcs Σ")):
        want = again.encode(without)
        for reader in (again, pickle.loads(pickle.dumps(again))):
            assert reader.encode(text.format(char)) == want
            assert reader.encode_batch([text.format(char)]).ids == [want[0]]
        assert tokenizer.encode(text.format(char)) != want


def test_a_sigma_is_never_final_in_such_a_file(vocab, path):
    vocab = {**vocab, "ας": len(vocab), "ασ": len(vocab) + 1}
    tokenizer = Tokenizer(vocab, do_lower_case=True)
    save_tokenizer_json(path, tokenizer)
    text = "ΑΣ 我ΑΣ\u0345"  # the last character is combining, and no mark to be dropped
    assert tokenizer.tokenize(text)[1:2] == ["ας"]
    assert load_tokenizer_json(path).tokenize(text)[1:2] == ["ασ"]
    assert load_tokenizer_json(path).encode("我ΑΣ")[0] == [vocab[token] for token in ("[CLS]", "我", "ασ", "[SEP]")]


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
        ("model.type", "Morphemes", "model.type is 'Morphemes'; expected 'BPE' or 'Unigram' or "),
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


def added(content, i, **flags):
    usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return dict(usual, content=content, id=i, **flags)


def test_only_the_tokens_of_the_file_are_found(vocab, path):
    edit(path, Tokenizer(vocab), {"added_tokens": [added("[MASK]", vocab["[MASK]"], special=True)]})
    tokenizer = load_tokenizer_json(path)
    assert tokenizer.tokenize("[MASK] [SEP]") == ["[CLS]", "[MASK]", "[", "SEP", "]", "[SEP]"]
    assert load_tokenizer_json(path, special_tokens="split").tokenize("[MASK]")[1] == "["
    with pytest.raises(ValueError, match=r"special token '\[MASK\]' at character 2"):
        load_tokenizer_json(path, special_tokens="refuse").encode("a [MASK]")


def test_a_word_that_is_too_long_is_unknown_though_the_vocabulary_has_it(vocab, path):
    edit(path, Tokenizer(vocab), {"model.max_input_chars_per_word": 4})
    for settings in ({}, {"special_tokens": "split"}):
        tokenizer = load_tokenizer_json(path, **settings)
        assert tokenizer.encode("hello abcd")[0] == [2, vocab["[UNK]"], vocab["abcd"], 3]
        assert tokenizer.tokens_to_ids(tokenizer.tokenize("hello")) == tokenizer.encode_batch(["hello"]).ids[0]


def test_a_template_of_another_order(vocab, path):
    def special(name, type_id):
        return {"SpecialToken": {"id": name, "type_id": type_id}}

    def text(name, type_id):
        return {"Sequence": {"id": name, "type_id": type_id}}

    changes = {
        "post_processor.single": [special("[SEP]", 1), special("[CLS]", 0), text("A", 2)],
        "post_processor.pair": [text("B", 0), special("[SEP]", 1), text("A", 2)],
    }
    edit(path, Tokenizer(vocab), changes)
    tokenizer = load_tokenizer_json(path)
    a, b = vocab["a"], vocab["b"]
    assert tokenizer.tokenize("a") == ["[SEP]", "[CLS]", "a"]
    assert tokenizer.encode("a") == ([3, 2, a], [1, 0, 2])
    assert tokenizer.encode("a", "b b") == ([b, b, 3, a], [0, 0, 1, 2])
    assert tokenizer.encode("a b", "b b", maxlen=3) == ([b, 3, a], [0, 1, 2])
    assert tokenizer.encode("a b", "b b", maxlen=3, truncate_from="left")[0] == [b, 3, b]
    assert tokenizer.tokenize("a b", maxlen=3) == ["[SEP]", "[CLS]", "a"]
    batch = tokenizer.encode_batch(["a"], ["b b"])
    assert (batch.ids, batch.type_ids, batch.sequence_ids) == ([[b, b, 3, a]], [[0, 0, 1, 2]], [[1, 1, None, 0]])
    assert load_tokenizer_json(path, token_start=None, token_end=None).encode("a", "b")[0] == [a, b]
    with pytest.raises(TypeError, match="first_text: expected str .lists of tokens do not fit"):
        tokenizer.encode(["a"])
    with pytest.raises(ValueError, match="pattern='S'"):
        tokenizer.encode("a", pattern="S")
    with pytest.raises(ValueError, match="maxlen=1 has no room for 2 special tokens"):
        tokenizer.encode("a", maxlen=1)


def test_roberta_has_two_specials_between_the_texts(vocab, path):
    processor = {"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2], "trim_offsets": True}
    edit(path, Tokenizer(vocab), {"post_processor": processor})
    tokenizer = load_tokenizer_json(path)
    assert tokenizer.encode("a", "b") == ([2, vocab["a"], 3, 3, vocab["b"], 3], [0] * 6)
    edit(path, Tokenizer(vocab), {"post_processor": {"type": "Sequence", "processors": [processor]}})
    assert load_tokenizer_json(path).encode("a", "b") == tokenizer.encode("a", "b")


def test_mpnet_trims_the_offsets_of_its_mask(vocab, path):
    """Without a prefix; what transformers 5.23 gives for the same texts, with its own words."""
    processor = {"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2], "add_prefix_space": False}
    changes = {"post_processor": processor, "added_tokens": [added("[MASK]", 4, lstrip=True, special=True)]}
    edit(path, Tokenizer(vocab, do_lower_case=True), changes)
    tokenizer = load_tokenizer_json(path)
    for _ in range(2):
        batch = tokenizer.encode_batch(["A [MASK] b \u00a0[MASK]", " [MASK]", "[MASK]a"], padding=False)
        assert [row[1:-1] for row in batch.ids] == [[vocab["a"], 4, vocab["b"], 4], [4], [4, vocab["a"]]]
        spans = [[(0, 1), (2, 8), (9, 10), (12, 18)], [(1, 7)], [(0, 6), (6, 7)]]
        assert [row[1:-1] for row in batch.offsets] == spans
        assert tokenizer.encode("a", "b")[0] == [2, vocab["a"], 3, 3, vocab["b"], 3]
        save_tokenizer_json(path, tokenizer)
        tokenizer = load_tokenizer_json(path)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"post_processor.special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [9], "tokens": ["[CLS]"]}}}, "ids.0. is 9"),
        ({"post_processor.single": [{"Sequence": {"id": "B", "type_id": 0}}]}, "expected each text once"),
        ({"post_processor.pair": [{"Sequence": {"id": "A", "type_id": 0}}]}, "expected each text once"),
        ({"added_tokens": [added("[MASK]", 3)]}, r"'\[MASK\]' has id 3; expected 4, its id in model.vocab"),
        ({"added_tokens": [added("", 103)]}, "content is ''; expected a token"),
        ({"added_tokens": [added("x", 103), added("x", 103)]}, "'x' and 'x' have one id, 103"),
        ({"added_tokens": [added("x", 103, lstrip=1)]}, "lstrip is 1; expected true or false"),
        (
            {"added_tokens": [added("Yes", 103, normalized=True), added("yes", 104, normalized=True)]},
            "'Yes' and 'yes' are the same in normalised text, 'yes'",
        ),
        (
            {
                "added_tokens": [added("x", 103, lstrip=True)],
                "post_processor": {"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
            },
            "post_processor.trim_offsets is true, which is not supported with the added token 'x'",
        ),
        ({"truncation": {"max_length": -1}}, "truncation.max_length is -1"),
        ({"truncation": {"max_length": 5, "strategy": "x", "stride": 0}}, "truncation.strategy is 'x'"),
        (
            {"padding": {"strategy": {"Fixed": 1 << 21}}},
            "padding.strategy.Fixed is 2097152; expected",
        ),
        ({"model.vocab": {"[UNK]": 0, "a": 0}}, r"'\[UNK\]' and 'a' with the same id 0"),
    ],
)
def test_settings_that_are_refused(vocab, path, changes, message):
    edit(path, Tokenizer(vocab, do_lower_case=True), changes)
    with pytest.raises(VocabError, match=message) as caught:
        load_tokenizer_json(path)
    assert path in str(caught.value)


def test_truncation_and_padding_are_the_defaults_of_encode_batch(vocab, path):
    truncation = {"direction": "Left", "max_length": 5, "strategy": "OnlyFirst", "stride": 1}
    padding = {"strategy": {"Fixed": 6}, "direction": "Left", "pad_to_multiple_of": 4, "pad_id": 1, "pad_type_id": 3}
    edit(path, Tokenizer(vocab), {"truncation": truncation, "padding": dict(padding, pad_token="<p>")})
    tokenizer = load_tokenizer_json(path)
    batch = tokenizer.encode_batch(["a b c d"])
    assert batch.tokens == [["<p>"] * 3 + ["[CLS]", "b", "c", "d", "[SEP]"]]
    assert batch.ids[0][:4] == [1, 1, 1, 2] and batch.type_ids[0] == [3, 3, 3, 0, 0, 0, 0, 0]
    assert batch.overflowing.tokens == [["<p>"] * 4 + ["[CLS]", "a", "b", "[SEP]"]]
    assert tokenizer.encode_batch(["a b c d"], maxlen=None, padding=False).ids == [tokenizer.encode("a b c d")[0]]
    save_tokenizer_json(path, tokenizer)
    assert load_tokenizer_json(path).batch_defaults == tokenizer.batch_defaults


def test_tokens_of_ones_own_are_written(vocab, path):
    tokenizer = Tokenizer(vocab)
    tokenizer.add_tokens(["<e>", "a b"], lstrip=True)
    save_tokenizer_json(path, tokenizer)
    again = load_tokenizer_json(path)
    assert again.encode("c  <e> a b")[0] == tokenizer.encode("c  <e> a b")[0] == [2, vocab["c"], 103, 104, 3]
    assert again._added_tokens == tokenizer._added_tokens[-2:]
    tokenizer.add_tokens(["<s>"], special=True)  # which special_tokens="split" does not look for
    with pytest.raises(VocabError, match="cannot say that the special token '<s>' in a text is split"):
        save_tokenizer_json(path, tokenizer)
