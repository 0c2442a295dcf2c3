"""The text pass before WordPiece: clean, lower-case, and put spaces around everything that stands alone.

Google's `tokenization.py` does this in six passes over single characters. All but two of its rules look at one
character only, so one `str.translate` does them together. The two that look at neighbours are the lower case of a final
sigma and the canonical order of combining characters that are kept; characters that can meet them translate to
`CONTEXT`, which no other character does, and a text in which it appears is done by `spaced_slowly`.
"""

from __future__ import annotations

import unicodedata

from ._unicode import is_cjk_character, is_dropped, is_punctuation, is_space

CONTEXT = "\x01"
_SIGMA = "\u03a3"
_TABLE_LIMIT = 1 << 16


def _keeps_order(decomposed):
    """Are there no combining characters that survive `strip_accents` and that neighbours could reorder?"""
    return not any(unicodedata.combining(c) and unicodedata.category(c) != "Mn" for c in decomposed)


class CharTable(dict):
    """A table for `str.translate`, filled as characters are met: code point -> what WordPiece sees of it."""

    def __init__(self, lower):
        super().__init__()
        self.lower = lower

    def __missing__(self, code):
        value = self.spell(chr(code))
        if len(self) < _TABLE_LIMIT:  # a text of every code point there is must not cost 150 MB for good
            self[code] = value
        return value

    def spell(self, ch):
        """The characters that `ch` becomes, with spaces around those that stand alone."""
        if is_dropped(ch):
            return ""
        if is_space(ch):
            return " "
        if not self.lower:
            return " " + ch + " " if is_cjk_character(ch) or is_punctuation(ch) else ch
        decomposed = unicodedata.normalize("NFD", ch.lower())
        if ch == _SIGMA or not _keeps_order(decomposed):
            return CONTEXT
        return self.space_out(decomposed, is_cjk_character(ch))

    @staticmethod
    def space_out(decomposed, alone):
        """Drop the nonspacing marks, put spaces around punctuation and, if it stands alone, around the whole."""
        kept = (c for c in decomposed if unicodedata.category(c) != "Mn")
        text = "".join(" " + c + " " if is_punctuation(c) else c for c in kept)
        return " " + text + " " if alone else text


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
    return spaced_slowly(text) if CONTEXT in out else out


def spaced_slowly(text):
    """What `spaced` returns for lower case, where neighbours matter."""
    return "".join(part for part, _ in spell_in_context(text))


def spell_in_context(text):
    """Lower-case spelling of each character in its context, as pairs (characters, index in the text), in their order.

    The order of the text, except for combining characters that the canonical order exchanges.
    """
    kept = [(i, ch) for i, ch in enumerate(text) if is_space(ch) or not is_dropped(ch)]
    lowered = "".join(ch for _, ch in kept).lower()
    parts, position, run = [], 0, []
    for i, ch in kept:
        end = position + len(ch.lower())  # the lower case of a sigma depends on its neighbours, its length does not
        alone = is_cjk_character(ch)
        if alone or is_space(ch):
            parts.extend(_in_order(run))
            run = []
            parts.append((" " if is_space(ch) else TABLES[True].space_out(_nfd(ch), True), i))
        else:
            run.extend((c, i) for c in _nfd(lowered[position:end]))
        position = end
    return parts + _in_order(run)


def _nfd(text):
    return unicodedata.normalize("NFD", text)


def _in_order(run):
    """Characters with their indices, put in canonical order, without nonspacing marks, punctuation between spaces."""
    out, combining = [], []
    for pair in run:
        if unicodedata.combining(pair[0]):
            combining.append(pair)
            continue
        out.extend(_sorted(combining))
        combining = []
        out.append(pair)
    out.extend(_sorted(combining))
    return [(TABLES[True].space_out(c, False), i) for c, i in out]


def _sorted(combining):
    return sorted(combining, key=lambda pair: unicodedata.combining(pair[0]))
