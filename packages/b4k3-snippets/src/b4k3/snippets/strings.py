"""Small tools for text."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Iterable

is_py2 = False
basestring = str

# The full-width form of each ASCII character -> the character. The ideographic space becomes a space.
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_HALF_WIDTH[0x3000] = 0x20


def is_string(s: Any) -> bool:
    """Return whether an object is a str.

    Arguments:
        s: any object.

    Returns:
        bool.

    Example:
        >>> from b4k3.snippets import is_string
        >>> is_string("语言"), is_string(b"bytes")
        (True, False)
    """
    return isinstance(s, str)


def strQ2B(ustring: str) -> str:
    """Replace full-width letters, digits, punctuation and spaces by half-width (ASCII) ones.

    Arguments:
        ustring: str. The text.

    Returns:
        str.

    Example:
        >>> from b4k3.snippets import strQ2B
        >>> strQ2B("ＢＥＲＴ，１２")
        'BERT,12'
    """
    return ustring.translate(_HALF_WIDTH)


def string_matching(s: str, keywords: Iterable[str]) -> bool:
    """Return whether any of several regular expressions matches somewhere in a text.

    Arguments:
        s: str. The text.
        keywords: iterable of str. The regular expressions.

    Returns:
        bool.

    Example:
        >>> from b4k3.snippets import string_matching
        >>> string_matching("b4k3 2.0", [r"^keras", r"[0-9]\\.[0-9]"])
        True
    """
    return any(re.search(keyword, s) for keyword in keywords)


def convert_to_unicode(text: Any, encoding: str = "utf-8", errors: str = "ignore") -> Any:
    """Decode bytes.

    Arguments:
        text: bytes, or any other object.
        encoding: str. The encoding of the bytes.
        errors: str. What happens to bytes that cannot be decoded, as for `bytes.decode`.

    Returns:
        str for bytes; any other object as it is.

    Example:
        >>> from b4k3.snippets import convert_to_unicode
        >>> convert_to_unicode("语言".encode("gbk"), "gbk")
        '语言'
    """
    return text.decode(encoding, errors) if isinstance(text, bytes) else text


def convert_to_str(text: Any, encoding: str = "utf-8", errors: str = "ignore") -> Any:
    """Decode bytes. The function is the same as `convert_to_unicode`, because str is Unicode in Python 3.

    Arguments:
        text: bytes, or any other object.
        encoding: str. The encoding of the bytes.
        errors: str. What happens to bytes that cannot be decoded, as for `bytes.decode`.

    Returns:
        str for bytes; any other object as it is.

    Example:
        >>> from b4k3.snippets import convert_to_str
        >>> convert_to_str(b"BERT")
        'BERT'
    """
    return convert_to_unicode(text, encoding, errors)


def lowercase_and_normalize(text: str) -> str:
    """Make a text lower case, decompose its characters (NFD) and remove their accents.

    Arguments:
        text: str. The text.

    Returns:
        str.

    Example:
        >>> from b4k3.snippets import lowercase_and_normalize
        >>> lowercase_and_normalize("École")
        'ecole'
    """
    text = unicodedata.normalize("NFD", text.lower())
    return "".join(c for c in text if unicodedata.category(c) != "Mn")


def text_segmentate(text: str, maxlen: int, seps: str = "\n", strips: str | None = None) -> list[str]:
    """Cut a text into pieces of at most maxlen characters, only at separators.

    Arguments:
        text: str. The text.
        maxlen: int. The greatest length of a piece. A piece that has none of the separators is not cut, however long.
        seps: str. The separators. The first one is preferred; a piece that is still too long is cut at the next one.
        strips: str or None. Characters that are removed from both ends of each piece, in addition to white space.

    Returns:
        list of str, each with the separator at its end unless it is stripped.

    Example:
        >>> from b4k3.snippets import text_segmentate
        >>> text_segmentate("今天下雨。明天晴。后天多云。", 10, "\\n。")
        ['今天下雨。明天晴。', '后天多云。']

    Reference: the function of the same name in bert4keras, https://github.com/bojone/bert4keras
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


def _is_full(piece: str, part: str, maxlen: int) -> bool:
    """Return whether a part and a separator do not fit after a piece any more."""
    return bool(piece and part) and len(piece) + len(part) > maxlen - 1
