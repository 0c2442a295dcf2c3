"""Read and write the older files of BPE: `vocab.json` with `merges.txt`, and the ranks of tiktoken."""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping

from ._byte_level import BYTE_CHARS, bytes_of_token
from ._checks import checked_int, checked_tokens
from ._json import MAX_FILE_SIZE, Node, read_json
from ._patterns import PATTERNS
from ._reading import read_file
from ._writing import write_bytes, write_text
from .vocab import VocabError

if TYPE_CHECKING:
    from .bpe_tokenizer import BpeTokenizer

_VERSION = "#version"


def describe(
    vocab: Any,
    merges: Any,
    pattern: str,
    add_prefix_space: bool,
    specials: Iterable[str] | Mapping[str, int],
    description: Mapping[str, Any],
) -> Node:
    """Describe the byte-level BPE of a vocabulary and merges as a `tokenizer.json` does.

    Arguments:
        vocab: str, path-like or dict. The file `vocab.json`, or the id of each token.
        merges: str, path-like or iterable. The file `merges.txt`, or pairs of tokens.
        pattern: str. A regular expression, or a key of `PATTERNS`.
        add_prefix_space: bool. Whether a text gets a blank before it.
        specials: iterable of str, or dict of str to int. The special tokens.
        description: dict. Parts that replace those that follow from the other arguments.

    Returns:
        Node.

    Raises:
        FileNotFoundError: There is no such file.
        VocabError: A file is broken.
    """
    name = "the vocabulary"
    if isinstance(vocab, (str, os.PathLike)):
        name = os.fspath(vocab)
        vocab = read_json(name).object()
    if not isinstance(vocab, dict):
        raise TypeError(f"vocab: expected a path or a dict of ids, got {type(vocab).__name__}")
    if isinstance(merges, (str, os.PathLike)):
        merges = list(_lines_of_merges(os.fspath(merges), vocab))
    pairs = [pair if isinstance(pair, str) else list(pair) for pair in merges]
    found = _byte_level(pattern, add_prefix_space)
    found["model"] = {"type": "BPE", "vocab": vocab, "merges": pairs}
    found["added_tokens"] = _special_tokens(specials, vocab)
    for key, value in description.items():
        if key not in (*found, "truncation", "padding", "version"):
            raise ValueError(f"description has {key!r}; expected one of {', '.join(sorted(found))}")
        found[key] = dict(found["model"], **value) if key == "model" else value
    return Node(name, found)


def _byte_level(pattern: str, prefix: bool) -> dict[str, Any]:
    """Return the parts of a byte-level tokenizer."""
    expression = PATTERNS.get(pattern, pattern)
    bytes_only = {"type": "ByteLevel", "add_prefix_space": bool(prefix), "trim_offsets": True, "use_regex": True}
    if pattern == "gpt2":
        pre_tokenizer: dict[str, Any] = bytes_only
    else:
        split = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
        if prefix:
            raise ValueError("add_prefix_space=True needs pattern='gpt2'; give the pre_tokenizer in `description`")
        pre_tokenizer = {
            "type": "Sequence",
            "pretokenizers": [split, dict(bytes_only, use_regex=False)],
        }
    return {
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    }


def _special_tokens(specials: Iterable[str] | Mapping[str, int], vocab: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the added tokens for special tokens; those that the vocabulary lacks get the ids after the last one."""
    given = specials if isinstance(specials, Mapping) else {}
    following, found = max(vocab.values(), default=-1) + 1, []
    for token in checked_tokens(list(specials), "specials"):
        i = vocab.get(token)
        if token in given:
            i = checked_int(given[token], f"specials[{token!r}]", 0)
        elif i is None:
            i, following = following, following + 1
        found.append({"id": i, "content": token, "special": True, "normalized": False})
    return found


# ---- merges.txt


def _lines_of_merges(path: str, vocab: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield the pairs of a `merges.txt`."""
    lines = _text(path).split("\n")
    while lines and not lines[-1].strip("\r"):
        lines.pop()
    for number, line in enumerate(lines, 1):
        if line.startswith(_VERSION):
            continue
        parts = line.rstrip("\r").split(" ")
        if len(parts) != 2 or not all(parts):
            raise VocabError(f"{path}, line {number}: {line[:60]!r}; expected two tokens with a blank between them")
        for token in (*parts, "".join(parts)):
            if token not in vocab:
                raise VocabError(f"{path}, line {number}: {token!r} is not in the vocabulary")
        yield parts


def _text(path: str) -> str:
    data = read_file(path, MAX_FILE_SIZE, VocabError)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise VocabError(f"{path}, line {line}: byte 0x{data[e.start]:02x} is not UTF-8") from None


def save_vocab_and_merges(
    vocab_path: str | os.PathLike[str], merges_path: str | os.PathLike[str], tokenizer: BpeTokenizer
) -> None:
    """Write `vocab.json` and `merges.txt`. They hold neither the added tokens nor how a text is cut into words.

    Arguments:
        vocab_path: str or path-like. The file of the vocabulary. It is replaced only when the new one is complete.
        merges_path: str or path-like. The file of the merges; the same holds for it.
        tokenizer: BpeTokenizer. The tokenizer.

    Raises:
        VocabError: A token of a merge has a blank or a line end, or the model has no merges.

    Example:
        >>> tokenizer = BpeTokenizer({"a": 0, "b": 1, "ab": 2}, [("a", "b")])
        >>> save_vocab_and_merges("vocab.json", "merges.txt", tokenizer)
        >>> BpeTokenizer("vocab.json", "merges.txt").tokenize("abb")
        ['ab', 'b']
    """
    from ._bpe_model import BpeModel

    model = tokenizer._model
    if not isinstance(model, BpeModel):
        raise VocabError("a WordLevel model has no merges")
    lines = [f"{_VERSION}: 0.2"]
    for left, right in model.merges():
        line = f"{left} {right}"
        if len(line.split()) != 2 or len(line.splitlines()) != 1 or line.startswith(_VERSION):
            raise VocabError(f"{os.fspath(merges_path)}: the merge of {left!r} and {right!r} would not be read back")
        lines.append(line)
    ordered = {token: int(model.vocab[token]) for token in sorted(model.vocab, key=model.vocab.__getitem__)}
    write_text(os.fspath(vocab_path), json.dumps(ordered, ensure_ascii=False))
    write_text(os.fspath(merges_path), "".join(line + "\n" for line in lines))


# ---- tiktoken


def describe_tiktoken(path: str | os.PathLike[str], pattern: str, specials: Iterable[str] | Mapping[str, int]) -> Node:
    """Describe the ranks of tiktoken as a `tokenizer.json` does.

    Any two neighbours whose union is a token are merged there, so every cut of a token into two tokens is a merge.

    Arguments:
        path: str or path-like. The file.
        pattern: str. A regular expression, or a key of `PATTERNS`.
        specials: iterable of str, or dict of str to int. The special tokens.

    Returns:
        Node.

    Raises:
        FileNotFoundError: There is no such file.
        VocabError: It is broken.
    """
    path = os.fspath(path)
    ranks = _ranks(path)
    ordered = sorted(ranks, key=ranks.__getitem__)
    vocab = {_as_chars(token): ranks[token] for token in ordered}
    merges = [
        (token[:k], token[k:])
        for token in vocab
        for k in range(1, len(token))
        if token[:k] in vocab and token[k:] in vocab
    ]
    node = describe(vocab, merges, pattern, False, specials, {"model": {"ignore_merges": True}})
    return Node(path, node.value)


def _as_chars(token: bytes) -> str:
    return "".join([BYTE_CHARS[byte] for byte in token])


def _ranks(path: str) -> dict[bytes, int]:
    """Read the rank of each token."""
    ranks: dict[bytes, int] = {}
    tokens: dict[int, int] = {}
    for number, line in enumerate(read_file(path, MAX_FILE_SIZE, VocabError).split(b"\n"), 1):
        parts = line.split()
        if not parts:
            continue
        where = f"{path}, line {number}"
        try:
            token, rank = base64.b64decode(parts[0], validate=True), int(parts[1][:20])
        except (ValueError, IndexError, binascii.Error):
            raise VocabError(f"{where}: {line[:60]!r}; expected a token in base64 and its rank") from None
        if len(parts) != 2 or not token or rank < 0:
            raise VocabError(f"{where}: {line[:60]!r}; expected a token in base64 and its rank")
        if token in ranks:
            raise VocabError(f"{where}: the token {token!r} is there twice")
        if rank in tokens:
            raise VocabError(f"{where}: the rank {rank} was on line {tokens[rank]} too")
        ranks[token], tokens[rank] = rank, number
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise VocabError(f"{path}: {256 - len(missing)} of 256 bytes are tokens; is it another file?")
    return ranks


def save_tiktoken(path: str | os.PathLike[str], tokenizer: BpeTokenizer) -> None:
    """Write the tokens and ranks of a byte-level tokenizer as tiktoken does, without the special tokens.

    Arguments:
        path: str or path-like. The file. It is replaced only when the new one is complete.
        tokenizer: BpeTokenizer. The tokenizer.

    Raises:
        VocabError: It was not made by `from_tiktoken`: its merges may say something else than the ranks of its tokens.

    Example:
        >>> import base64
        >>> lines = [f"{base64.b64encode(bytes([byte])).decode()} {byte}" for byte in range(256)]
        >>> count = open("bytes.tiktoken", "w").write("\\n".join(lines))
        >>> save_tiktoken("again.tiktoken", BpeTokenizer.from_tiktoken("bytes.tiktoken", "gpt2"))
        >>> open("again.tiktoken").read().split() == open("bytes.tiktoken").read().split()
        True
    """
    model = tokenizer._model
    if not getattr(model, "by_union", False):
        raise VocabError(
            f"{os.fspath(path)}: only a tokenizer of from_tiktoken can be written as ranks; use save_tokenizer_json"
        )
    lines = []
    for token in sorted(model.vocab, key=model.vocab.__getitem__):
        data = bytes_of_token(token) or b""
        lines.append(base64.b64encode(data) + b" " + str(model.vocab[token]).encode() + b"\n")
    write_bytes(os.fspath(path), b"".join(lines))
