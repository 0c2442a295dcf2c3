"""Segmentation with byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) as google/sentencepiece does it.

The pair of neighbouring symbols whose union has the highest score is merged first, the leftmost one at equal scores.
"""

from __future__ import annotations

import re
from array import array
from heapq import heapify, heappop, heappush

from ._segmenter import Segmenter

_MAX_DEPTH = 100  # how deep an unused piece is taken apart again; the C++ library's limit


class BPE(Segmenter):
    """The BPE model of an `SpmModel`; see `Segmenter`. Input is normalised text."""

    def __init__(self, model, cache_size):
        super().__init__(model, cache_size)
        scores = array("f", model.scores)
        self._priorities = {piece: -scores[i] for piece, i in self.ids.items()}
        symbols = sorted((model.pieces[i] for i in self.user_defined), key=len, reverse=True)
        # user-defined symbols are found first, the longest at each place, and never merged
        self._symbols = re.compile("|".join(map(re.escape, symbols))) if symbols else None

    def segment_chunk(self, chunk):
        """The id text of a chunk."""
        nodes = self.segment(chunk)
        return "".join([self.unknown(piece) if i == self.unk_id else chr(i) for _, _, i, piece in nodes]) or self.end

    def segment(self, text, dropout=0.0, rng=None):
        """Nodes (start, end, id, piece) of normalised text.

        With `dropout` each merge is left out with that probability (BPE-dropout, Provilkov et al. 2020,
        arXiv:1910.13267); `rng` is a `random.Random`.
        """
        symbols, frozen = self._split(text)
        parts = {}
        self._merge(symbols, frozen, parts, dropout, rng)
        nodes, start = [], 0
        for symbol in symbols:
            for piece, i in self._resegment(symbol, parts) if symbol else ():
                nodes.append((start, start + len(piece), i, piece))
                start += len(piece)
        return nodes

    def sample(self, text, alpha, rng):
        """Nodes (start, end, id) of normalised text with BPE-dropout `alpha`."""
        return [node[:3] for node in self.segment(text, alpha, rng)]

    def _split(self, text):
        """The characters and the user-defined symbols of a text, and the set of the indices of the latter."""
        if self._symbols is None or not self._symbols.search(text):
            return list(text), ()
        symbols, frozen, end = [], set(), 0
        for match in self._symbols.finditer(text):
            symbols.extend(text[end : match.start()])
            frozen.add(len(symbols))
            symbols.append(match.group())
            end = match.end()
        symbols.extend(text[end:])
        return symbols, frozen

    def _merge(self, symbols, frozen, parts, dropout, rng):
        """Merge in place: a merged symbol is at the place of its first part, the other places hold ''."""
        priority_of, unused, ids = self._priorities.get, self.unused, self.ids
        size = len(symbols)
        following = list(range(1, size + 1))
        preceding = list(range(-1, size))

        def add(left, right):
            union = symbols[left] + symbols[right]
            priority = priority_of(union)
            if priority is not None and left not in frozen and right not in frozen:
                if unused and ids[union] in unused:
                    parts[union] = symbols[left], symbols[right]
                return (priority, left, right, len(union))
            return None

        agenda = list(filter(None, map(add, range(size - 1), range(1, size))))
        heapify(agenda)
        while agenda:
            _, left, right, length = heappop(agenda)
            a, b = symbols[left], symbols[right]
            if not a or not b or len(a) + len(b) != length or dropout > 0.0 and rng.random() < dropout:
                continue
            symbols[left], symbols[right] = a + b, ""
            after = following[left] = following[right]
            if after < size:
                preceding[after] = left
            for pair in ((preceding[left], left), (left, after)):
                if pair[0] >= 0 and pair[1] < size:
                    item = add(*pair)
                    if item:
                        heappush(agenda, item)

    def _resegment(self, symbol, parts, depth=0):
        """(piece, id) of a symbol; unused pieces are taken apart again."""
        i = self.ids.get(symbol)
        if i is None:
            return [(symbol, self.unk_id)]
        if i not in self.unused or depth > _MAX_DEPTH:
            return [(symbol, i)]
        if symbol not in parts:
            return [(symbol, self.unk_id)]
        left, right = parts[symbol]
        return self._resegment(left, parts, depth + 1) + self._resegment(right, parts, depth + 1)
