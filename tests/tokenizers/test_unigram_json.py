"""`tokenizer.json` of unigram models: written and read again they give the same ids; what cannot be said is refused."""

import base64
import json
import pickle

import pytest

from b4k3.tokenizers import (
    SentencePieceError,
    SentencePieceModel,
    SpTokenizer,
    VocabError,
    load_tokenizer_json,
    save_tokenizer_json,
)
from support.sentencepiece_models import BPE, SPECIALS, USER_DEFINED, build
from support.tokenizer_goldens import SENTENCEPIECE, model_path, rows

SPACE = "\u2581"


@pytest.mark.parametrize("name", ["albert_like", "t5_like", "unigram_bytefallback", "unigram_cpm"])
def test_written_and_read_again(name, tmp_path):
    path = str(tmp_path / "tokenizer.json")
    tokenizer = SpTokenizer(model_path(name), token_start=None, token_end="</s>")
    save_tokenizer_json(path, tokenizer)
    again = load_tokenizer_json(path)
    assert isinstance(again, SpTokenizer)
    assert (again._token_start, again._token_end) == (None, "</s>")
    assert again.sp_model.pieces == tokenizer.sp_model.pieces
    special = [piece for i, piece in enumerate(tokenizer.sp_model.pieces) if tokenizer._is_special(i)] + ["extra_id"]
    texts = [row["text"] for row in rows(SENTENCEPIECE / "lines.jsonl.xz")]
    texts = [text for text in texts if not any(token in text for token in special)]  # such a file finds them
    want = tokenizer.encode_batch(texts)
    assert again.encode_batch(texts).ids == want.ids
    assert load_tokenizer_json(path, token_end=None).encode("a")[0] == tokenizer.encode("a")[0][:-1]


def description():
    """A file as Hugging Face converts it from T5's model, in small."""
    vocab = [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], [SPACE, -2.0], [SPACE + "a", -2.5], ["b", -3.0]]
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "added_tokens": [dict(special, id=i, content=vocab[i][0]) for i in range(3)]
        + [dict(special, id=6 + i, content=f"<extra_id_{1 - i}>") for i in range(2)],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": ""},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "WhitespaceSplit"},
                {"type": "Metaspace", "replacement": SPACE, "add_prefix_space": True},
            ],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
        },
        "model": {"type": "Unigram", "unk_id": 2, "vocab": vocab},
    }


def without_space():
    """A vocabulary without the space symbol."""
    return [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], [SPACE + "a", -2.5]]


def load(tmp_path, value):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return load_tokenizer_json(str(path))


def test_a_file_converted_from_t5(tmp_path):
    tokenizer = load(tmp_path, description())
    assert tokenizer.encode("a bb  x")[0] == [4, 3, 5, 5, 3, 2, 1]
    assert tokenizer.encode("a<extra_id_0>")[0] == [4, 7, 1]
    assert tokenizer._token_pad_id == 0 and tokenizer._token_unk_id == 2
    assert tokenizer.decode([4, 3, 5, 1]) == "a b"


def changed(*keys):
    """A function that puts a value under the keys of a description."""

    def change(value):
        target = found = description()
        for key in keys[:-1]:
            target = target[key]
        target[keys[-1]] = value
        return found

    return change


@pytest.mark.parametrize(
    "keys, value, message",
    [
        (("model", "unk_id"), None, "model.unk_id is None"),
        (("model", "unk_id"), 6, "model.unk_id is 6"),
        (("model", "vocab"), {"a": 1}, "model.vocab is .*expected a list"),
        (("model", "vocab", 3), ["a"], r"model.vocab.3. is .*expected a list of 2 values"),
        (("model", "vocab", 3, 1), "x", r"model.vocab.3..1. is 'x'; expected a number"),
        (("model", "vocab", 4, 0), "b", "'b' is already piece 4"),
        (("model", "vocab", 4, 0), "", "piece 4 is empty"),
        (("model", "vocab"), without_space(), "no .*, and words would not stay apart"),
        (("model", "vocab", 4, 1), 1e300, "expected a number of 32 bits"),
        (("model", "byte_fallback"), 1, "byte_fallback is 1; expected true or false"),
        (
            ("pre_tokenizer", "pretokenizers", 1, "split"),
            False,
            "split is False; expected true",
        ),
        (
            ("pre_tokenizer", "pretokenizers", 1, "prepend_scheme"),
            "first",
            "expected 'always', after",
        ),
        (("pre_tokenizer", "pretokenizers", 1, "prepend_scheme"), "x", "prepend_scheme is 'x'"),
        (("model", "byte_fallback"), True, "0 of 256 byte pieces"),
        (("added_tokens", 3, "id"), 9, "'<extra_id_0>' has id 7; expected 6, the id after the last one"),
        (("added_tokens", 0, "content"), "<s>", "'<s>' has id 0; expected 6"),
        (("added_tokens", 0), {"id": 0}, r"has no 'added_tokens.0..content'"),
        (("normalizer",), {"type": "Lowercase"}, "normalizer.type is 'Lowercase'"),
        (
            ("normalizer",),
            {"type": "Replace", "pattern": {"String": "x"}, "content": "y"},
            "normalizer is .*expected a replacement of runs of blanks",
        ),
        (("normalizer", "precompiled_charsmap"), "?", "precompiled_charsmap is .*expected base64"),
        (("normalizer", "precompiled_charsmap"), base64.b64encode(b"abcdef").decode(), "the charsmap says"),
        (("pre_tokenizer",), {"type": "Whitespace"}, "expected a Metaspace"),
        (("pre_tokenizer",), {"type": "Metaspace", "replacement": "_"}, "replacement is '_'"),
        (
            ("pre_tokenizer",),
            {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "x"},
            "prepend_scheme is 'x'",
        ),
    ],
)
def test_each_fault_of_a_file_is_named(keys, value, message, tmp_path):
    with pytest.raises(VocabError, match=message) as e:
        load(tmp_path, changed(*keys)(value))
    assert "tokenizer.json" in str(e.value)


@pytest.mark.parametrize(
    "pieces, trainer, normalizer, message",
    [
        ([("a", 0.0)], {"model_type": BPE}, {}, "only unigram models"),
        ([("a", -1.0)], {"suffix": True}, {}, "treat_whitespace_as_suffix"),
        ([("a", -1.0)], {}, {"remove_extra_whitespaces": False}, "remove_extra_whitespaces=False"),
        ([("a", -1.0)], {}, {"escape_whitespaces": False}, "escape_whitespaces=False"),
        ([("a" + SPACE + "b", -1.0)], {}, {}, "pieces with a space inside"),
        ([("a b", 0.0, USER_DEFINED), ("a", -1.0)], {}, {}, "would change the symbol 'a b'"),
    ],
)
def test_models_that_such_a_file_cannot_say(pieces, trainer, normalizer, message, tmp_path):
    model = SentencePieceModel.from_bytes(build(pieces, trainer, normalizer, SPECIALS))
    with pytest.raises(VocabError, match=message):
        save_tokenizer_json(str(tmp_path / "x.json"), SpTokenizer(model, token_start=None, token_end=None))
    assert not list(tmp_path.iterdir())


def test_settings_that_such_a_file_cannot_say(tmp_path):
    model = SentencePieceModel.from_bytes(build([("a", -1.0)]))
    for settings in ({"pre_tokenize": str.split}, {"token_translate": {"a": "b"}}):
        with pytest.raises(VocabError, match="pre_tokenize or token_translate"):
            save_tokenizer_json(
                str(tmp_path / "x.json"), SpTokenizer(model, token_start=None, token_end=None, **settings)
            )


def blanks(normalizer, **metaspace):
    """A file with other white space."""
    value = description()
    value["normalizer"] = normalizer
    value["pre_tokenizer"] = dict({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always"}, **metaspace)
    value["post_processor"] = None
    return value


RUNS = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
RIGHT = {"type": "Strip", "strip_left": False, "strip_right": True}


@pytest.mark.parametrize(
    "value, wanted",
    [
        (blanks(None), "_a _ _ b _"),
        (blanks(RUNS), "_a _ b _"),
        (blanks({"type": "Sequence", "normalizers": [RUNS, RIGHT]}), "_a _ b"),
        (blanks(None, prepend_scheme="never"), "_a _ _ b _"),
        (description(), "_a _ b </s>"),
    ],
)
def test_blanks_stay_unless_the_file_says_otherwise(tmp_path, value, wanted):
    tokenizer = load(tmp_path, value)
    ids = tokenizer.encode(" a  b ")[0]
    assert " ".join(tokenizer.ids_to_tokens(ids)).replace(SPACE, "_") == wanted
    assert tokenizer.encode_batch([" a  b "]).ids == [ids]
    path = str(tmp_path / "again.json")
    save_tokenizer_json(path, tokenizer)
    assert load_tokenizer_json(path).encode(" a  b ")[0] == ids


def test_parts_between_added_tokens(tmp_path):
    text = "a<extra_id_0>b</s>"
    for scheme, wanted in (("always", [4, 7, 3, 5, 1]), ("first", [4, 7, 5, 1])):
        tokenizer = load(tmp_path, blanks(RUNS, prepend_scheme=scheme))
        assert tokenizer.encode(text)[0] == wanted
        batch = tokenizer.encode_batch([text, "a"])
        assert batch.ids == [wanted, [4]]
        assert batch.offsets[0][:2] == [(0, 1), (1, 13)] and batch.offsets[0][-1] == (14, 18)
        assert batch.word_ids[0] == [0, 1] + [2] * (len(wanted) - 3) + [3]


def test_add_tokens_to_such_a_file(tmp_path):
    tokenizer = load(tmp_path, blanks(RUNS))
    assert tokenizer.add_tokens(["<e>", "b", "<e>"]) == 1
    assert tokenizer.encode("a<e>b")[0] == [4, 8, 5]
    assert tokenizer._is_decodable(8) and tokenizer.id_to_token(8) == "<e>"
    path = str(tmp_path / "again.json")
    save_tokenizer_json(path, tokenizer)
    for other in (load_tokenizer_json(path), pickle.loads(pickle.dumps(tokenizer))):
        assert other.encode("a<e>b a<extra_id_1>")[0] == tokenizer.encode("a<e>b a<extra_id_1>")[0]
    with pytest.raises(SentencePieceError, match="not a .model file; use save_tokenizer_json"):
        tokenizer.sp_model.save(str(tmp_path / "x.model"))
