"""The fast way from text to ids and offsets: what was cut once is looked up.

ASCII text gets spaces around its marks and is split into words, whose ids are looked up one word at a time. Text with
ideographs is taken as runs of characters that stand alone whatever their neighbours are (ideographs, full-width
punctuation), whose ids are looked up one character at a time, and the runs between them, which are split at white space
into chunks as they are ("Hello," with its case and comma), whose ids are looked up one chunk at a time. Any other text
goes through `spaced`. The caches are bounded; they start empty.
"""

from __future__ import annotations

import re
from itertools import accumulate, chain, compress

from . import _unicode
from ._bert_normalizer import SIGMA, mark_spaced, spaced, spelled, without_ascii_controls
from .vocab import stem

# characters that stand alone; not all there are (the rest is found in the chunks), but most of CJK text
_ALONE = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff" + "".join(filter(_unicode.is_punctuation, _unicode.CJK_PUNCTUATION))
_ASCII_PUNCTUATION = re.escape("".join(sorted(_unicode.ASCII_PUNCTUATION)))
# splits a text into [alone, between, alone, between, ..., alone]; ASCII punctuation that follows such a character
# counts as alone, which spares a run
_split_runs = re.compile("([^%s%s][^%s]*)" % (_ALONE, _ASCII_PUNCTUATION, _ALONE)).split
_find_cjk = re.compile("[\u2e80-\uffff]").search

# where `str.split` knows a separator that WordPiece drops, white space must not be sought in the text as it is
_DROPPED_SPACES = "\x0b\x0c\x1c\x1d\x1e\x1f\x85"

_LONGEST_KEY = 64
_BLOCK, _SHORT = 64, 2000  # texts, characters
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
        token_dict: token -> id, of the tokens that words are made of.
        unknown_id: function from a token that is not there to the id it gets.
        unspelled: function from a word that cannot be spelled to the token that stands for it.
        lower, word_maxlen: as in `Tokenizer`.
        cache_size: of each cache, in entries.
    """

    def __init__(self, token_dict, unknown_id, unspelled, lower, word_maxlen, cache_size):
        self.token_dict, self.unknown_id, self._unspelled = token_dict, unknown_id, unspelled
        self.lower, self.word_maxlen = lower, word_maxlen
        # texts with one of these must stay whole; a capital sigma must be seen with all that is around it
        self._whole = _DROPPED_SPACES + (SIGMA if lower else "")
        self._longest = max(map(len, token_dict), default=0)
        self._insides = {token[2:] for token in token_dict if token[:2] == "##"}
        self.pieces = Cache(lambda word: self._cut(word) or (self._unspelled(word),), cache_size).__getitem__
        self._ids_of_word = Cache(self._compute_word_ids, cache_size).__getitem__
        self._ids_of_chunk = Cache(self._compute_ids, cache_size).__getitem__
        self._inner_spans = Cache(self._compute_inner_spans, cache_size).__getitem__
        self._spans_of_chunk = Cache(self._compute_spans, cache_size).__getitem__
        self._id_of_char = Cache(lambda ch: self._compute_ids(ch)[0], cache_size).__getitem__

    def _cut(self, word):
        """The longest piece of the vocabulary that the word begins with, and so on; None where that fails."""
        if len(word) > self.word_maxlen:
            return None
        known, pieces, start = self.token_dict, [], 0
        while start < len(word):
            piece = word[start : start + self._longest]
            while piece not in known:
                piece = piece[:-1]
                if not piece:
                    return None
            pieces.append("##" + piece if start else piece)
            start += len(piece)
            known = self._insides
        return pieces

    def _compute_word_ids(self, word):
        find = self.token_dict.get
        i = find(word)
        if i is not None and len(word) <= self.word_maxlen:
            return (i,)
        pieces = self._cut(word)
        return (self.unknown_id(word),) if pieces is None else tuple([find(piece) for piece in pieces])

    def _compute_ids(self, chunk):
        if chunk.isalnum() and chunk.isascii():  # one word, as most chunks are
            return self._ids_of_word(chunk.lower() if self.lower else chunk)
        words = spaced(chunk, self.lower).split()
        if len(words) == 1:
            return self._ids_of_word(words[0])
        return tuple(_flat(map(self._ids_of_word, words)))

    def word_ids(self, text: str) -> list[int]:
        """Return the index of the word that each id of a text belongs to.

        Arguments:
            text: str. The text.

        Returns:
            int[]. A new list, as long as `ids(text)`.
        """
        counts = map(len, map(self._ids_of_word, spaced(text, self.lower).split()))
        return [word for word, count in enumerate(counts) for _ in range(count)]

    def _compute_inner_spans(self, word):
        """(start, end) in the word for each of its pieces, None if it is one."""
        pieces = self.pieces(word)
        if len(pieces) == 1:
            return None
        ends = [0, *accumulate(len(stem(piece)) for piece in pieces)]
        return tuple(zip(ends, ends[1:]))

    def _compute_spans(self, chunk):
        """(start, end) in the chunk, for each of its pieces."""
        if chunk.isascii() and chunk.isprintable():
            return tuple(self._offsets_of_words(chunk))
        pairs = spelled(chunk, self.lower)
        origins = [i for part, i in pairs for c in part if not c.isspace()]
        spans, position = [], 0
        for word in "".join(part for part, _ in pairs).split():
            pieces = self.pieces(word)
            for size in map(len, map(stem, pieces)) if len(pieces) > 1 else [len(word)]:
                end = position + size
                where = origins[position:end]
                spans.append((min(where), max(where) + 1))
                position = end
        return tuple(spans)

    def ids_of_texts(self, texts):
        """The ids of each text: a list of new lists."""
        rows = []
        for k in range(0, len(texts), _BLOCK):
            rows += self._ids_of_block(texts[k : k + _BLOCK])
        return rows

    def _ids_of_block(self, texts):
        """Short ASCII texts are taken together, one on a line; the others one by one."""
        together = [len(text) < _SHORT and text.isascii() and text.isprintable() for text in texts]
        block = mark_spaced("\n".join(compress(texts, together)), self.lower)
        rows = iter([[*_flat(map(self._ids_of_word, line.split()))] for line in block.split("\n")])
        return [next(rows) if short else self.ids(text) for short, text in zip(together, texts)]

    def ids(self, text):
        """The ids of a text: a new list."""
        if text.isascii():
            words = mark_spaced(without_ascii_controls(text), self.lower).split()
        elif _find_cjk(text) and not self._must_stay_whole(text):
            return self._ids_of_runs(text)
        else:
            words = spaced(text, self.lower).split()
        return [*_flat(map(self._ids_of_word, words))]

    def _must_stay_whole(self, text):
        """Does the text have one of the characters for which it must not be cut into runs and chunks?"""
        for ch in self._whole:
            if ch in text:
                return True
        return False

    def _ids_of_runs(self, text):
        runs = _split_runs(text)
        ids = [*map(self._id_of_char, runs[0])]
        for k in range(1, len(runs), 2):
            ids += _flat(map(self._ids_of_chunk, runs[k].split()))
            ids += map(self._id_of_char, runs[k + 1])
        return ids

    def offsets(self, text):
        """(start, end) in the characters of the text for each of its ids: a new list."""
        if text.isascii() and text.isprintable():
            return self._offsets_of_words(text)
        if self._must_stay_whole(text):
            return list(self._compute_spans(text))
        offsets, position = [], 0
        for k, run in enumerate(_split_runs(text)):
            end = position + len(run)
            if k % 2:
                offsets += self._offsets_of_chunks(run, position)
            else:
                offsets += zip(range(position, end), range(position + 1, end + 1))
            position = end
        return offsets

    def _offsets_of_words(self, text):
        """The offsets of a text in which only spaces are between the characters of the words."""
        words = mark_spaced(text, self.lower).split()
        offsets, start = [], 0
        for word, inner in zip(words, map(self._inner_spans, words)):
            while text[start] == " ":
                start += 1
            end = start + len(word)
            if inner is None:
                offsets.append((start, end))
            else:
                offsets += [(start + a, start + b) for a, b in inner]
            start = end
        return offsets

    def _offsets_of_chunks(self, run, position):
        """The offsets of a run that begins at `position` of the text."""
        offsets, end = [], 0
        for chunk in run.split():
            start = run.index(chunk, end)
            end = start + len(chunk)
            offset = position + start
            offsets += [(offset + a, offset + b) for a, b in self._spans_of_chunk(chunk)]
        return offsets
