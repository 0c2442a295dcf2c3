"""Write each byte of a text as one printable character, as byte-level BPE does (Radford et al. 2019, GPT-2).

A byte that is a printable character of Latin-1 is written as this character. The other 68 bytes (controls, blanks, the
soft hyphen) get the characters from U+0100 on, in their order. So a blank is "Ġ" (U+0120), and a line feed is "Ċ".

    "é a"   bytes C3 A9 20 61   written "Ã©Ġa"
"""

from __future__ import annotations

import re
from typing import Iterable

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = sorted(set(range(256)) - set(_PRINTABLE))
BYTE_CHARS: list[str] = [chr(0x100 + _OTHERS.index(byte)) if byte in _OTHERS else chr(byte) for byte in range(256)]
BYTE_OF_CHAR: dict[str, int] = {char: byte for byte, char in enumerate(BYTE_CHARS)}
_TO_CHARS = dict(enumerate(BYTE_CHARS))
_TO_LATIN_1 = {ord(char): byte for char, byte in BYTE_OF_CHAR.items()}
_find_surrogate = re.compile("[\ud800-\udfff]").search
_replace_surrogates = re.compile("[\ud800-\udfff]").sub


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot say, by U+FFFD.

    Arguments:
        text: str. The text.

    Returns:
        str. A text of the same length.
    """
    return _replace_surrogates("\ufffd", text) if not text.isascii() and _find_surrogate(text) else text


def to_byte_chars(text: str) -> str:
    """Write the bytes of a text as characters.

    Arguments:
        text: str. The text, without lone surrogates.

    Returns:
        str. One character for each byte of the text in UTF-8.

    Example:
        >>> to_byte_chars("é a")
        'Ã©Ġa'
    """
    return text.encode("utf-8").decode("latin-1").translate(_TO_CHARS)


def origins_of_bytes(text: str, origins: Iterable[int]) -> list[int]:
    """Repeat the origin of each character for each of its bytes in UTF-8.

    Arguments:
        text: str. The text.
        origins: iterable of int. The index where each of its characters comes from.

    Returns:
        list of int.
    """
    if text.isascii():
        return list(origins)
    return [origin for char, origin in zip(text, origins) for _ in char.encode("utf-8")]


def bytes_of_token(token: str) -> bytes | None:
    """Read a token of byte-level BPE.

    Arguments:
        token: str. The token.

    Returns:
        bytes or None. None if it has a character that stands for no byte.

    Example:
        >>> bytes_of_token("Ã©Ġa")
        b'\\xc3\\xa9 a'
    """
    try:
        return token.translate(_TO_LATIN_1).encode("latin-1") if _is_written(token) else None
    except UnicodeEncodeError:
        return None


def _is_written(token: str) -> bool:
    """Return True if each character of a token stands for a byte."""
    return all(map(BYTE_OF_CHAR.__contains__, token))


def bytes_of_decoded(token: str) -> bytes:
    """Return the bytes that a token gives in a decoded text. A token that is not written in bytes stands for itself.

    Arguments:
        token: str. The token.

    Returns:
        bytes.
    """
    data = bytes_of_token(token)
    return without_surrogates(token).encode("utf-8") if data is None else data
