"""LocalMultiHeadAttention against MultiHeadAttention with a bias that hides what is outside of the window."""

import numpy as np
import pytest

from b4k3.backend import ops
from b4k3.layers import LocalMultiHeadAttention, MultiHeadAttention, local_attention
from b4k3.layers.local_attention import windowed_attention
from layers.test_attention import WEIGHTS, attend
from support.harness import call_with_unknown_sizes, evaluate
from support.layer_checks import check_layer

RADIUS = 2


def window(n, radius):
    distances = np.abs(np.arange(n)[:, None] - np.arange(n)[None])
    return np.where(distances <= radius, 0, -1e30).astype("float32")


def masked(query, key, value, mask, radius):
    """The oracle: softmax over the window alone."""
    scores = np.einsum("bnhd,bmhd->bhnm", query, key) * 0.5 + window(query.shape[1], radius)
    scores = np.where(mask[:, None, None] > 0, scores, -1e30)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("bhnm,bmhd->bnhd", weights / weights.sum(-1, keepdims=True), value)


@pytest.mark.parametrize("n, radius", [(1, 2), (5, 2), (8, 2), (9, 4), (13, 5), (11, 1), (7, 0), (6, 9)])
def test_blocks_of_queries(n, radius):
    random = np.random.RandomState(n)
    tensors = [random.randn(2, n, 3, size).astype("float32") for size in (4, 4, 6)]
    mask = np.arange(n) < np.array([[n], [max(n - 2, 1)]])

    def call(query, key, value, mask):
        return windowed_attention(query, key, value, radius, mask, scale=0.5)

    want = masked(*tensors, mask, radius)
    real = (np.arange(n) - radius) < mask.sum(-1, keepdims=True)  # the others see no key
    for found in (
        evaluate(call(*map(ops.convert_to_tensor, tensors + [mask]))),
        call_with_unknown_sizes(call, *tensors, mask.astype("float32")),
    ):
        assert found.shape == want.shape and np.isfinite(found).all()
        np.testing.assert_allclose(found[real], want[real], rtol=1e-4, atol=1e-5)
    plain = evaluate(windowed_attention(*map(ops.convert_to_tensor, tensors), radius, scale=0.5))
    np.testing.assert_allclose(plain, masked(*tensors, np.ones_like(mask), radius), rtol=1e-4, atol=1e-5)


LAYERS = [({}, None), ({}, "rotary_halves"), ({"return_attention_scores": True}, None)]
LAYERS.append(({"normalization": "softmax_plus"}, None))


@pytest.mark.parametrize("short", [0, 8])
@pytest.mark.parametrize("config, p_bias", LAYERS, ids=str)
def test_layer(config, p_bias, short, monkeypatch, tmp_path):
    monkeypatch.setattr(local_attention, "SHORT", short)

    def draw(random, batch, n):
        shapes = [(batch, n, 4)] * 3 + [(batch, n, 4)] * bool(p_bias)
        return [random.randn(*shape).astype("float32") for shape in shapes]

    def oracle(weights, arrays, masks):
        bias = np.tile(window(arrays[0].shape[1], RADIUS), (len(arrays[0]), 1, 1))
        return attend(config, True, p_bias)(weights, arrays[:3] + [bias] + arrays[3:], masks)

    still = p_bias is None and not config.get("return_attention_scores")
    check_layer(
        lambda: LocalMultiHeadAttention(2, 4, RADIUS, name="layer", **config),
        draw,
        oracle,
        weights=WEIGHTS,
        masked=(),
        mask_out=lambda x, m: m[0],
        connect=lambda layer, tensors: layer(tensors, p_bias=p_bias) if p_bias else layer(tensors),
        still=["key/bias"] if still else [],
        atol=5e-5,
        tmp=tmp_path,
        only_outputs=bool(config) or p_bias is None,
    )


def test_what_is_refused():
    with pytest.raises(ValueError, match="layer: radius=-1, expected an int from 0"):
        LocalMultiHeadAttention(2, 4, -1, name="layer")
    with pytest.raises(NotImplementedError, match="layer: .* cannot generate"):
        LocalMultiHeadAttention(2, 4, 1, name="layer").decode([], None)
    assert issubclass(LocalMultiHeadAttention, MultiHeadAttention)
