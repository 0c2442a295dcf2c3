"""The text pass before WordPiece: clean, lower-case, and put spaces around everything that stands alone.

Google's `tokenization.py` does this in six passes over single characters. All but two of its rules look at one
character only, so one `str.translate` does them together. The two that look at neighbours are the lower case of a final
sigma and the canonical order of combining characters that are kept; characters that can meet them translate to
`CONTEXT`, which no other character does, and a text in which it appears is spelled by `spelled_in_context`.
"""

from __future__ import annotations

import unicodedata

from ._unicode import ASCII_PUNCTUATION, is_cjk_character, is_dropped, is_punctuation, is_space

CONTEXT = "\x01"
SIGMA = "\u03a3"
_TABLE_LIMIT = 1 << 16


class CharTable(dict):
    """A table for `str.translate`, filled as characters are met: code point -> what WordPiece sees of it."""

    def __init__(self, lower):
        super().__init__()
        self.lower = lower

    def __missing__(self, code):
        value = self._spell(chr(code))
        if len(self) < _TABLE_LIMIT:  # a text of every code point there is must not cost 150 MB for good
            self[code] = value
        return value

    def _spell(self, ch):
        if is_dropped(ch):
            return ""
        if is_space(ch):
            return " "
        if not self.lower:
            return " " + ch + " " if is_cjk_character(ch) or is_punctuation(ch) else ch
        decomposed = _nfd(ch.lower())
        if ch == SIGMA or any(unicodedata.combining(c) and unicodedata.category(c) != "Mn" for c in decomposed):
            return CONTEXT
        return _space_out(decomposed, is_cjk_character(ch))


TABLES = {False: CharTable(lower=False), True: CharTable(lower=True)}


def spaced(text, lower):
    """The text as words between spaces (and the line separators that `str.split` knows).

    Arguments:
        text: str.
        lower: lower-case and strip accents, as for an uncased vocabulary.

    Returns:
        str: `.split()` gives the words that WordPiece cuts into pieces.
    """
    out = text.translate(TABLES[lower])
    if CONTEXT in out:
        return "".join(part for part, _ in spelled_in_context(text))
    return out


_ASCII_CONTROLS = dict.fromkeys([*range(32), 127])
_ASCII_CONTROLS.update(dict.fromkeys(map(ord, "\t\n\r"), " "))
_ASCII_MARKS = [(mark, " %s " % mark) for mark in sorted(ASCII_PUNCTUATION)]


def mark_spaced(text, lower):
    """The text with spaces around ASCII punctuation; for printable ASCII text it is `spaced`, twice as fast.

    It looks for each mark in the whole text, since most of the 32 are in no given text.
    """
    if lower:
        text = text.lower()
    for mark, between in _ASCII_MARKS:
        if mark in text:
            text = text.replace(mark, between)
    return text


def without_ascii_controls(text):
    """ASCII text without control characters, and with spaces for tabs and line ends."""
    return text if text.isprintable() else text.translate(_ASCII_CONTROLS)


def spelled(text, lower):
    """What `spaced` makes of each character: a list of (characters, index in the text)."""
    table = TABLES[lower]
    pairs = [(table[ord(ch)], i) for i, ch in enumerate(text)]
    if any(part == CONTEXT for part, _ in pairs):
        return spelled_in_context(text)
    return pairs


def normalized(text: str, lower: bool) -> tuple[str, list[int]]:
    """Normalise a text as Hugging Face's normalizer for BERT does, which puts spaces around ideographs alone.

    Arguments:
        text: str. The text.
        lower: bool. Whether to lower-case and strip accents.

    Returns:
        (str, int[]). The normalised text, and for each of its characters the index in `text` where it comes from.
    """
    parts, origins = [], []
    for part, i in spelled(text, lower):
        if part != " ":
            part = part.replace(" ", "")
            if is_cjk_character(text[i]):
                part = f" {part} "
        parts.append(part)
        origins += [i] * len(part)
    return "".join(parts), origins


def spelled_in_context(text):
    """`spelled` for lower case, where neighbours matter.

    The pairs are in the order of the text, but for combining characters that the canonical order exchanges.
    """
    kept = [(i, ch) for i, ch in enumerate(text) if is_space(ch) or not is_dropped(ch)]
    lowered = "".join(ch for _, ch in kept).lower()
    pairs, run, position = [], [], 0
    for i, ch in kept:
        end = position + len(ch.lower())  # the lower case of a sigma depends on its neighbours, its length does not
        if is_space(ch) or is_cjk_character(ch):
            pairs += _in_canonical_order(run)
            run = []
            pairs.append((" " if is_space(ch) else _space_out(_nfd(ch), True), i))
        else:
            run += [(c, i) for c in _nfd(lowered[position:end])]
        position = end
    return pairs + _in_canonical_order(run)


def _nfd(text):
    return unicodedata.normalize("NFD", text)


def _space_out(decomposed, alone):
    """Drop the nonspacing marks; put spaces around punctuation and, what stands alone, around the whole."""
    kept = (c for c in decomposed if unicodedata.category(c) != "Mn")
    text = "".join(" " + c + " " if is_punctuation(c) else c for c in kept)
    return " " + text + " " if alone else text


def _in_canonical_order(run):
    """Pairs (character, index) in canonical order, then spelled: between starters by combining class, stable."""
    pairs, combining = [], []
    for pair in run:
        if unicodedata.combining(pair[0]):
            combining.append(pair)
        else:
            pairs += _by_class(combining) + [pair]
            combining = []
    pairs += _by_class(combining)
    return [(_space_out(c, False), i) for c, i in pairs]


def _by_class(combining):
    return sorted(combining, key=lambda pair: unicodedata.combining(pair[0])) if combining else []
