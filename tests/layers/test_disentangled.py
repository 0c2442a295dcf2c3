"""Attention with relative positions as DeBERTa has them: slow loops are the oracle."""

import math

import numpy as np
import pytest

from b4k3.backend import keras
from b4k3.layers import DisentangledAttention, DistanceEmbedding
from b4k3.layers.disentangled import bucket_starts
from support.harness import answer
from support.layer_checks import First, check_layer

HEADS, SIZE, DIM = 2, 3, 4
PROJECTIONS = [f"{name}/{weight}" for name in ("query", "key", "value", "output") for weight in ("kernel", "bias")]


def bucket(distance, buckets, far):
    """As DeBERTa's code has it, for one distance."""
    middle = buckets // 2
    if far is None or abs(distance) <= middle:
        return distance
    step = math.ceil(math.log(abs(distance) / middle) / math.log((far - 1) / middle) * (middle - 1))
    return int(math.copysign(step + middle, distance))


@pytest.mark.parametrize("rows, far", [(6, None), (8, 7), (32, 20)])
def test_distances(rows, far, tmp_path):
    half = rows // 2

    def oracle(weights, arrays, masks):
        n = arrays[0].shape[1]
        found = [bucket(distance, half, far) for distance in range(n - 1, -n, -1)]
        return weights["embeddings"][np.clip(found, -half, half - 1) + half]

    check_layer(
        lambda: DistanceEmbedding(rows, 3, far, name="layer"),
        lambda rng, batch, n: [rng.randn(batch, n, 4).astype("float32")],
        oracle,
        weights=["embeddings"],
        masked=(0,),
        tmp=tmp_path,
        only_outputs=rows == 32,
    )


@pytest.mark.parametrize("buckets, far", [(256, 512), (32, 128), (9, 40), (3, 6)])
def test_starts_of_buckets(buckets, far):
    starts = bucket_starts(buckets, far)
    for distance in range(1, 700):
        want = min(bucket(distance, buckets, far), buckets)
        assert (starts <= distance).sum() == want, distance


@pytest.mark.parametrize("rows, far", [(7, None), (0, None), (16, 5), (2, 20)])
def test_tables_that_cannot_be(rows, far):
    with pytest.raises(ValueError, match="layer: "):
        DistanceEmbedding(rows, 3, far, name="layer")


def softmax(scores, visible):
    scores = np.where(visible, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def attend(terms, shared, scale, with_bias):
    def oracle(weights, arrays, masks):
        def project(x, name):
            x = x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]
            return x.reshape(x.shape[:-1] + (HEADS, SIZE))

        x, rest = arrays[0], list(arrays[1:])
        batch, n, _ = x.shape
        bias = rest.pop(0) if with_bias else np.zeros((batch, n, n))
        rows = [r[0] for r in rest]
        rows = [project(r, "key" if t == "c2p" else "query") if shared else r for t, r in zip(terms, rows)]
        rows = [r.reshape(2 * n - 1, HEADS, SIZE) for r in rows]
        q, k, v = (project(x, name) for name in ("query", "key", "value"))
        scores = np.zeros((batch, HEADS, n, n))
        for b, h, i, j in np.ndindex(*scores.shape):
            scores[b, h, i, j] = q[b, i, h] @ k[b, j, h]
            for term, row in zip(terms, rows):
                scores[b, h, i, j] += (q[b, i, h] if term == "c2p" else k[b, j, h]) @ row[j - i + n - 1, h]
        visible = np.ones((batch, 1, 1, n), bool) if masks[0] is None else masks[0][:, None, None] == 1
        a = softmax(scores * scale + bias[:, None], visible)
        o = np.einsum("bhnm,bmhd->bnhd", a, v).reshape(batch, n, HEADS * SIZE)
        return o @ weights["output/kernel"] + weights["output/bias"]

    return oracle


@pytest.mark.parametrize(
    "terms, shared, with_bias, masked",
    [
        (["c2p", "p2c"], True, False, (0,)),
        (["p2c", "c2p"], False, True, (0,)),
        (["p2c"], True, False, ()),
    ],
)
def test_attention(terms, shared, with_bias, masked, tmp_path):
    config = {"heads": HEADS, "head_size": SIZE, "out_dim": 5, "attention_scale": 0.4}

    def draw(rng, batch, n):
        x = [rng.randn(batch, n, DIM).astype("float32")]
        x += [rng.randn(batch, n, n).astype("float32")] if with_bias else []
        rows = [rng.randn(2 * n - 1, DIM if shared else HEADS * SIZE).astype("float32") for _ in terms]
        return x + [np.stack([row] * batch) for row in rows]

    def connect(layer, tensors):
        tensors = [tensors[0]] * 3 + list(tensors[1:])
        tensors[-len(terms) :] = [First()(row) for row in tensors[-len(terms) :]]
        return layer(tensors, a_bias=with_bias or None, p_bias="disentangled")

    check_layer(
        lambda: DisentangledAttention(position_terms=terms, shared_projections=shared, name="layer", **config),
        draw,
        attend(terms, shared, 0.4, with_bias),
        weights=PROJECTIONS,
        masked=masked,
        mask_out=lambda arrays, masks: masks[0],
        connect=connect,
        tmp=tmp_path,
        only_outputs=len(terms) == 1,
    )


def test_scores_have_the_positions():
    """RealFormer adds them to those of the next layer."""
    rng = np.random.RandomState(0)
    x, row = keras.Input((None, DIM)), keras.Input((None, HEADS * SIZE))
    layer = DisentangledAttention(HEADS, SIZE, position_terms=["c2p"], return_attention_scores=True, name="layer")
    model = keras.Model([x, row], layer([x, x, x, First()(row)], p_bias="disentangled"))
    arrays = [rng.randn(1, 3, DIM).astype("float32"), rng.randn(1, 5, HEADS * SIZE).astype("float32")]
    scores, others = (answer(model, [arrays[0], factor * arrays[1]])[1] for factor in (1, 0))
    assert np.abs(scores - others).max() > 0.1


def test_what_is_no_position_term():
    for terms in ([], ["p2p"], "c2p"):
        with pytest.raises(ValueError, match=r"layer: position_terms=.*expected a list of 'c2p' and 'p2c'"):
            DisentangledAttention(HEADS, SIZE, position_terms=terms, name="layer")
    layer = DisentangledAttention(HEADS, SIZE, name="layer")
    with pytest.raises(ValueError, match="layer: p_bias=None, expected 'disentangled'"):
        layer.pay_attention_to([None, None, None])
