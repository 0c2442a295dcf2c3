"""Classes of characters that WordPiece distinguishes, by the Unicode tables of the running Python.

The rules are the same as in Google's `tokenization.py` (google-research/bert). ASCII symbols count as punctuation
although Unicode does not say so. Tab, line feed and carriage return are spaces, and every other control or format
character is dropped. The characters of eight blocks are "CJK characters", which are tokens of their own.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect

_CJK_BLOCKS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
_CJK_STARTS = [first for first, _ in _CJK_BLOCKS]
ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")

# Full-width forms, CJK symbols, general punctuation and small forms. Decoded text has no space after them.
CJK_PUNCTUATION = "".join(
    chr(code)
    for first, last in (
        (0xFF01, 0xFF0D),
        (0xFF0F, 0xFF0F),
        (0xFF1A, 0xFF20),
        (0xFF3B, 0xFF40),
        (0xFF5B, 0xFF64),
        (0x3000, 0x3003),
        (0x3008, 0x3011),
        (0x3014, 0x301F),
        (0x3030, 0x3030),
        (0x303E, 0x303F),
        (0x2013, 0x2014),
        (0x2018, 0x2019),
        (0x201B, 0x201F),
        (0x2026, 0x2027),
        (0xFE4F, 0xFE4F),
        (0xFE51, 0xFE51),
        (0xFE54, 0xFE54),
        (0x00B7, 0x00B7),
    )
    for code in range(first, last + 1)
)


def is_space(ch: str) -> bool:
    """Return True for a blank, tab, line feed, carriage return, and a character of category Zs."""
    return ch in " \t\n\r" or unicodedata.category(ch) == "Zs"


def is_punctuation(ch: str) -> bool:
    """Return True for an ASCII symbol and for a character of a category P*."""
    return ch in ASCII_PUNCTUATION or unicodedata.category(ch)[0] == "P"


def is_cjk_character(ch: str) -> bool:
    """Return True for a character of the eight blocks of ideographs. Kana and hangul are in none of them."""
    code = ord(ch)
    block = bisect(_CJK_STARTS, code) - 1
    return block >= 0 and code <= _CJK_BLOCKS[block][1]


def is_control(ch: str) -> bool:
    """Return True for a character of category Cc or Cf. This includes tabs and line ends: ask `is_space` first."""
    return unicodedata.category(ch) in ("Cc", "Cf")


def is_dropped(ch: str) -> bool:
    """Return True for NUL, the replacement character U+FFFD, and a control character that is no space."""
    return ch in "\0\ufffd" or (is_control(ch) and ch not in "\t\n\r")


def strip_accents(text: str) -> str:
    """Decompose a text canonically, and drop its nonspacing marks (category Mn)."""
    return "".join(ch for ch in unicodedata.normalize("NFD", text) if unicodedata.category(ch) != "Mn")


def lowercase_and_normalize(text: str) -> str:
    """Lower-case a text, and strip its accents."""
    return strip_accents(text.lower())
