"""Cut normalised text into chunks that no piece of a model crosses.

For example, let the pieces be "ab", "abc", "cd" and "xyx", and the text "abcdxyd":

    pair   which pieces have it                           between the two characters
    ab     "ab" and "abc"                                 no cut
    bc     only "abc", and the text has "abc" here        no cut
    cd     only "cd", which is the pair itself            no cut
    dx     none                                           cut
    xy     only "xyx", and the text has "xyd" here        cut
    yd     none                                           cut

The chunks are "abcd", "x", "y" and "d". In most models texts fall apart at the space symbol, and texts in scripts
without spaces fall apart after one to three characters.

It is exact to segment the chunks one by one. A piece that crosses a place has the two characters beside that place as
neighbours. If no piece has this pair, every segmentation of the text has a boundary there. If only one piece has it,
and at one index, a piece can cross the place only if the text has all of that piece around it. So the segmentations of
the text are the combinations of segmentations of the chunks. Their scores add up (unigram), and no merge crosses a cut
(BPE). A missing cut does no harm: a chunk is only longer.
"""

from __future__ import annotations

import re
import sys
from array import array
from bisect import bisect_left
from itertools import accumulate, chain
from operator import itemgetter
from typing import Iterable, Iterator, Sequence

BLOCK = 1 << 16  # Text is cut in blocks of so many characters, which bounds the memory for a text without spaces.
_FEW = 100  # A single word of fewer characters is cut faster by `_cut_one`.
_MARK_ROW = 0x2F  # The high byte of the marks that are put into a text. Hardly any text has characters of this row.
_CUT, _JOIN = "\u2fe1", "\u2fe0"
_JOINED, _PERHAPS = 1, 2  # The table has these for pairs that several pieces have, and for pairs of one piece.
_find_perhaps = re.compile(bytes([_PERHAPS])).finditer
_LOW_BYTE = bytes([ord(_CUT) & 0xFF] + [ord(_JOIN) & 0xFF] * 255)  # A 0 becomes the low byte of _CUT, others of _JOIN.
_MARK_HASH = 63  # The hash of the high bytes of pairs with a mark. All other pairs have smaller ones.
_HASH_OF_FIRST = bytes(_MARK_HASH if row == _MARK_ROW else row * 7 % 32 for row in range(256))
_HASH_OF_SECOND = bytes(_MARK_HASH if row == _MARK_ROW else row * 3 % 32 for row in range(256))
_HASH_OF_SUM = bytes(min(total, _MARK_HASH) for total in range(256))


def in_blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Group texts in lists of at least `BLOCK` characters, the last list apart.

    Arguments:
        texts: iterable of str. The texts.

    Yields:
        list of str. The next texts. A list ends with the text that fills it, which may be longer than `BLOCK` by
            itself.
    """
    texts = list(texts)
    totals, start, total = list(accumulate(map(len, texts))), 0, 0
    while start < len(texts):
        end = bisect_left(totals, total + BLOCK, start) + 1
        yield texts[start:end]
        start, total = end, totals[min(end, len(texts)) - 1]


class Cutter:
    """Cut text where no piece can cross.

    Arguments:
        pieces: iterable of str. The pieces.

    Attributes:
        pairs: set of (str, str). All pairs of neighbouring characters that the pieces have.

    Example:
        >>> Cutter(["ab", "abc", "cd", "xyx"]).cut(["abcdxyd", "ab"])
        ['abcd', 'x', 'y', 'd', '', 'ab']
    """

    def __init__(self, pieces: Iterable[str]) -> None:
        places: dict[str, tuple[str, int] | None] = {}  # pair -> (piece, index), None if there are several
        for piece in pieces:
            for k in range(len(piece) - 1):
                pair = piece[k : k + 2]
                places[pair] = None if pair in places else (piece, k)
        self.pairs = set(map(tuple, places))
        self._has_marks = any(ord(char) >> 8 == _MARK_ROW for pair in places for char in pair)
        self._table = bytearray((_MARK_HASH + 1) << 16)
        self._only_place: dict[int, tuple[str, int]] = {}  # hash of a pair that only one piece has -> (piece, index)
        pairs = [pair for pair in places if max(pair) <= "\uffff"]
        # Every third hash is the hash of one of the pairs. The others are hashes of a character and a mark.
        for pair, k in zip(pairs, _hashes(_JOIN.join(pairs).encode("utf-16-le"))[::3]):
            place = places[pair]
            if place and pair != place[0] and not self._table[k]:
                self._table[k], self._only_place[k] = _PERHAPS, place
            else:  # this also holds for the second of two pairs with one hash
                self._table[k] = _JOINED

    def chunks(self, text: str) -> Iterator[str]:
        """Cut a text.

        Arguments:
            text: str. The normalised text. It may be long.

        Returns:
            iterator of str. The chunks.
        """
        return chain.from_iterable(self.cut([part]) for part in self.parts(text))

    def parts(self, text: str) -> Iterator[str]:
        """Cut a text into few parts that end where no piece can cross.

        Arguments:
            text: str. The normalised text.

        Yields:
            str. The next part. It is as short as possible, but has `BLOCK` characters or more unless it is the last.
        """
        start = 0
        while start < len(text):
            end = min(start + BLOCK, len(text))
            while end < len(text) and (text[end - 1], text[end]) in self.pairs:
                end += 1
            yield text[start:end]
            start = end

    def cut(self, words: Sequence[str], prefix: str = "") -> list[str]:
        """Cut several words at once.

        The text is never visited character by character. In UTF-16 a few slice assignments give the hashes of all pairs
        of neighbours, and one more puts a mark after each character. For the pieces "ab" and "cd":

            text     a b c          61 00 62 00 63 00
            hashes   ab bc          each is looked up in the table
            joined   1  0  1        the last one is for the end of the text
            marked   a JOIN b CUT c JOIN
            chunks   ab, c          after the JOINs are deleted and the text is split at CUT

        Two pairs can have one hash. Then the table says that pieces join both, and a chunk may be longer than
        necessary. Words with characters beyond U+FFFF, or with the marks, are cut one by one.

        Arguments:
            words: sequence of str. The words.
            prefix: str. It is put before each word.

        Returns:
            list of str. The chunks, with an empty one between two words.
        """
        if len(words) == 1 and len(words[0]) < _FEW:
            return self._cut_one(prefix + words[0])
        text = prefix + (_JOIN + prefix).join(words)
        units, size = text.encode("utf-16-le"), len(text)
        if self._has_marks or len(units) > 2 * size or _CUT in text or text.count(_JOIN) >= len(words):
            if len(words) == 1:
                return self._cut_one(text)
            half = len(words) // 2
            return [*self.cut(words[:half], prefix), "", *self.cut(words[half:], prefix)]
        hashes = _hashes(units)
        joined = bytearray(itemgetter(*hashes, 0, 0)(self._table))
        joined[size - 1 :] = bytes([_JOINED])  # nothing is cut off at the end
        for match in _find_perhaps(joined):
            end = match.start()
            piece, index = self._only_place[hashes[end]]
            if not text.startswith(piece, end - index):
                joined[end] = 0
        marked = bytearray([_MARK_ROW]) * (4 * size)
        marked[0::4], marked[1::4], marked[2::4] = units[0::2], units[1::2], joined.translate(_LOW_BYTE)
        return marked.decode("utf-16-le").replace(_JOIN, "").split(_CUT)

    def _cut_one(self, word: str) -> list[str]:
        """Cut one word at the pairs that no piece has. It does not look at which piece has a pair."""
        joined = bytes(map(self.pairs.__contains__, zip(word, word[1:])))
        return chunks_of(word, joined)


def chunks_of(word: str, joined: bytes) -> list[str]:
    """Cut a word between neighbours that nothing joins.

    Arguments:
        word: str. The word, not empty.
        joined: bytes. For each pair of neighbours 1 where they stay together, else 0.

    Returns:
        list of str. The chunks.
    """
    chunks, start = [], 0
    for run in joined.split(b"\0"):
        end = start + len(run) + 1
        chunks.append(word[start:end])
        start = end
    return chunks


def _hashes(units: bytes) -> array:
    """Return the hash of each pair of neighbours of UTF-16 text: the two low bytes, and a sum over the high bytes."""
    size = max(len(units) // 2 - 1, 0)
    rows = int.from_bytes(units[1:-2:2].translate(_HASH_OF_FIRST), "little")
    rows += int.from_bytes(units[3::2].translate(_HASH_OF_SECOND), "little")
    hashes = bytearray(4 * size)
    hashes[0::4], hashes[1::4] = units[:-2:2], units[2::2]
    hashes[2::4] = rows.to_bytes(size, "little").translate(_HASH_OF_SUM)
    hashes = array("I", bytes(hashes))
    if sys.byteorder == "big":
        hashes.byteswap()
    return hashes
