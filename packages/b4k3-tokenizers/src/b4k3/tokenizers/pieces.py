"""The fast way from text to ids and offsets: what was cut once is looked up.

A text is taken as runs of characters that stand alone whatever their neighbours are (ideographs, full-width
punctuation), whose ids are looked up one character at a time, and the runs between them, which are split at white space
into chunks as they are ("Hello," with its case and comma), whose ids are looked up one chunk at a time. Only a chunk that
was not met before is normalised and cut into pieces. The caches are bounded; they start empty.
"""

from __future__ import annotations

import re
from itertools import chain

from . import _unicode
from .text import SIGMA, spaced, spelled
from .vocab import stem

# characters that stand alone; not all there are (the rest is found in the chunks), but most of CJK text
_ALONE = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff" + "".join(filter(_unicode.is_punctuation, _unicode.CJK_PUNCTUATION))
_ASCII_PUNCTUATION = re.escape("".join(sorted(_unicode.ASCII_PUNCTUATION)))
# splits a text into [alone, between, alone, between, ..., alone]; ASCII punctuation that does not touch a word counts as
# alone, since it spares a run
_split_runs = re.compile("([^%s%s][^%s]*)" % (_ALONE, _ASCII_PUNCTUATION, _ALONE)).split

# where `str.split` knows a separator that WordPiece drops, white space must not be sought in the text as it is
_DROPPED_SPACES = "\x0b\x0c\x1c\x1d\x1e\x1f\x85"

_LONGEST_KEY = 64
_flat = chain.from_iterable


class Cache(dict):
    """`compute(key)` for each key, remembered for short keys, and forgotten altogether when there are `size`."""

    def __init__(self, compute, size):
        super().__init__()
        self.compute, self.size = compute, size

    def __missing__(self, key):
        value = self.compute(key)
        if len(key) <= _LONGEST_KEY:
            if len(self) >= self.size:
                self.clear()
            self[key] = value
        return value


class WordPieces:
    """Pieces, ids and offsets of words and texts, for one vocabulary.

    Arguments:
        token_dict: token -> id.
        unknown_id: function from a token that is not there to the id it gets.
        lower, word_maxlen: as in `Tokenizer`.
        cache_size: of each cache, in entries.
    """

    def __init__(self, token_dict, unknown_id, lower, word_maxlen, cache_size):
        self.token_dict, self.unknown_id = token_dict, unknown_id
        self.lower, self.word_maxlen = lower, word_maxlen
        # texts with one of these are not cut into runs; a capital sigma must be seen with all that is around it
        self._whole = _DROPPED_SPACES + (SIGMA if lower else "")
        self.longest = max(map(len, token_dict), default=0)
        self.pieces = Cache(self._pieces, cache_size).__getitem__
        self._ids_of_chunk = Cache(self._compute_ids, cache_size).__getitem__
        self._spans_of_chunk = Cache(self._compute_spans, cache_size).__getitem__
        self._id_of_char = Cache(lambda ch: self._compute_ids(ch)[0], cache_size).__getitem__

    def _pieces(self, word):
        """The longest piece of the vocabulary that the word begins with, and so on; the word where that fails."""
        if len(word) > self.word_maxlen:
            return (word,)
        pieces, start, prefix = [], 0, ""
        while start < len(word):
            for end in range(min(len(word), start + self.longest), start, -1):
                piece = prefix + word[start:end]
                if piece in self.token_dict:
                    break
            else:
                return (word,)
            pieces.append(piece)
            start, prefix = end, "##"
        return tuple(pieces)

    def _compute_ids(self, chunk):
        return tuple(
            self.unknown_id(piece) if i is None else i
            for word in spaced(chunk, self.lower).split()
            for piece in self.pieces(word)
            for i in (self.token_dict.get(piece),)
        )

    def _compute_spans(self, chunk):
        """(start, end) in the chunk, for each of its pieces."""
        pairs = spelled(chunk, self.lower)
        origins = [i for part, i in pairs for c in part if not c.isspace()]
        spans, position = [], 0
        for word in "".join(part for part, _ in pairs).split():
            for piece in self.pieces(word):
                end = position + len(stem(piece))
                where = origins[position:end]
                spans.append((min(where), max(where) + 1))
                position = end
        return tuple(spans)

    def ids(self, text):
        """The ids of a text: a new list."""
        for ch in self._whole:
            if ch in text:
                return list(self._compute_ids(text))
        if text.isascii():
            return [*_flat(map(self._ids_of_chunk, text.split()))]
        runs = _split_runs(text)
        ids = [*map(self._id_of_char, runs[0])]
        for k in range(1, len(runs), 2):
            ids += _flat(map(self._ids_of_chunk, runs[k].split()))
            ids += map(self._id_of_char, runs[k + 1])
        return ids

    def offsets(self, text):
        """(start, end) in the characters of the text for each of its ids: a new list."""
        for ch in self._whole:
            if ch in text:
                return list(self._compute_spans(text))
        if text.isascii():
            return self._offsets_of_chunks(text, 0)
        offsets, position = [], 0
        for k, run in enumerate(_split_runs(text)):
            end = position + len(run)
            if k % 2:
                offsets += self._offsets_of_chunks(run, position)
            else:
                offsets += zip(range(position, end), range(position + 1, end + 1))
            position = end
        return offsets

    def _offsets_of_chunks(self, run, position):
        """The offsets of a run that begins at `position` of the text."""
        offsets, end = [], 0
        for chunk in run.split():
            start = run.index(chunk, end)
            end = start + len(chunk)
            start += position
            offsets += [(start + a, start + b) for a, b in self._spans_of_chunk(chunk)]
        return offsets
