"""Prepare text for WordPiece: clean it, lower-case it, and put spaces around characters that are tokens of their own.

For example, with lower case "Café, 天气" becomes "cafe ,   天  气 "; the words between the spaces are "cafe", ",", "天"
and "气".

Google's `tokenization.py` does this in six passes over single characters. All but two of its rules look at one
character only, so one `str.translate` does them together. Two rules look at neighbours: the lower case of a sigma at
the end of a word, and the canonical order of combining characters that are kept. A character that these rules can
concern is translated to `CONTEXT`, which no other character becomes. If `CONTEXT` is in the result,
`spelled_in_context` spells the text.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from ._unicode import ASCII_PUNCTUATION, is_cjk_character, is_dropped, is_punctuation, is_space

CONTEXT = "\x01"
SIGMA = "\u03a3"
_TABLE_LIMIT = 1 << 16


class CharTable(dict):
    """Map code points to what WordPiece sees of them, for `str.translate`. The table is filled as characters are met.

    Arguments:
        lower: bool. Whether to lower-case and strip accents.
        like_rust: bool. Whether to do what the `BertNormalizer` of a `tokenizer.json` does in the Rust library, and not
            what Google's code does: characters for private use (category Co) are dropped, and the lower case of a
            capital sigma is never the final form.
    """

    def __init__(self, lower: bool, like_rust: bool) -> None:
        super().__init__()
        self.lower, self.like_rust = lower, like_rust
        # The characters whose lower case depends on their neighbours.
        self.undecided = SIGMA if lower and not like_rust else ""

    def __reduce__(self) -> tuple[Any, ...]:
        return char_table, (self.lower, self.like_rust)

    def __missing__(self, code: int) -> str:
        value = self._spell(chr(code))
        if len(self) < _TABLE_LIMIT:  # A table of all code points would take 150 MB.
            self[code] = value
        return value

    def drops(self, ch: str) -> bool:
        """Return True for a character that nothing is left of.

        Arguments:
            ch: str. The character.

        Returns:
            bool.
        """
        return is_dropped(ch) or self.like_rust and unicodedata.category(ch) == "Co"

    def _spell(self, ch: str) -> str:
        if self.drops(ch):
            return ""
        if is_space(ch):
            return " "
        if not self.lower:
            return " " + ch + " " if is_cjk_character(ch) or is_punctuation(ch) else ch
        decomposed = _nfd(ch.lower())
        reordered = any(unicodedata.combining(c) and unicodedata.category(c) != "Mn" for c in decomposed)
        if reordered or ch in self.undecided:
            return CONTEXT
        return _space_out(decomposed, is_cjk_character(ch))


_TABLES = {(lower, rust): CharTable(lower, rust) for lower in (False, True) for rust in (False, True)}


def char_table(lower: bool, like_rust: bool = False) -> CharTable:
    """Return the table that all tokenizers of a kind share.

    Arguments:
        lower: bool. Whether to lower-case and strip accents.
        like_rust: bool. Whether to do what the Rust library does; see `CharTable`.

    Returns:
        CharTable.
    """
    return _TABLES[lower, like_rust]


def spaced(text: str, table: CharTable) -> str:
    """Put spaces around all words of a text.

    Arguments:
        text: str. The text.
        table: CharTable. What becomes of its characters.

    Returns:
        str. Its `.split()` gives the words that WordPiece cuts into pieces.
    """
    out = text.translate(table)
    if CONTEXT in out:
        return "".join(part for part, _ in spelled_in_context(text, table))
    return out


_ASCII_CONTROLS = dict.fromkeys([*range(32), 127])
_ASCII_CONTROLS.update(dict.fromkeys(map(ord, "\t\n\r"), " "))
_ASCII_MARKS = [(mark, f" {mark} ") for mark in sorted(ASCII_PUNCTUATION)]


def mark_spaced(text: str, lower: bool) -> str:
    """Put spaces around ASCII punctuation. For printable ASCII text this is `spaced`, twice as fast.

    It looks for each of the 32 marks in the whole text, because a text has few of them.

    Arguments:
        text: str. The text.
        lower: bool. Whether to lower-case it.

    Returns:
        str. The text with spaces.
    """
    if lower:
        text = text.lower()
    for mark, between in _ASCII_MARKS:
        if mark in text:
            text = text.replace(mark, between)
    return text


def without_ascii_controls(text: str) -> str:
    """Drop the control characters of an ASCII text, and turn tabs and line ends into spaces.

    Arguments:
        text: str. ASCII text.

    Returns:
        str. Printable ASCII text.
    """
    return text if text.isprintable() else text.translate(_ASCII_CONTROLS)


def spelled(text: str, table: CharTable) -> list[tuple[str, int]]:
    """Do what `spaced` does, and keep what becomes of each character apart.

    Arguments:
        text: str. The text.
        table: CharTable. What becomes of its characters.

    Returns:
        list of (str, int). What a character becomes, and its index in the text.
    """
    pairs = [(table[ord(ch)], i) for i, ch in enumerate(text)]
    if any(part == CONTEXT for part, _ in pairs):
        return spelled_in_context(text, table)
    return pairs


def normalized(text: str, table: CharTable) -> tuple[str, list[int]]:
    """Normalise a text as Hugging Face's normalizer for BERT does. It puts spaces around ideographs, not around marks.

    Arguments:
        text: str. The text.
        table: CharTable. What becomes of its characters.

    Returns:
        (str, list of int). The normalised text, and for each of its characters the index in `text` where it comes from.
    """
    parts, origins = [], []
    for part, i in spelled(text, table):
        if part != " ":
            part = part.replace(" ", "")
            if is_cjk_character(text[i]):
                part = f" {part} "
        parts.append(part)
        origins += [i] * len(part)
    return "".join(parts), origins


def spelled_in_context(text: str, table: CharTable) -> list[tuple[str, int]]:
    """Do what `spelled` does with lower case, for a text in which neighbours matter.

    Arguments:
        text: str. The text.
        table: CharTable. It says which characters are dropped, and whether a sigma can be final.

    Returns:
        list of (str, int). What a character becomes, and its index in the text. They are in the order of the text,
        except for combining characters that the canonical order exchanges.
    """
    kept = [(i, ch) for i, ch in enumerate(text) if is_space(ch) or not table.drops(ch)]
    lowered = "".join(ch.lower() for _, ch in kept) if table.like_rust else "".join(ch for _, ch in kept).lower()
    pairs, run, position = [], [], 0
    for i, ch in kept:
        end = position + len(ch.lower())  # Neighbours can change which sigma it becomes, but not the length.
        if is_space(ch) or is_cjk_character(ch):
            pairs += _in_canonical_order(run)
            run = []
            pairs.append((" " if is_space(ch) else _space_out(_nfd(ch), True), i))
        else:
            run += [(c, i) for c in _nfd(lowered[position:end])]
        position = end
    return pairs + _in_canonical_order(run)


def _nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _space_out(decomposed: str, alone: bool) -> str:
    """Drop nonspacing marks, and put spaces around punctuation; if `alone`, also around the whole."""
    kept = (c for c in decomposed if unicodedata.category(c) != "Mn")
    text = "".join(" " + c + " " if is_punctuation(c) else c for c in kept)
    return " " + text + " " if alone else text


def _in_canonical_order(run: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Sort pairs (character, index) into canonical order, and spell them.

    In canonical order the combining characters between two others are sorted by their combining class.
    """
    pairs, combining = [], []
    for pair in run:
        if unicodedata.combining(pair[0]):
            combining.append(pair)
        else:
            pairs += _by_class(combining) + [pair]
            combining = []
    pairs += _by_class(combining)
    return [(_space_out(c, False), i) for c, i in pairs]


def _by_class(combining: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(combining, key=lambda pair: unicodedata.combining(pair[0])) if combining else []
