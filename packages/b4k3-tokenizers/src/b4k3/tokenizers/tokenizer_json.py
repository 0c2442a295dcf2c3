"""`tokenizer.json` of Hugging Face's tokenizers: the kinds of model that can be read and written."""

from __future__ import annotations

import json
import os
from importlib import import_module

from ._json import read_json
from ._writing import write_text

# type of the model -> module of this package with `from_json(description, **kwargs)`, which gives the tokenizer of a
# file (a `_json.Node`), and `to_json(tokenizer)`, which gives the description; a tokenizer's
# class says its type as `_json_model`
_MODELS = {"Unigram": "unigram_json", "WordPiece": "wordpiece_json"}


def load_tokenizer_json(path, **kwargs):
    """The tokenizer that a `tokenizer.json` of Hugging Face describes.

    Arguments:
        path: the file.
        kwargs: for the tokenizer's class, in place of what the file says.

    Returns:
        `Tokenizer` for a WordPiece file, `SpTokenizer` for a Unigram file. It finds the added tokens of the file in
        texts, and puts the special tokens of its template around them. Truncation and padding of the file are the
        defaults of `encode_batch` (`tokenizer.batch_defaults`); `encode` does not look at them.

    Raises:
        FileNotFoundError: no such file.
        VocabError: no regular file; no such JSON; or a setting that would give other ids than Hugging Face's, by name.
    """
    description = read_json(os.fspath(path))
    kind = description["model"]["type"].one_of(*sorted(_MODELS))
    return import_module("." + _MODELS[kind], __package__).from_json(description, **kwargs)


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
