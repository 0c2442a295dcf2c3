"""Generate step by step: beam search and sampling around a `predict` that the user writes.

The models of b4k3 generate faster by their own `generate`. This class serves any model, or several models at once, and
the user decides on every step.
"""

from __future__ import annotations

import functools
from numbers import Real
from typing import TYPE_CHECKING, Any, Callable, Sequence

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .last_token import LastTokenModel

    Predict = Callable[..., Any]
    Ids = NDArray[np.int_]
    Scores = NDArray[np.floating[Any]]


def softmax(x: ArrayLike, axis: int = -1) -> Scores:
    """Compute exp(x) / sum(exp(x)) along an axis, without overflow.

    Arguments:
        x: float array, [...]. The scores.
        axis: int. The axis of the classes.

    Returns:
        float array, [...]. The probabilities, of the shape of x.

    Example:
        >>> from b4k3.snippets import softmax
        >>> softmax(np.array([1000.0, 1000.0])).tolist()
        [0.5, 0.5]
    """
    x = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return x / x.sum(axis=axis, keepdims=True)


class AutoRegressiveDecoder:
    """Generate ids by beam search or by sampling; a subclass computes the scores of the next id in `predict`.

    Arguments:
        start_id: int, or None. The id that every output begins with.
        end_id: int, or None. The id that ends an output; None goes on to maxlen.
        maxlen: int. The greatest number of ids that are generated, without start_id.
        minlen: int. The least length of an output, with start_id and end_id.

    Raises:
        ValueError: an id or a length is no whole number, or negative.

    Example:
        >>> import numpy as np
        >>> from b4k3.snippets import AutoRegressiveDecoder
        >>> class Counter(AutoRegressiveDecoder):
        ...     @AutoRegressiveDecoder.wraps(default_rtype="probas")
        ...     def predict(self, inputs, output_ids, states):
        ...         last = np.concatenate([inputs[0], output_ids], 1)[:, -1]
        ...         return np.eye(10)[last + 1]  # the id after the last one is certain
        >>> Counter(start_id=None, end_id=9, maxlen=32).beam_search([[4, 5]], topk=2).tolist()
        [6, 7, 8, 9]

        With a Keras model and a tokenizer, `predict` is for example:

            token_ids, segment_ids = inputs
            token_ids = np.concatenate([token_ids, output_ids], 1)
            segment_ids = np.concatenate([segment_ids, np.ones_like(output_ids)], 1)
            return self.last_token(model).predict([token_ids, segment_ids])

    Reference: the class of the same name in bert4keras, https://github.com/bojone/bert4keras
    """

    def __init__(self, start_id: int | None, end_id: int | None, maxlen: int, minlen: int = 1) -> None:
        for name, value in (("start_id", start_id), ("end_id", end_id)):
            if value is not None:
                _check_whole(name, value, 0)
        _check_whole("maxlen", maxlen, 0)
        _check_whole("minlen", minlen, 0)
        self.start_id = start_id
        self.end_id = end_id
        self.maxlen = maxlen
        self.minlen = minlen
        self.models: dict[int, tuple[Any, LastTokenModel]] = {}
        start = [] if start_id is None else [start_id]
        self.first_output_ids = np.array([start], dtype=int)

    @staticmethod
    def wraps(default_rtype: str = "probas", use_states: bool = False) -> Callable[[Predict], Predict]:
        """Decorate `predict` so that it takes a temperature, and returns probabilities or their logarithms.

        Arguments:
            default_rtype: str. What the decorated method returns: 'probas' or 'logits'.
            use_states: bool. Whether it returns (scores, states) rather than scores alone.

        Returns:
            Decorator.

        Raises:
            ValueError: another `default_rtype`.
        """
        _check_rtype(default_rtype)

        def decorator(predict: Predict) -> Predict:
            """Decorate a method `predict`."""

            @functools.wraps(predict)
            def new_predict(
                self: Any, inputs: Any, output_ids: Ids, states: Any, temperature: float = 1, rtype: str = default_rtype
            ) -> tuple[Scores, Any]:
                """Call the method, and return probabilities or their logarithms, and the states."""
                _check_rtype(rtype)
                scores = predict(self, inputs, output_ids, states)
                scores, states = scores if use_states else (scores, None)
                log_probas = _log_probas(np.asarray(scores), len(output_ids), default_rtype, temperature)
                return (np.exp(log_probas) if rtype == "probas" else log_probas), states

            return new_predict

        return decorator

    def last_token(self, model: Any) -> LastTokenModel:
        """Return a model that computes the outputs at the last position only. It is made once for each model.

        Threads may share its `predict`, and an error does not harm it. Call this method for the first time where the
        model was built: on TensorFlow 1 that is in its graph.

        Arguments:
            model: Keras model. Its outputs are [batch, n, d].

        Returns:
            LastTokenModel. Its inputs are the same, and its outputs are [batch, d].
        """
        if id(model) not in self.models:
            from .last_token import last_token_model

            # The model is kept too, so that no other object gets its id. If two threads come here at once, the first
            # one's entry is kept.
            self.models.setdefault(id(model), (model, last_token_model(model)))
        return self.models[id(model)][1]

    def predict(
        self, inputs: Any, output_ids: Ids, states: Any = None, temperature: float = 1, rtype: str = "probas"
    ) -> Any:
        """Compute the scores of the next id. A subclass has this method, with the first three arguments.

        The search calls it with all five; `wraps` takes the last two.

        Arguments:
            inputs: list of arrays, [k, ...]. The inputs that the search was given, once for each of k candidates.
            output_ids: int array, [k, m]. The ids that were generated so far.
            states: Any. What this method returned in the last step, or in the first step what the search was given.
                Arrays in it, also in lists, tuples and dicts, whose first axis has size k follow the candidates.
            temperature: float. The scores are divided by it.
            rtype: str. What the search wants: 'probas' for probabilities, 'logits' for their logarithms.

        Returns:
            float array, [k, vocabulary]; with `use_states` a pair of it and the new states.

        Raises:
            NotImplementedError: a subclass does not have this method.
        """
        raise NotImplementedError(f"{type(self).__name__}.predict(self, inputs, output_ids, states) must be defined")

    def beam_search(
        self,
        inputs: Sequence[ArrayLike],
        topk: int,
        states: Any = None,
        temperature: float = 1,
        min_ends: int = 1,
    ) -> Ids:
        """Find the best output, with `topk` candidates in each step.

        The search ends when the best candidate is finished. A finished candidate that is not the best is dropped, and
        the number of candidates becomes smaller by it.

        Arguments:
            inputs: list of arrays. The inputs of `predict`, without the batch axis.
            topk: int. The number of candidates.
            states: Any. What `predict` gets as states in the first step.
            temperature: float. A number above 0, by which the scores are divided.
            min_ends: int. How many times `end_id` must have come before an output is finished.

        Returns:
            int array, [m]. The ids, with start_id and end_id.

        Raises:
            ValueError: `predict` returned NaN or an array of another shape, or has no score for end_id; topk is no
                whole number from 1 on, or the temperature no number above 0.
        """
        _check_whole("topk", topk, 1)
        inputs = [np.array([x]) for x in inputs]
        output_ids, output_scores = self.first_output_ids, np.zeros(1)
        for _ in range(self.maxlen):
            scores, states = self.predict(inputs, output_ids, states, temperature, "logits")
            self._check_end(scores)
            beams, ids, output_scores = _best(output_scores[:, None] + scores, topk)
            output_ids = np.concatenate([output_ids[beams], ids[:, None]], 1)
            finished = self._finished(output_ids, min_ends)
            if finished[0]:
                return output_ids[0]
            topk -= finished.sum()
            states = _rows(states, beams[~finished], len(scores))
            inputs = [x[beams[~finished]] for x in inputs]
            output_ids, output_scores = output_ids[~finished], output_scores[~finished]
        return output_ids[0]

    def random_sample(
        self,
        inputs: Sequence[ArrayLike],
        n: int,
        topk: int | None = None,
        topp: float | None = None,
        states: Any = None,
        temperature: float = 1,
        min_ends: int = 1,
    ) -> list[Ids]:
        """Draw random outputs, by `numpy.random`.

        Arguments:
            inputs: list of arrays. The inputs of `predict`, without the batch axis.
            n: int. The number of outputs.
            topk: int, or None. Only the `topk` most probable ids are drawn.
            topp: float, or None. Only the fewest ids that together have this probability are drawn.
            states: Any. What `predict` gets as states in the first step.
            temperature: float. A number above 0, by which the scores are divided.
            min_ends: int. How many times `end_id` must have come before an output is finished.

        Returns:
            list of n int arrays, in the order in which they were finished.

        Raises:
            ValueError: `predict` returned NaN, no probability above 0, or an array of another shape, or has no score
                for end_id; n or topk is no whole number from 1 on, or topp or the temperature no number above 0.

        Reference: for topp Holtzman et al., https://arxiv.org/abs/1904.09751
        """
        _check_whole("n", n, 1)
        if topk is not None:
            _check_whole("topk", topk, 1)
        if topp is not None:
            _check_positive("topp", topp)
        inputs = [np.array([x]) for x in inputs]
        output_ids, results = self.first_output_ids, []
        rows = np.zeros(n, dtype=int)  # the candidate that each draw continues; at first there is only one
        for _ in range(self.maxlen):
            probas, states = self.predict(inputs, output_ids, states, temperature, "probas")
            self._check_end(probas)
            ids = _draw(probas[rows], topk, topp)
            output_ids = np.concatenate([output_ids[rows], ids[:, None]], 1)
            finished = self._finished(output_ids, min_ends)
            results.extend(output_ids[finished])
            output_ids, rows = output_ids[~finished], rows[~finished]
            if not len(rows):
                break
            states, inputs = _rows(states, rows, len(probas)), [x[rows] for x in inputs]
            rows = np.arange(len(rows))
        results.extend(output_ids)
        return results

    def _check_end(self, scores: Scores) -> None:
        """Raise ValueError if `end_id` has no score, because then no output could ever end."""
        if self.end_id is not None and self.end_id >= scores.shape[1]:
            raise ValueError(
                f"end_id={self.end_id}, but predict gives scores of the ids 0 to {scores.shape[1] - 1}. Take the end "
                "id of the vocabulary that the model has, after keep_tokens; or None to go on to maxlen"
            )

    def _finished(self, output_ids: Ids, min_ends: int) -> NDArray[np.bool_]:
        """Return which candidates end here: bool, [k]."""
        if output_ids.shape[1] < self.minlen:
            return np.zeros(len(output_ids), dtype=bool)
        return (output_ids[:, -1] == self.end_id) & ((output_ids == self.end_id).sum(1) >= min_ends)


def _check_whole(name: str, value: Any, least: int) -> None:
    """Raise ValueError if a value is no whole number, or below the least."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}={value!r}, expected a whole number, {least} or more")


def _check_positive(name: str, value: Any) -> None:
    """Raise ValueError if a value is no finite number above 0."""
    is_number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    if not is_number or not 0 < value < float("inf"):
        raise ValueError(f"{name}={value!r}, expected a number above 0")


def _check_rtype(rtype: Any) -> None:
    """Raise ValueError if there is no such type of scores."""
    if rtype not in ("probas", "logits"):
        raise ValueError(f"rtype={rtype!r}, expected 'probas' or 'logits'")


def _log_probas(scores: Scores, count: int, rtype: str, temperature: float) -> Scores:
    """Return the logarithms of probabilities at a temperature: float64, [count, vocabulary]."""
    _check_positive("temperature", temperature)
    if scores.ndim != 2 or len(scores) != count:
        raise ValueError(
            f"predict returned an array of shape {list(scores.shape)}, expected [{count}, vocabulary]; "
            "self.last_token(model) gives that"
        )
    scores = scores.astype("float64")
    if np.isnan(scores).any():
        raise ValueError("predict returned NaN, which a model gives for an id that its table has no row for")
    if rtype == "probas":
        with np.errstate(divide="ignore"):  # the probability 0 becomes -inf, which stays impossible
            scores = np.log(scores)
        if temperature == 1:
            return scores
    scores = scores - scores.max(axis=-1, keepdims=True)  # so that dividing by a temperature near 0 cannot give inf
    with np.errstate(over="ignore"):  # it may give -inf, which is an impossible id
        scores = scores / temperature
    return scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))


def _best(scores: Scores, topk: int) -> tuple[Ids, Ids, Scores]:
    """Return (candidates, ids, scores) of the topk best, the best first; impossible ones only if all are impossible."""
    flat = scores.ravel()
    topk = min(topk, flat.size)
    best = np.argpartition(-flat, topk - 1)[:topk]
    best = best[np.argsort(-flat[best], kind="stable")]
    best = best[: max(1, np.isfinite(flat[best]).sum())]
    return best // scores.shape[1], best % scores.shape[1], flat[best]


def _draw(probas: Scores, topk: int | None, topp: float | None) -> Ids:
    """Draw an id for each row of probabilities, [k, vocabulary]: int, [k]."""
    order = None
    if topk is not None or topp is not None:
        order = np.argsort(-probas, axis=1, kind="stable")[:, :topk]
        probas = np.take_along_axis(probas, order, axis=1)
    total = probas.sum(axis=1, keepdims=True)
    if not (total > 0).all():
        raise ValueError("predict gave no id a probability above 0")
    probas = probas / total
    cumulated = np.cumsum(probas, axis=1)
    if topp is not None:
        probas = np.where(cumulated - probas < topp, probas, 0)
        cumulated = np.cumsum(probas, axis=1)
    last = cumulated[:, -1:]
    # A random point on the line from 0 to `last` lies in the interval of one id; rounding must not put it on the end.
    point = np.minimum(np.random.random((len(probas), 1)) * last, np.nextafter(last, 0))
    drawn = (cumulated > point).argmax(axis=1)
    return drawn if order is None else order[np.arange(len(order)), drawn]


def _rows(states: Any, rows: Ids, count: int) -> Any:
    """Pick rows of the arrays in the states that have one row for each of `count` candidates; keep everything else."""
    if isinstance(states, dict):
        return {key: _rows(value, rows, count) for key, value in states.items()}
    if isinstance(states, tuple) and hasattr(states, "_fields"):
        return type(states)(*(_rows(value, rows, count) for value in states))
    if isinstance(states, (list, tuple)):
        return type(states)(_rows(value, rows, count) for value in states)
    shape = getattr(states, "shape", None)
    if shape is None or not len(shape) or shape[0] != count:
        return states
    if isinstance(states, np.ndarray):
        return states[rows]
    from b4k3.backend import ops

    return ops.take(states, rows, axis=0)
