"""What unigram and BPE models share: cutting normalised text into chunks that no piece crosses, and a bounded cache
of them.

Two neighbouring characters that are neighbours in no piece are a place where every segmentation has a boundary. So a
text falls apart into chunks that can be segmented one by one: at the space symbol in most models, and in scripts
without spaces after one to three characters. Chunks repeat, so nearly all of them come out of the cache.

Between the chunk and the result ids are text: the character chr(i) stands for the id i. Such "id texts" are joined,
split and searched much faster than tuples of int are, and cost the garbage collector nothing. The three codes after the
last id are marks: `end` stands between words or texts, for `near_tie` and `close` see `Unigram`.
"""

from __future__ import annotations

import re
import sys
from array import array
from bisect import bisect_left
from itertools import accumulate, chain
from operator import itemgetter

from ._cache import Cache
from ._normalizer import SPACE, TEXT_END
from ._spm import BYTE, BYTE_PIECES, UNKNOWN, UNUSED, USER_DEFINED, SentencePieceError, is_reserved

_LONGEST_CHUNK, _LONGEST_WORD = 64, 256  # longer ones are not kept in the caches
_BLOCK = 1 << 16  # characters that are cut at a time, so that a text without spaces needs no more memory than others
_FEW = 100  # characters; a shorter word alone is cut faster by itself
_MARK_ROW = 0x2F  # the high byte of the marks put into a text; text has hardly any characters of that row of Unicode
_CUT, _JOIN = "\u2fe1", "\u2fe0"
_JOINED, _PERHAPS = 1, 2  # a pair that pieces have, and one that only one piece has: it counts where the text has that
_find_perhaps = re.compile(bytes([_PERHAPS])).finditer
_JOIN_BYTE = bytes([0xE1, 0xE0, 0xE0]) + bytes(253)  # 0 to the low byte of _CUT, the others to that of _JOIN
_MARK_HASH = 63  # from here on the hashes of pairs with a mark, below those of all others
_HASH_OF_FIRST = bytes(_MARK_HASH if row == _MARK_ROW else row * 7 % 32 for row in range(256))
_HASH_OF_SECOND = bytes(_MARK_HASH if row == _MARK_ROW else row * 3 % 32 for row in range(256))
_MARKS = 3
_UTF_32 = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"


def in_blocks(texts):
    """The texts in lists of at least `_BLOCK` characters; the last text of a list may be longer than that by itself."""
    texts = list(texts)
    totals, start, total = list(accumulate(map(len, texts))), 0, 0
    while start < len(texts):
        end = bisect_left(totals, total + _BLOCK, start) + 1
        yield texts[start:end]
        start, total = end, totals[min(end, len(texts)) - 1]


class Segmenter:
    """Base of `Unigram` and `BPE`.

    Arguments: `model`, an `SpmModel`; `cache_size`, the number of chunks whose ids are kept, and of half as many words.
    Subclasses give `segment_chunk(chunk)` -> id text, where an unknown character is `unknown(char)`, and an empty chunk
    is `end`. Many texts are encoded at once: their new words are cut together.
    """

    def __init__(self, model, cache_size):
        if len(model.pieces) + _MARKS > sys.maxunicode:
            raise SentencePieceError(
                "%s: %d pieces; at most %d are supported" % (model.source, len(model.pieces), sys.maxunicode - _MARKS)
            )
        escaped = model.normalizer["escape_whitespaces"]
        self.unk_id = model.types.index(UNKNOWN)
        self.ids = {p: i for i, (p, t) in enumerate(zip(model.pieces, model.types)) if not is_reserved(t) and p != "\0"}
        self.unused = {i for i, t in enumerate(model.types) if t == UNUSED}
        self.user_defined = {i for i, t in enumerate(model.types) if t == USER_DEFINED}
        self.byte_fallback = model.trainer["byte_fallback"]
        byte_ids = {BYTE_PIECES[p]: i for i, (p, t) in enumerate(zip(model.pieces, model.types)) if t == BYTE}
        self._byte_ids = [byte_ids[value] for value in range(256)] if self.byte_fallback else []
        places = {}  # of the pairs of neighbours: (piece, index) if only one piece has the pair, once
        for piece in self.ids:
            for k in range(len(piece) - 1):
                pair = piece[k : k + 2]
                places[pair] = None if pair in places else (piece, k)
        self._joined = set(map(tuple, places))
        self._only_place = {pair: place for pair, place in places.items() if place and pair != place[0]}
        self._has_marks = any(ord(char) >> 8 == _MARK_ROW for pair in places for char in pair)
        self._joined_hashes = bytearray((2 * _MARK_HASH + 1) << 16)
        for pairs, value in ((self._only_place, _PERHAPS), (places.keys() - self._only_place.keys(), _JOINED)):
            for k in _hashes(_JOIN.join(pairs).encode("utf-16-le")):
                if k < _MARK_HASH << 16:
                    self._joined_hashes[k] = value
        # a word begins with a space, or ends with one, unless a piece has a space elsewhere
        self._space_first = escaped and not any(a != SPACE and b == SPACE for a, b in self._joined)
        self._space_last = escaped and not any(a == SPACE and b != SPACE for a, b in self._joined)
        dummy_prefix = model.normalizer["add_dummy_prefix"] and not model.trainer["treat_whitespace_as_suffix"]
        self.word_prefix = SPACE if self._space_first and dummy_prefix else ""
        self._runs = (SPACE, SPACE) in self._joined
        self.end, self.near_tie, self.close = map(chr, range(len(model.pieces), len(model.pieces) + _MARKS))
        self._ids_of_chunk = Cache(self.segment_chunk, cache_size, _LONGEST_CHUNK)
        self._ids_of_word = Cache(self._segment_word, cache_size // 2, _LONGEST_WORD, never=TEXT_END)

    def encode(self, text):
        """The ids of normalised text."""
        return ids_of(self._merged(self.encode_words(self.words(text))))

    def encode_words(self, words):
        """The id text of the words of a normalised text, with one unknown id for each unknown character."""
        found = list(map(self._ids_of_word.__getitem__, words))
        id_text = "".join(found).replace(self.close, "")
        return id_text if self._holds(id_text) else self._encode_exactly(words, found)

    def encode_texts(self, words, text_end):
        """`encode_words` for several texts, between which the word `text_end` stands, at once: a list of id texts."""
        found = list(map(self._ids_of_word.get, words))
        missing = [k for k, id_text in enumerate(found) if id_text is None]
        results = self._look_up({words[k] for k in missing} - {text_end})
        results[text_end] = self.end
        for k in missing:
            found[k] = results[words[k]]
        id_texts = "".join(found).replace(self.close, "").split(self.end)
        doubtful = self._doubtful(id_texts)
        if doubtful:
            ends = [-1, *(k for k in missing if words[k] == text_end), len(words)]
            for k in doubtful:
                start, end = ends[k] + 1, ends[k + 1]
                id_texts[k] = self._encode_exactly(words[start:end], found[start:end])
        return id_texts

    def _look_up(self, words):
        """A new dictionary of the id texts of words, a set, that are not in the new generation of the cache."""
        results = self._ids_of_word.recalled(words)
        new = words.difference(results)
        results.update(zip(new, self._segment_words(new)))
        self._ids_of_word.keep(results)
        return results

    def _segment_words(self, words):
        """The id text of each word."""
        id_texts = []
        for group in in_blocks([self.word_prefix + word for word in words]):
            last = group.pop() if len(group[-1]) > _BLOCK else None
            if group:
                id_texts += self._segment(self._cut_words(group)).split(self.end)
            if last is not None:
                id_texts.append(self._segment(self._chunks(last)))
        return id_texts

    def _segment_word(self, word):
        return self._segment(self._chunks(self.word_prefix + word))

    def _segment(self, chunks):
        return "".join(map(self._ids_of_chunk.__getitem__, chunks))

    def _doubtful(self, id_texts):
        """The indices of those of which `_holds` is not true."""
        return []

    def _holds(self, id_text):
        """Whether the ids of the words of a text are those of the whole."""
        return True

    def _encode_exactly(self, words, id_texts):
        """The id text of a text of which that is not so, given those of its words."""
        raise NotImplementedError

    def rows(self, id_texts):
        """The ids of several id texts, a list of lists of int."""
        joined = self._merged(self.end.join(id_texts))
        ids, rows, start = ids_of(joined), [], 0
        for size in map(len, joined.split(self.end)):
            rows.append(ids[start : start + size])
            start += size + 1
        return rows

    def _merged(self, id_text):
        """Neighbouring unknown characters as one unknown piece; with byte fallback there are none."""
        unk = chr(self.unk_id)
        if not self.byte_fallback:
            while unk + unk in id_text:
                id_text = id_text.replace(unk + unk, unk)
        return id_text

    def words(self, text):
        """The words of normalised text, cut at its spaces where that is exact, else the text as one word; without
        `word_prefix`, which each of them has."""
        if not text:
            return []
        if self._runs and SPACE * 2 in text:
            return [text[len(self.word_prefix) :]]
        if self.word_prefix:
            return text[1:].split(SPACE)
        if self._space_first:
            words = text.replace(SPACE, " " + SPACE).split(" ")  # normalised text has no blanks
        elif self._space_last:
            words = text.replace(SPACE, SPACE + " ").split(" ")
        else:
            return [text]
        return words if words[0] and words[-1] else list(filter(None, words))

    def _chunks(self, text):
        """The chunks of a text: an iterator, because the text may be long."""
        return chain.from_iterable(self._cut_words([part]) for part in self._parts(text))

    def _parts(self, text):
        """Parts of the text that end where no piece can cross, as short as that allows but not below `_BLOCK`."""
        start = 0
        while start < len(text):
            end = min(start + _BLOCK, len(text))
            while end < len(text) and (text[end - 1], text[end]) in self._joined:
                end += 1
            yield text[start:end]
            start = end

    def _cut_words(self, words):
        """The chunks of several words, with an empty one between two words: a list of str.

        In UTF-16 the hashes of all pairs of neighbours are a few slice assignments, and a mark after each character is
        one more. Where two pairs have one hash a chunk may be longer than it need be. Words that have characters of
        four bytes, or the marks, are cut one by one.
        """
        if len(words) == 1 and len(words[0]) < _FEW:
            return self._cut(words[0])
        text = _JOIN.join(words)
        units, size = text.encode("utf-16-le"), len(text)
        if self._has_marks or len(units) > 2 * size or _CUT in text or text.count(_JOIN) >= len(words):
            if len(words) == 1:
                return self._cut(text)
            half = len(words) // 2
            return [*self._cut_words(words[:half]), "", *self._cut_words(words[half:])]
        joined = bytearray(itemgetter(*_hashes(units), 0, 0)(self._joined_hashes))
        joined[size - 1 :] = bytes([_JOINED])  # where a piece can cross the end of a character, and at the end
        for match in _find_perhaps(joined):
            end = match.start()
            place = self._only_place.get(text[end : end + 2])
            if place is None or not text.startswith(place[0], end - place[1]):
                joined[end] = 0
        marked = bytearray([_MARK_ROW]) * (4 * size)
        marked[0::4], marked[1::4], marked[2::4] = units[0::2], units[1::2], joined.translate(_JOIN_BYTE)
        return marked.decode("utf-16-le").replace(_JOIN, "").split(_CUT)

    def _cut(self, word):
        """The chunks of one word: a list of strings."""
        joined = bytes(map(self._joined.__contains__, zip(word, word[1:])))
        chunks, start = [], 0
        for run in joined.split(b"\0"):
            end = start + len(run) + 1
            chunks.append(word[start:end])
            start = end
        return chunks

    def segment_chunk(self, chunk):
        raise NotImplementedError

    def unknown(self, char):
        """The id text of a character that is in no piece."""
        if self.byte_fallback:
            return "".join([chr(self._byte_ids[byte]) for byte in char.encode("utf-8")])
        return chr(self.unk_id)


def ids_of(id_text):
    """The ids of an id text, a list of int."""
    return memoryview(id_text.encode(_UTF_32, "surrogatepass")).cast("I").tolist()


def _hashes(units):
    """The hash of each pair of neighbours of UTF-16 text: the low bytes, and a sum over the high bytes."""
    size = max(len(units) // 2 - 1, 0)
    rows = int.from_bytes(units[1:-2:2].translate(_HASH_OF_FIRST), "little")
    rows += int.from_bytes(units[3::2].translate(_HASH_OF_SECOND), "little")
    hashes = bytearray(4 * size)
    hashes[0::4], hashes[1::4], hashes[2::4] = units[:-2:2], units[2::2], rows.to_bytes(size, "little")
    hashes = array("I", bytes(hashes))
    if sys.byteorder == "big":
        hashes.byteswap()
    return hashes
