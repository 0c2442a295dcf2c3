"""WordPiece tokenizers in Hugging Face's `tokenizer.json`."""

from __future__ import annotations

from .tokenizer_json import get
from .vocab import VocabError
from .wordpiece import Tokenizer


def from_json(path, description, **kwargs):
    """The `Tokenizer` of a parsed WordPiece file."""
    model = description["model"]
    token_dict = _vocabulary(path, description)
    _expect(path, "model.continuing_subword_prefix", model.get("continuing_subword_prefix", "##"), "##")
    _expect(path, "model.unk_token", model.get("unk_token", "[UNK]"), "[UNK]")
    _expect(path, "pre_tokenizer.type", get(path, description, "pre_tokenizer", "type"), "BertPreTokenizer")
    start, end = _specials(path, description.get("post_processor"))
    settings = {
        "do_lower_case": _lower(path, get(path, description, "normalizer")),
        "word_maxlen": model.get("max_input_chars_per_word", 100),
        "token_start": start,
        "token_end": end,
        "special_tokens": "recognise" if description.get("added_tokens") else "split",
    }
    tokenizer = Tokenizer(token_dict, **dict(settings, **kwargs))
    named = set(tokenizer._special_names())
    others = [t["content"] for t in description.get("added_tokens") or [] if t["content"] not in named]
    if others:
        raise VocabError("%s has added tokens that are none of ours: %s" % (path, ", ".join(map(repr, others[:5]))))
    return tokenizer


def _expect(path, name, found, expected):
    if found != expected:
        raise VocabError("%s: %s is %r; only %r gives the ids of BERT" % (path, name, found, expected))


def _vocabulary(path, description):
    token_dict = get(path, description, "model", "vocab")
    added = description.get("added_tokens") or []
    try:
        token_dict = dict(token_dict, **{t["content"]: t["id"] for t in added})
        wrong = [t for t, i in token_dict.items() if not isinstance(i, int) or i < 0]
    except (TypeError, ValueError, KeyError) as e:
        raise VocabError("%s: model.vocab or added_tokens are not as expected: %r" % (path, e)) from e
    if wrong:
        raise VocabError("%s: the id of %r is %r; expected an integer" % (path, wrong[0], token_dict[wrong[0]]))
    if "[UNK]" not in token_dict:
        raise VocabError("%s: the unknown token '[UNK]' is not in model.vocab" % path)
    return token_dict


def _lower(path, normalizer):
    _expect(path, "normalizer.type", get(path, {"normalizer": normalizer}, "normalizer", "type"), "BertNormalizer")
    for name in ("clean_text", "handle_chinese_chars"):
        _expect(path, "normalizer." + name, normalizer.get(name, True), True)
    lower = bool(normalizer.get("lowercase", True))
    if normalizer.get("strip_accents") not in (None, lower):
        raise VocabError("%s: normalizer.strip_accents without lowercase, or the reverse, is not BERT's way" % path)
    return lower


def _specials(path, post_processor):
    """The tokens that a file puts before and after a text, None for none."""
    if post_processor is None:
        return None, None
    kind = post_processor.get("type")
    if kind == "BertProcessing":
        return post_processor["cls"][0], post_processor["sep"][0]
    _expect(path, "post_processor.type", kind, "TemplateProcessing")
    names = [item.get("SpecialToken", {}).get("id") for item in post_processor.get("single", [])]
    if names.count(None) != 1 or len(names) > 3 or names.index(None) > 1 or len(names) - names.index(None) > 2:
        raise VocabError("%s: post_processor.single has the tokens %r; expected one text between two" % (path, names))
    at = names.index(None)
    return (names[0] if at else None), (names[-1] if at < len(names) - 1 else None)


def to_json(tokenizer):
    """The description of a `Tokenizer`, ready for `json.dumps`."""
    if tokenizer._pre_tokenize or tokenizer._token_translate:
        raise VocabError("a tokenizer.json cannot say pre_tokenize or token_translate")
    if tokenizer._special_tokens == "refuse":
        raise VocabError("a tokenizer.json cannot say that special tokens in a text are refused")
    lower, find = tokenizer._do_lower_case, tokenizer._token_dict.get
    specials = sorted((t for t in tokenizer._special_names()), key=find)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(t, find(t)) for t in specials] if tokenizer._special_tokens != "split" else [],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": lower,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": _template(tokenizer._token_start, tokenizer._token_end, tokenizer.token_to_id),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": tokenizer._token_unk,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": tokenizer._word_maxlen,
            "vocab": {t: int(i) for t, i in sorted(tokenizer._token_dict.items(), key=lambda item: item[1])},
        },
    }


def _added(token, i):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return dict({"id": int(i), "content": token}, **flags)


def _template(start, end, find):
    def special(token, type_id):
        return [{"SpecialToken": {"id": token, "type_id": type_id}}] if token is not None else []

    def sequence(name, type_id):
        return [{"Sequence": {"id": name, "type_id": type_id}}]

    single = special(start, 0) + sequence("A", 0) + special(end, 0)
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": single + sequence("B", 1) + special(end, 1),
        "special_tokens": {t: {"id": t, "ids": [int(find(t))], "tokens": [t]} for t in (start, end) if t is not None},
    }
