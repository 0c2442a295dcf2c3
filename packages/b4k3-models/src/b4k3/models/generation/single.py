"""One candidate for each row: greedy decoding and sampling."""

from __future__ import annotations

from b4k3.backend import ops, write_at

from .choosing import choose, is_end, mark


def begin(logits, seen, own, length, options, numbers):
    """The state after the first token.

    Arguments:
        logits: float32 [rows, vocabulary].
        seen: bool [rows, vocabulary], or None.
        own: keys and values.
        length: how many tokens there is room for.
        options, numbers: see `Options`.

    Returns:
        dict of tensors: tokens int32 [rows, length], newest int32 [rows], done bool [rows], own, and perhaps sums
        float32 [rows] and seen.
    """
    rows = ops.shape(logits)[0]
    state = {
        "own": own,
        "tokens": ops.zeros((rows, length), dtype="int32") + numbers["padding_id"],
        "done": ops.zeros((rows,), dtype="bool"),
    }
    if options.scores:
        state["sums"] = ops.zeros((rows,), dtype="float32")
    if options.penalty:
        state["seen"] = seen
    return advance(state, logits, 0, options, numbers)


def advance(state, logits, count, options, numbers):
    """The state with one more token in each row that is not done.

    Arguments:
        state: as `begin` returns it.
        logits: float32 [rows, vocabulary].
        count: scalar int, how many tokens there are.
        options, numbers: see `Options`.
    """
    state = dict(state)
    newest = choose(logits, state.get("seen"), count, options, numbers)
    done = state["done"]
    newest = ops.where(done, ops.zeros_like(newest) + numbers["padding_id"], newest)
    if options.scores:
        gained = ops.take_along_axis(ops.log_softmax(logits, axis=-1), newest[:, None], axis=-1)[:, 0]
        state["sums"] = state["sums"] + ops.where(done, ops.zeros_like(gained), gained)
    if options.penalty:
        state["seen"] = mark(state["seen"], newest)
    state["newest"] = newest
    state["tokens"] = write_at(state["tokens"], count, newest[:, None], 1)
    if options.ends:
        state["done"] = ops.logical_or(done, is_end(newest, numbers))
    return state
