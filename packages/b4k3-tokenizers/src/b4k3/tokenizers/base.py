"""What every tokenizer does: specials, pairs, truncation, ids to tokens and back. Subclasses cut the text."""

from __future__ import annotations

import warnings
from typing import Any, Iterable, Sequence

from ._checks import check_text, checked_ids, checked_int, checked_tokens, shown
from .template import Template, around_single, check_room, count_specials
from .vocab import VocabError


class _Default:
    """The value of an argument that is not given."""

    def __repr__(self):
        return "<the tokenizer's>"


DEFAULT: Any = _Default()


class TokenizerBase:
    """The common part of `Tokenizer` and `SpTokenizer`, with the interface of bert4keras.

    A subclass gives `_tokenize(text)`, `token_to_id`, `id_to_token` and `decode`; for the offsets and words of
    `encode_batch` `_offsets_of_texts(texts)` and `_word_ids_of_texts(texts)`, and where it has a fast way to many texts
    `_ids_of_texts(texts)`.

    Arguments:
        token_start, token_end: the tokens around a text, None for none.
        pre_tokenize: a function from text to words, applied first; its words are then cut further.
        token_translate: dict of token -> the token to put in its place.

    Attributes:
        batch_defaults: dict. Arguments of `encode_batch` that hold where they are not given. `load_tokenizer_json` puts
            the `truncation` and `padding` of the file here; else it is empty.
    """

    def __init__(self, token_start="[CLS]", token_end="[SEP]", pre_tokenize=None, token_translate=None):
        self._token_pad = "[PAD]"
        self._token_unk = "[UNK]"
        self._token_mask = "[MASK]"
        self._token_start = token_start
        self._token_end = token_end
        self._pre_tokenize = pre_tokenize
        self._token_translate = token_translate or {}
        self._token_translate_inv = {v: k for k, v in self._token_translate.items()}
        self._template: Template | None = None  # where it is not `token_start text token_end text token_end`
        self.batch_defaults = {}

    def _set_special_ids(self, find):
        """Set `_token_pad_id` and so on, for the special tokens for which `find(token)` is an id."""
        for name in ("pad", "unk", "mask", "start", "end"):
            token = getattr(self, "_token_" + name)
            i = None if token is None else find(token)
            if i is not None:
                setattr(self, "_token_%s_id" % name, i)

    def _warn_of_missing_specials(self, find, what):
        """Warn of a token around texts for which `find(token)` is no id."""
        for name in ("token_start", "token_end"):
            token = getattr(self, "_" + name)
            if token is not None and find(token) is None:
                message = f"{name}={token!r} is {what} and becomes the unknown one; pass another one, or None for none"
                warnings.warn(message, stacklevel=3)

    # what a subclass gives

    def _tokenize(self, text):
        """The tokens of a text, without specials, before `token_translate`."""
        raise NotImplementedError

    def token_to_id(self, token):
        """The id of a token; of the unknown token if the vocabulary does not have it."""
        raise NotImplementedError

    def _id_of_token(self, token):
        """The id of a token, None if the vocabulary does not have it."""
        raise NotImplementedError

    def id_to_token(self, i):
        """The token of an id."""
        raise NotImplementedError

    def decode(self, ids):
        """Readable text of ids."""
        raise NotImplementedError

    def _offsets_of_texts(self, texts):
        """For each text (start, end) in its characters for each of its ids, without specials."""
        raise NotImplementedError(f"{type(self).__name__} has no offsets")

    def _word_ids_of_texts(self, texts):
        """For each text the index of the word that each of its ids is of, without specials."""
        raise NotImplementedError(f"{type(self).__name__} does not say which words its tokens are of")

    def _ids_of_texts(self, texts):
        """The ids of each text, without specials: a list of new lists."""
        return [self.tokens_to_ids(self._translated(text)) for text in texts]

    # tokens and ids of one text

    def _translated(self, text):
        tokens = self._tokenize(text)
        if not self._token_translate:
            return tokens
        translate = self._token_translate.get
        return [translate(token) or token for token in tokens]

    def tokenize(self, text, maxlen=None):
        """The tokens of a text between `token_start` and `token_end`.

        Arguments:
            text: str.
            maxlen: at most so many tokens, specials included; what is left out comes before `token_end`.

        Returns:
            list of str. A word that the vocabulary cannot spell stays as it is (so that `rematch` finds it).
        """
        check_text(text)
        before, after = self._tokens_around()
        tokens = before + list(self._translated(text)) + after
        if maxlen is not None:
            tokens = truncated(checked_int(maxlen, "maxlen", 0), self._truncation_index("right"), tokens)[0]
        return tokens

    def _tokens_around(self):
        """The special tokens before and after a text."""
        if self._template is not None:
            return tuple(map(self.ids_to_tokens, around_single(self._template.single)))
        return [[] if token is None else [token] for token in (self._token_start, self._token_end)]

    def _ids_around(self):
        """The ids of the special tokens before and after a text."""
        if self._template is not None:
            return around_single(self._template.single)
        return tuple(map(self.tokens_to_ids, self._tokens_around()))

    def tokens_to_ids(self, tokens):
        """The id of each token: list of int."""
        if not hasattr(tokens, "__iter__"):
            checked_tokens(tokens)
        return [self.token_to_id(token) for token in tokens]

    def ids_to_tokens(self, ids):
        """The token of each id: list of str."""
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

    def encode(self, first_text, second_text=None, maxlen=None, pattern="S*E*E", truncate_from="right"):
        """Ids and segment ids of a text or of a pair.

        Arguments:
            first_text, second_text: str, or a list of tokens with its specials (it is not changed).
            maxlen: at most so many ids; tokens are taken from the longer text, the first one if they are equally long.
            pattern: "S*E*E" gives [CLS] a [SEP] b [SEP]; anything else keeps the start token of the second text.
            truncate_from: "right", "left" (specials stay), or the index at which tokens are taken out.

        Returns:
            (ids, segment ids), two lists of int; segment 1 is the second text. Where a `tokenizer.json` has another
            template, such as RoBERTa's, its specials and segments.

        Raises:
            TypeError: something that is neither a text nor a list of tokens.
            ValueError: a `maxlen` that cannot be met; a `pattern` or lists of tokens for another template than BERT's.
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

    def _encoded(self, text, what):
        """The ids of a text with its specials, or of a list of tokens: a new list."""
        return self.tokens_to_ids(self.tokenize(text) if isinstance(text, str) else checked_tokens(text, what))

    def _encode_by_template(self, first, second, maxlen, pattern, truncate_from):
        """`encode` with another template than BERT's."""
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
        padding: Any = DEFAULT,
        workers: int = 1,
        *,
        truncation_side: str = DEFAULT,
        padding_side: str = DEFAULT,
        pad_to_multiple_of: int | None = DEFAULT,
        pad_id: int | None = DEFAULT,
        pad_type_id: int = DEFAULT,
        pad_token: str | None = DEFAULT,
    ):
        """Encode many texts, or pairs of texts, at once.

        What is not given is as in `batch_defaults` (a `tokenizer.json` can say how to truncate and pad), and else as
        written here.

        Arguments:
            texts: list of str.
            pairs: list of str, the second text of each, or None.
            maxlen: at most so many ids in a row, specials included; None, the default, for any number.
            truncation: "longest_first" (the default), "only_first" or "only_second", as in Hugging Face's tokenizers.
            stride: how many tokens a row of `overflowing` repeats of the row before it; 0 if not given.
            padding: False (the default); True or "longest" for the longest row's length; "max_length" for `maxlen`; or
                a length.
            workers: processes that share the work; worth it from some megabytes of text.
            truncation_side: "right" (the default) keeps the beginning of a text, "left" its end.
            padding_side: "right" (the default) or "left".
            pad_to_multiple_of: rows are padded to a multiple of it; None for any length.
            pad_id, pad_type_id, pad_token: what padding is made of; the padding token of the vocabulary and 0.

        Returns:
            `Encoding`, whose fields (`ids`, `type_ids`, `tokens`, `offsets`, `attention_mask`, `special_tokens_mask`,
            `word_ids`, `sequence_ids`, `overflowing`, `sample_index`) are computed when they are first asked for.

        Raises:
            TypeError: one text in place of a list, or something that is no str in it; a number that is none.
            ValueError: arguments that cannot be met, such as a `maxlen` without room for the specials.
        """
        from .encoding import Settings, encode_batch

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

    def _parts_of_rows(self, pair: bool) -> Sequence[Any]:
        """The template of a row with one text or two."""
        template = self._template
        if template is None:
            template = Template.around(*self._ids_around())
        return template.of(pair)

    def _truncation_index(self, truncate_from):
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


def truncated(maxlen, indices, *sequences):
    """New lists, shortened until their lengths add up to at most `maxlen`.

    The result is that of taking the element at `indices` (an int, or one for each sequence) out of the longest
    sequence, the first of equally long ones, again and again; but in one step.

    Raises:
        ValueError: a sequence has nothing left at its index.
    """
    if not isinstance(indices, (list, tuple)):
        # an empty sequence has no part in it; as in bert4keras it does not use up an index either
        indices = [indices] * len(sequences)
    out, filled = [list(s) for s in sequences], [k for k, s in enumerate(sequences) if s]
    lengths = _shortened([len(out[k]) for k in filled], maxlen)
    for k, index, length in zip(filled, indices, lengths):
        out[k] = _without(out[k], index, len(out[k]) - length, maxlen)
    return out


def _shortened(lengths, maxlen):
    """The lengths after taking 1 from the longest (the first of equals) until they add up to at most `maxlen`."""
    excess = sum(lengths) - maxlen
    if excess <= 0:
        return lengths
    lengths = list(lengths)
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    for n in range(1, len(order) + 1):  # bring the n longest down to the next one, or share what is left
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


def _without(sequence, index, count, maxlen):
    """The sequence after taking out the element at `index` `count` times."""
    if not count:
        return sequence
    start = index if index >= 0 else len(sequence) + index + 1 - count
    if start < 0 or start + count > len(sequence):
        raise ValueError(f"cannot shorten {len(sequence)} tokens by {count} at index {index} for maxlen={maxlen}")
    return sequence[:start] + sequence[start + count :]
