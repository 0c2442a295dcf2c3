"""Cut normalised text into words with the pre-tokenizers of a `tokenizer.json`.

Each pre-tokenizer has two ways that give the same words: `words` where only the ids are asked for, and
`parts`, which also says where each character comes from.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, NamedTuple, Sequence

from ._byte_level import origins_of_bytes, to_byte_chars
from ._common_patterns import findall_of
from ._patterns import PATTERNS, compile_pattern
from ._text_steps import read_pattern
from .added_tokens import SPACES

if TYPE_CHECKING:
    from ._json import Node

    Range = tuple[int, int]

_BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
_SPACES = re.compile(f"[{re.escape(''.join(sorted(SPACES)))}]")


class Part(NamedTuple):
    """This is a word, or a text that is not yet cut.

    Attributes:
        text: str. Its characters.
        origins: sequence of int. The index in the whole text where each of them comes from.
    """

    text: str
    origins: Sequence[int]


class PreTokenizer:
    """This is the base of the pre-tokenizers: it leaves the text in one piece."""

    def words(self, text: str, first: bool) -> Sequence[str]:
        """Cut a text.

        Arguments:
            text: str. The text.
            first: bool. Whether it begins where the whole text begins.

        Returns:
            sequence of str. The words, none of them empty.
        """
        return [text] if text else []

    def parts(self, part: Part) -> list[Part]:
        """Cut a text, and say where the characters of each word come from.

        Arguments:
            part: Part. The text.

        Returns:
            list of Part.
        """
        return [Part(part.text[a:b], part.origins[a:b]) for a, b in self.ranges(part.text)]

    def ranges(self, text: str) -> list[Range]:
        """Return (start, end) for each word of a text, none of them empty."""
        return [(0, len(text))] if text else []


class Splitter(PreTokenizer):
    """Cut a text at the matches of a pattern.

    Arguments:
        pattern: Pattern. Its matches are the places to cut.
        behavior: str. What becomes of a match: it is "Removed" or "Isolated", belongs to the word before it
            ("MergedWithPrevious") or after it ("MergedWithNext"), or is one word with its neighbours ("Contiguous").
        invert: bool. Whether the text between the matches counts as the matches.
    """

    def __init__(self, pattern: Any, behavior: str, invert: bool = False) -> None:
        self._pattern, self._behavior, self._invert = pattern, behavior, invert
        self._findall = findall_of(pattern)
        self._isolates = behavior == "Isolated"
        self._keeps_matches = behavior == "Removed" and invert

    def words(self, text: str, first: bool) -> Sequence[str]:
        """Cut a text; see `PreTokenizer.words`."""
        if self._isolates:
            found = self._findall(text)
            if len("".join(found)) == len(text) and "" not in found:
                return found
        elif self._keeps_matches:
            return [word for word in self._findall(text) if word]
        return [text[a:b] for a, b in self.ranges(text)]

    def _matches(self, text: str) -> Iterator[tuple[int, int, bool]]:
        """Yield (start, end, whether it is a match) for the matches and for what is between them."""
        at = 0
        for match in self._pattern.finditer(text):
            start, end = match.span()
            if at < start:
                yield at, start, self._invert
            yield start, end, not self._invert
            at = end
        if at < len(text):
            yield at, len(text), self._invert

    def ranges(self, text: str) -> list[Range]:
        """Return (start, end) for each word of a text; see `PreTokenizer.ranges`."""
        if self._behavior == "Removed":
            found = [(a, b) for a, b, match in self._matches(text) if not match]
        elif self._behavior == "Isolated":
            found = [(a, b) for a, b, _ in self._matches(text)]
        elif self._behavior == "MergedWithNext":
            mirrored = [(-b, -a, match) for a, b, match in reversed(list(self._matches(text)))]
            found = [(-b, -a) for a, b in reversed(_joined(mirrored, False))]
        else:
            found = _joined(self._matches(text), self._behavior == "Contiguous")
        return [(a, b) for a, b in found if a < b]


def _joined(matches: Iterable[tuple[int, int, bool]], contiguous: bool) -> list[Range]:
    """Join each match with what is before it, or (`contiguous`) all neighbours that are both matches or both not."""
    found: list[Range] = []
    previous = False
    for a, b, match in matches:
        joins = match == previous if contiguous else match and not previous
        if joins and found:
            found[-1] = (found[-1][0], b)
        else:
            found.append((a, b))
        previous = match
    return found


class ByteLevel(PreTokenizer):
    """Put a blank before a text, cut it with the expression of GPT-2, and write its bytes as characters.

    Arguments:
        prefix: bool. Whether a text that does not begin with a blank gets one.
        pattern: Pattern or None. The expression; None if the text stays in one piece.
        writes: bool. Whether bytes are written as characters here. The last pre-tokenizer of a file leaves this to the
            model, whose caches then have the words of the text.
    """

    def __init__(self, prefix: bool, pattern: Any, writes: bool) -> None:
        self._prefix, self._writes = prefix, writes
        self._splitter = PreTokenizer() if pattern is None else Splitter(pattern, "Isolated")

    def words(self, text: str, first: bool) -> Sequence[str]:
        """Cut a text; see `PreTokenizer.words`."""
        if self._prefix and text and text[0] != " ":
            text = " " + text
        words = self._splitter.words(text, first)
        return [*map(to_byte_chars, words)] if self._writes else words

    def parts(self, part: Part) -> list[Part]:
        """Cut a text; see `PreTokenizer.parts`."""
        text, origins = part
        if self._prefix and text and text[0] != " ":
            text, origins = " " + text, [origins[0], *origins]
        parts = self._splitter.parts(Part(text, origins))
        if not self._writes:
            return parts
        return [Part(to_byte_chars(text), origins_of_bytes(text, origins)) for text, origins in parts]


class Metaspace(PreTokenizer):
    """Write blanks as a symbol, put one before the text, and cut before each of them.

    Arguments:
        symbol: str. The symbol, one character.
        scheme: str. Which texts get a symbol in front: "always", "first" for the beginning of the whole text, "never".
        split: bool. Whether the text is cut.
    """

    def __init__(self, symbol: str, scheme: str, split: bool) -> None:
        self._symbol, self._scheme = symbol, scheme
        self._splitter = Splitter(re.compile(re.escape(symbol)), "MergedWithNext") if split else PreTokenizer()
        # Every symbol begins a word. A run of them is one match each, and of two in a row the first is alone.
        self._words = re.compile(f"{re.escape(symbol)}?[^{re.escape(symbol)}]+|{re.escape(symbol)}").findall

    def _has_prefix(self, text: str, first: bool) -> bool:
        wanted = self._scheme == "always" or self._scheme == "first" and first
        return wanted and bool(text) and text[0] != self._symbol

    def words(self, text: str, first: bool) -> Sequence[str]:
        """Cut a text; see `PreTokenizer.words`."""
        text = text.replace(" ", self._symbol)
        if self._has_prefix(text, first):
            text = self._symbol + text
        return self._words(text) if isinstance(self._splitter, Splitter) else self._splitter.words(text, first)

    def parts(self, part: Part) -> list[Part]:
        """Cut a text; see `PreTokenizer.parts`."""
        text, origins = part.text.replace(" ", self._symbol), part.origins
        if self._has_prefix(text, bool(text) and origins[0] == 0):
            text, origins = self._symbol + text, [origins[0], *origins]
        return self._splitter.parts(Part(text, origins))


class _CharPattern:
    """This stands for a pattern: it matches each single character for which a function says so.

    Arguments:
        function: function from a character to bool.
    """

    def __init__(self, function: Callable[[str], bool]) -> None:
        self._function = function

    def finditer(self, text: str) -> Iterator[_Span]:
        """Yield the matches."""
        function = self._function
        known = {char: function(char) for char in set(text)}
        return (_Span((k, k + 1)) for k, char in enumerate(text) if known[char])

    def findall(self, text: str) -> list[str]:
        """Return the matches alone."""
        function = self._function
        return [char for char in text if function(char)]


class _Span(tuple):
    """This stands for a match."""

    def span(self) -> Range:
        """Return (start, end)."""
        return self[0], self[1]


def is_number(char: str) -> bool:
    """Say whether a character is a number, as Rust's `char::is_numeric` does.

    Arguments:
        char: str. The character.

    Returns:
        bool.
    """
    return unicodedata.category(char)[0] == "N"


def is_punctuation(char: str) -> bool:
    """Say whether a character is punctuation: of Unicode, or a printable ASCII character that is no letter or digit.

    Arguments:
        char: str. The character.

    Returns:
        bool.
    """
    return unicodedata.category(char)[0] == "P" or "!" <= char <= "~" and not char.isalnum()


# ---- what a file says


def read_pre_tokenizers(node: Node) -> tuple[list[PreTokenizer], bool]:
    """Read a pre-tokenizer.

    Arguments:
        node: Node. The pre-tokenizer, or null.

    Returns:
        (list of PreTokenizer, bool). What is applied one after the other, and whether the model then has to write the
            bytes of a word as characters.

    Raises:
        VocabError: It is malformed, or is one that is not supported.
    """
    nodes = [] if node.is_null else _flat(node)
    kinds = [part["type"].one_of(*sorted([*_READERS, "ByteLevel"])) for part in nodes]
    found: list[PreTokenizer] = []
    for k, (part, kind) in enumerate(zip(nodes, kinds)):
        if kind == "ByteLevel":
            found.append(_byte_level(part, writes=k < len(nodes) - 1))
        else:
            found += _READERS[kind](part)
    return found, bool(kinds) and kinds[-1] == "ByteLevel"


def _flat(node: Node) -> list[Node]:
    """Return the parts of a pre-tokenizer, which may be a sequence of sequences."""
    if node["type"].value != "Sequence":
        return [node]
    return [part for child in node["pretokenizers"].items() for part in _flat(child)]


def _byte_level(node: Node, writes: bool) -> PreTokenizer:
    node.get("trim_offsets", True).boolean()  # It is the post-processor that trims.
    pattern = None
    if node.get("use_regex", True).boolean():
        pattern = compile_pattern(type(node)(node.path, PATTERNS["gpt2"], node.name))
    return ByteLevel(node["add_prefix_space"].boolean(), pattern, writes)


def _behavior(node: Node) -> str:
    return node["behavior"].one_of(*_BEHAVIORS)


def _read_split(node: Node) -> list[PreTokenizer]:
    return [Splitter(read_pattern(node["pattern"]), _behavior(node), node["invert"].boolean())]


def _read_whitespace(node: Node) -> list[PreTokenizer]:
    from ._patterns import import_regex

    # \w and \s mean here what they mean in Rust, not in Oniguruma.
    word = r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]"
    return [Splitter(import_regex().compile(rf"{word}+|[^\s{word[1:-1]}]+"), "Removed", invert=True)]


def _read_char(node: Node) -> list[PreTokenizer]:
    delimiter = node["delimiter"].text()
    if len(delimiter) != 1:
        raise node["delimiter"].error("one character")
    return [Splitter(re.compile(re.escape(delimiter)), "Removed")]


def _read_metaspace(node: Node) -> list[PreTokenizer]:
    symbol = node["replacement"].text()
    if len(symbol) != 1:
        raise node["replacement"].error("one character")
    prefix = node.get("add_prefix_space", True).boolean()
    scheme = node.get("prepend_scheme", "always" if prefix else "never").one_of("always", "first", "never")
    return [Metaspace(symbol, scheme, node.get("split", True).boolean())]


def _read_punctuation(node: Node) -> list[PreTokenizer]:
    behavior = node.get("behavior", "Isolated").one_of(*_BEHAVIORS)
    return [Splitter(_CharPattern(is_punctuation), behavior)]


def _read_bert(node: Node) -> list[PreTokenizer]:
    return [Splitter(_SPACES, "Removed"), Splitter(_CharPattern(is_punctuation), "Isolated")]


def _read_digits(node: Node) -> list[PreTokenizer]:
    behavior = "Isolated" if node["individual_digits"].boolean() else "Contiguous"
    return [Splitter(_CharPattern(is_number), behavior)]


_READERS: dict[str, Callable[[Node], list[PreTokenizer]]] = {
    "BertPreTokenizer": _read_bert,
    "CharDelimiterSplit": _read_char,
    "Digits": _read_digits,
    "Metaspace": _read_metaspace,
    "Punctuation": _read_punctuation,
    "Split": _read_split,
    "Whitespace": _read_whitespace,
    "WhitespaceSplit": lambda node: [Splitter(_SPACES, "Removed")],
}
