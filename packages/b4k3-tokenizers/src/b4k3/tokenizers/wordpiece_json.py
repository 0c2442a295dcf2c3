"""WordPiece tokenizers in Hugging Face's `tokenizer.json`."""

from __future__ import annotations

from typing import Any

from ._json import LARGEST, Node
from .json_parts import (
    added_token,
    added_tokens,
    apply_settings,
    place_added_tokens,
    specials_around,
    truncation_and_padding,
    without_trimming,
    written_template,
)
from .vocab import VocabError
from .wordpiece import Tokenizer


def from_json(description: Node, **kwargs: Any) -> Tokenizer:
    """Make the tokenizer of a `tokenizer.json` with a WordPiece model.

    Arguments:
        description: Node. The value of the whole file.
        kwargs: Arguments of `Tokenizer`. They win over what the file says.

    Returns:
        Tokenizer.

    Raises:
        VocabError: The file is broken, or says what this package cannot do.
    """
    model = description["model"]
    token_dict = _vocabulary(model)
    tokens = added_tokens(description)
    place_added_tokens(description.path, tokens, token_dict.get, len(token_dict))
    _expect(model.get("continuing_subword_prefix", "##"), "##")
    _expect(model.get("unk_token", "[UNK]"), "[UNK]")
    _expect(description["pre_tokenizer"]["type"], "BertPreTokenizer")
    processor, trims = without_trimming(description.get("post_processor", None))
    if trims == [False]:  # as in MPNet; the pieces of words have no white space to trim
        description = Node(description.path, dict(description.object(), post_processor=processor))
    start, end = specials_around(description)
    settings = {
        "do_lower_case": _lower(description["normalizer"]),
        "word_maxlen": model.get("max_input_chars_per_word", 100).integer(),
        "token_start": start,
        "token_end": end,
        "special_tokens": "recognise",
    }
    tokenizer = Tokenizer(token_dict, **dict(settings, **kwargs))
    tokenizer._set_vocabulary(dict(token_dict, **{token.content: token.id for token in tokens}))
    tokenizer._like_rust = True
    tokenizer._trims_added_tokens = trims == [False]
    tokenizer._set_word_pieces()
    apply_settings(tokenizer, description, tokens, kwargs)
    return tokenizer


def _expect(node: Node, expected: Any) -> None:
    if node.value != expected:
        raise node.error(f"{expected!r}, which alone gives the ids of BERT")


def _vocabulary(model: Node) -> dict[str, int]:
    """Return the id of each token of the model."""
    vocab = model["vocab"]
    token_dict = vocab.object()
    by_id: dict[int, str] = {}
    for token, i in token_dict.items():
        if type(i) is not int or not 0 <= i <= LARGEST:
            raise vocab[token].error("an integer from 0")
        if by_id.setdefault(i, token) != token:
            raise VocabError(f"{model.path}: model.vocab has {by_id[i]!r} and {token!r} with the same id {i}")
    if "[UNK]" not in token_dict:
        raise VocabError(f"{model.path}: the unknown token '[UNK]' is not in model.vocab")
    return token_dict


def _lower(normalizer: Node) -> bool:
    """Return whether text is lower-cased."""
    _expect(normalizer["type"], "BertNormalizer")
    for name in ("clean_text", "handle_chinese_chars"):
        _expect(normalizer.get(name, True), True)
    lower, strip = normalizer.get("lowercase", True).boolean(), normalizer.get("strip_accents", None)
    if not strip.is_null and strip.boolean() is not lower:
        raise strip.error(f"null or {str(lower).lower()}; accents are stripped with lowercase alone")
    return lower


def to_json(tokenizer: Tokenizer) -> dict[str, Any]:
    """Describe a tokenizer as a `tokenizer.json` does.

    Arguments:
        tokenizer: Tokenizer. The tokenizer.

    Returns:
        dict. The description, ready for `json.dumps`.

    Raises:
        VocabError: The tokenizer has a setting that such a file cannot say.
    """
    if tokenizer._pre_tokenize or tokenizer._token_translate:
        raise VocabError("a tokenizer.json cannot say pre_tokenize or token_translate")
    if tokenizer._special_tokens == "refuse":
        raise VocabError("a tokenizer.json cannot say that special tokens in a text are refused")
    own = sorted(tokenizer._piece_dict.items(), key=lambda item: item[1])
    lost = (
        set(tokenizer._token_dict) - set(tokenizer._piece_dict) - {token.content for token in tokenizer._sought.tokens}
    )
    if lost:
        raise VocabError(f"a tokenizer.json cannot say that the special token {min(lost)!r} in a text is split")
    place_added_tokens("tokenizer.json", tokenizer._sought.tokens, tokenizer._piece_dict.get, len(own))
    return {
        "version": "1.0",
        **truncation_and_padding(tokenizer),
        "added_tokens": [added_token(token) for token in tokenizer._sought.tokens],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": tokenizer._do_lower_case,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": _written_processor(tokenizer),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": tokenizer._token_unk,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": tokenizer._word_maxlen,
            "vocab": {token: int(i) for token, i in own},
        },
    }


def _written_processor(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the post-processor: what trims offsets, if the tokenizer does, and the template."""
    template = written_template(tokenizer)
    if not tokenizer._trims_added_tokens:
        return template
    trims = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"type": "Sequence", "processors": [trims, template]}
