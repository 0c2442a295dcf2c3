"""Beam search by the rule of `AutoRegressiveDecoder`, and by the rule of transformers.

Both keep `beams` candidates of each prompt, and a pool of finished outputs.

- `AutoRegressiveDecoder`: a candidate that ends and is not the best one gives up its place. When the best candidate
  ends, the search is over.
- transformers with `early_stopping=False`: finished outputs are ranked by their summed log-probabilities
  / length ** length_penalty. The search is over when the best candidate can no longer beat the worst of the pool.

One step of two beams, for example, where token 1 ends an output:

    candidates   [5, 6] of score -1.0, [5, 7] of score -1.5
    continued    [5, 6, 1] -1.2    [5, 7, 4] -1.6    [5, 6, 9] -1.9
    pool         [5, 6, 1], which ended
    candidates   [5, 7, 4] and [5, 6, 9]; the first rule would stop here, because the best one ended
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import batch_gather, ops, write_at

from .sampling import MASKED_SCORE, adjust, is_end, mark

if TYPE_CHECKING:
    from typing import Tuple

    from b4k3.backend import Tensor

    from .request import Options

    Verdict = Tuple[Tensor, Tensor, Tensor, Tensor, Tensor]

MASKED_BELOW = MASKED_SCORE / 2  # scores below this are masked candidates
WINNER = -MASKED_SCORE  # added to the rank of the output of AutoRegressiveDecoder, so that it is the first in the pool


def begin(
    logits: Tensor, seen: Tensor | None, self_cache: list[Any], length: int, options: Options, params: dict[str, Any]
) -> dict[str, Any]:
    """Make the state after the first token.

    Arguments:
        logits: float32, [batch * beams, vocabulary]. The logits after the prompts; the rows of one prompt are equal
            and follow each other.
        seen: bool, [batch * beams, vocabulary], or None. True at the tokens of the prompts.
        self_cache: list of [keys, values]. The cache of the self-attentions, of batch * beams rows.
        length: int. How many tokens the outputs can hold.
        options: `Options`. What is compiled in.
        params: dict. The values in `Request.params`.

    Returns:
        dict of tensors. For the candidates: newest, int32 [batch * beams]; tokens, int32 [batch, beams, length];
        scores, float32 [batch, beams], which order them; sums, their log-probabilities; self_cache; with a repetition
        penalty seen. For the pool: pool_tokens, pool_sums and pool_ranks, of the same shapes. For each prompt: done,
        bool [batch]; places, int32 [batch], how many candidates are left.
    """
    k = options.beams
    batch = ops.shape(logits)[0] // k

    def no_tokens() -> Tensor:
        return ops.zeros((batch, k, length), dtype="int32") + params["padding_id"]

    # The beams of a prompt are equal at first, so all but one are masked.
    first = ops.concatenate([ops.zeros((batch, 1)), MASKED_SCORE * ops.ones((batch, k - 1))], axis=1)
    state = {
        "self_cache": self_cache,
        "tokens": no_tokens(),
        "scores": ops.cast(first, "float32"),
        "sums": ops.zeros((batch, k), dtype="float32"),
        "pool_tokens": no_tokens(),
        "pool_sums": ops.zeros((batch, k), dtype="float32"),
        "pool_ranks": MASKED_SCORE * ops.ones((batch, k), dtype="float32"),
        "done": ops.zeros((batch,), dtype="bool"),
        "places": k * ops.ones((batch,), dtype="int32"),
    }
    if options.penalty:
        state["seen"] = seen
    return advance(state, logits, 0, options, params)


def advance(
    state: dict[str, Any], logits: Tensor, count: Any, options: Options, params: dict[str, Any]
) -> dict[str, Any]:
    """Append one token to the candidates.

    Arguments:
        state: dict. What `begin` or `advance` returned.
        logits: float32, [batch * beams, vocabulary]. The logits after the newest tokens.
        count: int32, scalar. The number of tokens in the outputs.
        options: `Options`. What is compiled in.
        params: dict. The values in `Request.params`.

    Returns:
        dict. The next state.
    """
    found = best_continuations(state, logits, count, options, params)
    rule = transformers_rule if options.ranked else decoder_rule
    entering, ranks, going_on, places, done = rule(state, found, count, options, params)
    pool = into_pool(state, found, entering, ranks, options.beams)
    # The best ones that go on, in their order, are the next candidates.
    values = ops.where(going_on, found["scores"], MASKED_SCORE * ops.ones_like(found["scores"]))
    scores, picked = ops.top_k(values, options.beams, sorted=True)  # [batch, beams]
    taken = {name: batch_gather(found[name], picked, checked=False) for name in ("tokens", "sums", "beams", "ids")}
    rows = ops.arange(0, ops.shape(scores)[0], dtype="int32")[:, None] * options.beams + taken["beams"]
    rows = ops.reshape(rows, (-1,))  # [batch * beams]
    out = {
        "self_cache": [[ops.take(x, rows, axis=0) for x in pair] for pair in state["self_cache"]],
        "tokens": taken["tokens"],
        "newest": ops.reshape(taken["ids"], (-1,)),
        "scores": scores,
        "sums": taken["sums"],
        "places": places,
    }
    if options.penalty:
        out["seen"] = mark(ops.take(state["seen"], rows, axis=0), out["newest"])
    out.update(pool)
    if options.ranked:
        worst = ops.min(out["pool_ranks"], axis=1)
        best = scores[:, 0] / ops.power(ops.cast(count + 1, "float32"), params["length_penalty"])
        done = ops.logical_or(done, ops.logical_and(worst > MASKED_BELOW, best <= worst))
    out["done"] = done
    return out


def best_continuations(
    state: dict[str, Any], logits: Tensor, count: Any, options: Options, params: dict[str, Any]
) -> dict[str, Tensor]:
    """Find the best continuations of the candidates of each prompt, best first.

    Arguments:
        state: dict. The state before them.
        logits: float32, [batch * beams, vocabulary]. The logits after the newest tokens.
        count: int32, scalar. The number of tokens in the outputs.
        options: `Options`. What is compiled in.
        params: dict. The values in `Request.params`.

    Returns:
        dict of tensors for c continuations: beams and ids, int32 [batch, c]; scores and sums, float32 [batch, c];
        tokens, int32 [batch, c, length].
    """
    batch, k, length = ops.shape(state["tokens"])
    vocabulary = ops.shape(logits)[-1]
    plain = ops.log_softmax(logits, axis=-1)
    scores = ops.reshape(adjust(plain, state.get("seen"), count, options, params), (batch, k, vocabulary))
    flat = ops.reshape(scores + state["scores"][:, :, None], (batch, k * vocabulary))
    scores, where = ops.top_k(flat, min(options.continuations, k * vocabulary), sorted=True)
    where = ops.cast(where, "int32")
    beams, ids = where // vocabulary, where % vocabulary  # [batch, c]
    sums = ops.reshape(ops.reshape(plain, (batch, k, vocabulary)) + state["sums"][:, :, None], (batch, k * vocabulary))
    tokens = ops.reshape(batch_gather(state["tokens"], beams, checked=False), (-1, length))
    tokens = write_at(tokens, count, ops.reshape(ids, (-1, 1)), 1)
    return {
        "beams": beams,
        "ids": ids,
        "scores": scores,
        "sums": batch_gather(sums, where, checked=False),
        "tokens": ops.reshape(tokens, (batch, -1, length)),
    }


def decoder_rule(
    state: dict[str, Any], found: dict[str, Tensor], count: Any, options: Options, params: dict[str, Any]
) -> Verdict:
    """Decide on the continuations by the rule of `AutoRegressiveDecoder`.

    Arguments:
        state: dict. The state before them.
        found: dict. What `best_continuations` returned.
        count: int32, scalar. The number of tokens in the outputs.
        options: `Options`. What is compiled in.
        params: dict. The values in `Request.params`.

    Returns:
        (which continuations enter the pool, bool [batch, c]; their ranks there, float32 [batch, c]; which go on, bool
        [batch, c]; the places left, int32 [batch]; which prompts are done, bool [batch]).
    """
    order = ops.arange(0, ops.shape(found["ids"])[1], dtype="int32")[None]
    exists = ops.logical_and(order < state["places"][:, None], found["scores"] > MASKED_BELOW)
    ended = ops.logical_and(exists, is_end(found["ids"], params))
    closing = ops.logical_or(ended[:, 0], count + 1 >= params["max_new"])  # [batch]
    entering = ops.where(closing[:, None], exists, ended)
    entering = ops.logical_and(entering, ops.logical_not(state["done"])[:, None])
    wins = ops.logical_and(closing[:, None], ops.equal(order, 0))
    ranks = found["scores"] + WINNER * ops.cast(wins, "float32")
    places = state["places"] - ops.sum(ops.cast(ended, "int32"), axis=1)
    going_on = ops.logical_and(exists, ops.logical_not(ended))
    return entering, ranks, going_on, places, ops.logical_or(state["done"], closing)


def transformers_rule(
    state: dict[str, Any], found: dict[str, Tensor], count: Any, options: Options, params: dict[str, Any]
) -> Verdict:
    """Decide on the continuations by the rule of transformers. `advance` finds out later which prompts are done.

    Arguments:
        state: dict. The state before them.
        found: dict. What `best_continuations` returned.
        count: int32, scalar. The number of tokens in the outputs.
        options: `Options`. What is compiled in.
        params: dict. The values in `Request.params`.

    Returns:
        What `decoder_rule` returns. The places and the prompts that are done are taken from the state.
    """
    ended = ops.logical_or(is_end(found["ids"], params), count + 1 >= params["max_new"])
    top = ops.arange(0, ops.shape(ended)[1], dtype="int32")[None] < options.beams
    entering = ops.logical_and(ops.logical_and(ended, top), ops.logical_not(state["done"])[:, None])
    ranks = found["scores"] / ops.power(ops.cast(count + 1, "float32"), params["length_penalty"])
    return entering, ranks, ops.logical_not(ended), state["places"], state["done"]


def into_pool(
    state: dict[str, Any], found: dict[str, Tensor], entering: Tensor, ranks: Tensor, k: int
) -> dict[str, Tensor]:
    """Put finished continuations into the pool, which keeps the k outputs of the highest ranks, highest first.

    Arguments:
        state: dict. The state with the pool.
        found: dict. What `best_continuations` returned.
        entering: bool, [batch, c]. Which continuations enter the pool.
        ranks: float32, [batch, c]. Their ranks.
        k: int. The size of the pool.

    Returns:
        dict: pool_ranks, float32 [batch, k]; pool_tokens, int32 [batch, k, length]; pool_sums, float32 [batch, k].
    """
    ranks = ops.where(entering, ranks, MASKED_SCORE * ops.ones_like(ranks))
    ranks, picked = ops.top_k(ops.concatenate([state["pool_ranks"], ranks], axis=1), k, sorted=True)
    return {
        "pool_ranks": ranks,
        "pool_tokens": batch_gather(ops.concatenate([state["pool_tokens"], found["tokens"]], axis=1), picked),
        "pool_sums": batch_gather(ops.concatenate([state["pool_sums"], found["sums"]], axis=1), picked),
    }
