"""What unigram and BPE models share: cutting normalised text into chunks that no piece crosses, and a bounded cache
of them.

Two neighbouring characters that are neighbours in no piece are a place where every segmentation has a boundary. So a
text falls apart into chunks that can be segmented one by one: at the space symbol in most models, and in scripts
without spaces after one to three characters. Chunks repeat, so nearly all of them come out of the cache.
"""

from __future__ import annotations

from itertools import chain

from ._cache import Cache
from ._normalizer import SPACE
from ._spm import BYTE, BYTE_PIECES, UNKNOWN, UNUSED, USER_DEFINED, is_reserved

_BLOCK = 1 << 16  # characters that are cut at a time, so that a text without spaces needs no more memory than others


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
        self._joined = {pair for piece in self.ids for pair in zip(piece, piece[1:])}
        # a word begins with a space, or ends with one, unless a piece has a space elsewhere
        self.space_first = escaped and not any(a != SPACE and b == SPACE for a, b in self._joined)
        self._space_last = escaped and not any(a == SPACE and b != SPACE for a, b in self._joined)
        self._runs = (SPACE, SPACE) in self._joined
        self._cache = Cache(self._segment, cache_size)

    def encode(self, text):
        """The ids of normalised text."""
        return self.merged(self.encode_words(self.words(text)))

    def encode_words(self, words):
        """The ids of normalised text that is cut into words, with one unknown id for each unknown character."""
        return list(chain.from_iterable(map(self._cache.__getitem__, words)))

    def merged(self, ids):
        """The ids with neighbouring unknown characters as one unknown piece; with byte fallback there are none."""
        unk = self.unk_id
        if self.byte_fallback or unk not in ids:
            return ids
        return [i for i, previous in zip(ids, chain((None,), ids)) if i != unk or previous != unk]

    def words(self, text):
        """The text cut at its spaces where that is exact, else as one word."""
        if self._runs and SPACE * 2 in text:
            return [text]
        if self.space_first:
            words = text.replace(SPACE, " " + SPACE).split(" ")  # normalised text has no blanks
        elif self._space_last:
            words = text.replace(SPACE, SPACE + " ").split(" ")
        else:
            return [text] if text else []
        return words if words[0] and words[-1] else list(filter(None, words))

    def chunks(self, text):
        """The text cut wherever no piece can cross: an iterator of strings."""
        return chain.from_iterable(map(self._cut, self._blocks(text)))

    def _blocks(self, text):
        """Parts of the text that end where no piece can cross, as short as that allows but not below `_BLOCK`."""
        start = 0
        while start < len(text):
            end = min(start + _BLOCK, len(text))
            while end < len(text) and (text[end - 1], text[end]) in self._joined:
                end += 1
            yield text[start:end]
            start = end

    def _cut(self, block):
        joined = bytes(map(self._joined.__contains__, zip(block, block[1:])))
        if 0 not in joined:
            return [block]
        chunks, start = [], 0
        for run in joined.split(b"\0"):
            end = start + len(run) + 1
            chunks.append(block[start:end])
            start = end
        return chunks

    def _segment(self, word):
        if len(word) > _BLOCK:
            blocks = list(self._blocks(word))
            if len(blocks) > 1:
                return tuple(chain.from_iterable(map(self._segment, blocks)))
        chunks = self._cut(word)
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
