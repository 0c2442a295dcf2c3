"""A network for tests of decoding: the logits of the next token depend on the newest token and on how many there are.

And slow oracles."""

from __future__ import annotations

import inspect

import numpy as np

from b4k3.backend import ops
from b4k3.models import Transformer
from b4k3.models.generation.request import Request

VOCABULARY = 12
# [number of new tokens, newest token, next token]; without the first axis, orders of the same pairs would tie
TABLE = np.random.RandomState(7).normal(size=(10, VOCABULARY, VOCABULARY)).astype("float32") * 1.5
PROMPTS = np.array([[5, 6, 0], [3, 0, 0], [2, 9, 4]])


class Table:
    """What `Engine` reads of a `Network`."""

    encoder = None
    variables = ()
    position_limit = None
    has_segments = False
    pad_token_id = 0
    traces = 0

    def __init__(self):
        self.decoder = self
        self.vocab_size = VOCABULARY

    def prefill(self, ids, segments, lengths, cache_capacity):
        last = ops.take_along_axis(ids, lengths[:, None] - 1, axis=1)[:, 0]
        return self.logits(0, last), {}, []

    def step(self, tokens, segments, count, self_cache, constants, cache_capacity, has_padding):
        self.traces += 1
        return self.logits(count, tokens), self_cache

    def logits(self, count, tokens):
        table = ops.convert_to_tensor(TABLE.reshape(-1, VOCABULARY))
        return ops.take(table, tokens + count * VOCABULARY, axis=0)


def request(max_new_tokens, **arguments):
    """A Request with the defaults of `Transformer.generate`."""
    call = inspect.signature(Transformer.generate).bind(None, None, max_new_tokens, **arguments)
    call.apply_defaults()
    return Request(call.arguments)


def log_softmax(x):
    x = np.asarray(x, dtype="float64")
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def adjusted(scores, tokens, penalty=1.0, forbidden=()):
    """Scores with the repetition penalty of transformers and without some ids."""
    scores = np.array(scores, dtype="float64")
    for i in set(tokens):
        scores[i] = scores[i] * penalty if scores[i] < 0 else scores[i] / penalty
    for i in forbidden:
        scores[i] = -1e9
    return scores


def lengths(prompts):
    return [len(np.trim_zeros(row, "b")) for row in prompts]


def sampled(prompt, uniform, ends, temperature=1.0, top_k=None, top_p=None, penalty=1.0):
    """One drawn output, token by token, with the numbers that it is drawn by."""
    tokens, out = list(prompt), []
    for u in uniform:
        scores = adjusted(TABLE[len(out), tokens[-1]], tokens, penalty) / temperature
        order = np.argsort(-scores, kind="stable") if top_k or top_p else np.arange(VOCABULARY)
        probabilities = np.exp(log_softmax(scores))[order]
        if top_k:
            probabilities[top_k:] = 0
            probabilities /= probabilities.sum()
        if top_p:
            probabilities[np.cumsum(probabilities) - probabilities >= top_p] = 0
        cumulated = np.cumsum(probabilities)
        token = int(order[np.argmax(cumulated > u * cumulated[-1])])
        tokens.append(token)
        out.append(token)
        if token in ends:
            break
    return out


def ranked_beams(prompt, beams, length, ends, length_penalty, minimum=0, penalty=1.0):
    """Beam search by transformers' rule, early_stopping=False: list of (tokens, sum), best first."""
    alive, finished = [(0.0, 0.0, [])], []
    for n in range(length):
        candidates = []
        for score, total, tokens in alive:
            plain = log_softmax(TABLE[n, (list(prompt) + tokens)[-1]])
            scores = adjusted(plain, list(prompt) + tokens, penalty, ends if n < minimum else ())
            candidates += [(score + scores[i], total + plain[i], tokens + [i]) for i in range(VOCABULARY)]
        candidates.sort(key=lambda c: -c[0])
        candidates = candidates[: beams * max(2, 1 + len(ends))]
        alive = []
        for rank, candidate in enumerate(candidates):
            if candidate[2][-1] in ends or n + 1 == length:
                if rank < beams:
                    finished.append((candidate[0] / (n + 1) ** length_penalty, candidate))
            elif len(alive) < beams:
                alive.append(candidate)
        finished = sorted(finished, key=lambda f: -f[0])[:beams]
        if len(finished) == beams and alive and alive[0][0] / (n + 1) ** length_penalty <= finished[-1][0]:
            break
    return [(tokens, total) for _, (_, total, tokens) in finished]


def filled(rows):
    """Rows of unequal lengths, with 0 after the shorter ones."""
    width = max(len(row) for row in rows)
    return [list(row) + [0] * (width - len(row)) for row in rows]
