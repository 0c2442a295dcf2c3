"""What a call of `generate` asks for, checked: what is compiled in, the numbers that are not, and the prompts."""

from __future__ import annotations

import collections

import numpy as np

from ..errors import ConfigError

# What the compiled functions depend on; the numbers themselves (a temperature, say) are arguments of them.
Options = collections.namedtuple(
    "Options", "sample beams ranked continuations penalty minimum ends top_k top_p scores copies room"
)
NO_END = -1
NO_PADDING = -1  # where no id of the vocabulary is padding


class Request:
    """Attributes: max_new, end_ids (list), options but for `room`, numbers (dict), seed; see `generate`."""

    def __init__(
        self,
        max_new_tokens,
        end_id=None,
        num_beams=1,
        length_penalty=None,
        do_sample=False,
        temperature=1.0,
        top_k=None,
        top_p=None,
        repetition_penalty=1.0,
        min_new_tokens=0,
        num_return_sequences=1,
        seed=None,
        return_scores=False,
        stream=False,
    ):
        self.max_new = whole("max_new_tokens", max_new_tokens, 1)
        self.beams = whole("num_beams", num_beams, 1)
        self.returned = whole("num_return_sequences", num_return_sequences, 1)
        self.end_ids = [] if end_id is None else [whole("end_id", i, 0) for i in np.ravel(end_id).tolist()]
        self.seed, self.return_scores, self.stream = seed, return_scores, stream
        minimum = whole("min_new_tokens", min_new_tokens, 0)
        refuse_contradictions(self, do_sample, minimum, dict(temperature=temperature, top_k=top_k, top_p=top_p))
        if length_penalty is not None and self.beams == 1:
            raise ConfigError("length_penalty=%r is of beam search: give num_beams above 1" % (length_penalty,))
        self.numbers = {
            "ends": np.asarray(self.end_ids or [NO_END], dtype="int32"),
            "max_new": self.max_new,
            "min_new": minimum,
            "penalty": positive("repetition_penalty", repetition_penalty),
            "temperature": positive("temperature", temperature),
            "top_k": 1 if top_k is None else whole("top_k", top_k, 1),
            "top_p": 1.0 if top_p is None else positive("top_p", top_p, 1.0),
            "length_penalty": 0.0 if length_penalty is None else float(length_penalty),
        }
        ranked = length_penalty is not None
        self.options = Options(
            sample=bool(do_sample),
            beams=self.beams,
            ranked=ranked,
            continuations=self.beams * (max(2, 1 + len(self.end_ids)) if ranked else 1),
            penalty=repetition_penalty != 1.0,
            minimum=bool(minimum and self.end_ids),
            ends=bool(self.end_ids),
            top_k=top_k is not None,
            top_p=top_p is not None and top_p < 1.0,
            scores=bool(return_scores),
            copies=self.beams if self.beams > 1 else self.returned,
            room=None,
        )

    def uniform(self, rows, length):
        """Random numbers in [0, 1) for drawing: float32 [rows, length]; those of a row depend on seed and row alone."""
        if not self.options.sample:
            return np.zeros((rows, 1), dtype="float32")
        if self.seed is None:
            return np.random.default_rng().random((rows, length)).astype("float32")
        generators = [np.random.default_rng([whole("seed", self.seed, 0), row]) for row in range(rows)]
        return np.stack([generator.random(length) for generator in generators]).astype("float32")


def refuse_contradictions(request, do_sample, minimum, filters):
    """Raises: ConfigError: arguments that do not go together."""
    if do_sample and request.beams > 1:
        raise ConfigError("do_sample=True and num_beams=%d: choose sampling or beam search" % request.beams)
    if not do_sample:
        given = [name for name, value in filters.items() if value not in (None, 1.0)]
        if given:
            raise ConfigError("%s is of sampling: give do_sample=True" % ", ".join(given))
        if request.returned > request.beams:
            raise ConfigError(
                "num_return_sequences=%d: greedy decoding has one output and beam search num_beams=%d; "
                "give more beams, or do_sample=True" % (request.returned, request.beams)
            )
    if request.stream and (request.beams > 1 or request.return_scores):
        raise ConfigError("stream=True goes with greedy decoding and sampling, and without return_scores")
    if minimum > request.max_new:
        raise ConfigError("min_new_tokens=%d is more than max_new_tokens=%d" % (minimum, request.max_new))


def whole(name, value, least):
    """The value as an int. Raises: ConfigError: it is none, or below the least."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ConfigError("%s=%r, expected a whole number, %d or more" % (name, value, least))
    return int(value)


def positive(name, value, most=float("inf")):
    """The value as a float. Raises: ConfigError: it is not above 0, or above the most."""
    if not 0 < value <= most:
        raise ConfigError("%s=%r, expected a number above 0%s" % (name, value, "" if most > 1 else " and up to 1"))
    return float(value)


class Prompts:
    """The prompts of a batch, checked.

    Arguments:
        ids: int array-like [batch, n], right-padded with the padding id.
        segment_ids: likewise, or None for 0.
        start_id: put after each prompt; the outputs begin behind it; or None.
        vocab_size: ids are below it.
        new_segment: the segment of the new tokens, or None: that of each prompt's last token.
        padding_id: int. A prompt ends before the last run of this id, but has one token at least. -1 where the
            vocabulary has no padding: then rows are padded with -1, or with 0 where no row has -1.

    Attributes:
        ids, segments: int32 [batch, n]; lengths: int32 [batch]; new_segments: int32 [batch].
    """

    def __init__(self, ids, segment_ids, start_id, vocab_size, new_segment=None, padding_id=0):
        self.padding_id = padding_id
        self.ids = matrix("ids", ids, max(padding_id, 0))
        if padding_id == NO_PADDING and not (self.ids == NO_PADDING).any():
            self.ids = zeros_as_padding(self.ids)
        if self.ids.min() < min(padding_id, 0) or self.ids.max() >= vocab_size:
            raise ConfigError(
                "ids go from %d to %d, but the vocabulary has %d: 0 to %d"
                % (self.ids.min(), self.ids.max(), vocab_size, vocab_size - 1)
            )
        self.segments = np.zeros_like(self.ids) if segment_ids is None else matrix("segment_ids", segment_ids)
        if self.segments.shape != self.ids.shape:
            shapes = self.segments.shape, self.ids.shape
            raise ConfigError("segment_ids have the shape %s, expected that of the ids, %s" % shapes)
        self.lengths = lengths_of(self.ids, padding_id)
        rows = np.arange(len(self.ids))
        self.new_segments = self.segments[rows, self.lengths - 1]
        if new_segment is not None:
            self.new_segments = np.full_like(self.lengths, new_segment)
        if start_id is not None:
            whole("start_id", start_id, 0)
            self._append(1)
            self.ids[rows, self.lengths] = start_id
            self.segments[rows, self.lengths] = self.new_segments
            self.lengths = self.lengths + 1

    def resize(self, n):
        """Cut or pad all rows to n tokens; n is not below the longest prompt."""
        self.ids, self.segments = self.ids[:, :n], self.segments[:, :n]
        self._append(n - self.ids.shape[1])

    def _append(self, count):
        """Append so many columns of padding."""
        widths = [(0, 0), (0, count)]
        self.ids = np.pad(self.ids, widths, "constant", constant_values=self.padding_id)
        self.segments = np.pad(self.segments, widths, "constant")

    def seen(self, vocab_size, copies):
        """bool [batch · copies, vocab_size]: which ids the prompts have."""
        seen = np.zeros((len(self.ids), vocab_size), dtype=bool)
        for row, ids, length in zip(seen, self.ids, self.lengths):
            row[ids[:length]] = True
        return np.repeat(seen, copies, axis=0)


def zeros_as_padding(ids):
    """Ids whose rows end in 0, which a vocabulary without padding may have as a token, with -1 in the place of these.

    Arguments:
        ids: int32 [batch, n], right-padded with 0.

    Raises:
        ConfigError: the longest prompt itself ends in 0, so that nobody can tell whether that is padding.
    """
    lengths = lengths_of(ids, 0)
    if lengths.max() < ids.shape[1]:
        raise ConfigError(
            "the longest prompt ends in id 0, which is a token of this vocabulary and also what shorter prompts are "
            "padded with: pad with -1, or say pad_token_id= when the model is built"
        )
    return np.where(np.arange(ids.shape[1]) < lengths[:, None], ids, NO_PADDING).astype("int32")


def matrix(name, x, padding=0):
    """An int32 array [batch, n]. Raises: ConfigError: it is none; the message names the padding."""
    try:
        array = np.asarray(x)
    except ValueError:  # lists of unequal lengths
        array = np.zeros(0, dtype=object)
    whole_numbers = array.dtype.kind in "iu" or (array.dtype.kind == "f" and (array == array.round()).all())
    if array.ndim != 2 or not array.size or not whole_numbers:
        raise ConfigError(f"{name}: expected whole numbers [batch, n], shorter rows right-padded with {padding}")
    return array.astype("int32")


def lengths_of(ids, padding_id=0):
    """The lengths of rows that are right-padded with the padding id, at least 1: int32 [batch]."""
    positions = np.arange(1, ids.shape[1] + 1) * (ids != padding_id)
    return np.maximum(positions.max(axis=1), 1).astype("int32")
