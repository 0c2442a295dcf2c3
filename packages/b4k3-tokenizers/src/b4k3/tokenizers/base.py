"""Do what every tokenizer does: special tokens, pairs, truncation, ids to tokens and back. Subclasses cut the text."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, Sequence

from ._checks import check_text, checked_ids, checked_int, checked_tokens, shown
from .template import Template, TemplatePart, around_single, check_room, count_specials
from .vocab import VocabError

if TYPE_CHECKING:
    from .encoding import Encoding


class _Default:
    """This stands for the value of an argument that is not given."""

    def __repr__(self) -> str:
        return "<the tokenizer's>"


DEFAULT: Any = _Default()


class TokenizerBase:
    """This is the common part of `Tokenizer` and `SpTokenizer`. It has the interface of bert4keras.

    A subclass implements `_tokenize(text)`, `token_to_id`, `id_to_token` and `decode`. For the offsets and words of
    `encode_batch` it implements `_offsets_of_texts(texts)` and `_word_ids_of_texts(texts)`, and for speed
    `_ids_of_texts(texts)`.

    Arguments:
        token_start: str or None. The token before a text; None for none.
        token_end: str or None. The token after a text; None for none.
        pre_tokenize: function from str to words, or None. It is applied first, and its words are then cut further.
        token_translate: dict of str to str, or None. Tokens, and the tokens that replace them.

    Attributes:
        batch_defaults: dict. Arguments of `encode_batch` that hold if the call does not give them.
            `load_tokenizer_json` puts the `truncation` and `padding` of the file here; otherwise it is empty.

    Example:
        >>> class Letters(TokenizerBase):
        ...     def _tokenize(self, text):
        ...         return list(text)
        ...     def token_to_id(self, token):
        ...         return ord(token[0])
        ...     def id_to_token(self, i):
        ...         return chr(i)
        >>> tokenizer = Letters(token_start="<", token_end=">")
        >>> tokenizer.tokenize("ab"), tokenizer.encode("ab", "c")
        (['<', 'a', 'b', '>'], ([60, 97, 98, 62, 99, 62], [0, 0, 0, 0, 1, 1]))
    """

    def __init__(
        self,
        token_start: str | None = "[CLS]",
        token_end: str | None = "[SEP]",
        pre_tokenize: Callable[[str], Iterable[str]] | None = None,
        token_translate: Mapping[str, str] | None = None,
    ) -> None:
        self._token_pad = "[PAD]"
        self._token_unk = "[UNK]"
        self._token_mask = "[MASK]"
        self._token_start = token_start
        self._token_end = token_end
        self._pre_tokenize = pre_tokenize
        self._token_translate = token_translate or {}
        self._token_translate_inv = {v: k for k, v in self._token_translate.items()}
        self._template: Template | None = None  # None stands for `token_start text token_end text token_end`.
        self.batch_defaults: dict[str, Any] = {}

    def _set_special_ids(self, find: Callable[[str], int | None]) -> None:
        """Set `_token_pad_id` and so on, for the special tokens for which `find(token)` is an id."""
        for name in ("pad", "unk", "mask", "start", "end"):
            token = getattr(self, "_token_" + name)
            i = None if token is None else find(token)
            if i is not None:
                setattr(self, f"_token_{name}_id", i)

    def _warn_of_missing_specials(self, find: Callable[[str], int | None], what: str) -> None:
        """Warn of a token around texts for which `find(token)` is no id."""
        for name in ("token_start", "token_end"):
            token = getattr(self, "_" + name)
            if token is not None and find(token) is None:
                message = f"{name}={token!r} is {what} and becomes the unknown token; pass another token, or None"
                warnings.warn(message, stacklevel=3)

    # ---- what a subclass implements

    def _tokenize(self, text: str) -> list[str]:
        """Return the tokens of a text, without special tokens, before `token_translate`."""
        raise NotImplementedError

    def token_to_id(self, token: str) -> int:
        """Return the id of a token.

        Arguments:
            token: str. The token.

        Returns:
            int. Its id; the id of the unknown token if the vocabulary does not have the token.
        """
        raise NotImplementedError

    def _id_of_token(self, token: str) -> int | None:
        """Return the id of a token, None if the vocabulary does not have it."""
        raise NotImplementedError

    def id_to_token(self, i: int) -> str:
        """Return the token of an id.

        Arguments:
            i: int. The id.

        Returns:
            str. The token.
        """
        raise NotImplementedError

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into readable text.

        Arguments:
            ids: iterable of int. The ids.

        Returns:
            str. The text.
        """
        raise NotImplementedError

    def _offsets_of_texts(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return for each text (start, end) in its characters of each of its ids, without special tokens."""
        raise NotImplementedError(f"{type(self).__name__} has no offsets")

    def _word_ids_of_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return for each text the index of the word that each of its ids belongs to, without special tokens."""
        raise NotImplementedError(f"{type(self).__name__} does not say which words its tokens are of")

    def _ids_of_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text in a new list, without special tokens."""
        return [self.tokens_to_ids(self._translated(text)) for text in texts]

    # ---- tokens and ids of one text

    def _translated(self, text: str) -> list[str]:
        tokens = self._tokenize(text)
        if not self._token_translate:
            return tokens
        translate = self._token_translate.get
        return [translate(token) or token for token in tokens]

    def tokenize(self, text: str, maxlen: int | None = None) -> list[str]:
        """Cut a text into tokens, and put `token_start` and `token_end` around them.

        Arguments:
            text: str. The text.
            maxlen: int or None. The largest number of tokens, special tokens included. The last tokens before
                `token_end` are left out. None is for any number.

        Returns:
            list of str. The tokens. A word that the vocabulary cannot spell stays as it is, so that `rematch` finds it.

        Raises:
            TypeError: The text is no str.
        """
        check_text(text)
        before, after = self._tokens_around()
        tokens = before + list(self._translated(text)) + after
        if maxlen is not None:
            tokens = truncated(checked_int(maxlen, "maxlen", 0), self._truncation_index("right"), tokens)[0]
        return tokens

    def _tokens_around(self) -> Sequence[list[str]]:
        """Return the special tokens before a text, and the special tokens after it."""
        if self._template is not None:
            return tuple(map(self.ids_to_tokens, around_single(self._template.single)))
        return [[] if token is None else [token] for token in (self._token_start, self._token_end)]

    def _ids_around(self) -> tuple[list[int], list[int]]:
        """Return the ids of the special tokens before a text, and of the special tokens after it."""
        if self._template is not None:
            return around_single(self._template.single)
        before, after = map(self.tokens_to_ids, self._tokens_around())
        return before, after

    def tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
        """Return the ids of tokens.

        Arguments:
            tokens: iterable of str. The tokens.

        Returns:
            list of int. The id of each token; the id of the unknown token if the vocabulary does not have the token.

        Raises:
            TypeError: `tokens` is no iterable of str.
        """
        if not hasattr(tokens, "__iter__"):
            checked_tokens(tokens)
        return [self.token_to_id(token) for token in tokens]

    def ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of ids.

        Arguments:
            ids: iterable of int. The ids.

        Returns:
            list of str. The token of each id.

        Raises:
            TypeError: `ids` is no iterable of integers.
            VocabError: The vocabulary does not have an id. The message says its place.
        """
        ids = checked_ids(ids)
        try:
            return [self.id_to_token(i) for i in ids]
        except VocabError:
            for place, i in enumerate(ids):
                try:
                    self.id_to_token(i)
                except VocabError as e:
                    raise VocabError(f"ids[{place}]: {e}") from None
            raise

    def encode(
        self,
        first_text: str | Sequence[str],
        second_text: str | Sequence[str] | None = None,
        maxlen: int | None = None,
        pattern: str = "S*E*E",
        truncate_from: str | int | Sequence[int] = "right",
    ) -> tuple[list[int], list[int]]:
        """Return the ids and segment ids of a text or of a pair of texts.

        Arguments:
            first_text: str, or a list of tokens with its special tokens, which is not changed. The first text.
            second_text: str, or a list of tokens, or None. The second text; None for a single text.
            maxlen: int or None. The largest number of ids. Tokens are taken from the longer text, and from the first
                one if both are equally long. None is for any number.
            pattern: str. "S*E*E" gives [CLS] a [SEP] b [SEP]; anything else keeps the start token of the second text.
            truncate_from: str, int or list of int. Where tokens are taken out: "right", "left" (special tokens stay),
                or at an index, or at one index for each text.

        Returns:
            (list of int, list of int). The ids and the segment ids, which are 1 for the second text. If a
            `tokenizer.json` has another template, such as RoBERTa's, the template decides on both.

        Raises:
            TypeError: One of the texts is neither a text nor a list of tokens.
            ValueError: The texts cannot be shortened to `maxlen`; or `pattern` or lists of tokens were given although
                the tokenizer has another template than BERT's.
        """
        if maxlen is not None:
            maxlen = checked_int(maxlen, "maxlen", 0)
        if self._template is not None:
            return self._encode_by_template(first_text, second_text, maxlen, pattern, truncate_from)
        first = self._encoded(first_text, "first_text")
        second = [] if second_text is None else self._encoded(second_text, "second_text")
        joined = second_text is not None and pattern == "S*E*E" and bool(self._token_start)
        if maxlen is not None:
            first, second = truncated(maxlen + joined, self._truncation_index(truncate_from), first, second)
        if joined:
            second = second[1:]
        return first + second, [0] * len(first) + [1] * len(second)

    def _encoded(self, text: str | Sequence[str], what: str) -> list[int]:
        """Return the ids of a text with its special tokens, or of a list of tokens, in a new list."""
        return self.tokens_to_ids(self.tokenize(text) if isinstance(text, str) else checked_tokens(text, what))

    def _encode_by_template(
        self, first: Any, second: Any, maxlen: int | None, pattern: str, truncate_from: str | int | Sequence[int]
    ) -> tuple[list[int], list[int]]:
        """Do what `encode` does, with another template than BERT's."""
        for name, text in (("first_text", first), ("second_text", second)):
            if text is not None or name == "first_text":
                check_text(text, name, "str (lists of tokens do not fit the template of this tokenizer)")
        if pattern != "S*E*E" or truncate_from not in ("right", "left"):
            raise ValueError(
                f"pattern={shown(pattern)}, truncate_from={shown(truncate_from)}: this tokenizer has a template of its "
                "own; expected pattern='S*E*E' and truncate_from='right' or 'left'"
            )
        parts = self._template.of(second is not None)
        texts = self._ids_of_texts([first] if second is None else [first, second])
        if maxlen is not None:
            check_room(maxlen, parts)
            texts = truncated(maxlen - count_specials(parts), 0 if truncate_from == "left" else -1, *texts)
        ids, segments = [], []
        for part in parts:
            found = list(part.ids) if part.sequence is None else texts[part.sequence]
            ids += found
            segments += [part.type_id] * len(found)
        return ids, segments

    def encode_batch(
        self,
        texts: Iterable[str],
        pairs: Iterable[str] | None = None,
        maxlen: int | None = DEFAULT,
        truncation: str = DEFAULT,
        stride: int = DEFAULT,
        padding: bool | str | int | None = DEFAULT,
        workers: int = 1,
        *,
        truncation_side: str = DEFAULT,
        padding_side: str = DEFAULT,
        pad_to_multiple_of: int | None = DEFAULT,
        pad_id: int | None = DEFAULT,
        pad_type_id: int = DEFAULT,
        pad_token: str | None = DEFAULT,
    ) -> Encoding:
        """Encode many texts, or pairs of texts, at once.

        An argument that is not given is taken from `batch_defaults`, because a `tokenizer.json` can say how to truncate
        and pad. If it is not there, it has the default that is named here.

        Arguments:
            texts: iterable of str. The texts.
            pairs: iterable of str or None. The second text of each pair; None for single texts.
            maxlen: int or None. The largest number of ids in a row, special tokens included. None, the default, is for
                any number.
            truncation: str. "longest_first" (the default), "only_first" or "only_second", as in Hugging Face's
                tokenizers.
            stride: int. How many tokens a row of `overflowing` repeats from the row before it. The default is 0.
            padding: bool, str or int. False (the default) for no padding; True or "longest" for the length of the
                longest row; "max_length" for `maxlen`; or a length.
            workers: int. How many processes share the work. More than one pays off from some megabytes of text on.
            truncation_side: str. "right" (the default) keeps the beginning of a text, "left" keeps its end.
            padding_side: str. "right" (the default) or "left".
            pad_to_multiple_of: int or None. Rows are padded to a multiple of it. None, the default, is for any length.
            pad_id: int or None. The id of padding. None, the default, is for the padding token of the vocabulary.
            pad_type_id: int. The type id of padding. The default is 0.
            pad_token: str or None. The token of padding. None, the default, is for the token of `pad_id`.

        Returns:
            Encoding. Its fields are computed when they are first read: `ids`, `type_ids`, `tokens`, `offsets`,
            `attention_mask`, `special_tokens_mask`, `word_ids`, `sequence_ids`, `overflowing`, `sample_index`.

        Raises:
            TypeError: `texts` is one text in place of a list, or has something that is no str; or a number is no int.
            ValueError: The arguments cannot be met, for example a `maxlen` without room for the special tokens.

        Example:
            >>> tokenizer = Tokenizer({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "hello": 4, "world": 5})
            >>> batch = tokenizer.encode_batch(["hello world", "hello"], padding=True)
            >>> batch.ids
            [[2, 4, 5, 3], [2, 4, 3, 0]]
            >>> batch.attention_mask, batch.offsets[0]
            ([[1, 1, 1, 1], [1, 1, 1, 0]], [(0, 0), (0, 5), (6, 11), (0, 0)])
        """
        from ._batch import Settings
        from .encoding import encode_batch

        given = {
            "maxlen": maxlen,
            "truncation": truncation,
            "stride": stride,
            "padding": padding,
            "truncation_side": truncation_side,
            "padding_side": padding_side,
            "pad_to_multiple_of": pad_to_multiple_of,
            "pad_id": pad_id,
            "pad_type_id": pad_type_id,
            "pad_token": pad_token,
        }
        given = {name: value for name, value in given.items() if value is not DEFAULT}
        return encode_batch(self, texts, pairs, workers, Settings(**dict(self.batch_defaults, **given)))

    def _parts_of_rows(self, pair: bool) -> Sequence[TemplatePart]:
        """Return the template of a row with one text or two."""
        template = self._template
        if template is None:
            template = Template.around(*self._ids_around())
        return template.of(pair)

    def _truncation_index(self, truncate_from: Any) -> int | list[int]:
        """Return the index at which tokens are taken out, or one index for each text."""
        if truncate_from == "right":
            return -1 - len(self._tokens_around()[1])
        if truncate_from == "left":
            return len(self._tokens_around()[0])
        indices = truncate_from if isinstance(truncate_from, (list, tuple)) else [truncate_from]
        try:
            checked: list[int] = [checked_int(index, "truncate_from") for index in indices]
        except (TypeError, ValueError):
            raise ValueError(f"truncate_from={shown(truncate_from)}; expected 'right', 'left' or an index") from None
        return checked if isinstance(truncate_from, (list, tuple)) else checked[0]


def truncated(maxlen: int, indices: int | Sequence[int], *sequences: Sequence[Any]) -> list[list[Any]]:
    """Shorten sequences until their lengths add up to at most `maxlen`.

    The result is the same as when one element after the other is taken out of the longest sequence (the first one of
    equally long sequences), always at its index. It is computed in one step.

    Arguments:
        maxlen: int. The largest sum of the lengths.
        indices: int or list of int. The index at which elements are taken out, or one index for each sequence.
        sequences: The sequences, which are not changed.

    Returns:
        list of lists. The shortened sequences, as new lists.

    Raises:
        ValueError: A sequence has nothing left at its index.

    Example:
        >>> truncated(4, -1, [1, 2, 3], [4, 5])
        [[1, 2], [4, 5]]
    """
    if not isinstance(indices, (list, tuple)):
        # An empty sequence takes no part, and as in bert4keras it does not use up an index either.
        indices = [indices] * len(sequences)
    out, filled = [list(s) for s in sequences], [k for k, s in enumerate(sequences) if s]
    lengths = _shortened([len(out[k]) for k in filled], maxlen)
    for k, index, length in zip(filled, indices, lengths):
        out[k] = _without(out[k], index, len(out[k]) - length, maxlen)
    return out


def _shortened(lengths: list[int], maxlen: int) -> list[int]:
    """Take 1 from the longest length (the first of equals) until they add up to at most `maxlen`, in one step.

    For example, [9, 6, 2] and `maxlen` 11: the longest is brought down to the next one, which gives [6, 6, 2]. The 3
    that are still too much are taken from the first two in turn, which gives [4, 5, 2].
    """
    excess = sum(lengths) - maxlen
    if excess <= 0:
        return lengths
    lengths = list(lengths)
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    for n in range(1, len(order) + 1):  # Bring the n longest down to the next one, or share what is still too much.
        top = order[:n]
        floor = lengths[order[n]] if n < len(order) else None
        step = sum(lengths[k] for k in top) - n * (floor or 0)
        if floor is None or step >= excess:
            total = sum(lengths[k] for k in top) - excess
            each, more = divmod(total, n)
            for place, k in enumerate(sorted(top)):
                lengths[k] = each + (place >= n - more)
            return lengths
    return lengths


def _without(sequence: list[Any], index: int, count: int, maxlen: int) -> list[Any]:
    """Return the sequence after the element at `index` was taken out `count` times."""
    if not count:
        return sequence
    start = index if index >= 0 else len(sequence) + index + 1 - count
    if start < 0 or start + count > len(sequence):
        raise ValueError(f"cannot shorten {len(sequence)} tokens by {count} at index {index} for maxlen={maxlen}")
    return sequence[:start] + sequence[start + count :]
