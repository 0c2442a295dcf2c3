"""From logits to the next token: penalties, the greedy choice, and sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import ops

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from .request import Options

MASKED_SCORE = -1e9  # the score of a token that is forbidden; it is finite, so that sums of it stay numbers
NOT_FORCED = -1  # stands for the token that is forced, where none is
LOWEST_EXPONENT = -1e4  # no score is so far below the best one that it matters: the exponential of this is 0


def adjust(scores: Tensor, seen: Tensor | None, count: Any, options: Options, params: dict[str, Any]) -> Tensor:
    """Apply the repetition penalty, forbid an end before `min_new_tokens`, and force the first or the last token.

    The penalty is the one of CTRL (Keskar et al., https://arxiv.org/abs/1909.05858, section 4.1) in the form that
    transformers gives it: a score below 0 is multiplied by the penalty, another one is divided by it.

    Arguments:
        scores: float32, [rows, vocabulary]. The logits or log-probabilities.
        seen: bool, [rows, vocabulary], or None. True at the tokens that prompt or output have.
        count: int32, scalar. The number of tokens in the output.
        options: `Options`. What is compiled in.
        params: dict. The values in `Request.params`.

    Returns:
        float32, [rows, vocabulary].
    """
    if options.penalty:
        penalty = params["penalty"]
        scores = ops.where(seen, ops.where(scores < 0, scores * penalty, scores / penalty), scores)
    if options.minimum:
        ids = ops.arange(0, ops.shape(scores)[-1], dtype="int32")
        early = ops.logical_and(is_end(ids, params), count < params["min_new"])
        scores = ops.where(early[None], MASKED_SCORE * ops.ones_like(scores), scores)
    if options.forced:
        forced = ops.where(count + 1 >= params["max_new"], params["forced_last"], NOT_FORCED)
        forced = ops.where(ops.equal(count, 0), params["forced_first"], forced)
        ids = ops.arange(0, ops.shape(scores)[-1], dtype="int32")
        alone = ops.where(ops.equal(ids, forced), 0.0, MASKED_SCORE)[None] + ops.zeros_like(scores)
        scores = ops.where(forced >= 0, alone, scores)
    return scores


def is_end(ids: Tensor, params: dict[str, Any]) -> Tensor:
    """Find out which ids are end ids.

    Arguments:
        ids: int32, [...]. The ids.
        params: dict. Its "ends", int32 [e], are the end ids.

    Returns:
        bool, [...].
    """
    return ops.any(ops.equal(ops.expand_dims(ids, -1), params["ends"]), axis=-1)


def mark(seen: Tensor, ids: Tensor) -> Tensor:
    """Mark one more token of each row as seen.

    Arguments:
        seen: bool, [rows, vocabulary]. The tokens that were seen before.
        ids: int32, [rows]. The new tokens.

    Returns:
        bool, [rows, vocabulary].
    """
    return ops.logical_or(seen, ops.cast(ops.one_hot(ids, ops.shape(seen)[-1]), "bool"))


def choose(logits: Tensor, seen: Tensor | None, count: Any, options: Options, params: dict[str, Any]) -> Tensor:
    """Choose the next token of each row: the best one, or a random one.

    Arguments:
        logits: float32, [rows, vocabulary]. The logits.
        seen: bool, [rows, vocabulary], or None. True at the tokens that prompt or output have.
        count: int32, scalar. The number of tokens in the output.
        options: `Options`. What is compiled in.
        params: dict. The values in `Request.params`, and "uniform", float32 [rows, length], for sampling.

    Returns:
        int32, [rows].
    """
    scores = adjust(logits, seen, count, options, params)
    if options.sample:
        return draw(tempered(scores, params), params["uniform"][:, count], options, params)
    return ops.cast(ops.argmax(scores, axis=-1), "int32")


def tempered(scores: Tensor, params: dict[str, Any]) -> Tensor:
    """Subtract the maximum from the scores and divide them by the temperature.

    Nothing overflows, however low the temperature is: the best score becomes 0 and no other one falls below
    LOWEST_EXPONENT, whose exponential is 0. A MASKED_SCORE becomes LOWEST_EXPONENT, however high the temperature is.

    Arguments:
        scores: float32, [rows, vocabulary]. The scores.
        params: dict. Its "temperature" is used.

    Returns:
        float32, [rows, vocabulary].
    """
    temperature = params["temperature"]
    below = scores - ops.max(scores, axis=-1, keepdims=True)
    cold = ops.maximum(below, LOWEST_EXPONENT * temperature) / temperature
    return ops.where(scores > MASKED_SCORE / 2, cold, LOWEST_EXPONENT * ops.ones_like(cold))


def draw(scores: Tensor, uniform: Tensor, options: Options, params: dict[str, Any]) -> Tensor:
    """Draw a token of each row by inverting the cumulated distribution.

    `top_k` keeps the scores that are not below the k-th best. `top_p` keeps the fewest of the best tokens whose joint
    probability reaches it: nucleus sampling, Holtzman et al., https://arxiv.org/abs/1904.09751.

    Three tokens of probabilities 0.5, 0.3 and 0.2, for example, have the cumulated sums 0.5, 0.8 and 1.0. The random
    number 0.6 has passed one of these sums, so the token 1 is drawn.

    Arguments:
        scores: float32, [rows, vocabulary]. The scores after the temperature.
        uniform: float32, [rows]. Random numbers in [0, 1).
        options: `Options`. What is compiled in.
        params: dict. Its "top_k" and "top_p" are used.

    Returns:
        int32, [rows].
    """
    order = None
    if options.top_k or options.top_p:
        scores, order = ops.top_k(scores, ops.shape(scores)[-1], sorted=True)
    if options.top_k:
        bound = ops.take(scores, ops.minimum(params["top_k"], ops.shape(scores)[-1]) - 1, axis=-1)  # [rows]
        scores = ops.where(scores >= bound[:, None], scores, MASKED_SCORE * ops.ones_like(scores))
    probabilities = ops.softmax(scores, axis=-1)  # [rows, vocabulary]
    if options.top_p:
        before = ops.cumsum(probabilities, axis=-1) - probabilities
        probabilities = ops.where(before < params["top_p"], probabilities, ops.zeros_like(probabilities))
    cumulated = ops.cumsum(probabilities, axis=-1)  # [rows, vocabulary]
    total = cumulated[:, -1:]  # [rows, 1]
    passed = ops.sum(ops.cast(cumulated <= uniform[:, None] * total, "int32"), axis=-1)  # [rows]
    last = ops.sum(ops.cast(cumulated < total, "int32"), axis=-1)  # rounding must not lead to a token after this one
    chosen = ops.minimum(passed, last)
    if order is not None:
        chosen = ops.take_along_axis(ops.cast(order, "int32"), chosen[:, None], axis=-1)[:, 0]
    return ops.cast(chosen, "int32")
