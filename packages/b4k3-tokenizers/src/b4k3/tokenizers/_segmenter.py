"""Do what unigram and BPE models share: look words and chunks up in caches, and segment only what is new.

For example, let a model have the pieces "▁a" (id 5), "b" (id 6) and "▁c" (id 7):

    normalised text   ▁ab▁ab▁c
    words             ab, ab, c               each is looked up in the cache of words
    a new word        ▁ab                     its space symbol is put back
    its chunks        ▁a, b                   each is looked up in the cache of chunks; see `_cutter`
    a new chunk       ▁a                      the Viterbi or BPE algorithm gives its id text, chr(5)
    id text           chr(5) chr(6) chr(5) chr(6) chr(7)
    ids               [5, 6, 5, 6, 7]         the UTF-32 code units of the id text

An "id text" is a str in which the character chr(i) stands for the id i. Such texts are joined, split and searched much
faster than tuples of int, and the garbage collector does not walk through them. The three codes after the last id are
marks: `end` stands between words or texts; `UnigramSegmenter` explains `near_tie` and `close`.

It is exact to segment word by word, because a word ends where no piece can cross. Texts are cut before spaces only if
no piece has a space symbol after another character (and after spaces only if no piece has one before another
character), and if the text has no two spaces in a row that a piece could hold together. Every place between two words
is then a cut of `Cutter`. In unigram models the rounding of scores can break this rule; the module `unigram` says how
that is found.
"""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Iterable, Sequence

from ._cache import Cache
from ._cutter import BLOCK, Cutter, in_blocks
from ._normalizer import SPACE, TEXT_END
from ._spm import BYTE, BYTE_PIECES, UNKNOWN, UNUSED, USER_DEFINED, SentencePieceError, is_reserved

if TYPE_CHECKING:
    from ._spm import SpmModel

_LONGEST_CHUNK, _LONGEST_WORD = 64, 256  # The caches do not keep longer ones.
_MARKS = 3
_UTF_32 = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"


class Segmenter:
    """This is the base of `UnigramSegmenter` and `BPESegmenter`, which implement `segment_chunk`.

    Arguments:
        model: SpmModel. What the `.model` file says.
        cache_size: int. The number of chunks whose ids are kept. Half as many words are kept.

    Raises:
        SentencePieceError: The model has more pieces than there are characters for id texts.
    """

    def __init__(self, model: SpmModel, cache_size: int) -> None:
        if len(model.pieces) + _MARKS > sys.maxunicode:
            raise SentencePieceError(
                f"{model.source}: {len(model.pieces)} pieces; at most {sys.maxunicode - _MARKS} are supported"
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
        # Words can begin with a space symbol if no piece has one after another character, or end with one if no piece
        # has one before another character.
        self._space_first = escaped and not any(a != SPACE and b == SPACE for a, b in self.cutter.pairs)
        self._space_last = escaped and not any(a == SPACE and b != SPACE for a, b in self.cutter.pairs)
        dummy_prefix = model.normalizer["add_dummy_prefix"] and not model.trainer["treat_whitespace_as_suffix"]
        self.word_prefix = SPACE if self._space_first and dummy_prefix else ""
        self._has_blanks = not escaped  # The normalised text has blanks in place of space symbols.
        self._runs = (SPACE, SPACE) in self.cutter.pairs  # A piece can hold a run of spaces together.
        self._cut_space = " " + SPACE if self._space_first else SPACE + " " if self._space_last else SPACE
        self.end, self.near_tie, self.close = map(chr, range(len(model.pieces), len(model.pieces) + _MARKS))
        self._ids_of_chunk = Cache(self.segment_chunk, cache_size, _LONGEST_CHUNK)
        self._ids_of_word = Cache(self._segment_word, cache_size // 2, _LONGEST_WORD)

    def encode(self, text: str) -> list[int]:
        """Segment a text.

        Arguments:
            text: str. The normalised text.

        Returns:
            list of int. The ids of its pieces.
        """
        return ids_of(self._merged(self.id_text(text)))

    def id_text(self, text: str) -> str:
        """Segment a text, and leave each unknown character alone.

        Arguments:
            text: str. The normalised text.

        Returns:
            str. The id text, in which each unknown character has an id of its own.
        """
        words = self.words(text)
        # In the cache the word `TEXT_END` stands for the end of a text, not for the character.
        found = list(map(self._segment_word if TEXT_END in text else self._ids_of_word.__getitem__, words))
        id_text = "".join(found).replace(self.close, "")
        return id_text if self._holds(id_text) else self._encode_exactly(words, found)

    def id_texts(self, words: Sequence[str]) -> list[str]:
        """Segment several texts at once.

        Arguments:
            words: sequence of str. The words of all texts, with the word `TEXT_END` between two texts.

        Returns:
            list of str. The id text of each text, in which each unknown character has an id of its own.
        """
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

    def _look_up(self, words: set[str]) -> dict[str, str]:
        """Return the id texts of words that the new generation of the cache lacks, in a new dictionary."""
        results = self._ids_of_word.recalled(words)
        if TEXT_END in words:
            results[TEXT_END] = self.end
        new = words.difference(results) if results else words
        results.update(zip(new, self._segment_words(new)))
        self._ids_of_word.keep(results)
        return results

    def _segment_words(self, words: Iterable[str]) -> list[str]:
        """Return the id text of each word. The words are cut together."""
        id_texts = []
        for group in in_blocks(words):
            last = group.pop() if len(group[-1]) > BLOCK else None
            if group:
                id_texts += self._segment(self.cutter.cut(group, self.word_prefix)).split(self.end)
            if last is not None:
                id_texts.append(self._segment_word(last))
        return id_texts

    def _segment_word(self, word: str) -> str:
        return self._segment(self.cutter.chunks(self.word_prefix + word))

    def _segment(self, chunks: Iterable[str]) -> str:
        return "".join(map(self._ids_of_chunk.__getitem__, chunks))

    def _doubtful(self, id_texts: Sequence[str], joined: str) -> list[int]:
        """Return the indices of the id texts for which `_holds` is false. `joined` is all of them in one str."""
        return []

    def _holds(self, id_text: str) -> bool:
        """Return True if encoding word by word gives the same ids as encoding the whole text."""
        return True

    def _encode_exactly(self, words: Sequence[str], id_texts: Sequence[str]) -> str:
        """Return the id text of a text for which `_holds` is false, given its words and their id texts."""
        raise NotImplementedError

    def rows(self, id_texts: Sequence[str]) -> list[list[int]]:
        """Turn id texts into ids.

        Arguments:
            id_texts: sequence of str. The id texts.

        Returns:
            list of lists of int. The ids of each id text, with one id for neighbouring unknown characters.
        """
        joined = self._merged(self.end.join(id_texts))
        # An array, because the garbage collector, which runs as the rows are made, would walk through a list of all
        # ids.
        ids, rows, start = _array_of(joined), [], 0
        for size in map(len, joined.split(self.end)):
            rows.append(ids[start : start + size].tolist())
            start += size + 1
        return rows

    def _merged(self, id_text: str) -> str:
        """Join neighbouring unknown characters to one unknown piece. With byte fallback there are none."""
        unk = chr(self.unk_id)
        if not self.byte_fallback:
            while unk + unk in id_text:
                id_text = id_text.replace(unk + unk, unk)
        return id_text

    def words(self, text: str) -> list[str]:
        """Cut a text at its spaces if that is exact.

        Arguments:
            text: str. The normalised text.

        Returns:
            list of str. The words, without the `word_prefix` that each of them has; the whole text as one word if it
            must not be cut at spaces.
        """
        if not text:
            return []
        if self._has_blanks or self._runs and SPACE * 2 in text:
            return [text[len(self.word_prefix) :]]
        if self.word_prefix:
            return text[1:].split(SPACE)
        return list(filter(None, text.replace(SPACE, self._cut_space).split(" ")))

    def words_of_block(self, block: str) -> list[str] | None:
        """Cut several texts at their spaces at once.

        Arguments:
            block: str. The normalised texts, joined with `TEXT_END`. With a `word_prefix`, no text is empty.

        Returns:
            list of str or None. The words of all texts, as `words` returns them, with the word `TEXT_END` between two
                texts.
            None if the texts have to be cut one by one.
        """
        if self._has_blanks or self._runs and SPACE * 2 in block:
            return None
        if self.word_prefix:
            return block[1:].replace(TEXT_END + SPACE, SPACE + TEXT_END + SPACE).split(SPACE)
        block = block.replace(TEXT_END, f" {TEXT_END} ").replace(SPACE, self._cut_space)
        return list(filter(None, block.split(" ")))

    def segment_chunk(self, chunk: str) -> str:
        """Segment a chunk.

        Arguments:
            chunk: str. A part of normalised text at whose ends no piece crosses.

        Returns:
            str. Its id text, in which an unknown character `char` is `unknown(char)`; `end` for an empty chunk.
        """
        raise NotImplementedError

    def unknown(self, char: str) -> str:
        """Return what stands for a character that no piece has.

        Arguments:
            char: str. The character.

        Returns:
            str. The id text: the unknown piece, or with byte fallback the bytes of the character in UTF-8.
        """
        if self.byte_fallback:
            return "".join([chr(self._byte_ids[byte]) for byte in char.encode("utf-8")])
        return chr(self.unk_id)


def ids_of(id_text: str) -> list[int]:
    """Turn an id text into ids.

    Arguments:
        id_text: str. The id text.

    Returns:
        list of int. The code of each character.
    """
    return _array_of(id_text).tolist()


def _array_of(id_text: str) -> array:
    return array("I", id_text.encode(_UTF_32, "surrogatepass"))
