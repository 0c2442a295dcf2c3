"""Read and write the `tokenizer.json` of Hugging Face's tokenizers: BPE, Unigram, WordLevel and WordPiece models."""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._json import read_json
from ._writing import write_text

if TYPE_CHECKING:
    from typing import Union

    from .bpe_tokenizer import BpeTokenizer
    from .sp_tokenizer import SpTokenizer
    from .wordpiece import Tokenizer

    Loaded = Union[Tokenizer, SpTokenizer, BpeTokenizer]

# The type of a model, and the module of this package that reads it with `from_json(description, **kwargs)` and writes
# it with `to_json(tokenizer)`. The class of a tokenizer has its type as `_json_model`.
_MODELS = {"BPE": "bpe_json", "Unigram": "unigram_json", "WordLevel": "bpe_json", "WordPiece": "wordpiece_json"}


def load_tokenizer_json(path: str | os.PathLike[str], **kwargs: Any) -> Loaded:
    """Make the tokenizer that a `tokenizer.json` of Hugging Face describes.

    The tokenizer finds the added tokens of the file in texts, and puts the special tokens of its template around them.
    The truncation and padding of the file are defaults of `encode_batch` (`tokenizer.batch_defaults`); `encode` ignores
    them.

    Arguments:
        path: str or path-like. The file.
        kwargs: Arguments of the class of the tokenizer. They win over what the file says.

    Returns:
        Tokenizer for a WordPiece file, SpTokenizer for a Unigram file, BpeTokenizer for a BPE or WordLevel file.

    Raises:
        FileNotFoundError: There is no such file.
        VocabError: It is no regular file or no such JSON, or it has a setting with which the ids would not be the
            same as from Hugging Face. The message names the setting.
        ImportError: It is a BPE or WordLevel file, and the package `regex` is not installed.

    Example:
        >>> save_tokenizer_json("tokenizer.json", Tokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "hello": 3}))
        >>> load_tokenizer_json("tokenizer.json").tokenize("hello")
        ['[CLS]', 'hello', '[SEP]']
    """
    description = read_json(os.fspath(path))
    kind = description["model"]["type"].one_of(*sorted(_MODELS))
    return import_module("." + _MODELS[kind], __package__).from_json(description, **kwargs)


def save_tokenizer_json(path: str | os.PathLike[str], tokenizer: Loaded) -> None:
    """Write a `tokenizer.json`, with which Hugging Face's tokenizers give the ids of a tokenizer.

    Arguments:
        path: str or path-like. The file. It is replaced only when the new one is complete.
        tokenizer: Tokenizer, BpeTokenizer, or SpTokenizer with a unigram model. It has neither
            `pre_tokenize` nor `token_translate`.

    Raises:
        VocabError: The tokenizer has a setting that such a file cannot say.

    Example:
        >>> save_tokenizer_json("tokenizer.json", Tokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "hello": 3}))
    """
    module = import_module("." + _MODELS[tokenizer._json_model], __package__)
    write_text(os.fspath(path), json.dumps(module.to_json(tokenizer), ensure_ascii=False, indent=1))
