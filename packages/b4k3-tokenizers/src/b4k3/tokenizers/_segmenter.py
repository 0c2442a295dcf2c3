"""What unigram and BPE models share: words and chunks of normalised text out of bounded caches, because they repeat.

Between the chunk and the result ids are text: the character chr(i) stands for the id i. Such "id texts" are joined,
split and searched much faster than tuples of int are, and cost the garbage collector nothing. The three codes after the
last id are marks: `end` stands between words or texts, for `near_tie` and `close` see `Unigram`.
"""

from __future__ import annotations

import sys
from array import array

from ._cache import Cache
from ._cutter import BLOCK, Cutter, in_blocks
from ._normalizer import SPACE, TEXT_END
from ._spm import BYTE, BYTE_PIECES, UNKNOWN, UNUSED, USER_DEFINED, SentencePieceError, is_reserved

_LONGEST_CHUNK, _LONGEST_WORD = 64, 256  # longer ones are not kept in the caches
_MARKS = 3
_UTF_32 = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"


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
        self.cutter = Cutter(self.ids)
        # a word begins with a space, or ends with one, unless a piece has a space elsewhere
        self._space_first = escaped and not any(a != SPACE and b == SPACE for a, b in self.cutter.pairs)
        self._space_last = escaped and not any(a == SPACE and b != SPACE for a, b in self.cutter.pairs)
        dummy_prefix = model.normalizer["add_dummy_prefix"] and not model.trainer["treat_whitespace_as_suffix"]
        self.word_prefix = SPACE if self._space_first and dummy_prefix else ""
        self._has_blanks = not escaped  # in the normalised text
        self._runs = (SPACE, SPACE) in self.cutter.pairs
        self._cut_space = " " + SPACE if self._space_first else SPACE + " " if self._space_last else SPACE
        self.end, self.near_tie, self.close = map(chr, range(len(model.pieces), len(model.pieces) + _MARKS))
        self._ids_of_chunk = Cache(self.segment_chunk, cache_size, _LONGEST_CHUNK)
        self._ids_of_word = Cache(self._segment_word, cache_size // 2, _LONGEST_WORD)

    def encode(self, text):
        """The ids of normalised text."""
        return ids_of(self._merged(self.id_text(text)))

    def id_text(self, text):
        """The id text of normalised text, with one unknown id for each unknown character."""
        words = self.words(text)
        # in the cache, the word `TEXT_END` has another meaning
        found = list(map(self._segment_word if TEXT_END in text else self._ids_of_word.__getitem__, words))
        id_text = "".join(found).replace(self.close, "")
        return id_text if self._holds(id_text) else self._encode_exactly(words, found)

    def id_texts(self, words):
        """The id texts of several texts, given their words, and the word `TEXT_END` between two texts."""
        found = list(map(self._ids_of_word.get, words))
        missing = [k for k, id_text in enumerate(found) if id_text is None]
        results = self._look_up({words[k] for k in missing})
        for k in missing:
            found[k] = results[words[k]]
        joined = "".join(found).replace(self.close, "")
        id_texts = joined.split(self.end)
        doubtful = self._doubtful(id_texts, joined)
        if doubtful:
            ends = [-1]
            while len(ends) < len(id_texts):
                ends.append(words.index(TEXT_END, ends[-1] + 1))
            ends.append(len(words))
            for k in doubtful:
                start, end = ends[k] + 1, ends[k + 1]
                id_texts[k] = self._encode_exactly(words[start:end], found[start:end])
        return id_texts

    def _look_up(self, words):
        """A new dictionary of the id texts of words, a set, that are not in the new generation of the cache."""
        results = self._ids_of_word.recalled(words)
        if TEXT_END in words:
            results[TEXT_END] = self.end
        new = words.difference(results) if results else words
        results.update(zip(new, self._segment_words(new)))
        self._ids_of_word.keep(results)
        return results

    def _segment_words(self, words):
        """The id text of each word."""
        id_texts = []
        for group in in_blocks(words):
            last = group.pop() if len(group[-1]) > BLOCK else None
            if group:
                id_texts += self._segment(self.cutter.cut(group, self.word_prefix)).split(self.end)
            if last is not None:
                id_texts.append(self._segment_word(last))
        return id_texts

    def _segment_word(self, word):
        return self._segment(self.cutter.chunks(self.word_prefix + word))

    def _segment(self, chunks):
        return "".join(map(self._ids_of_chunk.__getitem__, chunks))

    def _doubtful(self, id_texts, joined):
        """The indices of those of which `_holds` is not true; they are given joined, too."""
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
        # not a list of all ids: the garbage collector, which runs as the rows are made, would walk through it
        ids, rows, start = _array_of(joined), [], 0
        for size in map(len, joined.split(self.end)):
            rows.append(ids[start : start + size].tolist())
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
        if self._has_blanks or self._runs and SPACE * 2 in text:
            return [text[len(self.word_prefix) :]]
        if self.word_prefix:
            return text[1:].split(SPACE)
        return list(filter(None, text.replace(SPACE, self._cut_space).split(" ")))

    def words_of_block(self, block):
        """`words` of several normalised texts, joined with `TEXT_END`, which is a word too; with a `word_prefix`, no
        text is empty. None where only `words` is exact."""
        if self._has_blanks or self._runs and SPACE * 2 in block:
            return None
        if self.word_prefix:
            return block[1:].replace(TEXT_END + SPACE, SPACE + TEXT_END + SPACE).split(SPACE)
        block = block.replace(TEXT_END, " %s " % TEXT_END).replace(SPACE, self._cut_space)
        return list(filter(None, block.split(" ")))

    def segment_chunk(self, chunk):
        raise NotImplementedError

    def unknown(self, char):
        """The id text of a character that is in no piece."""
        if self.byte_fallback:
            return "".join([chr(self._byte_ids[byte]) for byte in char.encode("utf-8")])
        return chr(self.unk_id)


def ids_of(id_text):
    """The ids of an id text, a list of int."""
    return _array_of(id_text).tolist()


def _array_of(id_text):
    return array("I", id_text.encode(_UTF_32, "surrogatepass"))
