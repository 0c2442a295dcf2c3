"""What a call of `generate` asks for, checked: what is compiled in, the numbers that are not, and the prompts."""

from __future__ import annotations

import collections

import numpy as np

from ..errors import ConfigError
from .checks import LARGEST, flag, id_within, ids_in, matrix, number, positive, whole

# What the compiled functions depend on; the numbers themselves (a temperature, say) are arguments of them.
Options = collections.namedtuple(
    "Options", "sample beams ranked continuations penalty minimum ends top_k top_p scores copies room"
)
NO_END = -1
NO_PADDING = -1  # where no id of the vocabulary is padding
# Beyond these, float32 overflows, or an XLA that takes tiny numbers for 0 divides by it; the tokens would be the same.
TEMPERATURES = (1.2e-38, 1e30)
PENALTIES = (1e-25, 1e25)


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
        self.end_ids = ids_in("end_id", end_id)
        self.seed = None if seed is None else whole("seed", seed, 0, None)
        self.return_scores, self.stream = flag("return_scores", return_scores), flag("stream", stream)
        do_sample = flag("do_sample", do_sample)
        minimum = whole("min_new_tokens", min_new_tokens, 0)
        penalty = positive("repetition_penalty", repetition_penalty)
        temperature = positive("temperature", temperature)
        top_k = None if top_k is None else whole("top_k", top_k, 1)
        top_p = None if top_p is None else positive("top_p", top_p, 1.0)
        length_penalty = None if length_penalty is None else number("length_penalty", length_penalty)
        refuse_contradictions(self, do_sample, minimum, dict(temperature=temperature, top_k=top_k, top_p=top_p))
        if length_penalty is not None and self.beams == 1:
            raise ConfigError(f"length_penalty={length_penalty} is of beam search: give num_beams above 1")
        self.numbers = {
            "ends": np.asarray(self.end_ids or [NO_END], dtype="int32"),
            "max_new": self.max_new,
            "min_new": minimum,
            "penalty": min(max(penalty, PENALTIES[0]), PENALTIES[1]),
            "temperature": min(max(temperature, TEMPERATURES[0]), TEMPERATURES[1]),
            "top_k": top_k or 1,
            "top_p": 1.0 if top_p is None else top_p,
            "length_penalty": length_penalty or 0.0,
        }
        ranked = length_penalty is not None
        self.options = Options(
            sample=do_sample,
            beams=self.beams,
            ranked=ranked,
            continuations=self.beams * (max(2, 1 + len(self.end_ids)) if ranked else 1),
            penalty=penalty != 1.0,
            minimum=bool(minimum and self.end_ids),
            ends=bool(self.end_ids),
            top_k=top_k is not None,
            top_p=top_p is not None and top_p < 1.0,
            scores=self.return_scores,
            copies=self.beams if self.beams > 1 else self.returned,
            room=None,
        )

    def check_ids(self, vocab_size: int) -> None:
        """Refuse end ids that the vocabulary does not have.

        Arguments:
            vocab_size: int. Ids are below it.

        Raises:
            ConfigError: an end id is not below it.
        """
        for i in self.end_ids:
            id_within("end_id", i, vocab_size)

    def uniform(self, rows, length):
        """Random numbers in [0, 1) for drawing: float32 [rows, length]; those of a row depend on seed and row alone."""
        if not self.options.sample:
            return np.zeros((rows, 1), dtype="float32")
        if self.seed is None:
            return np.random.default_rng().random((rows, length)).astype("float32")
        generators = [np.random.default_rng([self.seed, row]) for row in range(rows)]
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


class Prompts:
    """The prompts of a batch, checked.

    Arguments:
        ids: int array-like [batch, n], right-padded with the padding id.
        segment_ids: int array-like [batch, n], or None for 0.
        start_id: put after each prompt; the outputs begin behind it; or None.
        vocab_size: ids are below it.
        new_segment: the segment of the new tokens, or None: that of each prompt's last token.
        padding_id: int. A prompt ends before the last run of this id, but has one token at least. -1 where the
            vocabulary has no padding: then rows are padded with -1, or with 0 where no row has -1.
        segment_limit: segment ids are below it; None where nobody knows it.

    Raises:
        ConfigError: an id is no whole number, or out of its limits, or shapes differ.

    Attributes:
        ids, segments: int32 [batch, n]; lengths: int32 [batch]; new_segments: int32 [batch].
    """

    def __init__(self, ids, segment_ids, start_id, vocab_size, new_segment=None, padding_id=0, segment_limit=None):
        self.padding_id = padding_id
        reason = f": the vocabulary has {vocab_size}"
        self.ids = matrix("ids", ids, min(padding_id, 0), vocab_size - 1, max(padding_id, 0), reason)
        if padding_id == NO_PADDING and not (self.ids == NO_PADDING).any():
            self.ids = zeros_as_padding(self.ids)
        last_segment = LARGEST if segment_limit is None else segment_limit - 1
        self.segments = np.zeros_like(self.ids)
        if segment_ids is not None:
            self.segments = matrix("segment_ids", segment_ids, 0, last_segment)
        if self.segments.shape != self.ids.shape:
            shapes = self.segments.shape, self.ids.shape
            raise ConfigError("segment_ids have the shape %s, expected that of the ids, %s" % shapes)
        self.lengths = lengths_of(self.ids, padding_id)
        rows = np.arange(len(self.ids))
        self.new_segments = self.segments[rows, self.lengths - 1]
        if new_segment is not None:
            self.new_segments = np.full_like(self.lengths, whole("generated_segment", new_segment, 0, last_segment))
        if start_id is not None:
            self._append(1)
            self.ids[rows, self.lengths] = id_within("start_id", start_id, vocab_size)
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


def lengths_of(ids, padding_id=0):
    """The lengths of rows that are right-padded with the padding id, at least 1: int32 [batch]."""
    positions = np.arange(1, ids.shape[1] + 1) * (ids != padding_id)
    return np.maximum(positions.max(axis=1), 1).astype("int32")
