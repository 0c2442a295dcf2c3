"""Look up the words and tokens of characters in one row of a batch, and the characters of words and tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

from ._checks import checked_int

if TYPE_CHECKING:
    from .encoding import Encoding


class RowEncoding:
    """Look up words, characters and tokens in one row of an `Encoding`.

    Hugging Face's tokenizers call such a row the `Encoding` of a text. It has the fields of the batch, for this row
    alone: `ids`, `type_ids`, `tokens`, `offsets`, `attention_mask`, `special_tokens_mask`, `word_ids`, `sequence_ids`.
    `overflowing` is the list of the rows that `maxlen` cut off. The lookups give what Hugging Face's lookups give: None
    where there is nothing, and an end that is exclusive. Characters are counted in the text that `sequence_index`
    names, tokens in the whole row.

    Arguments:
        encoding: Encoding. The batch.
        row: int. The index of the row.

    Example:
        >>> tokenizer = Tokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "hello": 3, "wor": 4, "##ld": 5})
        >>> row = tokenizer.encode_batch(["hello world"])[0]
        >>> row.tokens
        ['[CLS]', 'hello', 'wor', '##ld', '[SEP]']
        >>> row.char_to_token(6), row.token_to_chars(3), row.word_to_tokens(1)
        (2, (9, 11), (2, 4))
    """

    # `__getattr__` takes these from the batch.
    ids: list[int]
    type_ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    attention_mask: list[int]
    special_tokens_mask: list[int]
    word_ids: list[int | None]
    sequence_ids: list[int | None]

    def __init__(self, encoding: Encoding, row: int) -> None:
        self._encoding, self._row = encoding, row

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"RowEncoding({len(self)} tokens)"

    def __getattr__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._encoding, name)[self._row]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_FIELDS]

    @property
    def n_sequences(self) -> int:
        """How many texts the row has: 1, or 2 for a pair."""
        return len(self._encoding._batch.sides)

    @property
    def overflowing(self) -> list[RowEncoding]:
        """The rows that `maxlen` cut off from the texts of this one."""
        if self._encoding._overflow:
            return []
        more = self._encoding.overflowing
        return [RowEncoding(more, i) for i, sample in enumerate(more.sample_index) if sample == self._row]

    def token_to_sequence(self, token: int) -> int | None:
        """Return which text a token comes from.

        Arguments:
            token: int. The index of the token.

        Returns:
            int or None. 0 for the first text, 1 for the second, None for a special token.
        """
        return _at(self.sequence_ids, checked_int(token, "token", 0))

    def token_to_chars(self, token: int) -> tuple[int, int] | None:
        """Return where a token stands in its text.

        Arguments:
            token: int. The index of the token.

        Returns:
            (int, int) or None. The characters (start, end); None for a special token.
        """
        return None if self.token_to_sequence(token) is None else self.offsets[token]

    def token_to_word(self, token: int) -> int | None:
        """Return the word that a token belongs to.

        Arguments:
            token: int. The index of the token.

        Returns:
            int or None. The index of the word in its text; None for a special token.
        """
        return _at(self.word_ids, checked_int(token, "token", 0))

    def char_to_token(self, char: int, sequence_index: int = 0) -> int | None:
        """Return the first token that has a character.

        Arguments:
            char: int. The index of the character in its text.
            sequence_index: int. 0 for the first text, 1 for the second.

        Returns:
            int or None. The index of the token; None if no token has the character.
        """
        char, offsets = checked_int(char, "char", 0), self.offsets
        for token in self._tokens_of(sequence_index):
            start, end = offsets[token]
            if start <= char < end:
                return token
        return None

    def char_to_word(self, char: int, sequence_index: int = 0) -> int | None:
        """Return the word that has a character.

        Arguments:
            char: int. The index of the character in its text.
            sequence_index: int. 0 for the first text, 1 for the second.

        Returns:
            int or None. The index of the word in its text; None if no word has the character.
        """
        token = self.char_to_token(char, sequence_index)
        return None if token is None else self.token_to_word(token)

    def word_to_tokens(self, word: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """Return the tokens of a word.

        Arguments:
            word: int. The index of the word in its text.
            sequence_index: int. 0 for the first text, 1 for the second.

        Returns:
            (int, int) or None. The index of the first token, and one more than the index of the last; None if the row
            does not have the word.
        """
        word, word_ids = checked_int(word, "word", 0), self.word_ids
        found = [token for token in self._tokens_of(sequence_index) if word_ids[token] == word]
        return (found[0], found[-1] + 1) if found else None

    def word_to_chars(self, word: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """Return where a word stands in its text.

        Arguments:
            word: int. The index of the word in its text.
            sequence_index: int. 0 for the first text, 1 for the second.

        Returns:
            (int, int) or None. The characters (start, end); None if the row does not have the word.
        """
        tokens = self.word_to_tokens(word, sequence_index)
        return None if tokens is None else (self.offsets[tokens[0]][0], self.offsets[tokens[1] - 1][1])

    def _tokens_of(self, sequence_index: int) -> Sequence[int]:
        """Return the indices of the tokens of a text; for a text that is not there all, as Hugging Face does it."""
        sequence_index = checked_int(sequence_index, "sequence_index", 0)
        if sequence_index >= self.n_sequences:
            return range(len(self.ids))
        return [token for token, sequence in enumerate(self.sequence_ids) if sequence == sequence_index]


_FIELDS = tuple(RowEncoding.__annotations__)


def _at(values: list, index: int) -> Any:
    """Return an element of a list, None if the list has no such index."""
    return values[index] if index < len(values) else None
