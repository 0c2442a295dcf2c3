"""SentencePiece's normalizer: charsmap, white space, the space symbol and the dummy prefix.

`align` is the algorithm itself, one character at a time, with the origin of every character. `normalize` gives the
same text by passes over the whole string, and hands the few texts where that is not exact to `align`.
"""

from __future__ import annotations

import re

from ._cache import Cache

SPACE = "\u2581"  # the space symbol, "lower one eighth block"
TEXT_END = "\0"  # stands between the words of two texts
_MAX_TABLE = 1 << 16
_MANY = 64  # more different changes than this go through one translation


class _Translation(dict):
    """A table for `str.translate` that learns the unchanged characters, because a missing key is slow there."""

    def __missing__(self, code):
        if len(self) < _MAX_TABLE:
            self[code] = code
        return code


def _finder(chars):
    """A function that searches a text for the characters, or for any beyond U+FFFF if one of them is: sets of those are
    slow in `re`."""
    codes = sorted(ord(char) for char in chars if char <= "\uffff")
    starts = [code for code, before in zip(codes, [None] + codes) if before != code - 1]
    ends = [code for code, after in zip(codes, codes[1:] + [None]) if after != code + 1]
    ranges = list(map("\\u{:04x}-\\u{:04x}".format, starts, ends))
    if len(codes) < len(chars):
        ranges.append("\U00010000-\U0010ffff")
    return re.compile("[%s]" % "".join(ranges)).search if ranges else _nowhere


def _nowhere(text, position=0):
    """What `re.Pattern.search` returns where there is nothing to find."""
    return None


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
        self._single = dict.fromkeys(map(chr, range(0xD800, 0xE000)), "\ufffd")
        self._single.update(charsmap.single)
        self._find_special = _finder(charsmap.continuers.union(self._single))
        self._table = _Translation((ord(char), value) for char, value in self._single.items())
        continuers = re.escape("".join(charsmap.continuers))
        self._runs = re.compile("[%s]+" % continuers if continuers else "(?!)")
        self._composed = Cache(self._compose, 1 << 12)
        self._ascii_plain = not any(" " <= char <= "~" for char in charsmap.single)  # printable ASCII stays as it is
        self._ascii_single = not any(char < "\x80" for char in charsmap.continuers)
        longest_first = sorted(symbols, key=len, reverse=True)
        self._symbols = re.compile("(%s)" % "|".join(map(re.escape, longest_first))) if symbols else None
        # most symbols have no character that a rule is about: only rules for their last character and continuers matter
        self._plain_symbols = not any(map(self._find_special, symbols))
        ends = re.escape("".join({symbol[-1] for symbol in symbols}))
        self._find_continued = re.compile("[%s][%s]" % (ends, continuers)).search if ends and continuers else _nowhere
        # whether `words` can be exact at all
        self.by_words = (
            remove_extra_whitespaces
            and bool(self._dummy)
            and escape_whitespaces
            and not suffix
            and (self._plain_symbols or not any(" " in symbol or TEXT_END in symbol for symbol in symbols))
        )
        self._by_blocks = not remove_extra_whitespaces and TEXT_END not in "".join(symbols)
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

    def changes(self, symbol):
        """Whether a user-defined symbol would be changed if it were ordinary text."""
        return self._translate(symbol) != symbol or " " in symbol

    def words(self, texts):
        """The words of several texts at once, without their space symbols: one list of str, with `TEXT_END` between two
        texts. None where only `normalize` is exact."""
        block = " \0 ".join(texts)
        if block.count("\0") != len(texts) - 1:
            return None
        replaced = self._replace(block)
        if replaced is None or SPACE in replaced:
            return None
        return list(filter(None, replaced.split(" ")))

    def normalize_block(self, texts):
        """The normalised texts, joined with `TEXT_END`. None where only `normalize` is exact."""
        if not self._by_blocks or self._dummy and not all(texts):
            return None
        block = TEXT_END.join(texts)
        if block.count(TEXT_END) != len(texts) - 1:
            return None
        replaced = self._replace(block)
        if replaced is None:
            return None
        first, last = ("", self._dummy) if self._suffix else (self._dummy, "")
        return first + replaced.replace(" ", self._space).replace(TEXT_END, last + TEXT_END + first) + last

    def _replace(self, text):
        """The charsmap applied to the text, spaces untouched; None where only `align` is exact."""
        if not self._whole:
            return None
        if self._plain_symbols:
            return None if self._find_continued(text) else self._translate(text)
        parts = self._symbols.split(text)
        if len(parts) > 1 and self._runs.search(text):  # a key of the charsmap may reach into a symbol
            return None
        parts[::2] = map(self._translate, parts[::2])
        return "".join(parts)

    def _translate(self, text):
        """Few of a text's different characters change, and replacing each is faster than a translation of the text."""
        if text.isascii() and self._ascii_single:
            return text if self._ascii_plain and text.isprintable() else text.translate(self._table)
        replaced, position = text, 0
        for _ in range(_MANY):
            match = self._find_special(replaced, position)
            if match is None:
                return replaced
            char = match.group()
            value = self._single.get(char, char)
            if char in self._charsmap.continuers:
                break
            if value != char:
                if self._find_special(value):  # and it would be changed again
                    break
                replaced = replaced.replace(char, value)
            position = match.start() + len(value)
        return self._translate_runs(text) if self._runs.search(text) else text.translate(self._table)

    def _translate_runs(self, text):
        """All rules. A key of two or more characters is one character and then continuers."""
        out, end = [], 0
        for run in self._runs.finditer(text):
            start = max(run.start() - 1, end)
            out.append(text[end:start].translate(self._table))
            end = run.end()
            out.append(self._composed[text[start:end]])
        out.append(text[end:].translate(self._table))
        return "".join(out)

    def _compose(self, text):
        """The charsmap applied to a character and its continuers."""
        out, position = [], 0
        while position < len(text):
            piece, length = self._prefix(text, position)
            out.append(piece)
            position += length
        return "".join(out)

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
        if position + 1 < len(text) and text[position + 1] in self._charsmap.continuers:
            return self._charsmap.longest(text, position)
        char = text[position]
        return self._single.get(char, char), 1
