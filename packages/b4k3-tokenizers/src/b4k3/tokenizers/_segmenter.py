"""What unigram and BPE models share: cutting normalised text into chunks that no piece crosses, and a bounded cache
of them.

Two neighbouring characters that are neighbours in no piece are a place where every segmentation has a boundary. So a
text falls apart into chunks that can be segmented one by one: at the space symbol in most models, and in scripts
without spaces after one to three characters. Chunks repeat, so nearly all of them come out of the cache.
"""

from __future__ import annotations

from itertools import chain
from operator import add

from ._normalizer import SPACE
from ._spm import BYTE, BYTE_PIECES, UNKNOWN, UNUSED, USER_DEFINED, is_reserved

CACHED_LENGTH = 32  # longer chunks are not kept: they seldom repeat
_BLOCK = 1 << 16  # characters that are cut at a time, so that a text without spaces needs no more memory than others


class _Cache(dict):
    """chunk -> ids; emptied when it is full. Reading and storing are atomic, so that threads may share it."""

    def __init__(self, segment, size):
        super().__init__()
        self._segment = segment
        self._size = size

    def __missing__(self, chunk):
        ids = self._segment(chunk)
        if len(chunk) <= CACHED_LENGTH and self._size > 0:
            if len(self) >= self._size:
                self.clear()
            self[chunk] = ids
        return ids


class Segmenter:
    """Base of `Unigram` and `BPE`.

    Arguments: `model`, an `SpmModel`; `cache_size`, the number of chunks whose ids are kept.
    Subclasses give `segment_chunk(chunk)` -> tuple of ids, where an unknown character is `unknown(char)`.
    """

    def __init__(self, model, cache_size):
        escaped = model.normalizer["escape_whitespaces"]
        self.unk_id = model.types.index(UNKNOWN)
        self.ids = {p: i for i, (p, t) in enumerate(zip(model.pieces, model.types)) if not is_reserved(t) and p != "\0"}
        self.unused = {i for i, t in enumerate(model.types) if t == UNUSED}
        self.user_defined = {i for i, t in enumerate(model.types) if t == USER_DEFINED}
        self.byte_fallback = model.trainer["byte_fallback"]
        byte_ids = {BYTE_PIECES[p]: i for i, (p, t) in enumerate(zip(model.pieces, model.types)) if t == BYTE}
        self._byte_ids = [byte_ids[value] for value in range(256)] if self.byte_fallback else []
        self._joined = {piece[i : i + 2] for piece in self.ids for i in range(len(piece) - 1)}
        # a word begins with a space, or ends with one, unless a piece has a space elsewhere
        self._space_first = escaped and not any(a != SPACE and b == SPACE for a, b in self._joined)
        self._space_last = escaped and not any(a == SPACE and b != SPACE for a, b in self._joined)
        self._runs = SPACE * 2 in self._joined
        self._cache = _Cache(self._segment, cache_size)

    def encode(self, text):
        """The ids of normalised text."""
        ids = self.encode_unmerged(text)
        if not self.byte_fallback and self.unk_id in ids:
            ids = self.merge_unknown(ids)
        return ids

    def encode_unmerged(self, text):
        """The ids of normalised text, with one unknown id for each unknown character."""
        return list(chain.from_iterable(map(self._cache.__getitem__, self.words(text))))

    def words(self, text):
        """The text cut at its spaces where that is exact, else as one word."""
        if self._runs and SPACE * 2 in text:
            return [text]
        if self._space_first:
            words = text.replace(SPACE, " " + SPACE).split(" ")  # normalised text has no blanks
        elif self._space_last:
            words = text.replace(SPACE, SPACE + " ").split(" ")
        else:
            return [text] if text else []
        return words if words[0] and words[-1] else list(filter(None, words))

    def chunks(self, text):
        """The text cut wherever no piece can cross; yields strings."""
        joined = self._joined
        start = 0
        while start < len(text):
            end = min(start + _BLOCK, len(text))
            while end < len(text) and text[end - 1 : end + 1] in joined:
                end += 1
            block = text[start:end]
            pairs = map(joined.__contains__, map(add, block, block[1:]))
            begin = 0
            for cut in [i for i, inside in enumerate(pairs, 1) if not inside]:
                yield block[begin:cut]
                begin = cut
            yield block[begin:]
            start = end

    def _segment(self, word):
        chunks = list(self.chunks(word))
        if len(chunks) == 1:
            return self.segment_chunk(word)
        return tuple(chain.from_iterable(map(self._cache.__getitem__, chunks)))

    def segment_chunk(self, chunk):
        raise NotImplementedError

    def unknown(self, char):
        """The ids of a character that is in no piece."""
        if self.byte_fallback:
            return tuple([self._byte_ids[byte] for byte in char.encode("utf-8")])
        return (self.unk_id,)

    def merge_unknown(self, ids):
        """Neighbouring unknown characters are one unknown piece."""
        unk = self.unk_id
        return [i for i, previous in zip(ids, chain((None,), ids)) if i != unk or previous != unk]
