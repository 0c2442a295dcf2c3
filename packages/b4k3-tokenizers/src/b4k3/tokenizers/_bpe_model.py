"""Merge the characters or bytes of words with the ranked pairs of a BPE model, and look whole words up (WordLevel).

Words become "id texts", in which chr(i) stands for the id i, as in `_segmenter`. A pair of ids is then a str of two
characters, and the lowest rank among the pairs of a word is found without a loop in Python:

    word       "abab"                     id text "\\1\\2\\1\\2"
    pairs      map(add, word, word[1:])   "\\1\\2", "\\2\\1", "\\1\\2"
    ranks      7, None, 7                 so the pair of rank 7, "ab" (id 5), is merged where it stands first
    word       "\\5\\1\\2"                  and again, until no pair has a rank

Each round looks at all pairs, so the time of a word is quadratic in its length. Words of more than 100 ids take a heap
instead, which looks at two new pairs after each merge.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from heapq import heapify, heappop, heappush
from itertools import accumulate
from operator import add
from typing import TYPE_CHECKING, Any, Iterable, NamedTuple, Sequence

from ._bpe_cutter import HALF, ChunkCutter
from ._byte_level import BYTE_CHARS, bytes_of_token, to_byte_chars
from ._cache import Cache
from ._lazy import lazy
from ._spm import BYTE_PIECES

if TYPE_CHECKING:
    Symbols = tuple[list[str], list[int]]  # for each symbol the character of its id, and how many bytes it has
    Segments = list[tuple[int, int, int]]  # (id, first byte, byte after the last one)

LARGEST_ID = 0x10FFFF
_LONG = 100  # Words of more ids are merged with the heap.
_LONGEST_WORD, _LONGEST_CHUNK = 64, 32  # The caches do not keep longer ones.
_SHORT = 3  # A word of so few characters is not cut into chunks.


class BpeSettings(NamedTuple):
    """This is what a file says about a BPE model, next to its vocabulary and merges.

    Attributes:
        unk_token: str or None. The token of unknown characters, which are left out if there is none.
        prefix: str. What stands before each character but the first one of a word.
        suffix: str. What stands after the last character of a word.
        fuse_unk: bool. Whether neighbouring unknown characters are one token.
        byte_fallback: bool. Whether an unknown character becomes the tokens of its bytes, such as "<0xE5>".
        ignore_merges: bool. Whether a word that is a token is that token, whatever the merges say.
        writes_bytes: bool. Whether the bytes of a word are written as characters before it is merged.
    """

    unk_token: str | None = None
    prefix: str = ""
    suffix: str = ""
    fuse_unk: bool = False
    byte_fallback: bool = False
    ignore_merges: bool = False
    writes_bytes: bool = False


class WordModel:
    """Give each word the id that it has in a vocabulary. It is also the base of `BpeModel`.

    Arguments:
        vocab: dict of str to int. The id of each token, all of them different.
        settings: BpeSettings. Only `unk_token` and `writes_bytes` count here.
        cache_size: int. The number of words whose ids are kept.
    """

    def __init__(self, vocab: dict[str, int], settings: BpeSettings, cache_size: int) -> None:
        self.vocab, self.settings, self._cache_size = vocab, settings, cache_size
        self._unk = None if settings.unk_token is None else chr(vocab[settings.unk_token])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in _COMPUTED}

    @lazy
    def id_text(self) -> Any:
        """A function from a word to its id text."""
        return Cache(self._id_text_of_word, self._cache_size, _LONGEST_WORD).__getitem__

    @lazy
    def segments(self) -> Any:
        """A function from a word to (id, first byte, byte after the last one) for each of its ids."""
        return Cache(self._segments_of_word, self._cache_size, _LONGEST_WORD).__getitem__

    def _written(self, word: str) -> str:
        """Return a word as the tokens are written."""
        return to_byte_chars(word) if self.settings.writes_bytes else word

    def _id_text_of_word(self, word: str) -> str:
        i = self.vocab.get(self._written(word))
        return self._unk or "" if i is None else chr(i)

    def _segments_of_word(self, word: str) -> Segments:
        return [(ord(char), 0, len(word.encode("utf-8"))) for char in self._id_text_of_word(word)]


_COMPUTED = (
    "id_text",
    "segments",
    "_cutter",
    "_id_text_of_chunk",
    "_id_text_of_char",
    "_late_chars",
    "_first_ranks",
    "_sizes",
)


class BpeModel(WordModel):
    """Merge the characters or bytes of words (Sennrich et al. 2016, arXiv:1508.07909).

    Arguments:
        vocab: dict of str to int. The id of each token, all of them different.
        merges: list of (str, str, str). Two tokens and the token that they make, the first merges first. All of them
            are in the vocabulary.
        settings: BpeSettings. What else the file says.
        cache_size: int. The number of words whose ids are kept, and of chunks.
        by_union: bool. Whether merges in a row that make the same token have one rank, as in tiktoken.

    Example:
        >>> vocab = {"a": 0, "b": 1, "ab": 2, "abab": 3}
        >>> model = BpeModel(vocab, [("a", "b", "ab"), ("ab", "ab", "abab")], BpeSettings(), 100)
        >>> [*map(ord, model.id_text("ababab"))], model.segments("abab")
        ([3, 2], [(3, 0, 4)])
    """

    def __init__(
        self,
        vocab: dict[str, int],
        merges: Iterable[tuple[str, str, str]],
        settings: BpeSettings,
        cache_size: int,
        by_union: bool = False,
    ) -> None:
        super().__init__(vocab, settings, cache_size)
        char_of = {token: chr(i) for token, i in vocab.items()}
        self._char_of, self.by_union = char_of, by_union
        self.ranks: dict[str, int] = {}  # two characters -> the rank, from 1
        self._unions = [""]  # rank -> the character of the token that is made
        self._pairs: list[tuple[str, ...]] = [()]  # rank -> the pairs, more than one only in tiktoken
        for left, right, union in merges:
            pair, made = char_of[left] + char_of[right], char_of[union]
            if by_union and self._unions[-1] == made:
                self._pairs[-1] += (pair,)
            else:
                self._unions.append(made)
                self._pairs.append((pair,))
            self.ranks[pair] = len(self._unions) - 1
        # The characters of the 256 bytes, with which every text can be spelled; none if the vocabulary lacks one.
        byte_pieces = BYTE_CHARS if settings.writes_bytes else sorted(BYTE_PIECES, key=BYTE_PIECES.__getitem__)
        known = [char_of.get(piece) for piece in byte_pieces] if settings.writes_bytes or settings.byte_fallback else []
        self._byte_chars: list[str] = known if None not in known else []  # type: ignore[assignment]
        self._byte_table = dict(enumerate(self._byte_chars))
        self._has_ends = bool(settings.prefix or settings.suffix)
        # Symbols that depend on the ends of a word cannot be found chunk by chunk, nor merges of the unknown token.
        self._cuts = not self._has_ends and not (self._unk and any(self._unk in pair for pair in self.ranks))

    def merges(self) -> list[list[str]]:
        """Return the merges, the first ones first.

        Returns:
            list of [str, str].
        """
        token_of = {char: token for token, char in self._char_of.items()}
        ordered = sorted(self.ranks, key=self.ranks.__getitem__)
        return [[token_of[pair[0]], token_of[pair[1]]] for pair in ordered]

    # ---- ids

    @lazy
    def _cutter(self) -> ChunkCutter:
        """What cuts words into chunks."""
        if not self.settings.writes_bytes:
            return ChunkCutter(self.vocab, {})
        whole, broken = [], {}
        for token, char in self._char_of.items():
            data = bytes_of_token(token)
            try:
                whole.append((data or b"").decode("utf-8"))
            except UnicodeDecodeError:
                broken[data] = self._first_ranks.get(char, 0)
        cutter = ChunkCutter(whole, broken)
        if self._byte_table:
            alone = [text for text in whole if len(text) == 1 and text > "\x7f"]
            cutter.close([char for char in alone if self._last_rank(char) < cutter.limit(char)])
        return cutter

    @lazy
    def _first_ranks(self) -> dict[str, int]:
        """The rank of the first merge that makes each token, by the character of the token."""
        return {self._unions[rank]: rank for rank in range(len(self._unions) - 1, 0, -1)}

    @lazy
    def _char_of_word(self) -> dict[str, str]:
        """The character of each token that is a word, by the word. Tokens that end inside of a character are none."""
        if not self.settings.writes_bytes:
            return self._char_of
        words = {}
        for token, char in self._char_of.items():
            try:
                words[(bytes_of_token(token) or b"").decode("utf-8")] = char
            except UnicodeDecodeError:
                continue
        return words

    @lazy
    def _id_text_of_chunk(self) -> Any:
        """A function from a chunk to its id text."""
        return Cache(self._merged_chunk, self._cache_size, _LONGEST_CHUNK).__getitem__

    @lazy
    def _id_text_of_char(self) -> Any:
        """A function from a character to its id text."""
        return Cache(self._merged, self._cache_size).__getitem__

    @lazy
    def _late_chars(self) -> frozenset[str]:
        """The characters that are not surely complete before they are joined with others.

        In byte-level BPE a character is merged from its bytes. If it is complete before any token that has it next to
        another character is made, then a chunk can be merged from the id texts of its characters, which are cached.
        This holds for nearly all characters, because training makes a token from tokens that are there. A character is
        late if one of the merges of its bytes comes after a merge that makes a longer token with it.
        """
        if not self.settings.writes_bytes:
            return frozenset()
        first = self._first_ranks
        complete: dict[str, float] = {}
        late = set()
        for token, char in self._char_of.items():
            rank = first.get(char)
            data = bytes_of_token(token) if rank and not token.isascii() else None
            text = (data or b"").decode("utf-8", "ignore")
            for part in text if len(text) > 1 else "":
                if part not in complete:
                    complete[part] = self._last_rank(part)
                if complete[part] >= rank:
                    late.add(part)
        return frozenset(late)

    def _last_rank(self, char: str) -> float:
        """Return the highest rank among the merges of the bytes of a character; infinity if they make no token."""
        symbols: str = self._written(char)
        last: float = 0
        symbols = "".join([self._char_of[symbol] for symbol in symbols])
        while True:
            ranks = [*filter(None, map(self.ranks.get, map(add, symbols, symbols[1:])))]
            if not ranks:
                return last if len(symbols) == 1 else math.inf
            last, rank = max(last, min(ranks)), min(ranks)
            at = next(k for k in range(len(symbols)) if self.ranks.get(symbols[k : k + 2]) == rank)
            symbols = symbols[:at] + self._unions[rank] + symbols[at + 2 :]

    def _merged_chunk(self, chunk: str) -> str:
        """Return the id text of a chunk."""
        if HALF in chunk:
            return self._merged(chunk.replace(HALF, ""))
        if len(chunk) == 1 or not self._byte_table or not self._late_chars.isdisjoint(chunk):
            return self._merged(chunk)
        return self._merge("".join(map(self._id_text_of_char, chunk)))

    def _id_text_of_word(self, word: str) -> str:
        if self.settings.ignore_merges:
            char = self._char_of_word.get(word)
            if char is not None:
                return char
        if not self._cuts or len(word) <= _SHORT or word.isascii() and len(word) <= _LONG:
            return self._merged(word)
        if (self._unk is None or self.settings.fuse_unk) and not self._spells(word):
            # Unknown characters on both sides of a cut are one token; those that are left out have merges across them.
            return self._merged(word)
        return "".join(map(self._id_text_of_chunk, self._cutter.cut(word)))

    def _spells(self, word: str) -> bool:
        """Return True if no character of a word is unknown."""
        if self._byte_chars:
            return True
        return all(map(self._char_of.__contains__, set(self._written(word))))

    def _merged(self, word: str) -> str:
        """Return the id text of a word or chunk."""
        if self._byte_table and self.settings.writes_bytes and not self._has_ends:
            symbols = word.encode("utf-8").decode("latin-1").translate(self._byte_table)
        else:
            known = None if self._has_ends or self.settings.writes_bytes else [*map(self._char_of.get, word)]
            symbols = "".join(known if known and None not in known else self._symbols(word)[0])  # type: ignore[arg-type]
        return self._merge(symbols)

    def _merge(self, symbols: str) -> str:
        """Merge the symbols of an id text."""
        if len(symbols) > _LONG:
            merged = list(symbols)
            merge_with_heap(merged, self.ranks, self._unions)
            return "".join(merged)
        rank_of, unions, pairs = self.ranks.get, self._unions, self._pairs
        while True:
            rank = min(filter(None, map(rank_of, map(add, symbols, symbols[1:]))), default=0)
            if not rank:
                return symbols
            pair = pairs[rank][0]
            if len(pairs[rank]) > 1:
                places = [(symbols.find(other), other) for other in pairs[rank]]
                pair = min(place for place in places if place[0] >= 0)[1]
            symbols = symbols.replace(pair, unions[rank], 1)

    # ---- ids and bytes

    @lazy
    def _sizes(self) -> dict[str, int]:
        """The number of bytes of each token that is found by its spelling."""
        if self.settings.writes_bytes:
            sizes = {char: len(token) for token, char in self._char_of.items()}
        else:
            sizes = {char: len(token.encode("utf-8")) for token, char in self._char_of.items()}
            for char in self._byte_chars if self.settings.byte_fallback else ():
                sizes.pop(char)
        sizes.pop(self._unk, None)
        return sizes

    def _segments_of_word(self, word: str) -> Segments:
        id_text = self.id_text(word)
        if not self._has_ends:
            sizes = list(map(self._sizes.get, id_text))
            if None not in sizes and (self._byte_chars or self._spells(word)):
                return _places(id_text, sizes)  # type: ignore[arg-type]
        if self.settings.ignore_merges and self._written(word) in self._char_of:
            return _places(id_text, [len(word.encode("utf-8"))])
        return self._segments_of_symbols(*self._symbols(word))

    def _segments_of_symbols(self, chars: list[str], sizes: list[int]) -> Segments:
        """Merge symbols, and say which bytes they have. What is left out belongs to none unless inside of one."""
        starts = [0, *accumulate(sizes)]
        kept = [k for k, char in enumerate(chars) if char]
        places = merge_with_heap(chars, self.ranks, self._unions)
        found = []
        for place, following in zip(places, [*places[1:], len(chars)]):
            last = kept[bisect_left(kept, following) - 1]
            found.append((ord(chars[place]), starts[place], starts[last + 1]))
        return found

    def _symbols(self, word: str) -> Symbols:
        """Return the symbols that a word is merged from, and how many bytes each has.

        Unknown characters are one symbol each, or one for all neighbours. Without an unknown token they are "".
        """
        text, char_of, settings = self._written(word), self._char_of.get, self.settings
        chars: list[str] = []
        sizes: list[int] = []
        unknown, last = False, len(text) - 1
        for k, char in enumerate(text):
            spelled = (settings.prefix if k else "") + char + (settings.suffix if k == last else "")
            size = 1 if settings.writes_bytes else len(char.encode("utf-8"))
            symbol = char_of(spelled)
            if symbol is None and settings.byte_fallback and self._byte_chars:
                chars += [self._byte_chars[byte] for byte in char.encode("utf-8")]
                sizes += [1] * size
            elif symbol is None and unknown and settings.fuse_unk:
                sizes[-1] += size
                continue
            else:
                chars.append(symbol or self._unk or "")
                sizes.append(size)
            unknown = symbol is None and self._unk is not None
        return chars, sizes


def merge_with_heap(symbols: list[str], ranks: dict[str, int], unions: Sequence[str]) -> list[int]:
    """Merge symbols in place: the pair with the lowest rank first, of equal ranks the leftmost one.

    A merged symbol stands at the place of its first part, and the other places hold "". An entry of the heap is one
    number, rank * size + place. It is outdated if the pair at its place has another rank by now.

    Arguments:
        symbols: list of str. The characters of ids, and "" for what is left out. It is changed.
        ranks: dict of str to int. Pair to rank, from 1.
        unions: sequence of str. Rank to the character of the token that is made.

    Returns:
        list of int. The places of the symbols that are left, in their order.

    Example:
        >>> symbols = list("abab")
        >>> merge_with_heap(symbols, {"ab": 1, "XX": 2}, ["", "X", "Y"]), symbols
        ([0], ['Y', '', '', ''])
    """
    places = [k for k, symbol in enumerate(symbols) if symbol]
    size, rank_of = max(len(symbols), 1), ranks.get
    following, preceding = [0] * size, [-1] * (size + 1)
    for left, right in zip(places, places[1:] + [size]):
        following[left], preceding[right] = right, left
    pairs = map(add, [symbols[k] for k in places], [symbols[k] for k in places[1:]])
    heap = [rank * size + k for k, rank in zip(places, map(rank_of, pairs)) if rank]
    heapify(heap)
    while heap:
        rank, left = divmod(heappop(heap), size)
        right = following[left]
        if right == size or not symbols[left] or rank_of(symbols[left] + symbols[right]) != rank:
            continue
        symbols[left], symbols[right] = unions[rank], ""
        after = following[left] = following[right]
        preceding[after] = left
        before = preceding[left]
        if before >= 0:
            rank = rank_of(symbols[before] + symbols[left])
            if rank:
                heappush(heap, rank * size + before)
        if after < size:
            rank = rank_of(symbols[left] + symbols[after])
            if rank:
                heappush(heap, rank * size + left)
    return [k for k in places if symbols[k]]


def _places(chars: Iterable[str], sizes: Iterable[int]) -> Segments:
    """Return (id, first byte, byte after the last one) of symbols that follow each other."""
    found, start = [], 0
    for char, size in zip(chars, sizes):
        found.append((ord(char), start, start + size))
        start += size
    return found
