"""Segmentation with a unigram language model: the most probable one, the n best, and samples.

Kudo 2018, "Subword Regularization" (arXiv:1804.10959), as the C++ library google/sentencepiece does it. That library
adds scores up from the beginning of the text in float32. Where two segmentations of a chunk are nearly equally good,
its rounding decides, and it depends on all the text before. Such chunks are found by their margin, and only they are
segmented again with the score so far and float32 sums.
"""

from __future__ import annotations

import heapq
import math
from array import array
from itertools import chain

from ._cache import Cache
from ._segmenter import Segmenter
from ._spm import NORMAL, SentencePieceError

_UNKNOWN_PENALTY = 10.0
_FLT_MAX = 3.4028234663852886e38
_NEAR_TIE = -1
_NO_PIECE = -math.inf
_LONGEST = 64  # a longer chunk is not worth a float64 pass
_SAFE_SCORE = 8192.0  # up to here float32 sums are off by less than 2**-11 for each addition
_RESET = 100000.0  # past this score the C++ library starts again from 0
_FAR_MARGIN = 2.0**-6  # for each character; enough up to _RESET
_NEAR_MARGIN = 2.0**-10  # for each character; enough up to _SAFE_SCORE
_MAX_PREFIXES = 1 << 25  # a few long pieces must not fill the memory; 250,000 pieces of 10 characters have less
_MAX_AGENDA, _MIN_AGENDA = 10000, 512


class _Close(tuple):
    """Ids of a chunk whose second-best segmentation is so near that they hold for texts of moderate length only."""

    __slots__ = ()


class Unigram(Segmenter):
    """The unigram model of an `SpmModel`; see `Segmenter`. Input is normalised text."""

    def __init__(self, model, cache_size):
        super().__init__(model, cache_size)
        steps = list(array("f", model.scores))  # what an id adds to the score of a text
        normal = [score for score, type_ in zip(steps, model.types) if type_ == NORMAL]
        unknown = _float32(min(normal, default=_FLT_MAX) - _UNKNOWN_PENALTY)
        steps[self.unk_id] = unknown
        for value, i in enumerate(self._byte_ids):  # the bytes of an unknown character count once
            steps[i] = 0.0 if 0x80 <= value < 0xC0 else unknown
        self._lattice_scores = list(steps)
        for i in self.user_defined:  # the C++ library counts bytes in one algorithm and characters in the other
            piece = model.pieces[i]
            steps[i] = _float32(0.1 * (len(piece.encode("utf-8")) - 1))
            self._lattice_scores[i] = _float32(0.1 * (len(piece) - 1))
        self._steps = steps
        self._weights = list(map(abs, steps))
        self._steepest = max(self._weights)
        prefixes = sum(len(piece) * (len(piece) + 1) // 2 for piece in self.ids)
        if prefixes > _MAX_PREFIXES:
            raise SentencePieceError(
                "%s: the prefixes of its pieces have %d characters; at most %d are supported"
                % (model.source, prefixes, _MAX_PREFIXES)
            )
        self._used = {piece: i for piece, i in self.ids.items() if i not in self.unused}
        self._step_of = self._prefixes(steps)
        # pieces that a text begins with; near ties are mostly in runs of one character, which ask for the same again
        self._longest = max(map(len, self.ids), default=1)
        self._pieces_at = Cache(self._find_pieces_at, min(cache_size, 1 << 10), 1 << 10)

    def _prefixes(self, steps):
        """A trie as a dictionary: every prefix of a piece -> its score, or `_NO_PIECE`."""
        step_of = {}
        for piece in self.ids:
            for end in range(1, len(piece) + 1):
                step_of.setdefault(piece[:end], _NO_PIECE)
        for piece, i in self._used.items():
            step_of[piece] = steps[i]
        for prefix, step in step_of.items():
            if step == _NO_PIECE and len(prefix) == 1:
                step_of[prefix] = steps[self.unk_id]
        return step_of

    def _joined_ids(self, words, found):
        """See `Segmenter`; segmented again where the score of the text before may change the ids of a chunk."""
        ids = list(chain.from_iterable(found))
        if _NEAR_TIE in ids or (
            len(ids) * self._steepest > _SAFE_SCORE and sum(map(self._weights.__getitem__, ids)) > _SAFE_SCORE
        ):
            return self._encode_exactly(words, found)
        return ids

    def _encode_exactly(self, words, ids_of_words):
        """Word by word, or where that may not be exact, chunk by chunk, with the float32 score of all before."""
        total, spent = array("f", [0.0]), 0.0  # `spent` is the sum without signs, which bounds the error
        ids, summed = [], 0
        for word, found in zip(words, ids_of_words):
            if len(ids) - summed > _LONGEST:  # the sums are only brought up to date where it matters
                spent += self._sum(total, ids, summed)
                summed = len(ids)
            if _NEAR_TIE not in found:
                if spent + (len(ids) - summed + len(found)) * self._steepest < _SAFE_SCORE:
                    ids += found
                    continue
            for chunk in chain.from_iterable(self._cut_words([word])):
                found = self._cache[chunk]
                if type(found) is not _Close and abs(total[0]) + 8 * _LONGEST * self._steepest < _RESET:
                    ids += found
                    if len(ids) - summed > _LONGEST:
                        spent += self._sum(total, ids, summed)
                        summed = len(ids)
                    continue
                spent += self._sum(total, ids, summed)
                found, total[0] = self._exact_path(chunk, total[0])
                spent += sum(map(self._weights.__getitem__, found))
                ids += found
                summed = len(ids)
        return ids

    def _sum(self, total, ids, start):
        """Add the scores of the ids from `start` on to the total; the result is their sum without signs."""
        steps, spent = self._steps, 0.0
        for i in range(start, len(ids)):
            step = steps[ids[i]]
            total[0] += step
            spent += abs(step)
        return spent

    def segment_chunk(self, chunk):
        """Viterbi in float64 from the end of the chunk, with the distance to the second-best path at each step of the
        best one."""
        size = len(chunk)
        if size > _LONGEST:
            return _Close((_NEAR_TIE,))
        step_of, unknown = self._step_of.get, self._steps[self.unk_id]
        rest = [0.0] * (size + 1)  # the score of the best path from each place on
        goes, margins = [size] * size, rest[:]
        for start in range(size - 1, -1, -1):
            end = first = start + 1
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
        ids, margin, start, id_of = [], math.inf, 0, self._used.get
        while start < size:
            end = goes[start]
            i = id_of(chunk[start:end])
            if i is None:
                ids.extend(self.unknown(chunk[start]))
            else:
                ids.append(i)
            if margins[start] < margin:
                margin = margins[start]
            start = end
        if margin > size * _FAR_MARGIN:
            return tuple(ids)
        return _Close(ids) if margin > size * _NEAR_MARGIN else _Close((_NEAR_TIE,))

    def _find_pieces_at(self, text):
        """(length, score) of the pieces that a text begins with, and of its first character."""
        found, step, end = [], self._step_of.get(text[0], self._steps[self.unk_id]), 1
        while step is not None:
            if step != _NO_PIECE:
                found.append((end, step))
            end += 1
            step = self._step_of.get(text[:end]) if end <= len(text) else None
        return found

    def _exact_path(self, chunk, score):
        """Viterbi in float32 from the score of the text before: (ids, score after the chunk), as the C++ library gets
        it."""
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
                if here + step > best[end]:  # only then its rounded value can be greater
                    rounded[0] = here + step
                    if rounded[0] > best[end]:
                        best[end], came[end] = rounded[0], start
        found, end = [], size
        while end:
            start = came[end]
            i = self._used.get(chunk[start:end])
            found.extend(reversed(self.unknown(chunk[start])) if i is None else (i,))
            end = start
        found.reverse()
        return found, best[size]

    def n_best(self, text, n):
        """The `n` most probable segmentations of normalised text: list of (nodes, score), best first.

        A node is (start, end, id). A* from the end of the text, with the exact Viterbi scores of the rest as
        heuristic; the agenda is cut to its best part when it has 10,000 entries, as in the C++ library.
        """
        ends = self._lattice(text)
        best = _viterbi_scores(ends)
        results, count = [], 0
        agenda = [(-best[-1], 0, len(text), 0.0, None)]  # (-priority, tie break, position, score from here on, nodes)
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

    def sample(self, text, alpha, rng):
        """Nodes (start, end, id) of a segmentation drawn with probability ~ exp(alpha * score): forward filtering,
        backward sampling. `rng` is a `random.Random`."""
        ends = self._lattice(text)
        total = [0.0]  # log of the summed weights of all segmentations up to each position
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

    def _lattice(self, text):
        """Nodes (start, end, id, score) by their end."""
        step_of, id_of, scores = self._step_of.get, self._used.get, self._lattice_scores
        ends = [[] for _ in range(len(text) + 1)]
        for start in range(len(text)):
            step = step_of(text[start], 0.0)
            for end in range(start + 1, len(text) + 1):
                if step != _NO_PIECE:
                    i = id_of(text[start:end], self.unk_id)
                    ends[end].append((start, end, i, scores[i]))
                step = step_of(text[start : end + 1])
                if step is None:
                    break
        return ends


def _viterbi_scores(ends):
    best = [0.0]
    for nodes in ends[1:]:
        best.append(max(best[start] + score for start, _, _, score in nodes))
    return best


def _unlink(nodes):
    found = []
    while nodes is not None:
        node, nodes = nodes
        found.append(node)
    return found


def _float32(value):
    return array("f", [value])[0]
