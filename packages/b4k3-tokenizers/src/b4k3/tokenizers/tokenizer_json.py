"""`tokenizer.json` of Hugging Face's tokenizers: the kinds of model that can be read and written."""

from __future__ import annotations

import json
import os
from importlib import import_module

from ._writing import write_text
from .vocab import VocabError

# type of the model -> module of this package with `from_json(path, description, **kwargs)`, which gives the tokenizer,
# and `to_json(tokenizer)`, which gives the description; a tokenizer's class says its type as `_json_model`
_MODELS = {"Unigram": "unigram_json", "WordPiece": "wordpiece_json"}


def load_tokenizer_json(path, **kwargs):
    """The tokenizer that a `tokenizer.json` of Hugging Face describes.

    Arguments:
        path: the file.
        kwargs: for the tokenizer's class, in place of what the file says.

    Returns:
        `Tokenizer` for a WordPiece file (which recognises special tokens in texts, as such files say), `SpTokenizer`
        for a Unigram file.

    Raises:
        FileNotFoundError: no such file.
        VocabError: no such JSON, or a setting that would give other ids than Hugging Face's.
    """
    path = os.fspath(path)
    with open(path, encoding="utf-8-sig") as f:
        try:
            description = json.load(f)
        except (ValueError, RecursionError) as e:
            raise VocabError("%s is no JSON file: %s" % (path, e)) from e
    kind = get(path, description, "model", "type")
    if kind not in _MODELS:
        raise VocabError("%s: the model is %r; expected one of %s" % (path, kind, ", ".join(sorted(_MODELS))))
    try:
        return import_module("." + _MODELS[kind], __package__).from_json(path, description, **kwargs)
    except (AttributeError, KeyError, IndexError) as e:
        raise VocabError("%s is not built as a tokenizer.json with a %s model: %r" % (path, kind, e)) from e


def save_tokenizer_json(path, tokenizer):
    """Write the `tokenizer.json` with which Hugging Face's tokenizers gives this tokenizer's ids.

    Arguments:
        path: the file; it is replaced only when the new one is complete.
        tokenizer: a `Tokenizer` or an `SpTokenizer` with a unigram model, without `pre_tokenize` and `token_translate`.

    Raises:
        VocabError: a setting that such a file cannot say.
    """
    module = import_module("." + _MODELS[tokenizer._json_model], __package__)
    write_text(os.fspath(path), json.dumps(module.to_json(tokenizer), ensure_ascii=False, indent=1))


def get(path, description, *keys):
    """What is under the keys of a parsed file, one in the other."""
    value = description
    for i, key in enumerate(keys):
        if not isinstance(value, dict) or key not in value:
            raise VocabError("%s has no %r; expected a tokenizer.json" % (path, ".".join(keys[: i + 1])))
        value = value[key]
    return value
