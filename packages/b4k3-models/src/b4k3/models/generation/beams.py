"""Beam search by the rule of AutoRegressiveDecoder, and by that of transformers.

Both keep `beams` candidates of each row, and a pool of finished outputs. AutoRegressiveDecoder's: a candidate that ends
and is not the best gives up its place; when the best one ends, the search is over. transformers' with
early_stopping=False: outputs are ranked by their sum / length ** length_penalty, and the search is over when the best
candidate can no longer beat the worst of them.
"""

from __future__ import annotations

from b4k3.backend import batch_gather, ops, write_at

from .choosing import IMPOSSIBLE, adjust, is_end, mark

POSSIBLE = IMPOSSIBLE / 2  # what is below is none
WINNER = -IMPOSSIBLE  # added to the rank of AutoRegressiveDecoder's output


def begin(logits, seen, own, length, options, numbers):
    """The state after the first token.

    Arguments:
        logits: float32 [batch · beams, vocabulary]; the rows of a prompt, which are equal, follow each other.
        seen: bool [batch · beams, vocabulary], or None.
        own: keys and values, of as many rows.
        length: how many tokens there is room for.
        options, numbers: see `Options`.

    Returns:
        dict of tensors. Of the candidates: newest int32 [batch · beams]; tokens int32 [batch, beams, length]; scores
        float32 [batch, beams], by which they are searched; sums, their log-probabilities; own; perhaps seen. Of the
        pool: pool_tokens, pool_sums, pool_ranks likewise. Of the rows: done bool [batch], places int32 [batch].
    """
    k = options.beams
    batch = ops.shape(logits)[0] // k

    def no_tokens():
        return ops.zeros((batch, k, length), dtype="int32") + numbers["padding_id"]

    first = ops.concatenate([ops.zeros((batch, 1)), IMPOSSIBLE * ops.ones((batch, k - 1))], axis=1)
    state = {
        "own": own,
        "tokens": no_tokens(),
        "scores": ops.cast(first, "float32"),
        "sums": ops.zeros((batch, k), dtype="float32"),
        "pool_tokens": no_tokens(),
        "pool_sums": ops.zeros((batch, k), dtype="float32"),
        "pool_ranks": IMPOSSIBLE * ops.ones((batch, k), dtype="float32"),
        "done": ops.zeros((batch,), dtype="bool"),
        "places": k * ops.ones((batch,), dtype="int32"),
    }
    if options.penalty:
        state["seen"] = seen
    return advance(state, logits, 0, options, numbers)


def advance(state, logits, count, options, numbers):
    """The state with one more token.

    Arguments:
        state: as `begin` returns it.
        logits: float32 [batch · beams, vocabulary].
        count: scalar int, how many tokens there are.
        options, numbers: see `Options`.
    """
    found = best_continuations(state, logits, count, options, numbers)
    rule = transformers_rule if options.ranked else decoder_rule
    entering, ranks, going_on, places, done = rule(state, found, count, options, numbers)
    pool = into_pool(state, found, entering, ranks, options.beams)
    # the best that go on, in their order, are the next candidates
    values = ops.where(going_on, found["scores"], IMPOSSIBLE * ops.ones_like(found["scores"]))
    scores, picked = ops.top_k(values, options.beams, sorted=True)
    taken = {name: batch_gather(found[name], picked, checked=False) for name in ("tokens", "sums", "beams", "ids")}
    rows = ops.arange(0, ops.shape(scores)[0], dtype="int32")[:, None] * options.beams + taken["beams"]
    rows = ops.reshape(rows, (-1,))  # [batch · beams]
    out = {
        "own": [[ops.take(x, rows, axis=0) for x in pair] for pair in state["own"]],
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
        best = scores[:, 0] / ops.power(ops.cast(count + 1, "float32"), numbers["length_penalty"])
        done = ops.logical_or(done, ops.logical_and(worst > POSSIBLE, best <= worst))
    out["done"] = done
    return out


def best_continuations(state, logits, count, options, numbers):
    """The best continuations of the candidates, best first.

    Returns:
        dict: beams and ids int32 [batch, c], scores and sums float32 [batch, c], tokens int32 [batch, c, length].
    """
    batch, k, length = ops.shape(state["tokens"])
    vocabulary = ops.shape(logits)[-1]
    plain = ops.log_softmax(logits, axis=-1)
    scores = ops.reshape(adjust(plain, state.get("seen"), count, options, numbers), (batch, k, vocabulary))
    flat = ops.reshape(scores + state["scores"][:, :, None], (batch, k * vocabulary))
    scores, where = ops.top_k(flat, min(options.continuations, k * vocabulary), sorted=True)
    where = ops.cast(where, "int32")
    beams, ids = where // vocabulary, where % vocabulary
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


def decoder_rule(state, found, count, options, numbers):
    """AutoRegressiveDecoder's rule.

    Returns:
        (which continuations enter the pool, bool [batch, c]; their ranks there, float32; which go on, bool; the places
        left, int32 [batch]; which rows are done, bool [batch])
    """
    order = ops.arange(0, ops.shape(found["ids"])[1], dtype="int32")[None]
    there = ops.logical_and(order < state["places"][:, None], found["scores"] > POSSIBLE)
    ended = ops.logical_and(there, is_end(found["ids"], numbers))
    closing = ops.logical_or(ended[:, 0], count + 1 >= numbers["max_new"])  # [batch]
    entering = ops.where(closing[:, None], there, ended)
    entering = ops.logical_and(entering, ops.logical_not(state["done"])[:, None])
    wins = ops.logical_and(closing[:, None], ops.equal(order, 0))
    ranks = found["scores"] + WINNER * ops.cast(wins, "float32")
    places = state["places"] - ops.sum(ops.cast(ended, "int32"), axis=1)
    going_on = ops.logical_and(there, ops.logical_not(ended))
    return entering, ranks, going_on, places, ops.logical_or(state["done"], closing)


def transformers_rule(state, found, count, options, numbers):
    """The rule of transformers, of the same results as `decoder_rule`; whether rows are done is told later."""
    ended = ops.logical_or(is_end(found["ids"], numbers), count + 1 >= numbers["max_new"])
    top = ops.arange(0, ops.shape(ended)[1], dtype="int32")[None] < options.beams
    entering = ops.logical_and(ops.logical_and(ended, top), ops.logical_not(state["done"])[:, None])
    ranks = found["scores"] / ops.power(ops.cast(count + 1, "float32"), numbers["length_penalty"])
    return entering, ranks, ops.logical_not(ended), state["places"], state["done"]


def into_pool(state, found, entering, ranks, k):
    """The pool with the continuations that enter it: the k outputs of the highest ranks, highest first."""
    ranks = ops.where(entering, ranks, IMPOSSIBLE * ops.ones_like(ranks))
    ranks, picked = ops.top_k(ops.concatenate([state["pool_ranks"], ranks], axis=1), k, sorted=True)
    return {
        "pool_ranks": ranks,
        "pool_tokens": batch_gather(ops.concatenate([state["pool_tokens"], found["tokens"]], axis=1), picked),
        "pool_sums": batch_gather(ops.concatenate([state["pool_sums"], found["sums"]], axis=1), picked),
    }
