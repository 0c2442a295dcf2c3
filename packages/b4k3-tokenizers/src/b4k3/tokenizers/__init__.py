"""Exact WordPiece and SentencePiece in pure Python."""

from __future__ import annotations

from importlib import import_module

from .__about__ import __version__

# name -> the module of this package that has it; a name's module is imported when the name is first used
_NAMES = {
    "SentencePieceError": "_spm",
    "SentencePieceModel": "sentencepiece_model",
    "SpTokenizer": "sp_tokenizer",
    "Encoding": "encoding",
    "Tokenizer": "wordpiece",
    "TokenizerBase": "base",
    "VocabError": "vocab",
    "load_tokenizer_json": "tokenizer_json",
    "load_vocab": "vocab",
    "save_tokenizer_json": "tokenizer_json",
    "save_vocab": "vocab",
}

__all__ = sorted([*_NAMES, "__version__"])


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    value = globals()[name] = getattr(import_module("." + _NAMES[name], __name__), name)
    return value


def __dir__():
    return sorted(set(globals()) | set(_NAMES))
