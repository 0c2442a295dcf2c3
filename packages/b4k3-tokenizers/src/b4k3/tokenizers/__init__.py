"""Exact WordPiece, SentencePiece and byte-level BPE in pure Python."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .__about__ import __version__

if TYPE_CHECKING:  # what the table below gives at run time, for editors and type checkers
    from ._spm import SentencePieceError as SentencePieceError
    from .base import TokenizerBase as TokenizerBase
    from .bpe_files import save_tiktoken as save_tiktoken, save_vocab_and_merges as save_vocab_and_merges
    from .bpe_tokenizer import BpeTokenizer as BpeTokenizer
    from .encoding import Encoding as Encoding
    from .ernie_m import ErnieMTokenizer as ErnieMTokenizer
    from .fairseq import load_fairseq as load_fairseq
    from .opening import load_tokenizer as load_tokenizer
    from .sentencepiece_model import SentencePieceModel as SentencePieceModel
    from .sp_tokenizer import SpTokenizer as SpTokenizer
    from .tokenizer_json import load_tokenizer_json as load_tokenizer_json, save_tokenizer_json as save_tokenizer_json
    from .vocab import VocabError as VocabError, load_vocab as load_vocab, save_vocab as save_vocab
    from .wordpiece import Tokenizer as Tokenizer

# name -> the module of this package that has it; a name's module is imported when the name is first used
_NAMES = {
    "BpeTokenizer": "bpe_tokenizer",
    "SentencePieceError": "_spm",
    "SentencePieceModel": "sentencepiece_model",
    "SpTokenizer": "sp_tokenizer",
    "Encoding": "encoding",
    "Tokenizer": "wordpiece",
    "TokenizerBase": "base",
    "VocabError": "vocab",
    "ErnieMTokenizer": "ernie_m",
    "load_fairseq": "fairseq",
    "load_tokenizer": "opening",
    "load_tokenizer_json": "tokenizer_json",
    "load_vocab": "vocab",
    "save_tiktoken": "bpe_files",
    "save_tokenizer_json": "tokenizer_json",
    "save_vocab": "vocab",
    "save_vocab_and_merges": "bpe_files",
}


def _get(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module("." + _NAMES[name], __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_NAMES))


if not TYPE_CHECKING:  # a checker would take every misspelt name for one that `__getattr__` knows
    __getattr__ = _get
    __all__ = sorted([*_NAMES, "__version__"])
