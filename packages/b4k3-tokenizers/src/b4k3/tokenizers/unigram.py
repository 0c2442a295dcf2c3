"""Segment text with a unigram language model: find the most probable segmentation, the n best, or draw samples.

Kudo 2018, "Subword Regularization" (arXiv:1804.10959), describes the algorithm. The ids are exactly as the C++ library
google/sentencepiece computes them; `educational.Unigram` is the same algorithm in few lines. The C++ library adds up
scores from the beginning of the text in float32. So its rounding decides between two segmentations that are nearly
equally good, and the rounding depends on the text before.

For example, let the pieces "a", "b" and "ab" have the scores -3.0, -4.0 and -7.0001:

    score before   a + b (exact)   ab (exact)     in float32
           0          -7.0         -7.0001        -7.0 and -7.0001: "a", "b" wins
       -5000       -5007.0         -5007.0001     both are -5007.0: a tie, and the first one that was found wins, "ab"

Here the margin, the distance between the best segmentation and the second best, is 0.0001. That is too small to encode
the chunk "ab" without the text before. If "ab" had the score -7.1, "a", "b" would win after every score up to 100,000.

The ids of a chunk do not depend on the text before if the margin is large enough for the score of that text:

- Let the chunk have n characters. A segmentation has at most n pieces, hence n additions. Each is rounded by at most u,
  half the distance between two neighbouring float32 numbers. All segmentations of the chunk start from the same score.
  So rounding cannot change which of two segmentations is better if their exact scores differ by more than 2·n·u.
- Up to a score of 2**13 = 8192, u is 2**-12. A margin of n·2**-10 is twice what is needed.
- Up to 2**17, hence up to 100,000, u is 2**-8. A margin of n·2**-6 is twice what is needed.
- The margin is computed along the best segmentation: it is the smallest distance between the best and the second best
  way to go on from one of its places. Each other segmentation leaves the best one at some place, and loses at least the
  distance at that place.

Chunks with smaller margins are rare. Only they are segmented again, with the float32 score of the text before.
"""

from __future__ import annotations

import heapq
import math
from array import array
from typing import TYPE_CHECKING, Any, Iterator, Sequence

from ._cache import Cache
from ._segmenter import Segmenter
from ._spm import NORMAL, SentencePieceError

if TYPE_CHECKING:
    import random

    from ._spm import SpmModel

_UNKNOWN_PENALTY = 10.0  # An unknown character has the score of the worst piece minus this.
_FLT_MAX = 3.4028234663852886e38
_NO_PIECE = -math.inf
_LONGEST = 64  # A longer chunk is segmented with the score of the text before at once.
_SAFE_SCORE = 8192.0  # Up to this score each float32 sum is rounded by at most 2**-12.
_RESET = 100000.0  # Past this score the C++ library subtracts it and starts from 0 again.
_FAR_MARGIN = 2.0**-6  # for each character; enough up to _RESET
_NEAR_MARGIN = 2.0**-10  # for each character; enough up to _SAFE_SCORE
_MAX_PREFIXES = 1 << 25  # A few long pieces must not fill the memory. 250,000 pieces of 10 characters have fewer.
_MAX_AGENDA, _MIN_AGENDA = 10000, 512


class UnigramSegmenter(Segmenter):
    """Segment normalised text with the unigram model of a `.model` file.

    The id text of a chunk is the mark `near_tie` if the score of the text before may change its ids. The mark `close`
    follows the ids of a chunk if they hold up to the score `_SAFE_SCORE` only.

    Arguments:
        model: SpmModel. What the `.model` file says.
        cache_size: int. The number of chunks whose ids are kept. Half as many words are kept.

    Raises:
        SentencePieceError: The pieces are too many or too long to be kept in memory.

    Example:
        >>> from b4k3.tokenizers._spm import NORMAL, UNKNOWN, encode_model, parse_model
        >>> scores = {"a": -3.0, "b": -4.0, "ab": -6.5}
        >>> pieces = [("<unk>", 0.0, UNKNOWN)] + [(piece, score, NORMAL) for piece, score in scores.items()]
        >>> model = parse_model(encode_model(pieces, {}, {"add_dummy_prefix": False}))
        >>> unigram = UnigramSegmenter(model, cache_size=100)
        >>> unigram.encode("abb")
        [3, 2]
        >>> unigram.n_best("ab", 2)
        [([(0, 2, 3)], -6.5), ([(0, 1, 1), (1, 2, 2)], -7.0)]
    """

    def __init__(self, model: SpmModel, cache_size: int) -> None:
        super().__init__(model, cache_size)
        steps = list(array("f", model.scores))  # what an id adds to the score of a text
        normal = [score for score, type_ in zip(steps, model.types) if type_ == NORMAL]
        unknown = _float32(min(normal, default=_FLT_MAX) - _UNKNOWN_PENALTY)
        steps[self.unk_id] = unknown
        for value, i in enumerate(self._byte_ids):  # The first byte of an unknown character has its whole score.
            steps[i] = 0.0 if 0x80 <= value < 0xC0 else unknown
        self._lattice_scores = list(steps)
        for i in self.user_defined:  # The C++ library counts bytes in `encode`, and characters in its lattice.
            piece = model.pieces[i]
            steps[i] = _float32(0.1 * (len(piece.encode("utf-8")) - 1))
            self._lattice_scores[i] = _float32(0.1 * (len(piece) - 1))
        self.steps = [*steps, 0.0, 0.0, 0.0]  # the marks in id texts have none
        self._weights = list(map(abs, steps))
        self.steepest = max(self._weights)
        self._few = _SAFE_SCORE / self.steepest if self.steepest else math.inf  # The score of so many ids is safe.
        prefixes = sum(len(piece) * (len(piece) + 1) // 2 for piece in self.ids)
        if prefixes > _MAX_PREFIXES:
            raise SentencePieceError(
                f"{model.source}: the prefixes of its pieces have {prefixes} characters; at most {_MAX_PREFIXES} are "
                "supported"
            )
        self._char_of = {piece: chr(i) for piece, i in self.ids.items() if i not in self.unused}
        self._step_of = self._prefixes(steps)
        # The pieces that a text begins with are cached, because near ties are mostly in runs of one character.
        self._longest = max(map(len, self.ids), default=1)
        self._pieces_at = Cache(self._find_pieces_at, min(cache_size, 1 << 10), 1 << 10)

    def _prefixes(self, steps: Sequence[float]) -> dict[str, float]:
        """Return a trie as a dictionary: every prefix of a piece -> its score, or `_NO_PIECE` if it is no piece."""
        step_of: dict[str, float] = {}
        for piece in self.ids:
            for end in range(1, len(piece) + 1):
                step_of.setdefault(piece[:end], _NO_PIECE)
        for piece, char in self._char_of.items():
            step_of[piece] = steps[ord(char)]
        for prefix, step in step_of.items():
            if step == _NO_PIECE and len(prefix) == 1:
                step_of[prefix] = steps[self.unk_id]
        return step_of

    def _doubtful(self, id_texts: Sequence[str], joined: str) -> list[int]:
        if self.near_tie not in joined and max(map(len, id_texts)) <= self._few:
            return []
        return [k for k, id_text in enumerate(id_texts) if not self._holds(id_text)]

    def _holds(self, id_text: str) -> bool:
        """Return False if float32 rounding of the preceding score could change a near tie."""
        if self.near_tie in id_text:
            return False
        return len(id_text) <= self._few or sum(map(self._weights.__getitem__, map(ord, id_text))) <= _SAFE_SCORE

    def _encode_exactly(self, words: Sequence[str], id_texts: Sequence[str]) -> str:
        """Add many words at once where that is exact, else word by word, else chunk by chunk with the score so far."""
        path = _Path(self)
        for word in path.add_all(words, id_texts):
            for part in self.cutter.parts(self.word_prefix + word):
                chunks = self.cutter.cut([part])
                for chunk in path.add_all(chunks, list(map(self._ids_of_chunk.__getitem__, chunks))):
                    path.extend(*self._exact_path(chunk, path.score()))
        return path.id_text()

    def segment_chunk(self, chunk: str) -> str:
        """Segment a chunk with the Viterbi algorithm in float64, from its end, and compute the margin.

        Arguments:
            chunk: str. A part of normalised text at whose ends no piece crosses.

        Returns:
            str. Its id text; with the mark `close` after it, or the mark `near_tie` in its place, if the margin is
            small.
        """
        size, char_of = len(chunk), self._char_of.get
        if size < 2:
            return char_of(chunk) or self.unknown(chunk) if chunk else self.end
        if size > _LONGEST:
            return self.near_tie
        step_of, unknown = self._step_of.get, self.steps[self.unk_id]
        rest = [0.0] * (size + 1)  # the score of the best path from each place to the end
        goes, margins = [size] * size, [math.inf] * size  # where its first piece ends, how much the second best loses
        end = size - 1
        rest[end] = step_of(chunk[end], unknown)
        while end:
            start = end - 1
            first = end
            best, second = rest[end] + step_of(chunk[start], unknown), _NO_PIECE
            while end < size:
                end += 1
                step = step_of(chunk[start:end])
                if step is None:
                    break
                score = rest[end] + step
                if score > second:
                    if score > best:
                        best, second, first = score, best, end
                    else:
                        second = score
            rest[start], goes[start], margins[start] = best, first, best - second
            end = start
        end, margin = goes[0], margins[0]
        if end == size:
            id_text = char_of(chunk)
        else:
            found = [char_of(chunk[:end]) or self.unknown(chunk[0])]
            while end < size:
                start = end
                end = goes[start]
                found.append(char_of(chunk[start:end]) or self.unknown(chunk[start]))
                if margins[start] < margin:
                    margin = margins[start]
            id_text = "".join(found)
        if margin > size * _FAR_MARGIN:
            return id_text
        return id_text + self.close if margin > size * _NEAR_MARGIN else self.near_tie

    def _find_pieces_at(self, text: str) -> list[tuple[int, float]]:
        """Return (length, score) of the pieces that a text begins with, and of its first character."""
        found, step, end = [], self._step_of.get(text[0], self.steps[self.unk_id]), 1
        while step is not None:
            if step != _NO_PIECE:
                found.append((end, step))
            end += 1
            step = self._step_of.get(text[:end]) if end <= len(text) else None
        return found

    def _exact_path(self, chunk: str, score: float) -> tuple[str, float]:
        """Segment a chunk with the Viterbi algorithm in float32, as the C++ library does it.

        `score` is the score of the text before. Return the id text and the score after the chunk.
        """
        size = len(chunk)
        best, came = [score] + [_NO_PIECE] * size, [0] * (size + 1)
        pieces_at, longest, rounded = self._pieces_at, self._longest, array("f", [0.0])
        for start in range(size):
            here = best[start]
            if abs(here) > _RESET:
                best[start:] = array("f", [x - here for x in best[start:]])
                here = best[start]
            for length, step in pieces_at[chunk[start : start + longest]]:
                end = start + length
                if here + step > best[end]:  # Otherwise the rounded sum cannot be greater either.
                    rounded[0] = here + step
                    if rounded[0] > best[end]:
                        best[end], came[end] = rounded[0], start
        found, end = [], size
        while end:
            start = came[end]
            found.append(self._char_of.get(chunk[start:end]) or self.unknown(chunk[start]))
            end = start
        return "".join(reversed(found)), best[size]

    def n_best(self, text: str, n: int) -> list[tuple[list[tuple[int, int, int]], float]]:
        """Find the most probable segmentations of a text.

        The search is A* from the end of the text. Its heuristic is exact: the Viterbi score of the text before. When
        the agenda has 10,000 entries, only the best of them are kept, as in the C++ library.

        Arguments:
            text: str. The normalised text.
            n: int. The number of segmentations.

        Returns:
            list of (nodes, score), the best first. A node is (start, end, id).
        """
        ends = self._lattice(text)
        best = _viterbi_scores(ends)
        results, count = [], 0
        # An entry is (-priority, tie break, position, score from the position on, linked list of nodes).
        agenda: list[tuple[float, int, int, float, Any]] = [(-best[-1], 0, len(text), 0.0, None)]
        while agenda and len(results) < n:
            _, _, position, score, nodes = heapq.heappop(agenda)
            if position == 0:
                results.append((_unlink(nodes), score))
                continue
            for node in ends[position]:
                count += 1
                after = score + node[3]
                heapq.heappush(agenda, (-best[node[0]] - after, count, node[0], after, (node[:3], nodes)))
            if len(agenda) >= _MAX_AGENDA:
                agenda = heapq.nsmallest(min(_MIN_AGENDA, n * 10), agenda)
        return results

    def sample(self, text: str, alpha: float, rng: random.Random) -> list[tuple[int, int, int]]:
        """Draw a segmentation with a probability proportional to exp(alpha * score).

        The algorithm is forward filtering and backward sampling.

        Arguments:
            text: str. The normalised text.
            alpha: float. The exponent. With 0 all segmentations are equally probable.
            rng: random.Random. The random numbers.

        Returns:
            list of nodes (start, end, id).
        """
        ends = self._lattice(text)
        total = [0.0]  # the logarithm of the sum of the weights of all segmentations up to each position
        for nodes in ends[1:]:
            logs = [alpha * score + total[start] for start, _, _, score in nodes]
            top = max(logs)
            total.append(top + math.log(sum(math.exp(x - top) for x in logs)))
        position, found = len(text), []
        while position:
            nodes = ends[position]
            weights = [math.exp(alpha * score + total[start] - total[position]) for start, _, _, score in nodes]
            node = rng.choices(nodes, weights)[0]
            found.append(node[:3])
            position = node[0]
        found.reverse()
        return found

    def _lattice(self, text: str) -> list[list[tuple[int, int, int, float]]]:
        """Return for each position of a text the nodes (start, end, id, score) that end there."""
        step_of, char_of, scores = self._step_of.get, self._char_of.get, self._lattice_scores
        unknown = chr(self.unk_id)
        ends = [[] for _ in range(len(text) + 1)]
        for start in range(len(text)):
            step = step_of(text[start], 0.0)
            for end in range(start + 1, len(text) + 1):
                if step != _NO_PIECE:
                    i = ord(char_of(text[start:end], unknown))
                    ends[end].append((start, end, i, scores[i]))
                step = step_of(text[start : end + 1])
                if step is None:
                    break
        return ends


class _Path:
    """Hold the id text of the first part of a text, and its score as the C++ library adds it up.

    Scores are added up only when they are needed: as long as the largest score that the ids can have is small enough,
    no sum is computed.
    """

    def __init__(self, unigram: UnigramSegmenter) -> None:
        self._unigram, self._far_limit = unigram, _RESET - 8 * _LONGEST * unigram.steepest
        self._id_texts, self._total = [], array("f", [0.0])
        # how many of the id texts have their scores in the total, and how many ids do not have them there yet
        self._summed, self._not_summed = 0, 0

    def add_all(self, parts: Sequence[str], id_texts: Sequence[str]) -> Iterator[str]:
        """Add the id texts of several words or chunks, as many as possible at once.

        Yield each part whose id text does not hold after the score so far. The caller has to add its ids before it asks
        for the next part.
        """
        if self.add("".join(id_texts)):
            return
        if len(parts) == 1:
            yield parts[0]
            return
        half = len(parts) // 2
        yield from self.add_all(parts[:half], id_texts[:half])
        yield from self.add_all(parts[half:], id_texts[half:])

    def add(self, id_text: str) -> bool:
        """Add the ids of words or chunks if they hold after the score so far, and return whether they do."""
        unigram, limit = self._unigram, _SAFE_SCORE
        if unigram.near_tie in id_text:
            return False
        steepest, size = unigram.steepest, len(id_text)
        if abs(self._total[0]) + (self._not_summed + size) * steepest >= limit:  # a bound that needs no sum
            if unigram.close not in id_text:
                limit = self._far_limit
            if abs(self.score()) + size * steepest >= limit:
                return False
        self._id_texts.append(id_text)
        self._not_summed += size
        return True

    def score(self) -> float:
        """Return the float32 score of all ids."""
        if self._not_summed:
            total, steps = self._total, self._unigram.steps
            for i in map(ord, "".join(self._id_texts[self._summed :])):
                total[0] += steps[i]
            self._not_summed, self._summed = 0, len(self._id_texts)
        return self._total[0]

    def extend(self, id_text: str, score: float) -> None:
        """Add ids, and set the score after them."""
        self._id_texts.append(id_text)
        self._summed, self._total[0] = len(self._id_texts), score

    def id_text(self) -> str:
        """Return the id text of all ids."""
        return "".join(self._id_texts).replace(self._unigram.close, "")


def _viterbi_scores(ends: Sequence[Sequence[tuple[int, int, int, float]]]) -> list[float]:
    """Return the score of the best segmentation up to each position of a lattice."""
    best = [0.0]
    for nodes in ends[1:]:
        best.append(max(best[start] + score for start, _, _, score in nodes))
    return best


def _unlink(nodes: Any) -> list[tuple[int, int, int]]:
    """Turn a linked list (node, rest) into a list."""
    found = []
    while nodes is not None:
        node, nodes = nodes
        found.append(node)
    return found


def _float32(value: float) -> float:
    return array("f", [value])[0]
