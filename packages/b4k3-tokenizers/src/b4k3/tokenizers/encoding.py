"""Batches: the fields of Hugging Face's `Encoding`, for all texts at once, each computed when it is first asked for."""

from __future__ import annotations

from ._lazy import lazy


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
    def lengths(self):
        return [*map(len, self.ids)]

    def between(self, method, start, end):
        """What `start + row + end` is for the row of each text, without keeping the rows alone."""
        rows = self._map(method)
        self.lengths = [*map(len, rows)]
        for value in start:
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
    """What the fields are computed from: two sides and how their texts are cut and padded."""

    def __init__(self, tokenizer, first, second, maxlen, truncation, stride, padding):
        self.tokenizer, self.first, self.second = tokenizer, first, second
        self.maxlen, self.truncation, self.stride, self.padding = maxlen, truncation, stride, padding
        self.starts = int(tokenizer._token_start is not None)
        self.ends = int(tokenizer._token_end is not None)

    @property
    def specials(self):
        return self.starts + self.ends * (1 if self.second is None else 2)

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
        if self.maxlen is None or m + n <= self.maxlen - self.specials:
            return [(sample, slice(0, m), slice(0, n))]
        a, b = self._lengths(m, n, self.maxlen - self.specials)
        first, second = self._windows(m, a), self._windows(n, b)
        # the first row has the first window of both; then every later window of the first text with each of the second
        pairs = [(x, y) for x in first[1:] for y in second] + [(first[0], y) for y in second[1:]]
        return [(sample, x, y) for x, y in [(first[0], second[0])] + pairs]

    def _lengths(self, m, n, room):
        if self.truncation == "longest_first":
            return longest_first(m, n, room)
        a, b = (room - n, n) if self.truncation == "only_first" else (m, room - m)
        if (a if self.truncation == "only_first" else b) <= 0:
            raise ValueError(
                "truncation=%r cannot bring texts of %d and %d tokens down to maxlen=%d with %d special tokens"
                % (self.truncation, m, n, self.maxlen, self.specials)
            )
        return a, b

    def _windows(self, length, size):
        """Slices of `size`, each beginning `size - stride` after the one before, the last one ending at `length`."""
        if length <= size:
            return [slice(0, length)]
        if size <= 0:
            return [slice(0, 0), slice(0, length)]
        step = size - self.stride
        if step <= 0:
            raise ValueError("stride=%d does not leave anything new in %d tokens" % (self.stride, size))
        return [slice(i, min(i + size, length)) for i in range(0, max(length - self.stride, 1), step)]

    @lazy
    def width(self):
        """The length that rows are padded to."""
        if not self.padding:
            return 0
        if self.padding is True or self.padding == "longest":
            sizes = [a.stop - a.start + b.stop - b.start for _, a, b in self.rows[0]]
            return max(sizes, default=0) + self.specials
        return self.maxlen if self.padding == "max_length" else self.padding


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
        type_ids: 1 for the second text and its end token, else 0.
        tokens: the token of each id.
        offsets: (start, end) in characters of the text that the token is from; (0, 0) for specials and padding.
        attention_mask: 0 for padding, else 1.
        special_tokens_mask: 1 for the specials around texts and for padding, else 0.
        sample_index: (not a list of lists) the index of the text that each row is from.
        overflowing: an `Encoding` with the rows that `maxlen` cut off; `sample_index` says of which text.

    The names are those of Hugging Face's tokenizers, which has an `Encoding` for each text.
    """

    def __init__(self, batch, overflow=False):
        self._batch = batch
        self._overflow = overflow

    def __len__(self):
        return len(self._rows) if self._overflow else len(self._batch.first.texts)

    def __repr__(self):
        return "Encoding(%d rows)" % len(self)

    @lazy
    def _rows(self):
        return self._batch.rows[self._overflow]

    @lazy
    def ids(self):
        tokenizer, batch = self._batch.tokenizer, self._batch
        start = [tokenizer.token_to_id(tokenizer._token_start)] if batch.starts else []
        end = [tokenizer.token_to_id(tokenizer._token_end)] if batch.ends else []
        if self._is_plain:
            return batch.first.between("_ids_of_texts", start, end)
        return self._lay(lambda side: side.ids, start, end, _pad_id(tokenizer) if batch.padding else 0)

    @lazy
    def offsets(self):
        batch, special = self._batch, [(0, 0)]
        start, end = special * batch.starts, special * batch.ends
        if self._is_plain:
            return batch.first.between("_offsets_of_texts", start, end)
        return self._lay(lambda side: side.offsets, start, end, (0, 0))

    @property
    def _is_plain(self):
        """Is each row a whole text between specials?"""
        batch = self._batch
        return batch.second is None and batch.maxlen is None and not batch.padding and not self._overflow

    @lazy
    def tokens(self):
        to_tokens = self._batch.tokenizer.ids_to_tokens
        return [to_tokens(ids) for ids in self.ids]

    @lazy
    def type_ids(self):
        return self._from_lengths(lambda s, a, e, b, f: [0] * (s + a + e) + [1] * (b + f))

    @lazy
    def attention_mask(self):
        return self._from_lengths(lambda s, a, e, b, f: [1] * (s + a + e + b + f))

    @lazy
    def special_tokens_mask(self):
        return self._from_lengths(lambda s, a, e, b, f: [1] * s + [0] * a + [1] * e + [0] * b + [1] * f, fill=1)

    @lazy
    def sample_index(self):
        return [sample for sample, _, _ in self._rows]

    @lazy
    def overflowing(self):
        return Encoding(self._batch, overflow=True)

    def _lay(self, values, start, end, fill):
        """Rows of the values of both sides, cut, between the specials, padded."""
        batch = self._batch
        first, second = values(batch.first), values(batch.second) if batch.second is not None else None
        rows = []
        for sample, a, b in self._rows:
            row = start + first[sample][a] + end
            if second is not None:
                row += second[sample][b] + end
            rows.append(row + [fill] * (batch.width - len(row)))
        return rows

    def _from_lengths(self, row_of, fill=0):
        """Rows that depend on lengths only: row_of(start, first, end, second, end of second)."""
        batch, ends_second = self._batch, 0 if self._batch.second is None else self._batch.ends
        rows = []
        for _, a, b in self._rows:
            row = row_of(batch.starts, a.stop - a.start, batch.ends, b.stop - b.start, ends_second)
            rows.append(row + [fill] * (batch.width - len(row)))
        return rows


def _pad_id(tokenizer):
    try:
        return tokenizer._token_pad_id
    except AttributeError:
        raise ValueError("padding, but the vocabulary has no %r" % tokenizer._token_pad) from None


def checked(texts, what):
    """A list of the texts.

    Raises:
        TypeError: one text in place of a list of texts, or something that is no text in it.
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError("%s: expected a list of texts, got one %s" % (what, type(texts).__name__))
    texts = list(texts)
    wrong = [text for text in texts if not isinstance(text, str)]
    if wrong:
        i = next(i for i, text in enumerate(texts) if text is wrong[0])
        raise TypeError("%s[%d]: expected str, got %s" % (what, i, type(wrong[0]).__name__))
    return texts


def encode_batch(tokenizer, texts, pairs, maxlen, truncation, stride, padding, workers):
    """What `TokenizerBase.encode_batch` does: check the arguments; nothing is computed yet."""
    texts = checked(texts, "texts")
    if pairs is not None:
        pairs = checked(pairs, "pairs")
        if len(pairs) != len(texts):
            raise ValueError("%d texts but %d pairs; expected one second text for each" % (len(texts), len(pairs)))
    if truncation not in ("longest_first", "only_first", "only_second"):
        raise ValueError("truncation=%r; expected 'longest_first', 'only_first' or 'only_second'" % (truncation,))
    _check_padding(padding, maxlen)
    second = None if pairs is None else Side(tokenizer, pairs, workers)
    batch = Batch(tokenizer, Side(tokenizer, texts, workers), second, maxlen, truncation, stride, padding)
    if maxlen is not None and maxlen < batch.specials:
        raise ValueError("maxlen=%d has no room for %d special tokens" % (maxlen, batch.specials))
    if stride < 0:
        raise ValueError("stride=%d; expected how many tokens an overflowing row repeats" % stride)
    return Encoding(batch)


def _check_padding(padding, maxlen):
    if padding == "max_length" and maxlen is None:
        raise ValueError("padding='max_length' needs maxlen")
    if padding not in (False, None, True, "longest", "max_length") and not isinstance(padding, int):
        raise ValueError("padding=%r; expected False, True or 'longest', 'max_length', or a length" % (padding,))
