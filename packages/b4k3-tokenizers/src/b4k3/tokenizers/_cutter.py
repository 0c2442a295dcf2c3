"""Cutting normalised text into chunks that no piece of a model crosses.

Two neighbouring characters that are neighbours in no piece are a place where every segmentation has a boundary. So a
text falls apart into chunks that can be segmented one by one: at the space symbol in most models, and in scripts
without spaces after one to three characters. Of a pair that only one piece has it is known more: a piece crosses it
only where the text has all of that piece.
"""

from __future__ import annotations

import re
import sys
from array import array
from bisect import bisect_left
from itertools import accumulate, chain
from operator import itemgetter

BLOCK = 1 << 16  # characters that are cut at a time, so that a text without spaces needs no more memory than others
_FEW = 100  # characters; a shorter word alone is cut faster by itself
_MARK_ROW = 0x2F  # the high byte of the marks put into a text; text has hardly any characters of that row of Unicode
_CUT, _JOIN = "\u2fe1", "\u2fe0"
_JOINED, _PERHAPS = 1, 2  # what the table says of pairs that pieces have, and of those that only one piece has
_find_perhaps = re.compile(bytes([_PERHAPS])).finditer
_LOW_BYTE = bytes([ord(_CUT) & 0xFF] + [ord(_JOIN) & 0xFF] * 255)  # of the mark: _CUT for 0, else _JOIN
_MARK_HASH = 63  # of the high bytes of pairs with a mark; all others are below
_HASH_OF_FIRST = bytes(_MARK_HASH if row == _MARK_ROW else row * 7 % 32 for row in range(256))
_HASH_OF_SECOND = bytes(_MARK_HASH if row == _MARK_ROW else row * 3 % 32 for row in range(256))
_HASH_OF_SUM = bytes(min(total, _MARK_HASH) for total in range(256))


def in_blocks(texts):
    """The texts in lists of at least `BLOCK` characters; the last text of a list may be longer than that by itself."""
    texts = list(texts)
    totals, start, total = list(accumulate(map(len, texts))), 0, 0
    while start < len(texts):
        end = bisect_left(totals, total + BLOCK, start) + 1
        yield texts[start:end]
        start, total = end, totals[min(end, len(texts)) - 1]


class Cutter:
    """Cuts text where none of the pieces can cross.

    Arguments: `pieces`, an iterable of str. Attribute `pairs`: the set of their pairs of neighbours, (str, str).
    """

    def __init__(self, pieces):
        places = {}  # (piece, index) of a pair, None if there are several
        for piece in pieces:
            for k in range(len(piece) - 1):
                pair = piece[k : k + 2]
                places[pair] = None if pair in places else (piece, k)
        self.pairs = set(map(tuple, places))
        self._has_marks = any(ord(char) >> 8 == _MARK_ROW for pair in places for char in pair)
        self._table = bytearray((_MARK_HASH + 1) << 16)
        self._only_place = {}  # (piece, index) of the hashes that one pair has, which only one piece has
        pairs = [pair for pair in places if max(pair) <= "\uffff"]
        for pair, k in zip(pairs, _hashes(_JOIN.join(pairs).encode("utf-16-le"))[::3]):  # without those with a mark
            place = places[pair]
            if place and pair != place[0] and not self._table[k]:
                self._table[k], self._only_place[k] = _PERHAPS, place
            else:
                self._table[k] = _JOINED

    def chunks(self, text):
        """The chunks of a text: an iterator, because the text may be long."""
        return chain.from_iterable(self.cut([part]) for part in self.parts(text))

    def parts(self, text):
        """Parts of the text that end where no piece can cross, as short as that allows but not below `BLOCK`."""
        start = 0
        while start < len(text):
            end = min(start + BLOCK, len(text))
            while end < len(text) and (text[end - 1], text[end]) in self.pairs:
                end += 1
            yield text[start:end]
            start = end

    def cut(self, words, prefix=""):
        """The chunks of several words, each with a prefix, and an empty one between two words: a list of str.

        In UTF-16 the hashes of all pairs of neighbours are a few slice assignments, and a mark after each character is
        one more. Where two pairs have one hash a chunk may be longer than it need be. Words that have characters of
        four bytes, or the marks, are cut one by one.
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
        joined[size - 1 :] = bytes([_JOINED])  # where a piece can cross the end of a character, and at the end
        for match in _find_perhaps(joined):
            end = match.start()
            piece, index = self._only_place[hashes[end]]
            if not text.startswith(piece, end - index):
                joined[end] = 0
        marked = bytearray([_MARK_ROW]) * (4 * size)
        marked[0::4], marked[1::4], marked[2::4] = units[0::2], units[1::2], joined.translate(_LOW_BYTE)
        return marked.decode("utf-16-le").replace(_JOIN, "").split(_CUT)

    def _cut_one(self, word):
        """The chunks of one word: a list of strings."""
        joined = bytes(map(self.pairs.__contains__, zip(word, word[1:])))
        chunks, start = [], 0
        for run in joined.split(b"\0"):
            end = start + len(run) + 1
            chunks.append(word[start:end])
            start = end
        return chunks


def _hashes(units):
    """The hash of each pair of neighbours of UTF-16 text: the low bytes, and a sum over the high bytes."""
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
