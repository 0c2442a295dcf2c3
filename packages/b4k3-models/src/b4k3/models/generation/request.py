"""The arguments of one call of `generate`, checked: the options that are compiled in, the values that are not, prompts.

The arguments and their defaults stand in the signature of `Transformer.generate` and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Mapping, NamedTuple

import numpy as np

from ..errors import ConfigError
from .argument_checks import LARGEST, flag, id_within, ids_in, matrix, number, positive, whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

NO_END = -1  # stands for the end id where there is none
NO_PADDING = -1  # the padding id of a vocabulary that has none
# Beyond these limits float32 overflows, or XLA takes a tiny number for 0 and divides by it. The tokens are the same.
TEMPERATURES = (1.2e-38, 1e30)
PENALTIES = (1e-25, 1e25)


class Options(NamedTuple):
    """What the compiled functions depend on; each combination is compiled anew.

    A number that a function takes as an argument, a temperature for example, is in `Request.params` instead.

    Attributes:
        sample: bool. Whether tokens are drawn at random.
        beams: int. The number of candidates of beam search; 1 for greedy decoding and sampling.
        ranked: bool. Whether beam search follows the rule of transformers.
        continuations: int. How many continuations of the candidates beam search looks at.
        penalty: bool. Whether there is a repetition penalty.
        minimum: bool. Whether an end may come too early.
        ends: bool. Whether there is an end id.
        top_k: bool. Whether sampling is restricted to the k best tokens.
        top_p: bool. Whether sampling is restricted to a joint probability.
        scores: bool. Whether log-probabilities are summed up.
        copies: int. The number of rows for each prompt.
        forced: bool. Whether the first or the last token is forced, whatever the scores are.
        cache_capacity: int. How many new tokens the cache can hold; 0 until the prompts are known.

    Example:
        >>> greedy = Options(False, 1, False, 1, False, False, True, False, False, False, 1)
        >>> greedy._replace(cache_capacity=32).cache_capacity
        32
    """

    sample: bool
    beams: int
    ranked: bool
    continuations: int
    penalty: bool
    minimum: bool
    ends: bool
    top_k: bool
    top_p: bool
    scores: bool
    copies: int
    forced: bool = False
    cache_capacity: int = 0


class Request:
    """The arguments of a call of `Transformer.generate` that do not depend on the model, checked.

    Arguments:
        given: mapping from the name of each argument of `Transformer.generate` to its value.

    Raises:
        ConfigError: an argument is wrong, or two contradict each other.

    Attributes:
        max_new: int. How many tokens are generated at most.
        beams: int. The number of candidates of beam search.
        returned: int. The number of outputs for each prompt.
        end_ids: list of int. The ids that end an output.
        seed: int or None. The seed of sampling.
        return_scores: bool. Whether log-probabilities are returned.
        stream: bool. Whether an iterator is returned.
        options: `Options`. What is compiled in.
        params: dict. The values that compiled functions take as arguments.

    Example:
        >>> import inspect
        >>> from b4k3.models import Transformer
        >>> call = inspect.signature(Transformer.generate).bind(None, [[5, 6]], 10, do_sample=True, top_k=3)
        >>> call.apply_defaults()
        >>> request = Request(call.arguments)
        >>> request.options.top_k, request.params["top_k"], request.params["temperature"]
        (True, 3, 1.0)
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        def checked(check: Callable[..., Any], name: str, *limits: Any) -> Any:
            """Return an argument after a check."""
            return check(name, given[name], *limits)

        def unless_none(check: Callable[..., Any], name: str, *limits: Any) -> Any:
            """Return an argument after a check; None needs none."""
            return None if given[name] is None else check(name, given[name], *limits)

        self.max_new = checked(whole, "max_new_tokens", 1)
        self.beams = checked(whole, "num_beams", 1)
        self.returned = checked(whole, "num_return_sequences", 1)
        self.end_ids = checked(ids_in, "end_id")
        self.seed = unless_none(whole, "seed", 0, None)
        self.return_scores, self.stream = checked(flag, "return_scores"), checked(flag, "stream")
        do_sample = checked(flag, "do_sample")
        minimum = checked(whole, "min_new_tokens", 0)
        penalty = checked(positive, "repetition_penalty")
        temperature = checked(positive, "temperature")
        top_k = unless_none(whole, "top_k", 1)
        top_p = unless_none(positive, "top_p", 1.0)
        length_penalty = unless_none(number, "length_penalty")
        self._refuse_contradictions(do_sample, minimum, dict(temperature=temperature, top_k=top_k, top_p=top_p))
        if length_penalty is not None and self.beams == 1:
            raise ConfigError(
                f"length_penalty={length_penalty} applies only to beam search; set num_beams above 1, or leave it out"
            )
        self.params = {
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
        )

    def _refuse_contradictions(self, do_sample: bool, minimum: int, filters: dict[str, Any]) -> None:
        """Refuse arguments that contradict each other."""
        if do_sample and self.beams > 1:
            raise ConfigError(f"do_sample=True and num_beams={self.beams}: choose sampling or beam search")
        if not do_sample:
            given = [f"{name}={value}" for name, value in filters.items() if value not in (None, 1.0)]
            if given:
                verb = "applies" if len(given) == 1 else "apply"
                raise ConfigError(f"{', '.join(given)} {verb} only to sampling; set do_sample=True")
            if self.returned > self.beams:
                raise ConfigError(
                    f"num_return_sequences={self.returned}: greedy decoding has one output and beam search "
                    f"num_beams={self.beams}; give more beams, or do_sample=True"
                )
        if self.stream and (self.beams > 1 or self.return_scores):
            raise ConfigError(
                "stream=True is possible with greedy decoding and sampling, and without return_scores; leave it out, "
                f"or set {'num_beams=1' if self.beams > 1 else 'return_scores=False'}"
            )
        if minimum > self.max_new:
            raise ConfigError(f"min_new_tokens={minimum} is more than max_new_tokens={self.max_new}")

    def check_ids(self, vocab_size: int) -> None:
        """Refuse end ids that the vocabulary does not have.

        Arguments:
            vocab_size: int. Ids are below it.

        Raises:
            ConfigError: an end id is not below it.
        """
        for i in self.end_ids:
            id_within("end_id", i, vocab_size)

    def uniform(self, rows: int, length: int) -> NDArray[np.float32]:
        """Draw the random numbers for sampling. The numbers of a row depend on the seed and the row alone.

        Arguments:
            rows: int. The number of rows.
            length: int. The number of tokens.

        Returns:
            float32, [rows, length]. Numbers in [0, 1); without sampling one 0 for each row.
        """
        if not self.options.sample:
            return np.zeros((rows, 1), dtype="float32")
        if self.seed is None:
            return np.random.default_rng().random((rows, length)).astype("float32")
        generators = [np.random.default_rng([self.seed, row]) for row in range(rows)]
        return np.stack([generator.random(length) for generator in generators]).astype("float32")


class Prompts:
    """The prompts of a batch, checked.

    Arguments:
        ids: int, [batch, n]. The prompts, right-padded with the padding id, or a list of lists of different lengths.
        segment_ids: int, [batch, n], or None. The segment ids; None means 0.
        start_id: int or None. An id that is put after each prompt; the outputs begin after it.
        vocab_size: int. Ids are below it.
        new_segment: int or None. The segment of the new tokens; None means the segment of each prompt's last token.
        padding_id: int. A prompt ends before the last run of this id, but has at least one token. -1 means that the
            vocabulary has no padding: then rows are padded with -1, or with 0 if no row has -1.
        segment_limit: int or None. Segment ids are below it; None if it is not known.

    Raises:
        ConfigError: an id is not a whole number or not within its limits, or the shapes differ.

    Attributes:
        ids: int32, [batch, n]. The prompts, with the start id.
        segments: int32, [batch, n]. Their segment ids.
        lengths: int32, [batch]. The lengths of the prompts.
        new_segments: int32, [batch]. The segment ids of the new tokens.

    Example:
        >>> prompts = Prompts([[5, 6, 7], [8, 0, 0]], None, start_id=9, vocab_size=10)
        >>> prompts.ids.tolist(), prompts.lengths.tolist()
        ([[5, 6, 7, 9], [8, 9, 0, 0]], [4, 2])
    """

    def __init__(
        self,
        ids: ArrayLike,
        segment_ids: ArrayLike | None,
        start_id: int | None,
        vocab_size: int,
        new_segment: int | None = None,
        padding_id: int = 0,
        segment_limit: int | None = None,
    ) -> None:
        self.padding_id = padding_id
        reason = f": the vocabulary has {vocab_size}"
        ids = right_padded(ids, padding_id)
        self.ids = matrix("ids", ids, min(padding_id, 0), vocab_size - 1, max(padding_id, 0), reason)
        if padding_id == NO_PADDING and not (self.ids == NO_PADDING).any():
            self.ids = zeros_as_padding(self.ids)
        last_segment = LARGEST if segment_limit is None else segment_limit - 1
        self.segments = np.zeros_like(self.ids)
        if segment_ids is not None:
            self.segments = matrix("segment_ids", segment_ids, 0, last_segment)
        if self.segments.shape != self.ids.shape:
            raise ConfigError(
                f"segment_ids have the shape {self.segments.shape}, expected the shape of the ids, {self.ids.shape}"
            )
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

    def resize(self, n: int) -> None:
        """Cut or pad all rows.

        Arguments:
            n: int. The new length of the rows; it is not below the longest prompt.
        """
        self.ids, self.segments = self.ids[:, :n], self.segments[:, :n]
        self._append(n - self.ids.shape[1])

    def _append(self, count: int) -> None:
        """Append columns of padding."""
        widths = [(0, 0), (0, count)]
        self.ids = np.pad(self.ids, widths, "constant", constant_values=self.padding_id)
        self.segments = np.pad(self.segments, widths, "constant")

    def seen(self, vocab_size: int, copies: int) -> NDArray[np.bool_]:
        """Mark the tokens that the prompts have.

        Arguments:
            vocab_size: int. The size of the vocabulary.
            copies: int. The number of rows for each prompt.

        Returns:
            bool, [batch * copies, vocab_size].
        """
        seen = np.zeros((len(self.ids), vocab_size), dtype=bool)
        for row, ids, length in zip(seen, self.ids, self.lengths):
            row[ids[:length]] = True
        return np.repeat(seen, copies, axis=0)


def right_padded(rows: Any, padding_id: int) -> Any:
    """Pad lists of different lengths to one length.

    Arguments:
        rows: array, or list of lists of int.
        padding_id: int. The id that shorter lists are padded with.

    Returns:
        list of lists of one length; anything but lists of different lengths as it is.

    Example:
        >>> right_padded([[5, 6, 7], [8]], padding_id=0)
        [[5, 6, 7], [8, 0, 0]]
    """
    if not isinstance(rows, (list, tuple)) or not all(isinstance(row, (list, tuple)) for row in rows):
        return rows
    lengths = {len(row) for row in rows}
    if len(lengths) < 2 or 0 in lengths:  # an empty row is no prompt, and is refused
        return rows
    return [list(row) + [padding_id] * (max(lengths) - len(row)) for row in rows]


def zeros_as_padding(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """Replace the zeros at the end of rows by -1, where the vocabulary has no padding and 0 is one of its tokens.

    Arguments:
        ids: int32, [batch, n]. The prompts, right-padded with 0.

    Returns:
        int32, [batch, n].

    Raises:
        ConfigError: the longest prompt itself ends in 0, so that nobody can tell whether it is padding.
    """
    lengths = lengths_of(ids, 0)
    if lengths.max() < ids.shape[1]:
        raise ConfigError(
            "the longest prompt ends in id 0, which is a token of this vocabulary and also what shorter prompts are "
            "padded with: pad with -1, or say pad_token_id= when the model is built"
        )
    return np.where(np.arange(ids.shape[1]) < lengths[:, None], ids, NO_PADDING).astype("int32")


def lengths_of(ids: NDArray[np.int32], padding_id: int = 0) -> NDArray[np.int32]:
    """Count the tokens of right-padded rows.

    Arguments:
        ids: int32, [batch, n].
        padding_id: int. The id that is padding.

    Returns:
        int32, [batch]. The lengths, at least 1.
    """
    positions = np.arange(1, ids.shape[1] + 1) * (ids != padding_id)
    return np.maximum(positions.max(axis=1), 1).astype("int32")
