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


def after_the_charsmap(step):
    """A normalizer in which a step comes after the charsmap."""
    return {"type": "Sequence", "normalizers": [description()["normalizer"], step]}


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
        (("normalizer",), {"type": "Nmt"}, "normalizer.type is 'Nmt'"),
        (("normalizer",), after_the_charsmap({"type": "Lowercase"}), r"normalizers.1..type is 'Lowercase'"),
        (
            ("normalizer",),
            after_the_charsmap({"type": "Replace", "pattern": {"String": "x"}, "content": "y"}),
            r"normalizers.1. is .*expected a replacement of runs of blanks",
        ),
        (
            ("normalizer",),
            after_the_charsmap(description()["normalizer"]),
            r"normalizers.1. is .*expected one charsmap",
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


# --------------------------------------------------------------------------------------------- before the charsmap


def of_deberta(version):
    """A file of DeBERTa as transformers 4 or 5 writes it, in small."""
    blob = SentencePieceModel(model_path("albert_like"))._spec.normalizer["precompiled_charsmap"]
    strip = {"type": "Strip", "strip_left": version == 4, "strip_right": True}
    charsmap = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode("ascii")}
    runs = {"Regex": " {2,}" if version == 4 else r"\s{2,}|[\n\r\t]"}
    runs = {"type": "Replace", "pattern": runs, "content": " "}
    steps = [strip, charsmap, runs] if version == 4 else [{"type": "Lowercase"}, runs, {"type": "NFC"}, strip]
    metaspace = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}
    vocab = [["[PAD]", 0.0], ["[CLS]", 0.0], ["[SEP]", 0.0], ["[UNK]", 0.0]]
    vocab += [[piece, -2.0] for piece in (SPACE, SPACE + "a", "a", "b", "é", "x")]
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    around = [{"SpecialToken": {"id": name, "type_id": 0}} for name in ("[CLS]", "[SEP]")]
    return {
        "version": "1.0",
        "added_tokens": [dict(special, id=i, content=vocab[i][0]) for i in range(4)]
        + [dict(special, id=len(vocab), content="[MASK]")],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [metaspace]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [around[0], {"Sequence": {"id": "A", "type_id": 0}}, around[1]],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {name: {"id": name, "ids": [i], "tokens": [name]} for name, i in SPECIAL_IDS.items()},
        },
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": 3, "vocab": vocab},
    }


SPECIAL_IDS = {"[CLS]": 1, "[SEP]": 2}
# text -> the ids of Hugging Face's tokenizers 0.23 between [CLS] and [SEP], of the file of transformers 4 and of 5
OF_DEBERTA = {
    "a b": ([5, 4, 7], [5, 4, 7]),
    "  A  b\n": ([5, 4, 7], [5, 4, 7]),
    "\u3000a\u3000b\u3000": ([5, 4, 7], [4, 3, 6, 3, 7]),
    "\u200ba\u200b": ([5, 4], [4, 3, 6, 3]),
    "a\t\nb": ([5, 4, 7], [5, 4, 7]),
    "\uff21\uff58": ([5, 9], [4, 3]),
    "e\u0301b": ([4, 8, 7], [4, 8, 7]),
    "[MASK]a": ([10, 5], [10, 5]),
    "a [MASK]  b": ([5, 10, 4, 7], [5, 10, 4, 7]),
    "": ([], []),
    "\n": ([], []),
    "x\rb\u200b\u200bb ": ([4, 9, 4, 7, 4, 7], [4, 9, 4, 7, 3, 7]),
    "ab  a": ([5, 7, 5], [5, 7, 5]),
}


@pytest.mark.parametrize("version", [4, 5])
def test_steps_before_the_charsmap(version, tmp_path):
    """The mask follows the last piece; written and read again the ids are the same, in batches and one by one."""
    tokenizer = load(tmp_path, of_deberta(version))
    assert (tokenizer._token_pad_id, tokenizer.token_to_id("[MASK]")) == (0, 10)
    save_tokenizer_json(str(tmp_path / "again.json"), tokenizer)
    for again in (tokenizer, load_tokenizer_json(str(tmp_path / "again.json")), pickle.loads(pickle.dumps(tokenizer))):
        for text, want in OF_DEBERTA.items():
            assert again.encode(text)[0] == [1, *want[version - 4], 2], text
        batch = again.encode_batch(list(OF_DEBERTA))
        assert [list(ids) for ids in batch.ids] == [[1, *want[version - 4], 2] for want in OF_DEBERTA.values()]


@pytest.mark.parametrize("version, start", [(4, 2), (5, 1)])
def test_offsets_of_steps_before_the_charsmap(version, start, tmp_path):
    """What is stripped before belongs to no piece."""
    batch = load(tmp_path, of_deberta(version)).encode_batch(["\n a  \t\uff22 "])
    assert [tuple(span) for span in batch.offsets[0]] == [(0, 0), (start, 3), (5, 6), (6, 7), (0, 0)]
