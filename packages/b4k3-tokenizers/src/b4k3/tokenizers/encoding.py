"""Hold batches of encoded texts, with the fields of Hugging Face's `Encoding`, each computed when it is first read."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Iterable, overload

from ._batch import Batch, Settings, Side
from ._checks import checked, checked_int
from ._lazy import lazy
from .template import around_single

if TYPE_CHECKING:
    from ._batch import Row
    from .base import TokenizerBase
    from .lookups import RowEncoding


class Encoding:
    """Hold the rows of `encode_batch`. Each field is a list with one list per row, computed when it is first read.

    The names are the same as in Hugging Face's tokenizers, which have an `Encoding` for each text: here `encoding[0]`
    is the first row, with the same fields, and with the same methods that look up words, characters and tokens. The
    batch has these methods too, with the row as first argument, as in transformers.

    Arguments:
        batch: Batch. What the fields are computed from.
        overflow: bool. Whether these are the rows that `maxlen` cut off.

    Example:
        >>> tokenizer = Tokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "hello": 3, "wor": 4, "##ld": 5})
        >>> batch = tokenizer.encode_batch(["hello world"])
        >>> batch.ids, batch.word_ids
        ([[1, 3, 4, 5, 2]], [[None, 0, 1, 1, None]])
        >>> batch.char_to_token(0, 6), batch.token_to_chars(0, 2)  # or batch[0].char_to_token(6)
        (2, (6, 9))
    """

    def __init__(self, batch: Batch, overflow: bool = False) -> None:
        self._batch = batch
        self._overflow = overflow

    def __len__(self) -> int:
        return len(self._rows) if self._overflow else len(self._batch.first.texts)

    def __repr__(self) -> str:
        return f"Encoding({len(self)} rows)"

    @overload
    def __getitem__(self, row: int) -> RowEncoding: ...

    @overload
    def __getitem__(self, row: slice) -> list[RowEncoding]: ...

    def __getitem__(self, row: int | slice) -> RowEncoding | list[RowEncoding]:
        """Return a row, or a list of rows for a slice."""
        from .lookups import RowEncoding

        if isinstance(row, slice):
            return [RowEncoding(self, i) for i in range(*row.indices(len(self)))]
        i = operator.index(row)
        if not -len(self) <= i < len(self):
            raise IndexError(f"row {i}; expected an index of {len(self)} rows")
        return RowEncoding(self, i % len(self))

    @lazy
    def _rows(self) -> list[Row]:
        return self._batch.rows[self._overflow]

    @lazy
    def ids(self) -> list[list[int]]:
        """The ids of the tokens, special tokens and padding included."""
        batch = self._batch
        if self._is_plain:
            return batch.first.between("_ids_of_texts", *around_single(batch.parts))
        fill = _pad_id(batch) if batch.width else 0
        return batch.lay(self._rows, [side.ids for side in batch.sides], lambda part: list(part.ids), fill)

    @lazy
    def offsets(self) -> list[list[tuple[int, int]]]:
        """For each token the characters (start, end) of its text; (0, 0) for special tokens and padding."""
        batch, nowhere = self._batch, (0, 0)
        if self._is_plain:
            before, after = around_single(batch.parts)
            return batch.first.between("_offsets_of_texts", [nowhere] * len(before), [nowhere] * len(after))
        sides = [side.offsets for side in batch.sides]
        return batch.lay(self._rows, sides, lambda part: [nowhere] * len(part.ids), nowhere)

    @property
    def _is_plain(self) -> bool:
        """True if each row is a whole text between special tokens."""
        batch = self._batch
        settings = batch.settings
        padded = settings.padding is not False
        return batch.second is None and settings.maxlen is None and not padded and not self._overflow

    @lazy
    def tokens(self) -> list[list[str]]:
        """The token of each id."""
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
    def type_ids(self) -> list[list[int]]:
        """1 for the second text and its end token, else 0. A `tokenizer.json` may have other numbers."""
        batch = self._batch
        return batch.lay_constants(self._rows, lambda part: part.type_id, batch.settings.pad_type_id)

    @lazy
    def attention_mask(self) -> list[list[int]]:
        """0 for padding, else 1."""
        return self._batch.lay_constants(self._rows, lambda part: 1, 0)

    @lazy
    def special_tokens_mask(self) -> list[list[int]]:
        """1 for the special tokens around texts and for padding, else 0."""
        return self._batch.lay_constants(self._rows, lambda part: int(part.sequence is None), 1)

    @lazy
    def word_ids(self) -> list[list[int | None]]:
        """For each token the index in its text of the word that it belongs to; None for special tokens and padding."""
        batch = self._batch
        sides = [side.word_ids for side in batch.sides]
        return batch.lay(self._rows, sides, lambda part: [None] * len(part.ids), None)

    @lazy
    def sequence_ids(self) -> list[list[int | None]]:
        """0 for tokens of the first text, 1 for tokens of the second, None for special tokens and padding."""
        return self._batch.lay_constants(self._rows, lambda part: part.sequence, None)

    @lazy
    def sample_index(self) -> list[int]:
        """For each row the index of its text. This is no list of lists."""
        return [sample for sample, _, _ in self._rows]

    @lazy
    def overflowing(self) -> Encoding:
        """The rows that `maxlen` cut off. Their `sample_index` says which text each of them comes from."""
        return Encoding(self._batch, overflow=True)

    def token_to_sequence(self, row: int, token: int) -> int | None:
        """Return which text a token comes from.

        Arguments:
            row: int. The index of the row.
            token: int. The index of the token.

        Returns:
            int or None. 0 for the first text, 1 for the second, None for a special token.
        """
        return self[row].token_to_sequence(token)

    def token_to_chars(self, row: int, token: int) -> tuple[int, int] | None:
        """Return where a token stands in its text.

        Arguments:
            row: int. The index of the row.
            token: int. The index of the token.

        Returns:
            (int, int) or None. The characters (start, end); None for a special token.
        """
        return self[row].token_to_chars(token)

    def token_to_word(self, row: int, token: int) -> int | None:
        """Return the word that a token belongs to.

        Arguments:
            row: int. The index of the row.
            token: int. The index of the token.

        Returns:
            int or None. The index of the word in its text; None for a special token.
        """
        return self[row].token_to_word(token)

    def char_to_token(self, row: int, char: int, sequence_index: int = 0) -> int | None:
        """Return the first token that has a character.

        Arguments:
            row: int. The index of the row.
            char: int. The index of the character in its text.
            sequence_index: int. 0 for the first text, 1 for the second.

        Returns:
            int or None. The index of the token; None if no token has the character.
        """
        return self[row].char_to_token(char, sequence_index)

    def char_to_word(self, row: int, char: int, sequence_index: int = 0) -> int | None:
        """Return the word that has a character.

        Arguments:
            row: int. The index of the row.
            char: int. The index of the character in its text.
            sequence_index: int. 0 for the first text, 1 for the second.

        Returns:
            int or None. The index of the word in its text; None if no word has the character.
        """
        return self[row].char_to_word(char, sequence_index)

    def word_to_tokens(self, row: int, word: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """Return the tokens of a word.

        Arguments:
            row: int. The index of the row.
            word: int. The index of the word in its text.
            sequence_index: int. 0 for the first text, 1 for the second.

        Returns:
            (int, int) or None. The index of the first token, and the index after the last token; None if the row
                lacks the word.
        """
        return self[row].word_to_tokens(word, sequence_index)

    def word_to_chars(self, row: int, word: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """Return where a word stands in its text.

        Arguments:
            row: int. The index of the row.
            word: int. The index of the word in its text.
            sequence_index: int. 0 for the first text, 1 for the second.

        Returns:
            (int, int) or None. The characters (start, end); None if the row lacks the word.
        """
        return self[row].word_to_chars(word, sequence_index)


def _pad_id(batch: Batch) -> int:
    tokenizer, pad_id = batch.tokenizer, batch.settings.pad_id
    if pad_id is not None:
        return pad_id
    try:
        return tokenizer._token_pad_id
    except AttributeError:
        raise ValueError(f"padding, but the vocabulary has no {tokenizer._token_pad!r}; give pad_id") from None


def encode_batch(
    tokenizer: TokenizerBase, texts: Iterable[str], pairs: Iterable[str] | None, workers: int, settings: Settings
) -> Encoding:
    """Check the arguments of `TokenizerBase.encode_batch`, and make its result, whose fields are computed later.

    Arguments:
        tokenizer: TokenizerBase. The tokenizer.
        texts: iterable of str. The texts.
        pairs: iterable of str or None. A second text for each of them.
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
