"""Turn tokens into text with the decoders of a `tokenizer.json`.

A decoder takes a list of str and returns another one; the text is what they are joined to.
"""

from __future__ import annotations

import codecs
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, List

from ._byte_level import bytes_of_decoded
from ._text_steps import read_pattern

if TYPE_CHECKING:
    from ._json import Node

Decoder = Callable[[List[str]], List[str]]

_BYTE = re.compile("<0x[0-9A-Fa-f]{2}>").fullmatch
_UNKNOWN = "\ufffd"
_CLEANED = ((" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"))
_CLEANED += ((" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"))


class TokenDecoder:
    """Turn tokens into text.

    Arguments:
        node: Node. The decoder of a file, or null: then tokens are joined with blanks.

    Raises:
        VocabError: It is malformed, or is one that is not supported.
    """

    def __init__(self, node: Node) -> None:
        self._decoders = [] if node.is_null else _read(node)
        self._between = " " if node.is_null else ""
        self._only_bytes = self._decoders == [_byte_level]

    def decode(self, tokens: Iterable[str]) -> str:
        """Turn tokens into text.

        Arguments:
            tokens: iterable of str. The tokens.

        Returns:
            str.
        """
        found = list(tokens)
        for decoder in self._decoders:
            found = decoder(found)
        return self._between.join(found)

    def stream(self, tokens: Iterable[str]) -> Iterator[str]:
        """Turn tokens into text as they come. Bytes of a character are kept back until the character is complete.

        Arguments:
            tokens: iterable of str. The tokens.

        Yields:
            str. The next part of the text, never empty.
        """
        yield from filter(None, self._stream_of_bytes(tokens) if self._only_bytes else self._stream_of_texts(tokens))

    def _stream_of_bytes(self, tokens: Iterable[str]) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for token in tokens:
            yield decoder.decode(bytes_of_decoded(token))
        yield decoder.decode(b"", True)

    def _stream_of_texts(self, tokens: Iterable[str]) -> Iterator[str]:
        """Decode the last tokens with the ones before them, whose text is known: what is new is the next part."""
        before: list[str] = []
        known = ""
        new: list[str] = []
        for token in tokens:
            new.append(token)
            text = self.decode(before + new)
            if len(text) > len(known) and not text.endswith(_UNKNOWN):
                yield text[len(known) :]
                before, new = new, []
                known = self.decode(before)
        if new:
            yield self.decode(before + new)[len(known) :]


# ---- the decoders


def _byte_level(tokens: list[str]) -> list[str]:
    return [b"".join(map(bytes_of_decoded, tokens)).decode("utf-8", "replace")]


def _byte_fallback(tokens: list[str]) -> list[str]:
    """Decode runs of bytes; each byte of a run that is no UTF-8 is an unknown character."""
    found: list[str] = []
    run = bytearray()
    for token in [*tokens, ""]:
        if _BYTE(token):
            run.append(int(token[3:5], 16))
            continue
        if run:
            try:
                found.append(run.decode("utf-8"))
            except UnicodeDecodeError:
                found += [_UNKNOWN] * len(run)
            run = bytearray()
        found.append(token)
    return found[:-1]


def _fuse(tokens: list[str]) -> list[str]:
    return ["".join(tokens)]


def _replace(pattern: Any, content: str, tokens: list[str]) -> list[str]:
    content = content.replace("\\", r"\\")
    return [pattern.sub(content, token) for token in tokens]


def _strip(content: str, start: int, stop: int, tokens: list[str]) -> list[str]:
    found = []
    for token in tokens:
        begin = 0
        while begin < min(start, len(token)) and token[begin] == content:
            begin += 1
        end = len(token)
        while end > max(begin, len(token) - stop) and token[end - 1] == content:
            end -= 1
        found.append(token[begin:end])
    return found


def _bpe(suffix: str, tokens: list[str]) -> list[str]:
    return [token.replace(suffix, " ") for token in tokens[:-1]] + [token.replace(suffix, "") for token in tokens[-1:]]


def _metaspace(symbol: str, drops_first: bool, tokens: list[str]) -> list[str]:
    first = [token.replace(symbol, "" if drops_first else " ") for token in tokens[:1]]
    return first + [token.replace(symbol, " ") for token in tokens[1:]]


def _word_piece(prefix: str, cleanup: bool, tokens: list[str]) -> list[str]:
    found = []
    for k, token in enumerate(tokens):
        if k:
            token = token[len(prefix) :] if token.startswith(prefix) else " " + token
        for old, new in _CLEANED if cleanup else ():
            token = token.replace(old, new)
        found.append(token)
    return found


# ---- what a file says


def _read(node: Node) -> list[Decoder]:
    kind = node["type"].one_of(*sorted([*_READERS, "Sequence"]))
    if kind == "Sequence":
        return [decoder for part in node["decoders"].items() for decoder in _read(part)]
    return [_READERS[kind](node)]


def _read_metaspace(node: Node) -> Decoder:
    prefix = node.get("add_prefix_space", True).boolean()
    scheme = node.get("prepend_scheme", "always" if prefix else "never").one_of("always", "first", "never")
    return partial(_metaspace, node["replacement"].text(), scheme != "never")


def _read_strip(node: Node) -> Decoder:
    content = node["content"].text()
    if len(content) != 1:
        raise node["content"].error("one character")
    return partial(_strip, content, node["start"].integer(), node["stop"].integer())


def _read_suffix(node: Node) -> Decoder:
    if not node["suffix"].text():
        raise node["suffix"].error("a text")
    return partial(_bpe, node["suffix"].text())


_READERS: dict[str, Callable[[Node], Decoder]] = {
    "BPEDecoder": _read_suffix,
    "ByteFallback": lambda node: _byte_fallback,
    "ByteLevel": lambda node: _byte_level,
    "Fuse": lambda node: _fuse,
    "Metaspace": _read_metaspace,
    "Replace": lambda node: partial(_replace, read_pattern(node["pattern"]), node["content"].text()),
    "Strip": _read_strip,
    "WordPiece": lambda node: partial(_word_piece, node["prefix"].text(), node.get("cleanup", True).boolean()),
}
