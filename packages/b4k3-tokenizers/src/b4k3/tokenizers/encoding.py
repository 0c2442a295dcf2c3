"""Batches: the fields of Hugging Face's `Encoding`, for all texts at once, each computed when it is first asked for."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from ._checks import check_text, checked, checked_int, shown
from ._lazy import lazy
from .template import around_single, check_room, count_specials

if TYPE_CHECKING:
    from .base import TokenizerBase
    from .template import Part

_STRATEGIES = ("longest_first", "only_first", "only_second")
_SIDES = ("right", "left")


class Settings(NamedTuple):
    """How rows are cut and padded; see `TokenizerBase.encode_batch`."""

    maxlen: int | None = None
    truncation: str = "longest_first"
    stride: int = 0
    padding: Any = False
    truncation_side: str = "right"
    padding_side: str = "right"
    pad_to_multiple_of: int | None = None
    pad_id: int | None = None
    pad_type_id: int = 0
    pad_token: str | None = None

    def checked(self) -> Settings:
        """Check the settings.

        Returns:
            Settings. The same ones, with every number as int.

        Raises:
            TypeError: One of them has a type that it cannot have.
            ValueError: One of them has a value that it cannot have.
        """
        _check_one_of("truncation", self.truncation, _STRATEGIES)
        _check_one_of("truncation_side", self.truncation_side, _SIDES)
        _check_one_of("padding_side", self.padding_side, _SIDES)
        if self.padding == "max_length" and self.maxlen is None:
            raise ValueError("padding='max_length' needs maxlen")
        if self.pad_token is not None:
            check_text(self.pad_token, "pad_token")
        numbers = {"stride": checked_int(self.stride, "stride", 0), "padding": _checked_padding(self.padding)}
        numbers["pad_type_id"] = checked_int(self.pad_type_id, "pad_type_id", 0)
        for name, lowest in (("maxlen", 0), ("pad_to_multiple_of", 0), ("pad_id", 0)):
            value = getattr(self, name)
            numbers[name] = None if value is None else checked_int(value, name, lowest)
        return self._replace(**numbers)


def _check_one_of(name, value, expected):
    if not isinstance(value, str) or value not in expected:
        raise ValueError(f"{name}={shown(value)}; expected {' or '.join(map(repr, expected))}")


def _checked_padding(padding):
    """Return False for no padding, 'longest', 'max_length', or a length as an int."""
    if padding is None or isinstance(padding, bool):
        return "longest" if padding else False
    if isinstance(padding, str) and padding in ("longest", "max_length"):
        return padding
    try:
        return checked_int(padding, "padding", 0)
    except (TypeError, ValueError):
        raise ValueError(
            f"padding={shown(padding)}; expected False, True or 'longest', 'max_length', or a length"
        ) from None


class Side:
    """The texts of one side of a batch, first or second."""

    def __init__(self, tokenizer, texts, workers):
        self.tokenizer, self.texts, self.workers = tokenizer, texts, workers

    @lazy
    def ids(self):
        return self._map("_ids_of_texts")

    @lazy
    def offsets(self):
        return self._map("_offsets_of_texts")

    @lazy
    def word_ids(self) -> list[list[int]]:
        """For each text the index of the word that each token belongs to."""
        return self._map("_word_ids_of_texts")

    @lazy
    def lengths(self):
        return [*map(len, self.ids)]

    def between(self, method, start, end):
        """What `start + row + end` is for the row of each text, without keeping the rows alone."""
        rows = self._map(method)
        self.lengths = [*map(len, rows)]
        for value in reversed(start):
            for row in rows:
                row.insert(0, value)
        for value in end:
            for row in rows:
                row.append(value)
        return rows

    def _map(self, method):
        if self.workers > 1:
            from .workers import map_in_processes

            return map_in_processes(self.tokenizer, method, self.texts, self.workers)
        return getattr(self.tokenizer, method)(self.texts)


class Batch:
    """What the fields are computed from: two sides, the template of their rows, and how they are cut and padded."""

    def __init__(self, tokenizer, first, second, settings):
        self.tokenizer, self.first, self.second, self.settings = tokenizer, first, second, settings
        self.parts = tokenizer._parts_of_rows(second is not None)
        self.specials = count_specials(self.parts)
        self.second_first = [part.sequence for part in self.parts if part.sequence is not None] == [1, 0]
        if settings.maxlen is not None:
            check_room(settings.maxlen, self.parts)

    @property
    def sides(self) -> list[Side]:
        """The side of the first texts, and the side of the second texts if the rows are pairs."""
        return [self.first] if self.second is None else [self.first, self.second]

    @lazy
    def rows(self):
        """(rows, overflowing rows), each a list of (index of the text, slice of the first, slice of the second)."""
        first = self.first.lengths
        second = self.second.lengths if self.second is not None else [0] * len(first)
        main, overflow = [], []
        for sample, (m, n) in enumerate(zip(first, second)):
            rows = self._windows_of_pair(sample, m, n)
            main.append(rows[0])
            overflow.extend(rows[1:])
        return main, overflow

    def _windows_of_pair(self, sample, m, n):
        maxlen = self.settings.maxlen
        if maxlen is None or m + n <= maxlen - self.specials:
            return [(sample, slice(0, m), slice(0, n))]
        a, b = self._lengths(m, n, maxlen - self.specials)
        first, second = self._windows(m, a), self._windows(n, b)
        # the first row has the first window of both; then every later window of the text that comes first in a row with
        # each of the other, then the other's later windows
        if self.second_first:
            pairs = [(x, y) for y in second[1:] for x in first] + [(x, second[0]) for x in first[1:]]
        else:
            pairs = [(x, y) for x in first[1:] for y in second] + [(first[0], y) for y in second[1:]]
        return [(sample, x, y) for x, y in [(first[0], second[0])] + pairs]

    def _lengths(self, m, n, room):
        truncation = self.settings.truncation
        if not room:
            return 0, 0
        if truncation == "longest_first":
            return longest_first(m, n, room)
        a, b = (room - n, n) if truncation == "only_first" else (m, room - m)
        if (a if truncation == "only_first" else b) <= 0:
            raise ValueError(
                f"truncation={truncation!r} cannot bring texts of {m} and {n} tokens down to "
                f"maxlen={self.settings.maxlen} with {self.specials} special tokens"
            )
        return a, b

    def _windows(self, length, size):
        """Slices of `size`, each beginning `size - stride` after the one before, the last one ending at `length`; from
        the end of the text if its end is kept."""
        if length <= size:
            return [slice(0, length)]
        if size <= 0:
            return [slice(0, 0), slice(0, length)]
        stride = self.settings.stride
        step = size - stride
        if step <= 0:
            raise ValueError(f"stride={stride} does not leave anything new in {size} tokens")
        if self.settings.truncation_side == "left":
            return [slice(max(i - size, 0), i) for i in range(length, min(stride, length - 1), -step)]
        return [slice(i, min(i + size, length)) for i in range(0, max(length - stride, 1), step)]

    @lazy
    def width(self):
        """The length that rows are padded to."""
        padding, multiple = self.settings.padding, self.settings.pad_to_multiple_of
        if padding is False:
            return 0
        if padding == "longest":
            sizes = [a.stop - a.start + b.stop - b.start for _, a, b in self.rows[0]]
            width = max(sizes) + self.specials if sizes else 0
        else:
            width = self.settings.maxlen if padding == "max_length" else padding
        return -(-width // multiple) * multiple if multiple else width

    def lay(
        self,
        rows: list[tuple[int, slice, slice]],
        sides: list[list[list]],
        of_special: Callable[[Part], list],
        fill: Any,
    ) -> list[list]:
        """Lay the values of texts and of special tokens out in rows, cut and padded.

        Arguments:
            rows: For each row the index of its text and the slices of it; see the attribute `rows`.
            sides: list. For each side a list with the values of each text.
            of_special: A function from a `Part` to the values of its special tokens.
            fill: The value of padding.

        Returns:
            list of lists. The values of each row.
        """
        whole = [part.sequence is None and of_special(part) for part in self.parts]
        out = []
        for sample, *slices in rows:
            row = []
            for part, values in zip(self.parts, whole):
                row += values if part.sequence is None else sides[part.sequence][sample][slices[part.sequence]]
            out.append(self._padded(row, fill))
        return out

    def lay_constants(
        self,
        rows: list[tuple[int, slice, slice]],
        of_part: Callable[[Part], Any],
        fill: Any,
    ) -> list[list]:
        """Do what `lay` does, for values that are the same for all tokens of a part.

        Arguments:
            rows: For each row the index of its text and the slices of it; see the attribute `rows`.
            of_part: A function from a `Part` to the value of each of its tokens.
            fill: The value of padding.

        Returns:
            list of lists. The values of each row.
        """
        out = []
        for _, *slices in rows:
            row = []
            for part in self.parts:
                size = len(part.ids)
                if part.sequence is not None:
                    size = slices[part.sequence].stop - slices[part.sequence].start
                row += [of_part(part)] * size
            out.append(self._padded(row, fill))
        return out

    def _padded(self, row: list, fill: Any) -> list:
        """Fill a row up to the width, on the side that the settings say."""
        missing = [fill] * (self.width - len(row))
        return missing + row if self.settings.padding_side == "left" else row + missing


def longest_first(m, n, room):
    """How much stays of m and n tokens: the shorter text is cut last; of an odd room the longer gets one more."""
    short, long = min(m, n), max(m, n)
    long = max(short, room - short) if short <= room else short
    if short + long > room:
        short, long = room // 2, room - room // 2
    return (short, long) if m <= n else (long, short)


class Encoding:
    """The rows of `encode_batch`. Every field is a list with one list per row, computed when first asked for.

    Fields:
        ids: ids of the tokens, specials and padding included.
        type_ids: 1 for the second text and its end token, else 0 (unless the file says otherwise).
        tokens: the token of each id.
        offsets: (start, end) in characters of the text that the token is from; (0, 0) for specials and padding.
        attention_mask: 0 for padding, else 1.
        special_tokens_mask: 1 for the specials around texts and for padding, else 0.
        word_ids: the index in its text of the word that a token is of; None for specials and padding.
        sequence_ids: 0 for the tokens of the first text, 1 for those of the second, None for specials and padding.
        sample_index: (not a list of lists) the index of the text that each row is from.
        overflowing: an `Encoding` with the rows that `maxlen` cut off; `sample_index` says of which text.

    The names are those of Hugging Face's tokenizers, which has an `Encoding` for each text: `encoding[0]` is the row of
    the first one, with the same fields and the same ways to look up words, characters and tokens. They are methods of
    the batch, too, with the row as their first argument, as in transformers.

    Example:
        batch = tokenizer.encode_batch(["Hello world"])
        token = batch.char_to_token(0, 6)  # where "world" begins; or batch[0].char_to_token(6)
        batch.token_to_chars(0, token)  # (6, 11)
    """

    def __init__(self, batch, overflow=False):
        self._batch = batch
        self._overflow = overflow

    def __len__(self):
        return len(self._rows) if self._overflow else len(self._batch.first.texts)

    def __repr__(self):
        return f"Encoding({len(self)} rows)"

    def __getitem__(self, row):
        """The `RowEncoding` of a row, or a list of them for a slice."""
        from .lookups import RowEncoding

        if isinstance(row, slice):
            return [RowEncoding(self, i) for i in range(*row.indices(len(self)))]
        i = operator.index(row)
        if not -len(self) <= i < len(self):
            raise IndexError(f"row {i}; expected an index of {len(self)} rows")
        return RowEncoding(self, i % len(self))

    @lazy
    def _rows(self):
        return self._batch.rows[self._overflow]

    @lazy
    def ids(self):
        batch = self._batch
        if self._is_plain:
            return batch.first.between("_ids_of_texts", *around_single(batch.parts))
        fill = _pad_id(batch) if batch.width else 0
        return batch.lay(self._rows, [side.ids for side in batch.sides], lambda part: list(part.ids), fill)

    @lazy
    def offsets(self):
        batch, nowhere = self._batch, (0, 0)
        if self._is_plain:
            before, after = around_single(batch.parts)
            return batch.first.between("_offsets_of_texts", [nowhere] * len(before), [nowhere] * len(after))
        sides = [side.offsets for side in batch.sides]
        return batch.lay(self._rows, sides, lambda part: [nowhere] * len(part.ids), nowhere)

    @property
    def _is_plain(self):
        """Is each row a whole text between specials?"""
        batch = self._batch
        settings = batch.settings
        padded = settings.padding is not False
        return batch.second is None and settings.maxlen is None and not padded and not self._overflow

    @lazy
    def tokens(self):
        batch = self._batch
        to_tokens, pad_token = batch.tokenizer.ids_to_tokens, batch.settings.pad_token
        if pad_token is None:
            return [to_tokens(ids) for ids in self.ids]
        rows = []
        for ids, mask in zip(self.ids, self.attention_mask):
            found = iter(to_tokens([i for i, real in zip(ids, mask) if real]))
            rows.append([next(found) if real else pad_token for real in mask])
        return rows

    @lazy
    def type_ids(self):
        batch = self._batch
        return batch.lay_constants(self._rows, lambda part: part.type_id, batch.settings.pad_type_id)

    @lazy
    def attention_mask(self):
        return self._batch.lay_constants(self._rows, lambda part: 1, 0)

    @lazy
    def special_tokens_mask(self):
        return self._batch.lay_constants(self._rows, lambda part: int(part.sequence is None), 1)

    @lazy
    def word_ids(self) -> list[list[int | None]]:
        """For each token the index in its text of the word that it belongs to; None for specials and padding."""
        batch = self._batch
        sides = [side.word_ids for side in batch.sides]
        return batch.lay(self._rows, sides, lambda part: [None] * len(part.ids), None)

    @lazy
    def sequence_ids(self) -> list[list[int | None]]:
        """For each token 0 if it is in the first text, 1 if it is in the second; None for specials and padding."""
        return self._batch.lay_constants(self._rows, lambda part: part.sequence, None)

    @lazy
    def sample_index(self):
        return [sample for sample, _, _ in self._rows]

    @lazy
    def overflowing(self):
        return Encoding(self._batch, overflow=True)

    def token_to_sequence(self, row: int, token: int) -> int | None:
        """`RowEncoding.token_to_sequence` of a row."""
        return self[row].token_to_sequence(token)

    def token_to_chars(self, row: int, token: int) -> tuple[int, int] | None:
        """`RowEncoding.token_to_chars` of a row."""
        return self[row].token_to_chars(token)

    def token_to_word(self, row: int, token: int) -> int | None:
        """`RowEncoding.token_to_word` of a row."""
        return self[row].token_to_word(token)

    def char_to_token(self, row: int, char: int, sequence_index: int = 0) -> int | None:
        """`RowEncoding.char_to_token` of a row."""
        return self[row].char_to_token(char, sequence_index)

    def char_to_word(self, row: int, char: int, sequence_index: int = 0) -> int | None:
        """`RowEncoding.char_to_word` of a row."""
        return self[row].char_to_word(char, sequence_index)

    def word_to_tokens(self, row: int, word: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """`RowEncoding.word_to_tokens` of a row."""
        return self[row].word_to_tokens(word, sequence_index)

    def word_to_chars(self, row: int, word: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """`RowEncoding.word_to_chars` of a row."""
        return self[row].word_to_chars(word, sequence_index)


def _pad_id(batch):
    tokenizer, pad_id = batch.tokenizer, batch.settings.pad_id
    if pad_id is not None:
        return pad_id
    try:
        return tokenizer._token_pad_id
    except AttributeError:
        raise ValueError(f"padding, but the vocabulary has no {tokenizer._token_pad!r}; give pad_id") from None


def encode_batch(tokenizer: TokenizerBase, texts: Any, pairs: Any, workers: Any, settings: Settings) -> Encoding:
    """Check the arguments of `TokenizerBase.encode_batch`, and make its result, whose fields are computed later.

    Arguments:
        tokenizer: TokenizerBase. The tokenizer.
        texts: str[]. The texts.
        pairs: str[] or None. A second text for each of them.
        workers: int. How many processes may work on them.
        settings: Settings. How the rows are cut and padded.

    Returns:
        Encoding.

    Raises:
        TypeError: An argument has a type that it cannot have.
        ValueError: An argument has a value that it cannot have.
    """
    texts = checked(texts, "texts")
    workers = checked_int(workers, "workers", 1)
    if pairs is not None:
        pairs = checked(pairs, "pairs")
        if len(pairs) != len(texts):
            raise ValueError(f"{len(texts)} texts but {len(pairs)} pairs; expected one second text for each")
    second = None if pairs is None else Side(tokenizer, pairs, workers)
    return Encoding(Batch(tokenizer, Side(tokenizer, texts, workers), second, settings.checked()))
