"""From logits to the next token: penalties, filters, greedy choice and sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import ops

if TYPE_CHECKING:
    from b4k3.backend import Tensor

IMPOSSIBLE = -1e9  # finite, so that sums of it stay numbers
LEAST = -1e4  # of a score less the best one: its exponential is 0


def adjust(scores, seen, count, options, numbers):
    """Apply the repetition penalty, and forbid to end before `min_new_tokens`.

    Arguments:
        scores: float32 [rows, vocabulary].
        seen: bool [rows, vocabulary], True at the tokens in prompt and output; or None.
        count: scalar int, how many tokens the output has.
        options, numbers: see `Options`.

    Returns:
        float32 [rows, vocabulary].

    Reference: Keskar et al., CTRL, https://arxiv.org/abs/1909.05858, section 4.1, as transformers has it: scores below
        0 are multiplied.
    """
    if options.penalty:
        penalty = numbers["penalty"]
        scores = ops.where(seen, ops.where(scores < 0, scores * penalty, scores / penalty), scores)
    if options.minimum:
        ids = ops.arange(0, ops.shape(scores)[-1], dtype="int32")
        early = ops.logical_and(is_end(ids, numbers), count < numbers["min_new"])
        scores = ops.where(early[None], IMPOSSIBLE * ops.ones_like(scores), scores)
    return scores


def is_end(ids, numbers):
    """Whether ids are end ids: bool, shape of the ids."""
    return ops.any(ops.equal(ops.expand_dims(ids, -1), numbers["ends"]), axis=-1)


def mark(seen, ids):
    """`seen` with more ids, int32 [rows], marked."""
    return ops.logical_or(seen, ops.cast(ops.one_hot(ids, ops.shape(seen)[-1]), "bool"))


def choose(logits, seen, count, options, numbers):
    """The next token of each row.

    Arguments:
        logits: float32 [rows, vocabulary].
        seen, count, options, numbers: as of `adjust`.

    Returns:
        int32 [rows]
    """
    scores = adjust(logits, seen, count, options, numbers)
    if options.sample:
        return draw(tempered(scores, numbers), numbers["uniform"][:, count], options, numbers)
    return ops.cast(ops.argmax(scores, axis=-1), "int32")


def tempered(scores: Tensor, numbers: dict[str, Any]) -> Tensor:
    """Subtract the maximum from the scores and divide them by the temperature.

    Nothing overflows, however low the temperature is: the best score becomes 0 and no other one falls below LEAST,
    whose exponential is 0. An IMPOSSIBLE score becomes LEAST, however high the temperature is.

    Arguments:
        scores: float32, [rows, vocabulary]. The scores.
        numbers: dict. Its 'temperature' is used.

    Returns:
        float32, [rows, vocabulary].
    """
    temperature = numbers["temperature"]
    below = scores - ops.max(scores, axis=-1, keepdims=True)
    cold = ops.maximum(below, LEAST * temperature) / temperature
    return ops.where(scores > IMPOSSIBLE / 2, cold, LEAST * ops.ones_like(cold))


def draw(scores, uniform, options, numbers):
    """Draw a token of each row by inverting the cumulated distribution.

    Arguments:
        scores: float32 [rows, vocabulary].
        uniform: float32 [rows], numbers in [0, 1).
        options, numbers: see `Options`; top_k keeps the scores that are not below the k-th, top_p the fewest that
            together have this probability.

    Returns:
        int32 [rows]

    Reference: Holtzman et al., nucleus sampling, https://arxiv.org/abs/1904.09751
    """
    order = None
    if options.top_k or options.top_p:
        scores, order = ops.top_k(scores, ops.shape(scores)[-1], sorted=True)
    if options.top_k:
        bound = ops.take(scores, ops.minimum(numbers["top_k"], ops.shape(scores)[-1]) - 1, axis=-1)  # [rows]
        scores = ops.where(scores >= bound[:, None], scores, IMPOSSIBLE * ops.ones_like(scores))
    probabilities = ops.softmax(scores, axis=-1)
    if options.top_p:
        before = ops.cumsum(probabilities, axis=-1) - probabilities
        probabilities = ops.where(before < numbers["top_p"], probabilities, ops.zeros_like(probabilities))
    cumulated = ops.cumsum(probabilities, axis=-1)
    total = cumulated[:, -1:]
    passed = ops.sum(ops.cast(cumulated <= uniform[:, None] * total, "int32"), axis=-1)
    last = ops.sum(ops.cast(cumulated < total, "int32"), axis=-1)  # rounding must not lead beyond it
    chosen = ops.minimum(passed, last)
    if order is not None:
        chosen = ops.take_along_axis(ops.cast(order, "int32"), chosen[:, None], axis=-1)[:, 0]
    return ops.cast(chosen, "int32")
