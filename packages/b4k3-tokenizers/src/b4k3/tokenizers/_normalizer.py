"""SentencePiece's normalizer: charsmap, white space, the space symbol and the dummy prefix.

For example, "  Ｈｉ  there " becomes "▁Hi▁there": the charsmap replaces the full-width letters, blanks at the ends are
dropped, runs of blanks become one, a blank becomes the space symbol "▁", and one is put in front (the dummy prefix).

`align` is the algorithm itself, one character at a time, and it says where every character comes from. `normalize`
gives the same text by a few passes over the whole string. It hands the few texts where that is not exact to `align`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Callable, Collection, Sequence

from ._cache import Cache

if TYPE_CHECKING:
    from ._charsmap import Charsmap

SPACE = "\u2581"  # the space symbol, "lower one eighth block"
TEXT_END = "\0"  # It stands between the words of two texts.
_MAX_TABLE = 1 << 16
_MANY = 64  # If more characters than this are changed in a text, one translation is faster.


class _Translation(dict):
    """This table for `str.translate` learns the unchanged characters, because a missing key is slow there."""

    def __missing__(self, code: int) -> int:
        if len(self) < _MAX_TABLE:
            self[code] = code
        return code


def _finder(chars: Collection[str]) -> Callable[..., Any]:
    """Return a function that searches a text for one of the characters.

    If one of them is beyond U+FFFF, it finds any such character, because sets of them are slow in `re`.
    """
    codes = sorted(ord(char) for char in chars if char <= "\uffff")
    starts = [code for code, before in zip(codes, [None] + codes) if before != code - 1]
    ends = [code for code, after in zip(codes, codes[1:] + [None]) if after != code + 1]
    ranges = list(map("\\u{:04x}-\\u{:04x}".format, starts, ends))
    if len(codes) < len(chars):
        ranges.append("\U00010000-\U0010ffff")
    return re.compile(f"[{''.join(ranges)}]").search if ranges else _nowhere


def _nowhere(text: str, position: int = 0) -> None:
    """Return what `re.Pattern.search` returns if there is nothing to find."""
    return None


class Normalizer:
    """Normalise text as the C++ library does. A lone surrogate counts as U+FFFD.

    Arguments:
        charsmap: Charsmap. The replacements of characters.
        add_dummy_prefix: bool. Whether a space symbol is put before the text.
        remove_extra_whitespaces: bool. Whether blanks at the ends are dropped, and runs of blanks become one.
        escape_whitespaces: bool. Whether a blank becomes the space symbol.
        suffix: bool. Whether the dummy space symbol goes to the end of the text.
        symbols: sequence of str. User-defined pieces, which stay as they are.

    Attributes:
        by_words: bool. Whether `words` can be exact at all.

    Example:
        >>> from b4k3.tokenizers._charsmap import Charsmap
        >>> normalizer = Normalizer(Charsmap(), True, True, True)
        >>> normalizer.normalize(" to  be ")
        '▁to▁be'
        >>> normalizer.align(" to  be ")
        ('▁to▁be', [1, 1, 2, 3, 5, 6, 7])
    """

    def __init__(
        self,
        charsmap: Charsmap,
        add_dummy_prefix: bool,
        remove_extra_whitespaces: bool,
        escape_whitespaces: bool,
        suffix: bool = False,
        symbols: Sequence[str] = (),
    ) -> None:
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
        self._runs = re.compile(f"[{continuers}]+" if continuers else "(?!)")
        self._composed = Cache(self._compose, 1 << 12)
        self._ascii_plain = not any(" " <= char <= "~" for char in charsmap.single)  # printable ASCII stays as it is
        self._ascii_single = not any(char < "\x80" for char in charsmap.continuers)
        longest_first = sorted(symbols, key=len, reverse=True)
        self._symbols = re.compile(f"({'|'.join(map(re.escape, longest_first))})") if symbols else None
        # If no rule is about a character of the symbols, only a rule for a last character and continuers can change
        # them.
        self._plain_symbols = not any(map(self._find_special, symbols))
        ends = re.escape("".join({symbol[-1] for symbol in symbols}))
        self._find_continued = re.compile(f"[{ends}][{continuers}]").search if ends and continuers else _nowhere
        self.by_words = (
            remove_extra_whitespaces
            and bool(self._dummy)
            and escape_whitespaces
            and not suffix
            and (self._plain_symbols or not any(" " in symbol or TEXT_END in symbol for symbol in symbols))
        )
        self._by_blocks = not remove_extra_whitespaces and TEXT_END not in "".join(symbols)
        # A run of blanks inside one replacement or symbol stays, so only `align` is exact then.
        self._whole = not any("  " in text for text in list(charsmap.single.values()) + longest_first)

    def normalize(self, text: str) -> str:
        """Normalise a text.

        Arguments:
            text: str. The text.

        Returns:
            str. The text that is segmented.
        """
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

    def changes(self, symbol: str) -> bool:
        """Say whether a user-defined symbol would be changed if it were ordinary text.

        Arguments:
            symbol: str. The symbol.

        Returns:
            bool. Whether its normalised form is another text.
        """
        return self._translate(symbol) != symbol or " " in symbol

    def words(self, texts: Sequence[str]) -> list[str] | None:
        """Normalise several texts at once, and split them into words.

        Arguments:
            texts: sequence of str. The texts.

        Returns:
            list of str or None. The words of all texts without their space symbols, with `TEXT_END` between two texts.
            None if only `normalize` is exact for these texts.
        """
        block = " \0 ".join(texts)
        if block.count("\0") != len(texts) - 1:
            return None
        replaced = self._replace(block)
        if replaced is None or SPACE in replaced:
            return None
        return list(filter(None, replaced.split(" ")))

    def normalize_block(self, texts: Sequence[str]) -> str | None:
        """Normalise several texts at once.

        Arguments:
            texts: sequence of str. The texts.

        Returns:
            str or None. The normalised texts, joined with `TEXT_END`. None if only `normalize` is exact for these
            texts.
        """
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

    def _replace(self, text: str) -> str | None:
        """Apply the charsmap and leave blanks alone. Return None if only `align` is exact."""
        if not self._whole:
            return None
        if self._plain_symbols:
            return None if self._find_continued(text) else self._translate(text)
        parts = self._symbols.split(text)
        if len(parts) > 1 and self._runs.search(text):  # A key of the charsmap may reach into a symbol.
            return None
        parts[::2] = map(self._translate, parts[::2])
        return "".join(parts)

    def _translate(self, text: str) -> str:
        """Apply the charsmap.

        Few of the different characters of a text change. To replace each of them is faster than to translate the text.
        """
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
                if self._find_special(value):  # The replacement would be changed again.
                    break
                replaced = replaced.replace(char, value)
            position = match.start() + len(value)
        return self._translate_runs(text) if self._runs.search(text) else text.translate(self._table)

    def _translate_runs(self, text: str) -> str:
        """Apply all rules. A key of two or more characters is one character and then continuers."""
        out, end = [], 0
        for run in self._runs.finditer(text):
            start = max(run.start() - 1, end)
            out.append(text[end:start].translate(self._table))
            end = run.end()
            out.append(self._composed[text[start:end]])
        out.append(text[end:].translate(self._table))
        return "".join(out)

    def _compose(self, text: str) -> str:
        """Apply the charsmap to a character and its continuers."""
        out, position = [], 0
        while position < len(text):
            piece, length = self._prefix(text, position)
            out.append(piece)
            position += length
        return "".join(out)

    def align(self, text: str) -> tuple[str, list[int]]:
        """Normalise a text, and say where each character comes from.

        Arguments:
            text: str. The text.

        Returns:
            (str, list of int). The normalised text; and for each of its characters, and for its end, the index in
            `text` where it comes from.
        """
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

    def _prefix(self, text: str, position: int) -> tuple[str, int]:
        """Return what the characters at a position become, and how many they are."""
        symbol = self._symbols.match(text, position) if self._symbols else None
        if symbol:
            return symbol.group(), symbol.end() - position
        if position + 1 < len(text) and text[position + 1] in self._charsmap.continuers:
            return self._charsmap.longest(text, position)
        char = text[position]
        return self._single.get(char, char), 1
