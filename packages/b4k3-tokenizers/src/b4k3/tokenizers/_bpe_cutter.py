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

The cutter writes a mark into such places, without a loop in Python: it maps each pair of neighbours to the second
character of the pair, with the mark `CUT` before it if no token crosses, or `HALF` if one crosses that begins or ends
inside a character.
"""

from __future__ import annotations

from itertools import product
from operator import add
from typing import Callable, Iterable

_MOST = 1 << 20  # pairs of characters that are kept
CUT, HALF = "\ud800", "\udfff"  # No text has lone surrogates here.


class ChunkCutter(dict):
    """Map two neighbouring characters, a str, to the second one, with a mark before it unless whole tokens cross.

    Arguments:
        tokens: iterable of str. The tokens that are whole characters.
        broken: iterable of bytes. The tokens that begin or end inside a character.

    Example:
        >>> cutter = ChunkCutter(["ab", "bcd"], [b"\\xb9\\xe5"])
        >>> cutter.cut("abca宽乹宽") == ["abc", "a", "宽", "乹" + HALF + "宽"]
        True
    """

    def __init__(self, tokens: Iterable[str], broken: Iterable[bytes] = ()) -> None:
        super().__init__()
        whole: set[str] = set()
        for token in tokens:
            whole.update(map(add, token, token[1:]))
        self._halves: set[tuple[bytes, bytes]] = set()
        for token in broken:
            self._add_broken(token, whole)
        self._ends = _Known({left for left, _ in self._halves}, _ends)
        self._starts = _Known({right for _, right in self._halves}, _starts)
        self._whole = {pair: pair[1] for pair in whole}
        for pair in whole:
            if self._crosses_half(pair):
                self._whole[pair] = HALF + pair[1]
        self.update(self._whole)

    def _add_broken(self, token: bytes, whole: set[str]) -> None:
        """Note the places between characters that a token has, some of which it has only in part."""
        chars = _chars(token)
        for left, right in zip(chars, chars[1:]):
            try:
                whole.add(left.decode("utf-8") + right.decode("utf-8"))
            except UnicodeDecodeError:
                self._halves.add((left, right))

    def _crosses_half(self, pair: str) -> bool:
        """Return True if a token crosses that begins or ends inside one of the two characters."""
        ends = self._ends[pair[0]]
        return bool(ends) and not self._halves.isdisjoint(product(ends, self._starts[pair[1]]))

    def __missing__(self, pair: str) -> str:
        marked = (HALF if self._crosses_half(pair) else CUT) + pair[1]
        if len(self) > _MOST + len(self._whole):
            self.clear()
            self.update(self._whole)
        self[pair] = marked
        return marked

    def cut(self, word: str) -> list[str]:
        """Cut a word.

        Arguments:
            word: str. The word, not empty, without lone surrogates.

        Returns:
            list of str. The chunks, in which `HALF` marks the places that only a token can cross that begins or ends
                inside a character.
        """
        marked = word[0] + "".join(map(self.__getitem__, map(add, word, word[1:])))
        return marked.split(CUT)


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
