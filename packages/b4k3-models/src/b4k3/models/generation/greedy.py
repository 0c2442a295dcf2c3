"""One candidate for each row: greedy decoding and sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import ops, write_at

from .sampling import choose, is_end, mark

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from .request import Options


def begin(
    logits: Tensor, seen: Tensor | None, self_cache: list[Any], length: int, options: Options, params: dict[str, Any]
) -> dict[str, Any]:
    """Make the state after the first token.

    Arguments:
        logits: float32, [rows, vocabulary]. The logits after the prompts.
        seen: bool, [rows, vocabulary], or None. True at the tokens of the prompts.
        self_cache: list of [keys, values]. The cache of the self-attentions.
        length: int. How many tokens the outputs can hold.
        options: `Options`. What is compiled in.
        params: dict. The values in `Request.params`.

    Returns:
        dict of tensors: tokens, int32 [rows, length]; newest, int32 [rows]; done, bool [rows]; self_cache; with
        `return_scores` sums, float32 [rows]; with a repetition penalty seen.
    """
    rows = ops.shape(logits)[0]
    state = {
        "self_cache": self_cache,
        "tokens": ops.zeros((rows, length), dtype="int32") + params["padding_id"],
        "done": ops.zeros((rows,), dtype="bool"),
    }
    if options.scores:
        state["sums"] = ops.zeros((rows,), dtype="float32")
    if options.penalty:
        state["seen"] = seen
    return advance(state, logits, 0, options, params)


def advance(
    state: dict[str, Any], logits: Tensor, count: Any, options: Options, params: dict[str, Any]
) -> dict[str, Any]:
    """Append one token to each row that is not done.

    Arguments:
        state: dict. What `begin` or `advance` returned.
        logits: float32, [rows, vocabulary]. The logits after the newest tokens.
        count: int32, scalar. The number of tokens in the outputs.
        options: `Options`. What is compiled in.
        params: dict. The values in `Request.params`.

    Returns:
        dict. The next state.
    """
    state = dict(state)
    newest = choose(logits, state.get("seen"), count, options, params)
    done = state["done"]
    if options.ends:
        newest = ops.where(done, ops.zeros_like(newest) + params["padding_id"], newest)
    if options.scores:
        gained = ops.take_along_axis(ops.log_softmax(logits, axis=-1), newest[:, None], axis=-1)[:, 0]
        state["sums"] = state["sums"] + ops.where(done, ops.zeros_like(gained), gained)
    if options.penalty:
        state["seen"] = mark(state["seen"], newest)
    state["newest"] = newest
    state["tokens"] = write_at(state["tokens"], count, newest[:, None], 1)
    if options.ends:
        state["done"] = ops.logical_or(done, is_end(newest, params))
    return state
