"""Open the tokenizer of a file or of a folder, whichever of the usual files it has."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Iterable, Mapping

from ._checks import shown
from ._json import MAX_FILE_SIZE, Node, read_json
from ._patterns import PATTERNS
from ._reading import read_file
from .vocab import VocabError

if TYPE_CHECKING:
    from .base import TokenizerBase

# The files of a folder, the most telling first.
FILES = (
    "tokenizer.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "sentencepiece.model",
    "tokenizer.model",
    "vocab.json",
    "encoder.json",
    "vocab.txt",
)
_MERGES = {"vocab.json": "merges.txt", "encoder.json": "vocab.bpe"}
_FAIRSEQ = "sentencepiece.bpe.model"
_CONFIG = "tokenizer_config.json"
_RANKS = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?\n")
# What is known of models whose files do not say it: the pattern that cuts words, special tokens, and whether they stand
# around a text.
_ROBERTA = ("gpt2", ("<s>", "<pad>", "</s>", "<unk>", "<mask>"), True)
_QWEN = ("qwen2", ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), False)
_BYTE_LEVEL = {
    "gpt2": ("gpt2", ("<|endoftext|>",), False),
    "roberta": _ROBERTA,
    "bart": _ROBERTA,
    "qwen2": _QWEN,
    "qwen3": _QWEN,
}
_SHIFTED = ("", "bert", "xlmroberta")  # `bert` is the model_type of multilingual-e5-small


def load_tokenizer(
    path: str | os.PathLike[str],
    lower: bool | None = None,
    pattern: str | None = None,
    specials: Iterable[str] | Mapping[str, int] | None = None,
    **kwargs: Any,
) -> TokenizerBase:
    """Make the tokenizer of a file, or of the folder of a published model.

    The name of the file says what it is: a `tokenizer.json`; the `sentencepiece.bpe.model` of XLM-R; another `.model`
    of SentencePiece; a `vocab.json` with `merges.txt` beside it; ranks of tiktoken in a `.tiktoken`. Any other file is
    a vocabulary of WordPiece. In a folder the first of these that is there is opened. What it does not say is looked
    for in `tokenizer_config.json` and `config.json` beside it.

    Arguments:
        path: str or path-like. The file, or the folder.
        lower: bool or None. Whether a vocabulary of WordPiece is for lower-cased text; None asks
            `tokenizer_config.json` of a folder, where silence means yes, and means no without such a file.
        pattern: str or None. The regular expression that cuts words, or the name of one, for `vocab.json` and tiktoken;
            see `BpeTokenizer`. None takes the one of GPT-2, RoBERTa, BART or Qwen if the files say that it is one.
        specials: list of str, dict of str to int, or None. The special tokens for `vocab.json` and tiktoken; see
            `BpeTokenizer`. None takes what the files say.
        kwargs: Arguments of the class of the tokenizer, which all kinds have: `token_start` and `token_end`.

    Returns:
        Tokenizer, SpTokenizer, BpeTokenizer or ErnieMTokenizer.

    Raises:
        FileNotFoundError: There is no such file, or no file of a tokenizer in the folder.
        ValueError: The file is broken, an argument is not for such a file, or the files do not say what is needed. The
            message says which argument does.
        ImportError: It is a BPE, and the package `regex` is not installed.

    Example:
        >>> save_tokenizer_json("tokenizer.json", Tokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "hello": 3}))
        >>> load_tokenizer(".").tokenize("hello")
        ['[CLS]', 'hello', '[SEP]']
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        folder, path = path, _file_of(path)
        if lower is None and path.endswith(".txt") and os.path.isfile(os.path.join(folder, _CONFIG)):
            # transformers takes a config that does not say it for one of lower-cased text.
            lower = _said(folder, _CONFIG).get("do_lower_case", True).boolean()
    name = os.path.basename(path)
    end = os.path.splitext(name)[1].lower()
    ranks = end == ".tiktoken" or name == "tokenizer.model" and _has_ranks(path)
    if lower and (ranks or end in (".json", ".model")):
        raise ValueError(f"--lower is for vocabulary files; {path} says itself how text is normalised")
    if ranks or name in _MERGES:
        return _open_bpe(path, ranks, pattern, specials, kwargs)
    if pattern is not None or specials is not None:
        raise ValueError(f"pattern and specials are for vocab.json and tiktoken files; {path} is another file")
    if name in _MERGES.values():
        other = next(vocab for vocab, merges in _MERGES.items() if merges == name)
        raise ValueError(f"{path} has no ids; name {other} beside it")
    if end == ".json":
        from .tokenizer_json import load_tokenizer_json

        return load_tokenizer_json(path, **kwargs)
    if name == _FAIRSEQ:
        if _model_of(os.path.dirname(path)) in ("erniem", "ernie_m"):
            from .ernie_m import ErnieMTokenizer

            return ErnieMTokenizer(path, os.path.join(os.path.dirname(path), "vocab.txt"), **kwargs)
        from .fairseq import load_fairseq

        _check_fairseq(path)
        return load_fairseq(path, **kwargs)
    if end == ".model":
        from .sp_tokenizer import SpTokenizer

        return SpTokenizer(path, **kwargs)
    from .wordpiece import Tokenizer

    return Tokenizer(path, do_lower_case=bool(lower), **kwargs)


def _file_of(folder: str) -> str:
    """Return the file of the tokenizer in a folder."""
    names = sorted(os.listdir(folder))
    found = [name for name in FILES if name in names] or [name for name in names if name.endswith(".tiktoken")]
    if not found:
        raise FileNotFoundError(f"{folder} has no tokenizer; expected {', '.join(FILES)} or a .tiktoken file")
    return os.path.join(folder, found[0])


def _said(folder: str, name: str) -> Node:
    """Read a JSON file of a folder; it is an empty object if it is not there."""
    path = os.path.join(folder, name)
    return read_json(path) if os.path.isfile(path) else Node(path, {})


def _model_of(folder: str) -> str:
    """Return 'roberta', 'xlmroberta' and so on, as tokenizer_config.json or config.json says it, '' if neither does."""
    for name, key in ((_CONFIG, "tokenizer_class"), ("config.json", "model_type")):
        value = _said(folder, name).get(key, None).value
        if isinstance(value, str) and value not in ("PreTrainedTokenizerFast", "TokenizersBackend"):
            return re.sub("Tokenizer(Fast)?$", "", value).replace("-", "").lower()
    return ""


def _has_ranks(path: str) -> bool:
    """Return True if a file is one of tiktoken. Llama 3 calls it tokenizer.model, as others call SentencePiece's."""
    return _RANKS.match(read_file(path, MAX_FILE_SIZE, VocabError)[:1000]) is not None


def _check_fairseq(path: str) -> None:
    """Refuse a model of another tokenizer, which gives other ids to the pieces of a file of this name."""
    model = _model_of(os.path.dirname(path))
    if model not in _SHIFTED:
        raise VocabError(
            f"{path} is of {model!r}, by the files beside it; {_FAIRSEQ} is read with the ids of XLM-R. Use its "
            "tokenizer.json, load_fairseq if the ids are those of XLM-R, or SpTokenizer for the ids of the model"
        )


def _open_bpe(path: str, ranks: bool, pattern: str | None, specials: Any, kwargs: dict[str, Any]) -> TokenizerBase:
    """Open a vocab.json with its merges, or ranks of tiktoken."""
    from .bpe_files import describe
    from .bpe_json import from_json
    from .bpe_tokenizer import BpeTokenizer

    folder, name = os.path.split(path)
    known = _BYTE_LEVEL.get(_model_of(folder))
    if pattern is None and known is None:
        raise VocabError(
            f"{path} does not say how a text is cut into words; say it by pattern (--pattern on the command line): "
            f"{', '.join(PATTERNS)}, or a regular expression"
        )
    said = _said(folder, _CONFIG)
    described: dict[str, Any] = {}
    if specials is None and not said.get("added_tokens_decoder", None).is_null and not ranks:
        listed = said["added_tokens_decoder"].object()
        described["added_tokens"] = [_added(said, i, token) for i, token in listed.items()]
    usual, tokens, around = known or ("", (), False)
    if pattern is not None and pattern != usual:  # it is another model than the files say, or they say none
        tokens, around = (), False
    chosen = tokens if specials is None else specials
    if ranks:
        return BpeTokenizer.from_tiktoken(path, pattern or usual, chosen, **kwargs)
    merges = os.path.join(folder, _MERGES[name])
    if not os.path.isfile(merges):
        raise FileNotFoundError(f"{path} needs {_MERGES[name]} beside it")
    if usual == "qwen2" and not pattern:
        described["normalizer"] = {"type": "NFC"}
    prefix = said.get("add_prefix_space", False).boolean() and (pattern or usual) == "gpt2"
    node = describe(path, merges, pattern or usual, prefix, chosen, described)
    for token in node.value["added_tokens"]:
        if token.get("content") == "<mask>" and "added_tokens" not in described:
            token["lstrip"] = True
    if around:
        node.value["post_processor"] = _around()
    return from_json(node, **kwargs)


def _added(said: Node, i: str, token: Any) -> dict[str, Any]:
    """Return an added token of a tokenizer_config.json as a tokenizer.json has it."""
    if not re.match(r"\d{1,9}$", i) or not isinstance(token, dict):
        raise VocabError(
            f"{said.path}: added_tokens_decoder has {i[:40]!r}: {shown(token)}; expected an id and a token"
        )
    return dict(token, id=int(i))


def _around() -> dict[str, Any]:
    """Return RoBERTa's template as a `tokenizer.json` has it."""
    single = [_place("<s>"), _place("A"), _place("</s>")]
    pair = [*single, _place("</s>"), _place("B"), _place("</s>")]
    return {"type": "TemplateProcessing", "single": single, "pair": pair}


def _place(name: str) -> dict[str, Any]:
    return {"Sequence" if name in "AB" else "SpecialToken": {"id": name, "type_id": 0}}
