"""Decoding step by step: beam search and sampling around a `predict` that the user writes.

The fast way to generate with the models of b4k3 is their own `generate`; this one serves any model, or several at once,
and leaves the user in charge of every step.
"""

from __future__ import annotations

import functools
from numbers import Real

import numpy as np


def softmax(x, axis=-1):
    """exp(x) / sum(exp(x)) along an axis, without overflow."""
    x = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return x / x.sum(axis=axis, keepdims=True)


class AutoRegressiveDecoder:
    """Beam search and sampling.

        class Titles(AutoRegressiveDecoder):
            @AutoRegressiveDecoder.wraps(default_rtype="logits")
            def predict(self, inputs, output_ids, states):
                token_ids, segment_ids = inputs
                token_ids = np.concatenate([token_ids, output_ids], 1)
                segment_ids = np.concatenate([segment_ids, np.ones_like(output_ids)], 1)
                return self.last_token(model).predict([token_ids, segment_ids])

        Titles(start_id=None, end_id=tokenizer._token_end_id, maxlen=32).beam_search([token_ids, segment_ids], topk=4)

    Arguments:
        start_id: the id that every output begins with, or None.
        end_id: the id that ends an output; None to go on to maxlen.
        maxlen: how many ids are generated at most, without start_id.
        minlen: the least length of an output, with start_id and end_id.

    Raises:
        ValueError: an id is no whole number, or negative; or a length is.
    """

    def __init__(self, start_id, end_id, maxlen, minlen=1):
        for name, value in (("start_id", start_id), ("end_id", end_id)):
            if value is not None:
                _check_whole(name, value, 0)
        _check_whole("maxlen", maxlen, 0)
        _check_whole("minlen", minlen, 0)
        self.start_id = start_id
        self.end_id = end_id
        self.maxlen = maxlen
        self.minlen = minlen
        self.models = {}
        start = [] if start_id is None else [start_id]
        self.first_output_ids = np.array([start], dtype=int)

    @staticmethod
    def wraps(default_rtype="probas", use_states=False):
        """Decorate `predict`, so that it takes a temperature and gives probabilities or their logarithms.

        Arguments:
            default_rtype: what the decorated function returns: 'probas' or 'logits'.
            use_states: whether it returns (scores, states) and not scores alone.
        """
        _check_rtype(default_rtype)

        def decorator(predict):
            @functools.wraps(predict)
            def new_predict(self, inputs, output_ids, states, temperature=1, rtype=default_rtype):
                _check_rtype(rtype)
                scores = predict(self, inputs, output_ids, states)
                scores, states = scores if use_states else (scores, None)
                log_probas = _log_probas(np.asarray(scores), len(output_ids), default_rtype, temperature)
                return (np.exp(log_probas) if rtype == "probas" else log_probas), states

            return new_predict

        return decorator

    def last_token(self, model):
        """The model with its outputs at the last position only, [batch, ...]; made once for each model.

        Threads may share its `predict`, which an error does not harm. Make it where the model was built.
        """
        if id(model) not in self.models:
            from .last_token import last_token_model

            # the model too: its id must stay taken; of two threads that come here at once the first one's is kept
            self.models.setdefault(id(model), (model, last_token_model(model)))
        return self.models[id(model)][1]

    def predict(self, inputs, output_ids, states=None, temperature=1, rtype="probas"):
        """The scores of the next id. The subclass has it with the first three arguments; `wraps` adds the others.

        Arguments:
            inputs: list of arrays [k, ...], the inputs that the search was given, once for each of k candidates.
            output_ids: int array [k, m], what was generated so far.
            states: what this method returned in the last step, or was given to the search in the first. Arrays in it
                (in lists, tuples and dicts too) whose first axis has length k follow the candidates.

        Returns:
            float array [k, vocabulary]; with `use_states` a pair of it and the new states.
        """
        raise NotImplementedError("%s.predict(self, inputs, output_ids, states) is not there" % type(self).__name__)

    def beam_search(self, inputs, topk, states=None, temperature=1, min_ends=1):
        """The best output among those that topk candidates at a time lead to.

        Ends when the best candidate is finished; a finished candidate that is not the best is given up, and its place
        too.

        Arguments:
            inputs: list of arrays without the batch axis.
            topk: int.
            states: what `predict` gets as states in the first step.
            temperature: float above 0; scores are divided by it.
            min_ends: how many times end_id must have come.

        Returns:
            int array [m], with start_id and end_id.

        Raises:
            ValueError: predict returned NaN or an array of another shape, or has no score for end_id; topk is no whole
                number from 1 on, or the temperature no number above 0.
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

    def random_sample(self, inputs, n, topk=None, topp=None, states=None, temperature=1, min_ends=1):
        """Random outputs, by `numpy.random`.

        Arguments:
            inputs, states, temperature, min_ends: as for `beam_search`.
            n: how many outputs.
            topk: draw only from the topk most probable ids.
            topp: draw only from the fewest ids that together have this probability.

        Returns:
            list of n int arrays, in the order in which they were finished.

        Raises:
            ValueError: predict returned NaN, no probability above 0, or an array of another shape, or has no score for
                end_id; n or topk is no whole number from 1 on, or topp or the temperature no number above 0.
        """
        _check_whole("n", n, 1)
        if topk is not None:
            _check_whole("topk", topk, 1)
        if topp is not None:
            _check_positive("topp", topp)
        inputs = [np.array([x]) for x in inputs]
        output_ids, results = self.first_output_ids, []
        rows = np.zeros(n, dtype=int)  # which candidate each draw goes on from: at first all from the only one
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

    def _check_end(self, scores):
        """Raises: ValueError: no output could ever end."""
        if self.end_id is not None and self.end_id >= scores.shape[1]:
            raise ValueError(
                f"end_id={self.end_id}, but predict gives scores of the ids 0 to {scores.shape[1] - 1}: take the end "
                "id of the vocabulary that the model has, after keep_tokens; or None to go on to maxlen"
            )

    def _finished(self, output_ids, min_ends):
        """Which candidates end here, bool [k]."""
        if output_ids.shape[1] < self.minlen:
            return np.zeros(len(output_ids), dtype=bool)
        return (output_ids[:, -1] == self.end_id) & ((output_ids == self.end_id).sum(1) >= min_ends)


def _check_whole(name, value, least):
    """Raises: ValueError: it is no whole number, or below the least."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}={value!r}, expected a whole number, {least} or more")


def _check_positive(name, value):
    """Raises: ValueError: it is no finite number above 0."""
    is_number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    if not is_number or not 0 < value < float("inf"):
        raise ValueError(f"{name}={value!r}, expected a number above 0")


def _check_rtype(rtype):
    if rtype not in ("probas", "logits"):
        raise ValueError("rtype=%r, expected 'probas' or 'logits'" % (rtype,))


def _log_probas(scores, count, rtype, temperature):
    """Logarithms of probabilities at a temperature, float64 [count, vocabulary]."""
    _check_positive("temperature", temperature)
    if scores.ndim != 2 or len(scores) != count:
        message = "predict returned an array of shape %s, expected [%d, vocabulary]; self.last_token(model) gives that"
        raise ValueError(message % (list(scores.shape), count))
    scores = scores.astype("float64")
    if np.isnan(scores).any():
        raise ValueError("predict returned NaN, as a model gives for an id that it has no row for")
    if rtype == "probas":
        with np.errstate(divide="ignore"):  # 0 stays impossible
            scores = np.log(scores)
        if temperature == 1:
            return scores
    scores = scores - scores.max(axis=-1, keepdims=True)  # before the division, which else overflows near 0
    with np.errstate(over="ignore"):  # to -inf, which is impossible
        scores = scores / temperature
    return scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))


def _best(scores, topk):
    """(candidates, ids, scores) of the topk best, best first; without impossible ones, as far as there are others."""
    flat = scores.ravel()
    topk = min(topk, flat.size)
    best = np.argpartition(-flat, topk - 1)[:topk]
    best = best[np.argsort(-flat[best], kind="stable")]
    best = best[: max(1, np.isfinite(flat[best]).sum())]
    return best // scores.shape[1], best % scores.shape[1], flat[best]


def _draw(probas, topk, topp):
    """A random id for each row of probabilities [k, vocabulary], int [k]."""
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
    point = np.minimum(np.random.random((len(probas), 1)) * last, np.nextafter(last, 0))
    drawn = (cumulated > point).argmax(axis=1)
    return drawn if order is None else order[np.arange(len(order)), drawn]


def _rows(states, rows, count):
    """The states with these rows of each array that has one row for each of `count` candidates."""
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
