"""SentencePiece's normalizer: charsmap, white space, the space symbol and the dummy prefix.

`align` is the algorithm itself, one character at a time, with the origin of every character. `normalize` gives the
same text by passes over the whole string, and hands the texts where that is not exact (combining marks, mostly) to
`align`.
"""

from __future__ import annotations

import re

SPACE = "\u2581"  # the space symbol, "lower one eighth block"
_MAX_TABLE = 1 << 16


class _Translation(dict):
    """A table for `str.translate` that learns the unchanged characters, because a missing key is slow there."""

    def __missing__(self, code):
        value = "\ufffd" if 0xD800 <= code < 0xE000 else code
        if len(self) < _MAX_TABLE:
            self[code] = value
        return value


class Normalizer:
    """Normalise text as the C++ library does.

    Arguments: `charsmap`, a `Charsmap`; `add_dummy_prefix`, `remove_extra_whitespaces`, `escape_whitespaces` and
    `suffix` (the dummy space goes to the end), as in the model file; `symbols`, user-defined pieces, which are left
    as they are. A lone surrogate counts as U+FFFD.
    """

    def __init__(
        self, charsmap, add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces, suffix=False, symbols=()
    ):
        self._charsmap = charsmap
        self._remove = remove_extra_whitespaces
        self._space = SPACE if escape_whitespaces else " "
        self._dummy = self._space if add_dummy_prefix else ""
        self._suffix = suffix
        self._table = _Translation((ord(char), value) for char, value in charsmap.single.items())
        plain = not any(" " <= char <= "~" for char in charsmap.single)
        self._ascii_plain = plain  # printable ASCII stays as it is
        self._ascii_single = not any(char < "\x80" for char in charsmap.continuers)
        longest_first = sorted(symbols, key=len, reverse=True)
        self._symbols = re.compile("(%s)" % "|".join(map(re.escape, longest_first))) if symbols else None
        # runs of spaces inside one replacement stay
        self._whole = not any("  " in text for text in list(charsmap.single.values()) + longest_first)

    def normalize(self, text):
        """The normalised text, str -> str."""
        replaced = self._replace(text)
        if replaced is None:
            return self.align(text)[0]
        if not self._remove:
            body = replaced if self._space == " " else replaced.replace(" ", SPACE)
            if not text:
                return ""
            return body + self._dummy if self._suffix else self._dummy + body
        words = replaced.split(" ")
        if "" in words:
            words = list(filter(None, words))
        if self._suffix:
            return self._space.join(words).rstrip(self._space) + self._dummy if words else self.align(text)[0]
        return (self._dummy + self._space.join(words)).rstrip(self._space)

    def _replace(self, text):
        """The charsmap applied to the text, spaces untouched; None where only `align` is exact."""
        if text.isascii():
            if not self._ascii_single or not self._whole:
                return None
            if self._symbols is None:
                return text if self._ascii_plain and text.isprintable() else text.translate(self._table)
        elif not self._whole or not self._charsmap.continuers.isdisjoint(text):
            return None
        if self._symbols is None:
            return text.translate(self._table)
        parts = self._symbols.split(text)
        parts[::2] = [part.translate(self._table) for part in parts[::2]]
        return "".join(parts)

    def align(self, text):
        """The normalised text and, for each of its characters and for its end, the index in `text` where it comes
        from."""
        position, end = 0, len(text)
        while self._remove and position < end:
            piece, length = self._prefix(text, position)
            if piece != " ":
                break
            position += length
        if position == end:
            return "", [position]
        out = [] if self._suffix else list(self._dummy)
        origin = [position] * len(out)
        after_space = self._remove
        while position < end:
            piece, length = self._prefix(text, position)
            if after_space:
                piece = piece.lstrip(" ")
            if piece:
                out.append(piece)
                origin += [position] * len(piece)
                after_space = self._remove and piece[-1] == " "
            position += length
        normalized = "".join(out).replace(" ", self._space)
        if self._remove:
            stripped = normalized.rstrip(self._space)
            if len(stripped) < len(normalized):
                position = origin[len(stripped)]
                del origin[len(stripped) :]
                normalized = stripped
        if self._suffix:
            origin += [position] * len(self._dummy)
            normalized += self._dummy
        return normalized, origin + [position]

    def _prefix(self, text, position):
        """What the characters at a position become, and how many they are."""
        symbol = self._symbols.match(text, position) if self._symbols else None
        if symbol:
            return symbol.group(), symbol.end() - position
        char = text[position]
        if char not in self._charsmap.single and "\ud800" <= char <= "\udfff":
            return "\ufffd", 1
        if position + 1 < len(text) and text[position + 1] in self._charsmap.continuers:
            return self._charsmap.longest(text, position)
        return self._charsmap.single.get(char, char), 1
