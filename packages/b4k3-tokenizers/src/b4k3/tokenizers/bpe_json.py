"""BPE and WordLevel tokenizers in Hugging Face's `tokenizer.json`."""

from __future__ import annotations

from typing import Any, Callable

from ._bpe_model import BpeModel
from ._json import Node
from .bpe_tokenizer import BpeTokenizer
from .json_parts import (
    added_token,
    apply_settings,
    place_added_tokens,
    specials_around,
    truncation_and_padding,
    without_trimming,
    written_template,
)
from .vocab import VocabError


def from_json(description: Node, **kwargs: Any) -> BpeTokenizer:
    """Make the tokenizer of a `tokenizer.json` with a BPE or WordLevel model.

    Arguments:
        description: Node. The value of the whole file.
        kwargs: `token_start`, `token_end`, `special_tokens` and `cache_size` of `BpeTokenizer`. They win over what the
            file says.

    Returns:
        BpeTokenizer.

    Raises:
        VocabError: The file is broken, or says what this package cannot do.
    """
    processor, _ = without_trimming(description.get("post_processor", None))
    template = Node(description.path, dict(description.object(), post_processor=processor))
    start, end = specials_around(template)
    tokenizer = BpeTokenizer.__new__(BpeTokenizer)
    tokenizer._open(description, **dict({"token_start": start, "token_end": end}, **kwargs))
    vocab = tokenizer._model.vocab
    place_added_tokens(description.path, tokenizer._added_tokens, vocab.get, len(vocab))
    apply_settings(tokenizer, template, tokenizer._added_tokens, kwargs)
    return tokenizer


# ---- writing


def to_json(tokenizer: BpeTokenizer) -> dict[str, Any]:
    """Describe a tokenizer as a `tokenizer.json` does.

    Arguments:
        tokenizer: BpeTokenizer. The tokenizer.

    Returns:
        dict. The description, ready for `json.dumps`.

    Raises:
        VocabError: The tokenizer has a setting that such a file cannot say.
    """
    if tokenizer._special_tokens == "refuse":
        raise VocabError("a tokenizer.json cannot say that special tokens in a text are refused")
    lost = set(tokenizer._added_tokens) - set(tokenizer._sought.tokens)
    if lost:
        token = min(lost).content
        raise VocabError(f"a tokenizer.json cannot say that the special token {token!r} in a text is split")
    texts = dict(tokenizer._parts.texts)
    vocab = tokenizer._model.vocab
    place_added_tokens("tokenizer.json", tokenizer._added_tokens, vocab.get, len(vocab))
    return {
        "version": "1.0",
        **truncation_and_padding(tokenizer),
        "added_tokens": [added_token(token) for token in tokenizer._added_tokens],
        "normalizer": texts["normalizer"],
        "pre_tokenizer": texts["pre_tokenizer"],
        "post_processor": _written_processor(tokenizer),
        "decoder": texts["decoder"],
        "model": _written_model(tokenizer),
    }


def _written_processor(tokenizer: BpeTokenizer) -> dict[str, Any] | None:
    """Return the post-processor: first what trims offsets, then the template."""
    trims = [
        {"type": "ByteLevel", "add_prefix_space": prefixed, "trim_offsets": True, "use_regex": True}
        for prefixed in tokenizer._parts.trims
    ]
    if tokenizer._template is None and tokenizer._ids_around() == ([], []):
        processors = trims
    else:
        processors = [*trims, written_template(tokenizer)]
    if len(processors) < 2:
        return processors[0] if processors else None
    return {"type": "Sequence", "processors": processors}


def _written_model(tokenizer: BpeTokenizer) -> dict[str, Any]:
    model, settings = tokenizer._model, tokenizer._model.settings
    order: Callable[[str], int] = model.vocab.__getitem__
    vocab = {token: int(model.vocab[token]) for token in sorted(model.vocab, key=order)}
    if not isinstance(model, BpeModel):
        return {"type": "WordLevel", "vocab": vocab, "unk_token": settings.unk_token}
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": settings.unk_token,
        "continuing_subword_prefix": settings.prefix or None,
        "end_of_word_suffix": settings.suffix or None,
        "fuse_unk": settings.fuse_unk,
        "byte_fallback": settings.byte_fallback,
        "ignore_merges": settings.ignore_merges,
        "vocab": vocab,
        "merges": model.merges(),
    }
