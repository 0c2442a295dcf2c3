"""One row of a batch, and the ways from its characters to its words and tokens and back."""

from __future__ import annotations

from typing import Any

from ._checks import checked_int

_FIELDS = "ids type_ids tokens offsets attention_mask special_tokens_mask word_ids sequence_ids".split()


class RowEncoding:
    """A row of an `Encoding`: what Hugging Face's tokenizers call the `Encoding` of a text.

    Its fields are those of the batch, for one row: `ids`, `type_ids`, `tokens`, `offsets`, `attention_mask`,
    `special_tokens_mask`, `word_ids`, `sequence_ids`; `overflowing` is the list of the rows that `maxlen` cut off. The
    lookups give what theirs give: None where there is nothing, an end that is exclusive, characters of the text that
    `sequence_index` names, tokens of the whole row.

    Arguments:
        encoding: `Encoding`. The batch.
        row: int. The index of the row.
    """

    def __init__(self, encoding: Any, row: int):
        self._encoding, self._row = encoding, row

    def __len__(self):
        return len(self.ids)

    def __repr__(self):
        return f"RowEncoding({len(self)} tokens)"

    def __getattr__(self, name):
        if name not in _FIELDS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._encoding, name)[self._row]

    def __dir__(self):
        return [*super().__dir__(), *_FIELDS]

    @property
    def n_sequences(self) -> int:
        """How many texts the row is of."""
        return len(self._encoding._batch.sides)

    @property
    def overflowing(self) -> list[RowEncoding]:
        """The rows that `maxlen` cut off from this one's texts."""
        if self._encoding._overflow:
            return []
        more = self._encoding.overflowing
        return [RowEncoding(more, i) for i, sample in enumerate(more.sample_index) if sample == self._row]

    def token_to_sequence(self, token: int) -> int | None:
        """Which text a token is of: 0, 1, or None for a special one.

        Arguments:
            token: int. The index of the token.
        """
        return _at(self.sequence_ids, checked_int(token, "token", 0))

    def token_to_chars(self, token: int) -> tuple[int, int] | None:
        """(start, end) of a token in the characters of its text.

        Arguments:
            token: int. The index of the token.
        """
        return None if self.token_to_sequence(token) is None else self.offsets[token]

    def token_to_word(self, token: int) -> int | None:
        """The index of the word that a token is of.

        Arguments:
            token: int. The index of the token.
        """
        return _at(self.word_ids, checked_int(token, "token", 0))

    def char_to_token(self, char: int, sequence_index: int = 0) -> int | None:
        """The index of the first token that a character is in.

        Arguments:
            char: int. The index of the character.
            sequence_index: int. 0 for the first text, 1 for the second.
        """
        char, offsets = checked_int(char, "char", 0), self.offsets
        for token in self._tokens_of(sequence_index):
            start, end = offsets[token]
            if start <= char < end:
                return token
        return None

    def char_to_word(self, char: int, sequence_index: int = 0) -> int | None:
        """The index of the word that a character is in.

        Arguments:
            char, sequence_index: See `char_to_token`.
        """
        token = self.char_to_token(char, sequence_index)
        return None if token is None else self.token_to_word(token)

    def word_to_tokens(self, word: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """(first, one past the last) token of a word.

        Arguments:
            word: int. The index of the word in its text.
            sequence_index: int. 0 for the first text, 1 for the second.
        """
        word, word_ids = checked_int(word, "word", 0), self.word_ids
        found = [token for token in self._tokens_of(sequence_index) if word_ids[token] == word]
        return (found[0], found[-1] + 1) if found else None

    def word_to_chars(self, word: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """(start, end) of a word in the characters of its text.

        Arguments:
            word, sequence_index: See `word_to_tokens`.
        """
        tokens = self.word_to_tokens(word, sequence_index)
        return None if tokens is None else (self.offsets[tokens[0]][0], self.offsets[tokens[1] - 1][1])

    def _tokens_of(self, sequence_index):
        """The indices of the tokens of a text; of all, as Hugging Face has it, for a text that is not there."""
        sequence_index = checked_int(sequence_index, "sequence_index", 0)
        if sequence_index >= self.n_sequences:
            return range(len(self.ids))
        return [token for token, sequence in enumerate(self.sequence_ids) if sequence == sequence_index]


def _at(values, index):
    return values[index] if index < len(values) else None
