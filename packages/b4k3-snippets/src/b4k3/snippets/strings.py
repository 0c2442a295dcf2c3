"""Small tools for text."""

from __future__ import annotations

import re
import unicodedata

is_py2 = False
basestring = str

# full-width forms of ASCII, and the ideographic space
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_HALF_WIDTH[0x3000] = 0x20


def is_string(s):
    """Whether s is a str."""
    return isinstance(s, str)


def strQ2B(ustring):
    """The text with full-width letters, digits, punctuation and spaces as half-width (ASCII) ones."""
    return ustring.translate(_HALF_WIDTH)


def string_matching(s, keywords):
    """Whether any of the regular expressions `keywords` is found in s."""
    return any(re.search(keyword, s) for keyword in keywords)


def convert_to_unicode(text, encoding="utf-8", errors="ignore"):
    """The str of bytes; anything else comes back as it is."""
    return text.decode(encoding, errors) if isinstance(text, bytes) else text


def convert_to_str(text, encoding="utf-8", errors="ignore"):
    """The same as `convert_to_unicode`, now that str is Unicode."""
    return convert_to_unicode(text, encoding, errors)


def lowercase_and_normalize(text):
    """Lower case, decomposed (NFD), without combining marks: 'É' becomes 'e'."""
    text = unicodedata.normalize("NFD", text.lower())
    return "".join(c for c in text if unicodedata.category(c) != "Mn")


def text_segmentate(text, maxlen, seps="\n", strips=None):
    """Cut a text into pieces of at most maxlen characters, at separators only.

    Arguments:
        text: str.
        maxlen: int. A piece without any of the separators stays whole, however long it is.
        seps: str of separators, the preferred first: a piece that is too long without cutting at the next one is cut
            there.
        strips: characters to strip from both ends of each piece, beside white space.

    Returns:
        list of str, each with the separator at its end unless stripped.
    """
    text = text.strip().strip(strips)
    if not seps or len(text) <= maxlen:
        return [text]
    parts = text.split(seps[0])
    pieces, piece = [], ""
    for part in parts[:-1]:
        if _is_full(piece, part, maxlen):
            pieces.append(piece)
            piece = ""
        piece += part + seps[0]
    if _is_full(piece, parts[-1], maxlen):
        pieces.append(piece)
        piece = ""
    piece += parts[-1]
    pieces += [piece] if piece else []
    return [smaller for piece in pieces for smaller in text_segmentate(piece, maxlen, seps[1:], strips)]


def _is_full(piece, part, maxlen):
    """Whether a part, with a separator, does not fit behind a piece."""
    return bool(piece and part) and len(piece) + len(part) > maxlen - 1
