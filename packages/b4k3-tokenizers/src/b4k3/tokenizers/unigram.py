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

from ._cache import Cache
from ._segmenter import Segmenter
from ._spm import NORMAL, SentencePieceError

_UNKNOWN_PENALTY = 10.0
_FLT_MAX = 3.4028234663852886e38
_NO_PIECE = -math.inf
_LONGEST = 64  # a longer chunk is not worth a float64 pass
_SAFE_SCORE = 8192.0  # up to here float32 sums are off by less than 2**-11 for each addition
_RESET = 100000.0  # past this score the C++ library starts again from 0
_FAR_MARGIN = 2.0**-6  # for each character; enough up to _RESET
_NEAR_MARGIN = 2.0**-10  # for each character; enough up to _SAFE_SCORE
_MAX_PREFIXES = 1 << 25  # a few long pieces must not fill the memory; 250,000 pieces of 10 characters have less
_MAX_AGENDA, _MIN_AGENDA = 10000, 512


class Unigram(Segmenter):
    """The unigram model of an `SpmModel`; see `Segmenter`. Input is normalised text.

    The id text of a chunk is the mark `near_tie` if float32 sums may decide on it. The mark `close` follows the ids of
    a chunk whose second-best segmentation is so near that they hold up to `_SAFE_SCORE` only.
    """

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
        self.steps = [*steps, 0.0, 0.0, 0.0]  # the marks in id texts have none
        self._weights = list(map(abs, steps))
        self.steepest = max(self._weights)
        self._few = _SAFE_SCORE / self.steepest if self.steepest else math.inf  # so many ids have a score that is safe
        prefixes = sum(len(piece) * (len(piece) + 1) // 2 for piece in self.ids)
        if prefixes > _MAX_PREFIXES:
            raise SentencePieceError(
                "%s: the prefixes of its pieces have %d characters; at most %d are supported"
                % (model.source, prefixes, _MAX_PREFIXES)
            )
        self._char_of = {piece: chr(i) for piece, i in self.ids.items() if i not in self.unused}
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
        for piece, char in self._char_of.items():
            step_of[piece] = steps[ord(char)]
        for prefix, step in step_of.items():
            if step == _NO_PIECE and len(prefix) == 1:
                step_of[prefix] = steps[self.unk_id]
        return step_of

    def _doubtful(self, id_texts, joined):
        if self.near_tie not in joined and max(map(len, id_texts)) <= self._few:
            return []
        return [k for k, id_text in enumerate(id_texts) if not self._holds(id_text)]

    def _holds(self, id_text):
        """Not if the score of the text before may change the ids of a chunk."""
        if self.near_tie in id_text:
            return False
        return len(id_text) <= self._few or sum(map(self._weights.__getitem__, map(ord, id_text))) <= _SAFE_SCORE

    def _encode_exactly(self, words, id_texts):
        """Many words at once where that is exact, else word by word, else chunk by chunk, with the float32 score of all
        before."""
        path = _Path(self)
        for word in path.add_all(words, id_texts):
            for part in self.cutter.parts(self.word_prefix + word):
                chunks = self.cutter.cut([part])
                for chunk in path.add_all(chunks, list(map(self._ids_of_chunk.__getitem__, chunks))):
                    path.extend(*self._exact_path(chunk, path.score()))
        return path.id_text()

    def segment_chunk(self, chunk):
        """Viterbi in float64 from the end of the chunk, with the distance to the second-best path at each step of the
        best one."""
        size, char_of = len(chunk), self._char_of.get
        if size < 2:
            return char_of(chunk) or self.unknown(chunk) if chunk else self.end
        if size > _LONGEST:
            return self.near_tie
        step_of, unknown = self._step_of.get, self.steps[self.unk_id]
        rest = [0.0] * (size + 1)  # the score of the best path from each place on
        goes, margins = [size] * size, [math.inf] * size
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

    def _find_pieces_at(self, text):
        """(length, score) of the pieces that a text begins with, and of its first character."""
        found, step, end = [], self._step_of.get(text[0], self.steps[self.unk_id]), 1
        while step is not None:
            if step != _NO_PIECE:
                found.append((end, step))
            end += 1
            step = self._step_of.get(text[:end]) if end <= len(text) else None
        return found

    def _exact_path(self, chunk, score):
        """Viterbi in float32 from the score of the text before: (id text, score after the chunk), as the C++ library
        gets it."""
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
            found.append(self._char_of.get(chunk[start:end]) or self.unknown(chunk[start]))
            end = start
        return "".join(reversed(found)), best[size]

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
    """The id text of the beginning of a text, and its score as the C++ library adds it up.

    Ids with a margin hold as long as that score is small: the roundings before are common to all paths.
    """

    def __init__(self, unigram):
        self._unigram, self._far_limit = unigram, _RESET - 8 * _LONGEST * unigram.steepest
        self._id_texts, self._total = [], array("f", [0.0])
        self._summed, self._not_summed = 0, 0  # id texts whose scores are in the total; ids whose are not

    def add_all(self, parts, id_texts):
        """Add the ids of several words or chunks, as many as hold at once; an iterator of the parts of which they do
        not, each of them to be added when it comes."""
        if self.add("".join(id_texts)):
            return
        if len(parts) == 1:
            yield parts[0]
            return
        half = len(parts) // 2
        yield from self.add_all(parts[:half], id_texts[:half])
        yield from self.add_all(parts[half:], id_texts[half:])

    def add(self, id_text):
        """Add the ids of words or chunks if they hold after this score; whether they do."""
        unigram, limit = self._unigram, _SAFE_SCORE
        if unigram.near_tie in id_text:
            return False
        steepest, size = unigram.steepest, len(id_text)
        if abs(self._total[0]) + (self._not_summed + size) * steepest >= limit:  # not more than this at most
            if unigram.close not in id_text:
                limit = self._far_limit
            if abs(self.score()) + size * steepest >= limit:
                return False
        self._id_texts.append(id_text)
        self._not_summed += size
        return True

    def score(self):
        """The float32 score of all ids."""
        if self._not_summed:
            total, steps = self._total, self._unigram.steps
            for i in map(ord, "".join(self._id_texts[self._summed :])):
                total[0] += steps[i]
            self._not_summed, self._summed = 0, len(self._id_texts)
        return self._total[0]

    def extend(self, id_text, score):
        """Add ids and set the score that they lead to."""
        self._id_texts.append(id_text)
        self._summed, self._total[0] = len(self._id_texts), score

    def id_text(self):
        """All ids."""
        return "".join(self._id_texts).replace(self._unigram.close, "")


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
