"""Segment text with byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) as google/sentencepiece does it.

A text starts as a row of characters. Again and again the pair of neighbours whose union is the piece with the highest
score is merged; of equal scores the leftmost pair is taken. `educational.BPE` does just that. Here a heap holds the
pairs, so that each merge looks at two new pairs only.
"""

from __future__ import annotations

import re
from array import array
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Collection

from ._segmenter import Segmenter

if TYPE_CHECKING:
    import random

    from ._spm import SpmModel

_MAX_DEPTH = 100  # An unused piece is taken apart again up to this depth, the limit of the C++ library.


class BPESegmenter(Segmenter):
    """Segment normalised text with the BPE model of a `.model` file.

    Arguments:
        model: SpmModel. What the `.model` file says.
        cache_size: int. The number of chunks whose ids are kept. Half as many words are kept.

    Raises:
        SentencePieceError: The model has too many pieces.

    Example:
        >>> from b4k3.tokenizers._spm import NORMAL, UNKNOWN, encode_model, parse_model
        >>> ranks = {"ab": 0.0, "abc": -1.0, "a": -2.0, "b": -3.0, "c": -4.0}
        >>> pieces = [("<unk>", 0.0, UNKNOWN)] + [(piece, score, NORMAL) for piece, score in ranks.items()]
        >>> bpe = BPESegmenter(parse_model(encode_model(pieces, {"model_type": 2}, {})), cache_size=100)
        >>> bpe.segment("abcb")
        [(0, 3, 2, 'abc'), (3, 4, 4, 'b')]
    """

    def __init__(self, model: SpmModel, cache_size: int) -> None:
        super().__init__(model, cache_size)
        scores = array("f", model.scores)
        self._priorities = {piece: -scores[i] for piece, i in self.ids.items()}
        symbols = sorted((model.pieces[i] for i in self.user_defined), key=len, reverse=True)
        # User-defined symbols are found first, the longest one at each place, and are never merged.
        self._symbols = re.compile("|".join(map(re.escape, symbols))) if symbols else None

    def segment_chunk(self, chunk: str) -> str:
        """Segment a chunk.

        Arguments:
            chunk: str. A part of normalised text at whose ends no piece crosses.

        Returns:
            str. Its id text; see `Segmenter.segment_chunk`.
        """
        nodes = self.segment(chunk)
        return "".join([self.unknown(piece) if i == self.unk_id else chr(i) for _, _, i, piece in nodes]) or self.end

    def segment(
        self, text: str, dropout: float = 0.0, rng: random.Random | None = None
    ) -> list[tuple[int, int, int, str]]:
        """Segment a text.

        With `dropout` the result is random: BPE-dropout, Provilkov et al. 2020, arXiv:1910.13267.

        Arguments:
            text: str. The normalised text.
            dropout: float. The probability with which each merge is left out.
            rng: random.Random. The random numbers, needed with `dropout`.

        Returns:
            list of nodes (start, end, id, piece).
        """
        symbols, frozen = self._split(text)
        parts: dict[str, tuple[str, str]] = {}  # unused piece -> the two symbols it was merged from
        self._merge(symbols, frozen, parts, dropout, rng)
        nodes, start = [], 0
        for symbol in symbols:
            for piece, i in self._resegment(symbol, parts) if symbol else ():
                nodes.append((start, start + len(piece), i, piece))
                start += len(piece)
        return nodes

    def sample(self, text: str, alpha: float, rng: random.Random) -> list[tuple[int, int, int]]:
        """Draw a segmentation with BPE-dropout.

        Arguments:
            text: str. The normalised text.
            alpha: float. The probability with which each merge is left out.
            rng: random.Random. The random numbers.

        Returns:
            list of nodes (start, end, id).
        """
        return [node[:3] for node in self.segment(text, alpha, rng)]

    def _split(self, text: str) -> tuple[list[str], Collection[int]]:
        """Return the characters and user-defined symbols of a text, and the indices of the user-defined symbols."""
        if self._symbols is None or not self._symbols.search(text):
            return list(text), ()
        symbols: list[str] = []
        frozen, end = set(), 0
        for match in self._symbols.finditer(text):
            symbols.extend(text[end : match.start()])
            frozen.add(len(symbols))
            symbols.append(match.group())
            end = match.end()
        symbols.extend(text[end:])
        return symbols, frozen

    def _merge(
        self,
        symbols: list[str],
        frozen: Collection[int],
        parts: dict[str, tuple[str, str]],
        dropout: float,
        rng: random.Random | None,
    ) -> None:
        """Merge in place: a merged symbol is at the place of its first part, and the other places hold ''.

        An entry of the heap is outdated if one of its symbols was merged since. Then one of them is '', or their
        lengths no longer add up to the length of the union, because symbols only get longer.
        """
        priority_of, unused, ids = self._priorities.get, self.unused, self.ids
        size = len(symbols)
        following = list(range(1, size + 1))
        preceding = list(range(-1, size))

        def add(left: int, right: int) -> tuple[float, int, int, int] | None:
            """Return the entry of the heap for two neighbours; None if they are not merged."""
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

    def _resegment(self, symbol: str, parts: dict[str, tuple[str, str]], depth: int = 0) -> list[tuple[str, int]]:
        """Return (piece, id) of a symbol, or of its parts if it is an unused piece."""
        i = self.ids.get(symbol)
        if i is None:
            return [(symbol, self.unk_id)]
        if i not in self.unused or depth > _MAX_DEPTH:
            return [(symbol, i)]
        if symbol not in parts:
            return [(symbol, self.unk_id)]
        left, right = parts[symbol]
        return self._resegment(left, parts, depth + 1) + self._resegment(right, parts, depth + 1)
