"""What unigram and BPE models share: cutting normalised text into chunks that no piece crosses, and a bounded cache
of them.

Two neighbouring characters that are neighbours in no piece are a place where every segmentation has a boundary. So a
text falls apart into chunks that can be segmented one by one: at the space symbol in most models, and in scripts
without spaces after one to three characters. Chunks repeat, so nearly all of them come out of the cache.
"""

from __future__ import annotations

from array import array
from itertools import chain

from ._cache import Cache
from ._normalizer import SPACE
from ._spm import BYTE, BYTE_PIECES, UNKNOWN, UNUSED, USER_DEFINED, is_reserved

_BLOCK = 1 << 15  # characters that are cut at a time, so that a text without spaces needs no more memory than others
_FEW = 100  # characters that are faster cut word by word
_CUT, _JOIN, _WORD = "\uffff", "\ufffe", "\0"  # marks put into a text, which text seldom has
_JOIN_BYTE = bytes([0xFF, 0xFE]) + bytes(254)  # 0 and 1 to the low bytes of _CUT and _JOIN


def in_blocks(texts):
    """The texts in lists of at least `_BLOCK` characters; the last text of a list may be longer than that by itself."""
    block, size = [], 0
    for text in texts:
        block.append(text)
        size += len(text)
        if size >= _BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block


class Segmenter:
    """Base of `Unigram` and `BPE`.

    Arguments: `model`, an `SpmModel`; `cache_size`, the number of chunks whose ids are kept.
    Subclasses give `segment_chunk(chunk)` -> tuple of ids, where an unknown character is `unknown(char)`. What
    many texts have in common is done once: each different word is looked up once, and new words are cut together.
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
        self._joined_units = {unit for pair in self._joined for unit in _pairs("".join(pair).encode("utf-16-le"))}
        # a word begins with a space, or ends with one, unless a piece has a space elsewhere
        self.space_first = escaped and not any(a != SPACE and b == SPACE for a, b in self._joined)
        self._space_last = escaped and not any(a == SPACE and b != SPACE for a, b in self._joined)
        self._runs = (SPACE, SPACE) in self._joined
        self._cache = Cache(self.segment_chunk, cache_size)

    def encode(self, text):
        """The ids of normalised text."""
        return self.merged(self.encode_words(self.words(text)))

    def encode_words(self, words):
        """The ids of normalised text that is cut into words, with one unknown id for each unknown character."""
        found = list(map(self._cache.get, words))
        if all(found):
            return self._joined_ids(words, found)
        return self.encode_lines([words])[0]

    def encode_lines(self, lines):
        """`encode_words` for several texts at once: a list of lists of int."""
        found = self._cache.known(set(chain.from_iterable(lines)))
        missing = [word for word, ids in found.items() if ids is None]
        ids_of_chunk = self._cache.__getitem__
        for word, chunks in zip(missing, self._cut_words(missing)):
            if chunks == [word]:
                found[word] = ids_of_chunk(word)
            else:
                found[word] = ids = tuple(chain.from_iterable(map(ids_of_chunk, chunks)))
                self._cache.keep(word, ids)
        ids_of_word = found.__getitem__
        return [self._joined_ids(words, list(map(ids_of_word, words))) for words in lines]

    def _joined_ids(self, words, found):
        """The ids of a text, given those of each of its words."""
        return list(chain.from_iterable(found))

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

    def _cut_words(self, words):
        """Each word cut wherever no piece can cross: an iterator of iterables of strings."""
        for group in in_blocks(words):
            last = group.pop() if len(group[-1]) > _BLOCK else None
            if group:
                yield from self._cut_together(group)
            if last is not None:
                yield chain.from_iterable(next(self._cut_together([part])) for part in self._parts(last))

    def _parts(self, text):
        """Parts of the text that end where no piece can cross, as short as that allows but not below `_BLOCK`."""
        start = 0
        while start < len(text):
            end = min(start + _BLOCK, len(text))
            while end < len(text) and (text[end - 1], text[end]) in self._joined:
                end += 1
            yield text[start:end]
            start = end

    def _cut_together(self, words):
        """`_cut` for several words: an iterator of lists of strings.

        In UTF-16 a pair of neighbours is one integer, and a mark after each character is one slice assignment. Words
        that have characters of four bytes, or the marks, are cut one by one.
        """
        text = _WORD.join(words)
        if len(text) < _FEW:
            return map(self._cut, words)
        units, size = text.encode("utf-16-le"), len(text)
        if len(units) > 2 * size or _CUT in text or _JOIN in text or text.count(_WORD) >= len(words):
            if len(words) == 1:
                return iter([self._cut(text)])
            half = len(words) // 2
            return chain(self._cut_together(words[:half]), self._cut_together(words[half:]))
        joined = bytearray(b"\1") * size  # 1 where a piece can cross the end of a character
        joined[: size - 1] = bytes(map(self._joined_units.__contains__, _pairs(units)))
        marked = bytearray(b"\xff") * (4 * size)
        marked[0::4], marked[1::4], marked[2::4] = units[0::2], units[1::2], joined.translate(_JOIN_BYTE)
        text = marked.decode("utf-16-le").replace(_JOIN, "").replace(_CUT + _WORD + _CUT, _WORD)
        return map(_split_at_cuts, text.split(_WORD))

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
        """The ids of a character that is in no piece."""
        if self.byte_fallback:
            return tuple([self._byte_ids[byte] for byte in char.encode("utf-8")])
        return (self.unk_id,)


def _split_at_cuts(text):
    return text.split(_CUT)


def _pairs(units):
    """The pairs of neighbours of UTF-16 text as integers; the low bytes, which differ most, are the hash's low bits."""
    pairs = bytearray(max(2 * len(units) - 4, 0))
    pairs[0::4], pairs[1::4], pairs[2::4], pairs[3::4] = units[:-2:2], units[2::2], units[1:-2:2], units[3::2]
    return array("I", bytes(pairs))
