"""Go from text to WordPiece ids and offsets the fast way: what was cut once is looked up in a cache.

There are three ways for a text, and the fastest that is exact is taken:

    "Hello, world"      ASCII: spaces are put around the marks, and each word is looked up: "hello", ",", "world"
    "我爱Hello, 世界"    ideographs: the text is split into runs
                            "我爱"        characters that are words whatever their neighbours are; each is looked up
                            "Hello, "     split at white space as it is; the chunk "Hello," is looked up, case and comma
                            "世界"        again characters that are words
    anything else       `spaced`, then each word is looked up

The runs are exact, because an ideograph or a full-width mark is a word of its own, whatever its neighbours are, and
white space ends a word. Two kinds of text have to stay whole: with some control characters, which `str.split` takes for
spaces although WordPiece drops them, and with a capital sigma, whose lower case depends on its neighbours. The caches
are bounded, and empty at the start. `educational.WordPiece` is the algorithm without all this.
"""

from __future__ import annotations

import re
from itertools import accumulate, chain, compress
from typing import Any, Callable, Sequence

from . import _unicode
from ._bert_normalizer import CharTable, mark_spaced, spaced, spelled, without_ascii_controls
from .vocab import stem

# Most characters of Chinese text that are words of their own. The others are found in the chunks.
_ALONE = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff" + "".join(filter(_unicode.is_punctuation, _unicode.CJK_PUNCTUATION))
_ASCII_PUNCTUATION = re.escape("".join(sorted(_unicode.ASCII_PUNCTUATION)))
# This splits a text into [alone, between, alone, between, ..., alone]. ASCII punctuation right after a character that
# is a word of its own goes with it, which saves a run.
_split_runs = re.compile(f"([^{_ALONE}{_ASCII_PUNCTUATION}][^{_ALONE}]*)").split
_find_cjk = re.compile("[\u2e80-\uffff]").search

# `str.split` takes these characters for separators, but WordPiece drops them.
_DROPPED_SPACES = "\x0b\x0c\x1c\x1d\x1e\x1f\x85"

_LONGEST_KEY = 64  # Caches do not keep longer words and chunks.
_BLOCK, _SHORT = 64, 2000  # So many texts are taken together, if each has fewer than so many characters.
_flat = chain.from_iterable


class WordCache(dict):
    """Map a text to `compute(text)`, and remember the results of short texts. When it is full it is emptied.

    Arguments:
        compute: function from str to the result.
        size: int. The number of results that are kept.

    Example:
        >>> cache = WordCache(str.upper, size=2)
        >>> cache["a"], cache["b"], cache["c"], dict(cache)
        ('A', 'B', 'C', {'c': 'C'})
    """

    def __init__(self, compute: Callable[[str], Any], size: int) -> None:
        super().__init__()
        self.compute, self.size = compute, size

    def __missing__(self, key: str) -> Any:
        value = self.compute(key)
        if len(key) <= _LONGEST_KEY:
            if len(self) >= self.size:
                self.clear()
            self[key] = value
        return value


class FastWordPiece:
    """Find the pieces, ids and offsets of words and texts for one vocabulary.

    Arguments:
        token_dict: dict of str to int. The tokens that words are made of, and their ids.
        unknown_id: function from str to int. It gives the id of a token that is not in `token_dict`.
        unspelled: function from str to str. It gives the token that stands for a word without pieces.
        table: CharTable. What becomes of the characters of a text before it is cut.
        word_maxlen: int. A longer word is unknown as a whole.
        cache_size: int. The number of results that each cache keeps.

    Attributes:
        pieces: function from str to the sequence of the pieces of a word.

    Example:
        >>> from b4k3.tokenizers._bert_normalizer import char_table
        >>> token_dict = {"[UNK]": 0, "un": 1, "##able": 2, ",": 3}
        >>> words = FastWordPiece(token_dict, lambda token: 0, lambda word: "[UNK]", char_table(lower=True), 200, 100)
        >>> words.pieces("unable"), words.ids("Unable, x"), words.offsets("Unable, x")
        (['un', '##able'], [1, 2, 3, 0], [(0, 2), (2, 6), (6, 7), (8, 9)])
    """

    def __init__(
        self,
        token_dict: dict[str, int],
        unknown_id: Callable[[str], int],
        unspelled: Callable[[str], str],
        table: CharTable,
        word_maxlen: int,
        cache_size: int,
    ) -> None:
        self.token_dict, self.unknown_id, self._unspelled = token_dict, unknown_id, unspelled
        self.table, self.lower, self.word_maxlen = table, table.lower, word_maxlen
        # A text with one of these characters must stay whole.
        self._whole = _DROPPED_SPACES + table.undecided
        self._longest = max(map(len, token_dict), default=0)
        self._insides = {token[2:] for token in token_dict if token[:2] == "##"}
        self.pieces = WordCache(lambda word: self._cut(word) or (self._unspelled(word),), cache_size).__getitem__
        self._ids_of_word = WordCache(self._compute_word_ids, cache_size).__getitem__
        self._ids_of_chunk = WordCache(self._compute_ids, cache_size).__getitem__
        self._inner_spans = WordCache(self._compute_inner_spans, cache_size).__getitem__
        self._spans_of_chunk = WordCache(self._compute_spans, cache_size).__getitem__
        self._id_of_char = WordCache(lambda ch: self._compute_ids(ch)[0], cache_size).__getitem__

    def _cut(self, word: str) -> list[str] | None:
        """Take the longest piece that the word begins with, and so on. Return None if no piece fits somewhere."""
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

    def _compute_word_ids(self, word: str) -> tuple[int, ...]:
        find = self.token_dict.get
        i = find(word)
        if i is not None and len(word) <= self.word_maxlen:
            return (i,)
        pieces = self._cut(word)
        return (self.unknown_id(word),) if pieces is None else tuple([find(piece) for piece in pieces])

    def _compute_ids(self, chunk: str) -> tuple[int, ...]:
        if chunk.isalnum() and chunk.isascii():  # Most chunks are one word.
            return self._ids_of_word(chunk.lower() if self.lower else chunk)
        words = spaced(chunk, self.table).split()
        if len(words) == 1:
            return self._ids_of_word(words[0])
        return tuple(_flat(map(self._ids_of_word, words)))

    def word_ids(self, text: str) -> list[int]:
        """Return the index of the word that each id of a text belongs to.

        Arguments:
            text: str. The text.

        Returns:
            list of int. A new list, as long as `ids(text)`.
        """
        counts = map(len, map(self._ids_of_word, spaced(text, self.table).split()))
        return [word for word, count in enumerate(counts) for _ in range(count)]

    def _compute_inner_spans(self, word: str) -> tuple[tuple[int, int], ...] | None:
        """Return (start, end) in the word for each of its pieces, None if it is one piece."""
        pieces = self.pieces(word)
        if len(pieces) == 1:
            return None
        ends = [0, *accumulate(len(stem(piece)) for piece in pieces)]
        return tuple(zip(ends, ends[1:]))

    def _compute_spans(self, chunk: str) -> tuple[tuple[int, int], ...]:
        """Return (start, end) in the chunk for each of its pieces."""
        if chunk.isascii() and chunk.isprintable():
            return tuple(self._offsets_of_words(chunk))
        pairs = spelled(chunk, self.table)
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

    def ids_of_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of several texts.

        Arguments:
            texts: sequence of str. The texts.

        Returns:
            list of lists of int. A new list for each text.
        """
        rows = []
        for k in range(0, len(texts), _BLOCK):
            rows += self._ids_of_block(texts[k : k + _BLOCK])
        return rows

    def _ids_of_block(self, texts: Sequence[str]) -> list[list[int]]:
        """Take short ASCII texts together, one on a line, and the other texts one by one."""
        together = [len(text) < _SHORT and text.isascii() and text.isprintable() for text in texts]
        block = mark_spaced("\n".join(compress(texts, together)), self.lower)
        rows = iter([[*_flat(map(self._ids_of_word, line.split()))] for line in block.split("\n")])
        return [next(rows) if short else self.ids(text) for short, text in zip(together, texts)]

    def ids(self, text: str) -> list[int]:
        """Return the ids of a text.

        Arguments:
            text: str. The text.

        Returns:
            list of int. A new list.
        """
        if text.isascii():
            words = mark_spaced(without_ascii_controls(text), self.lower).split()
        elif _find_cjk(text) and not self._must_stay_whole(text):
            return self._ids_of_runs(text)
        else:
            words = spaced(text, self.table).split()
        return [*_flat(map(self._ids_of_word, words))]

    def _must_stay_whole(self, text: str) -> bool:
        """Return True if the text has a character for which it must not be cut into runs and chunks."""
        for ch in self._whole:
            if ch in text:
                return True
        return False

    def _ids_of_runs(self, text: str) -> list[int]:
        runs = _split_runs(text)
        ids = [*map(self._id_of_char, runs[0])]
        for k in range(1, len(runs), 2):
            ids += _flat(map(self._ids_of_chunk, runs[k].split()))
            ids += map(self._id_of_char, runs[k + 1])
        return ids

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return where the ids of a text come from.

        Arguments:
            text: str. The text.

        Returns:
            list of (int, int). The characters (start, end) for each of `ids(text)`.
        """
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

    def _offsets_of_words(self, text: str) -> list[tuple[int, int]]:
        """Return the offsets of a printable ASCII text. Only its spaces are dropped."""
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

    def _offsets_of_chunks(self, run: str, position: int) -> list[tuple[int, int]]:
        """Return the offsets of a run that begins at `position` of the text."""
        offsets, end = [], 0
        for chunk in run.split():
            start = run.index(chunk, end)
            end = start + len(chunk)
            offset = position + start
            offsets += [(offset + a, offset + b) for a, b in self._spans_of_chunk(chunk)]
        return offsets
