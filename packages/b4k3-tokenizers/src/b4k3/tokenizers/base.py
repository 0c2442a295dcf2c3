"""What every tokenizer does: specials, pairs, truncation, ids to tokens and back. Subclasses cut the text."""

from __future__ import annotations


class TokenizerBase:
    """The common part of `Tokenizer` and `SpTokenizer`, with the interface of bert4keras.

    A subclass gives `_tokenize(text)`, `token_to_id`, `id_to_token` and `decode`; for the offsets of `encode_batch`
    `_offsets_of_texts(texts)`, and where it has a fast way to many texts `_ids_of_texts(texts)`.

    Arguments:
        token_start, token_end: the tokens around a text, None for none.
        pre_tokenize: a function from text to words, applied first; its words are then cut further.
        token_translate: dict of token -> the token to put in its place.
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

    def _set_special_ids(self, find):
        """Set `_token_pad_id` and so on, for the special tokens for which `find(token)` is an id."""
        for name in ("pad", "unk", "mask", "start", "end"):
            token = getattr(self, "_token_" + name)
            i = None if token is None else find(token)
            if i is not None:
                setattr(self, "_token_%s_id" % name, i)

    # what a subclass gives

    def _tokenize(self, text):
        """The tokens of a text, without specials, before `token_translate`."""
        raise NotImplementedError

    def token_to_id(self, token):
        """The id of a token; of the unknown token if the vocabulary does not have it."""
        raise NotImplementedError

    def id_to_token(self, i):
        """The token of an id."""
        raise NotImplementedError

    def decode(self, ids):
        """Readable text of ids."""
        raise NotImplementedError

    def _offsets_of_texts(self, texts):
        """For each text (start, end) in its characters for each of its ids, without specials."""
        raise NotImplementedError("%s has no offsets" % type(self).__name__)

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
        tokens = list(self._translated(text))
        if self._token_start is not None:
            tokens.insert(0, self._token_start)
        if self._token_end is not None:
            tokens.append(self._token_end)
        if maxlen is not None:
            tokens = truncated(maxlen, self._truncation_index("right"), tokens)[0]
        return tokens

    def tokens_to_ids(self, tokens):
        """The id of each token: list of int."""
        return [self.token_to_id(token) for token in tokens]

    def ids_to_tokens(self, ids):
        """The token of each id: list of str."""
        return [self.id_to_token(i) for i in ids]

    def encode(self, first_text, second_text=None, maxlen=None, pattern="S*E*E", truncate_from="right"):
        """Ids and segment ids of a text or of a pair.

        Arguments:
            first_text, second_text: str, or a list of tokens with its specials (it is not changed).
            maxlen: at most so many ids; tokens are taken from the longer text, the first one if they are equally long.
            pattern: "S*E*E" gives [CLS] a [SEP] b [SEP]; anything else keeps the start token of the second text.
            truncate_from: "right", "left" (specials stay), or the index at which tokens are taken out.

        Returns:
            (ids, segment ids), two lists of int; segment 1 is the second text.
        """
        first = self._encoded(first_text)
        second = [] if second_text is None else self._encoded(second_text)
        joined = second_text is not None and pattern == "S*E*E"
        if maxlen is not None:
            first, second = truncated(maxlen + joined, self._truncation_index(truncate_from), first, second)
        if joined and self._token_start:
            second = second[1:]
        return first + second, [0] * len(first) + [1] * len(second)

    def _encoded(self, text):
        """The ids of a text with its specials, or of a list of tokens: a new list."""
        return self.tokens_to_ids(self.tokenize(text) if isinstance(text, str) else text)

    def encode_batch(
        self,
        texts,
        pairs=None,
        maxlen=None,
        truncation="longest_first",
        stride=0,
        padding=False,
        workers=1,
    ):
        """Encode many texts, or pairs of texts, at once.

        Arguments:
            texts: list of str.
            pairs: list of str, the second text of each, or None.
            maxlen: at most so many ids in a row, specials included.
            truncation: "longest_first", "only_first" or "only_second", as in Hugging Face's tokenizers.
            stride: how many tokens a row of `overflowing` repeats of the row before it.
            padding: False; True or "longest" for the longest row's length; "max_length" for `maxlen`; or a length.
                Padding is on the right.
            workers: processes that share the work; worth it from some megabytes of text.

        Returns:
            `Encoding`, whose fields (`ids`, `type_ids`, `tokens`, `offsets`, `attention_mask`, `special_tokens_mask`,
            `overflowing`, `sample_index`) are computed when they are first asked for.

        Raises:
            TypeError: one text in place of a list, or something that is no str in it.
            ValueError: arguments that cannot be met, such as a `maxlen` without room for the specials.
        """
        from .encoding import encode_batch

        return encode_batch(self, texts, pairs, maxlen, truncation, stride, padding, workers)

    def _truncation_index(self, truncate_from):
        if truncate_from == "right":
            return -1 - (self._token_end is not None)
        if truncate_from == "left":
            return int(self._token_start is not None)
        if isinstance(truncate_from, str):
            raise ValueError("truncate_from=%r; expected 'right', 'left' or an index" % truncate_from)
        return truncate_from


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
        raise ValueError(
            "cannot shorten %d tokens by %d at index %d for maxlen=%d" % (len(sequence), count, index, maxlen)
        )
    return sequence[:start] + sequence[start + count :]
