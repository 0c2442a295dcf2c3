"""Cut words into chunks that no token of a BPE model crosses.

A merge makes a token. So no merge joins two characters that are neighbours in no token, and the chunks between such
places can be merged one by one, and cached. Chinese text, whose words are whole clauses, falls apart into chunks of
one to four characters.

In byte-level BPE a token may begin or end inside a character. For example, let "b9 E5" be one token: the last byte of
a character, and the first byte of the next one. It crosses from every character that ends with B9 to every one that
begins with E5:

    宽 (E5 AE BD) 宽 (E5 AE BD)    no token crosses
    个 (E4 B8 AA) 宽               no token crosses
    乹 (E4 B9 B9) 宽               the token "B9 E5" may cross

Most characters are closed: they are merged from their bytes before any such token is made, so that their last byte is
no symbol any more when it could be joined with the next character. A word of closed characters is cut at the pairs that
no whole token has. For other words the cutter writes a mark into these places: it maps each pair of neighbours to the
second character of the pair, with the mark `CUT` before it if no token crosses, or `HALF` if one may cross that begins
or ends inside a character.
"""

from __future__ import annotations

import math
import re
from itertools import product
from operator import add
from typing import Callable, Iterable, Mapping

from ._cutter import chunks_of

_MOST = 1 << 20  # pairs of characters that are kept
CUT, HALF = "\ud800", "\udfff"  # No text has lone surrogates here.


class ChunkCutter(dict):
    """Map two neighbouring characters, a str, to the second one, with a mark before it unless whole tokens cross.

    Arguments:
        tokens: iterable of str. The tokens that are whole characters.
        broken: dict of bytes to int. The tokens that begin or end inside a character, and the rank of the first merge
            that makes each of them.

    Example:
        >>> cutter = ChunkCutter(["ab", "bcd"], {b"\\xb9\\xe5": 7})
        >>> cutter.cut("abca宽乹宽") == ["abc", "a", "宽", "乹" + HALF + "宽"]
        True
        >>> cutter.limit("乹"), cutter.limit("宽"), cutter.limit("个")
        (7, 7, inf)
    """

    def __init__(self, tokens: Iterable[str], broken: Mapping[bytes, int]) -> None:
        super().__init__()
        whole: set[str] = set()
        for token in tokens:
            whole.update(map(add, token, token[1:]))
        self._halves: dict[tuple[bytes, bytes], int] = {}
        for token, rank in broken.items():
            self._add_broken(token, rank, whole)
        self._pairs = frozenset(whole)
        self._limits: dict[bytes, int] = {}  # an end or a beginning of a character -> the lowest rank of its halves
        for half, rank in self._halves.items():
            for part in half:
                self._limits[part] = min(rank, self._limits.get(part, rank))
        self._closed, self._find_open = not self._halves, None
        self._ends = _Known({left for left, _ in self._halves}, _ends)
        self._starts = _Known({right for _, right in self._halves}, _starts)
        self._whole = {pair: pair[1] for pair in whole}
        for pair in whole:
            if self._crosses_half(pair):
                self._whole[pair] = HALF + pair[1]
        self.update(self._whole)

    def _add_broken(self, token: bytes, rank: int, whole: set[str]) -> None:
        """Note the places between characters that a token has, if it has only a part of one of them."""
        chars = _chars(token)
        for left, right in zip(chars, chars[1:]):
            try:
                whole.add(left.decode("utf-8") + right.decode("utf-8"))
            except UnicodeDecodeError:
                self._halves[left, right] = min(rank, self._halves.get((left, right), rank))

    def _crosses_half(self, pair: str) -> bool:
        """Return True if a token crosses that begins or ends inside one of the two characters."""
        ends = self._ends[pair[0]]
        return bool(ends) and any(map(self._halves.__contains__, product(ends, self._starts[pair[1]])))

    def __missing__(self, pair: str) -> str:
        marked = (HALF if self._crosses_half(pair) else CUT) + pair[1]
        if len(self) > _MOST + len(self._whole):
            self.clear()
            self.update(self._whole)
        self[pair] = marked
        return marked

    def limit(self, char: str) -> float:
        """Return the rank from which on a token may cross an end of a character that has only a part of it.

        Arguments:
            char: str. The character.

        Returns:
            int, or infinity if there is no such token.
        """
        data = char.encode("utf-8")
        parts = [part for k in range(1, len(data)) for part in (data[:k], data[k:])]
        return min([self._limits[part] for part in parts if part in self._limits], default=math.inf)

    def close(self, chars: Iterable[str]) -> None:
        """Say which characters are closed: complete before a token can cross one of their ends.

        Arguments:
            chars: iterable of str. The characters. ASCII need not be among them: one byte is always closed.
        """
        closed = re.escape("".join(chars))
        self._find_open = re.compile(f"[^\0-\x7f{closed}]").search if self._halves else None
        self._closed = True

    def cut(self, word: str) -> list[str]:
        """Cut a word.

        Arguments:
            word: str. The word, not empty, without lone surrogates.

        Returns:
            list of str. The chunks, in which `HALF` marks the places that only a token can cross that begins or ends
                inside a character.
        """
        if self._closed and not (self._find_open and self._find_open(word)):
            return self._cut_closed(word)
        marked = word[0] + "".join(map(self.__getitem__, map(add, word, word[1:])))
        return marked.split(CUT)

    def _cut_closed(self, word: str) -> list[str]:
        """Cut a word of closed characters."""
        joined = bytes(map(self._pairs.__contains__, map(add, word, word[1:])))
        return chunks_of(word, joined)


class _Known(dict):
    """Map a character to those ends or beginnings of it that tokens have.

    Arguments:
        parts: set of bytes. The ends or beginnings that tokens have.
        of_char: function from the bytes of a character to its ends or beginnings.
    """

    def __init__(self, parts: set[bytes], of_char: Callable[[bytes], list[bytes]]) -> None:
        super().__init__()
        self._parts, self._of_char = parts, of_char

    def __missing__(self, char: str) -> list[bytes]:
        found = self[char] = [part for part in self._of_char(char.encode("utf-8")) if part in self._parts]
        return found


def _ends(char: bytes) -> list[bytes]:
    return [char[k:] for k in range(len(char))]


def _starts(char: bytes) -> list[bytes]:
    return [char[:k] for k in range(1, len(char) + 1)]


def _chars(data: bytes) -> list[bytes]:
    """Cut bytes before each byte that begins a character."""
    starts = [k for k, byte in enumerate(data) if k == 0 or byte & 0xC0 != 0x80]
    return [data[a:b] for a, b in zip(starts, starts[1:] + [len(data)])]
