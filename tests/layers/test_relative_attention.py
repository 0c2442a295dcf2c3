"""RelativeMultiHeadAttention against loops over queries and keys, and the vectors of the distances."""

import numpy as np
import pytest

from b4k3.layers import LearnedVector, PermutationMask, RelativeMultiHeadAttention, SinusoidalDistanceEmbedding
from support.layer_checks import First, check_layer

HEADS, SIZE, WIDTH, OUT = 2, 3, 4, 5
NAMES = ["query", "key", "value", "output", "position", "content_bias", "position_bias"]
NAMES += ["segment_bias", "segment_embeddings"]


def attend(segments, a_bias):
    """Score every query and key of every head alone."""

    def oracle(weights, arrays, masks):
        q, k, v, rest = arrays[0], arrays[1], arrays[2], list(arrays[3:])
        bias = rest.pop(0) if a_bias else None
        distances, ids = rest.pop(0)[0], rest.pop(0) if segments else None
        batch, n, m = len(q), q.shape[1], k.shape[1]
        out = np.zeros((batch, n, OUT))
        for b, i, h in np.ndindex(batch, n, HEADS):
            query = q[b, i] @ weights["query"][:, h]
            scores = np.zeros(m)
            for j in range(m):
                distance = i + (m - n) - j  # the queries are the last of the keys
                near = distances[m - distance] @ weights["position"][:, h]  # the rows begin with the distance m
                scores[j] = (query + weights["content_bias"][h]) @ (k[b, j] @ weights["key"][:, h])
                scores[j] += (query + weights["position_bias"][h]) @ near
                if segments:
                    kind = weights["segment_embeddings"][int(ids[b, i] != ids[b, j]), h]
                    scores[j] += (query + weights["segment_bias"][h]) @ kind
            scores = scores / np.sqrt(SIZE) + (bias[b, i] if a_bias else 0)
            if masks[2] is not None:
                scores = np.where(masks[2][b] > 0, scores, -1e30)
            e = np.exp(scores - scores.max())
            values = (e / e.sum()) @ (v[b] @ weights["value"][:, h])
            out[b, i] += weights["output"][:, h] @ values
        return out

    return oracle


def draw(segments, a_bias):
    def inputs(rng, batch, n):
        m = n if segments else n + 2
        arrays = [rng.randn(batch, size, WIDTH).astype("float32") for size in (n, m, m)]
        if a_bias:
            hidden = np.where(rng.rand(batch, n, m) < 0.3, -1e30, rng.randn(batch, n, m)).astype("float32")
            hidden[..., 0] = 0
            arrays.append(hidden)
        arrays.append(np.tile(rng.randn(1, n + m, WIDTH), (batch, 1, 1)).astype("float32"))
        return arrays + ([rng.randint(0, 3, size=(batch, n)).astype("float32")] if segments else [])

    return inputs


@pytest.mark.parametrize("segments, a_bias, masked", [(True, True, ()), (True, None, (0, 1, 2)), (False, None, (2,))])
def test_scores_of_content_distance_and_segments(segments, a_bias, masked, tmp_path):
    place = 4 if a_bias else 3

    def connect(layer, tensors):
        tensors = list(tensors)
        tensors[place] = First(name="distances")(tensors[place])  # without an axis of the batch
        return layer(tensors, a_bias=a_bias)

    check_layer(
        lambda: RelativeMultiHeadAttention(HEADS, SIZE, OUT, segments=segments, name="layer"),
        draw(segments, a_bias),
        attend(segments, a_bias),
        weights=NAMES,
        masked=masked,
        mask_out=(lambda x, m: m[0]) if 0 in masked else None,
        connect=connect,
        only_outputs=masked == (2,),
        tmp=tmp_path,
    )


@pytest.mark.parametrize("clamp_len", [-1, 3])
def test_vectors_of_distances(clamp_len, tmp_path):
    def oracle(weights, arrays, masks):
        n, m = arrays[0].shape[1], arrays[1].shape[1]
        rows = []
        for distance in range(m, -n, -1):
            distance = max(-clamp_len, min(distance, clamp_len)) if clamp_len > 0 else distance
            angles = [distance / 10000 ** (2 * i / 6) for i in range(3)]
            rows.append(list(np.sin(angles)) + list(np.cos(angles)))
        return np.array(rows)

    check_layer(
        lambda: SinusoidalDistanceEmbedding(6, clamp_len=clamp_len, name="layer"),
        lambda rng, batch, n: [rng.randn(batch, size, 4).astype("float32") for size in (n, n + 2)],
        oracle,
        masked=(0,),
        only_outputs=clamp_len > 0,
        tmp=tmp_path,
    )


@pytest.mark.parametrize("own", [False, True])
def test_an_order_of_prediction(own, tmp_path):
    def oracle(weights, arrays, masks):
        visible = (arrays[0] == 0) | (own and np.eye(arrays[0].shape[1]) > 0)
        return np.where(visible, 0, -1e30)

    check_layer(
        lambda: PermutationMask(own, name="layer"),
        lambda rng, batch, n: [(rng.rand(batch, n, n) < 0.5).astype("float32")],
        oracle,
        only_outputs=own,
        tmp=tmp_path,
    )


def test_a_vector_for_every_position(tmp_path):
    check_layer(
        lambda: LearnedVector(name="layer"),
        lambda rng, batch, n: [rng.randn(batch, n, 4).astype("float32")],
        lambda weights, arrays, masks: np.tile(weights["vector"], arrays[0].shape[:2] + (1,)),
        weights=["vector"],
        masked=(0,),
        mask_out=lambda x, m: m[0],
        tmp=tmp_path,
    )


def test_an_odd_size_is_refused():
    with pytest.raises(ValueError, match="output_dim=5, expected an even number"):
        SinusoidalDistanceEmbedding(5)
