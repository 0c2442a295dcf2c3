"""Attention, and scores turned into weights, against loops."""

import math

import numpy as np
import pytest

from b4k3.backend import attention, attention_normalize, keras, mask_bias, mask_value, ops, row
from b4k3.backend._environment import fused
from support.harness import call_with_unknown_sizes, evaluate

B, N, M, H = 2, 3, 4, 2
rng = np.random.RandomState(0)
MASK = np.array([[1, 1, 1, 0], [1, 0, 0, 0]]) > 0
BIASES = {
    "[1, 1, n, m]": rng.randn(1, 1, N, M),
    "[b, 1, n, m]": rng.randn(B, 1, N, M),
    "[1, h, n, m]": rng.randn(1, H, N, M),
    "[b, h, n, m]": rng.randn(B, H, N, M),
    "-inf": np.where(np.tri(N, M)[None, None] > 0, 0, -np.inf),
}
BIASES = {name: bias.astype("float32") for name, bias in BIASES.items()}
SCORES = rng.randn(B, H, N, M).astype("float32")
CAUSAL = np.where(np.tri(N, M) > 0, 0, -np.inf).astype("float32")


def tensors(key_size=4, head_size=4):
    sizes = [(B, N, H, key_size), (B, M, H, key_size), (B, M, H, head_size)]
    return [rng.randn(*size).astype("float32") for size in sizes]


def oracle(q, k, v, mask=None, bias=None, scale=1.0):
    out = np.zeros(q.shape[:3] + v.shape[3:])
    for b in range(B):
        for h in range(H):
            for i in range(N):
                scores = [scale * float(q[b, i, h] @ k[b, j, h]) for j in range(M)]
                if bias is not None:
                    full = np.broadcast_to(bias, (B, H, N, M))
                    scores = [s + max(full[b, h, i, j], -1e30) for j, s in enumerate(scores)]
                if mask is not None:
                    scores = [s if mask[b, j] else -1e30 for j, s in enumerate(scores)]
                weights = np.exp(np.array(scores) - max(scores))
                weights /= weights.sum()
                out[b, i, h] = sum(w * v[b, j, h] for j, w in enumerate(weights))
    return out


@pytest.mark.parametrize("sizes", [(4, 4), (2, 6)])
@pytest.mark.parametrize("bias", [None] + sorted(BIASES))
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_attention(mask, bias, sizes):
    arrays = tensors(*sizes) + ([] if mask is None else [mask]) + ([] if bias is None else [BIASES[bias]])

    def run(q, k, v, *rest):
        rest = list(rest)
        m = rest.pop(0) if mask is not None else None
        return attention(q, k, v, m, rest[0] if rest else None, scale=0.3)

    expected = oracle(*arrays[:3], mask=mask, bias=BIASES.get(bias), scale=0.3)
    np.testing.assert_allclose(call_with_unknown_sizes(run, *arrays), expected, atol=1e-5)


def test_where_every_key_is_hidden_the_mean_of_the_values():
    q, k, v = tensors()
    got = call_with_unknown_sizes(lambda q, k, v, m: attention(q, k, v, m), q, k, v, np.zeros((B, M)) > 0)
    np.testing.assert_allclose(got, np.repeat(v.mean(1, keepdims=True), N, axis=1), atol=1e-5)
    bias = np.full((1, 1, N, M), -np.inf, "float32")
    got = call_with_unknown_sizes(lambda q, k, v, a: attention(q, k, v, bias=a), q, k, v, bias)
    np.testing.assert_allclose(got, np.repeat(v.mean(1, keepdims=True), N, axis=1), atol=1e-5)


@pytest.mark.parametrize("bias", [None, "[1, h, n, m]", "-inf"])
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_the_function_that_jax_has_for_accelerators(monkeypatch, mask, bias):
    """It runs on the CPU too, where nothing but its slowness speaks against it. Others have one function for both."""
    if row.backend == "jax":
        monkeypatch.setattr("jax.default_backend", lambda: "gpu")
        dtype = fused.attention_dtype(*(ops.ones((B, N, H, 4)),) * 2, None, None)
        assert dtype == ("float32" if fused.JAX_HAS_ATTENTION else None)
    arrays = tensors()
    q, k, v = (ops.convert_to_tensor(a) for a in arrays)
    rest = [None if x is None else ops.convert_to_tensor(x) for x in (mask, BIASES.get(bias))]
    got = evaluate(attention(q, k, v, *rest, scale=0.3))
    np.testing.assert_allclose(got, oracle(*arrays, mask=mask, bias=BIASES.get(bias), scale=0.3), atol=1e-5)


@pytest.mark.parametrize("dtype, atol", [("float16", 4e-3), ("bfloat16", 4e-2)])
@pytest.mark.parametrize("bias", [None, "[1, h, n, m]", "-inf"])
@pytest.mark.parametrize("masked", [False, True])
def test_half_precision(dtype, atol, bias, masked):
    arrays = tensors()
    mask = MASK if masked else None
    q, k, v = (ops.cast(ops.convert_to_tensor(a), dtype) for a in arrays)
    term = None if bias is None else ops.cast(ops.convert_to_tensor(BIASES[bias]), dtype)
    out = attention(q, k, v, None if mask is None else ops.convert_to_tensor(mask), term, scale=0.5)
    assert ops.dtype(out) == dtype
    got = evaluate(out).astype("float32")
    np.testing.assert_allclose(got, oracle(*arrays, mask=mask, bias=BIASES.get(bias), scale=0.5), atol=atol)


def test_hidden_keys_weigh_nothing_whatever_their_score():
    """Also in float16, whose smallest number is not far away."""
    for dtype in ("float32", "float16", "bfloat16"):
        q = np.full((1, 1, 1, 4), 10.0, "float32")
        k = np.concatenate([-q, q], axis=1)
        v = np.array([1.0, -50.0], "float32").reshape(1, 2, 1, 1) * np.ones((1, 1, 1, 4), "float32")
        q, k, v = (ops.cast(ops.convert_to_tensor(a), dtype) for a in (q, k, v))
        out = attention(q, k, v, ops.convert_to_tensor(np.array([[True, False]])))
        np.testing.assert_allclose(evaluate(out).astype("float32"), np.ones((1, 1, 1, 4)), atol=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout(rate):
    """A weight is dropped, or kept and divided by the share of those kept; which ones, each call draws anew."""
    b, n, m, h = 2, 31, 37, 3
    q, k = (rng.randn(b, size, h, 4).astype("float32") for size in (n, m))
    v = np.broadcast_to(np.eye(m, dtype="float32")[None, :, None], (b, m, h, m)).copy()  # the output is the weights
    mask = np.arange(m)[None] < np.array([[m], [m - 8]])
    weights = call_with_unknown_sizes(lambda *x: attention(*x, scale=0.5), q, k, v, mask)
    dropout = keras.layers.Dropout(rate)

    def drop(*tensors):
        return attention(*tensors, scale=0.5, dropout=dropout, training=True)

    first, second = (call_with_unknown_sizes(drop, q, k, v, mask) for _ in range(2))
    np.testing.assert_allclose(first[first != 0], (weights / (1 - rate))[first != 0], rtol=1e-3)
    assert (first != second).any()
    seen = np.broadcast_to(mask[:, None, None], weights.shape)
    assert abs((first[seen] == 0).mean() - rate) < 6 * np.sqrt(rate * (1 - rate) / seen.sum())


class LearningPhase:
    """What Keras 2 hands on as `training` where a graph decides: a tensor, which is neither True nor False."""

    def __bool__(self):
        raise TypeError("a tensor of a graph has no truth value")


def test_a_graph_may_decide_whether_dropout_acts():
    arrays, seen = tensors(), []
    q, k, v = (ops.convert_to_tensor(a) for a in arrays)

    def dropout(weights, training):
        seen.append(training)
        return weights

    phase = LearningPhase()
    got = evaluate(attention(q, k, v, dropout=None if row.is_keras3 else dropout, training=phase))  # Keras 3 knows it
    np.testing.assert_allclose(got, oracle(*arrays), atol=1e-5)
    assert seen == ([] if row.is_keras3 else [phase])


def test_mask_bias():
    assert mask_bias() is None
    hidden = evaluate(mask_bias(ops.convert_to_tensor(MASK)))
    assert hidden.shape == (B, 1, 1, M) and hidden.dtype == "float32"
    assert (hidden[:, 0, 0] == np.where(MASK, 0, np.float32(mask_value("float32")))).all()
    bias = BIASES["-inf"]
    both = evaluate(mask_bias(ops.convert_to_tensor(MASK), ops.convert_to_tensor(bias)))
    assert (both == np.where(MASK[:, None, None] & (bias == 0), 0, np.float32(mask_value("float32")))).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_mask_value_is_finite_in_its_dtype(dtype):
    value = evaluate(ops.cast(ops.convert_to_tensor(np.array([mask_value(dtype)], "float32")), dtype)).astype("float32")
    assert np.isfinite(value).all() and value[0] <= -3e4 + 1


def slow_weights(scores, keep, method):
    """One row of scores at a time, over the visible keys only."""
    out = np.zeros_like(scores)
    for index in np.ndindex(*scores.shape[:-1]):
        seen = np.flatnonzero(keep[index])
        s, n = scores[index][seen].astype("float64"), len(seen)
        if method == "squared_relu":
            out[index][seen] = np.maximum(s, 0) ** 2 / n
            continue
        s = s * (math.log(max(n, 16)) / math.log(512)) if method == "softmax_plus" else s
        out[index][seen] = np.exp(s) / np.exp(s).sum()
    return out


@pytest.mark.parametrize("method", ["softmax", "squared_relu", "softmax_plus"])
def test_attention_normalize(method):
    scores = ops.convert_to_tensor(SCORES)
    everything = np.ones(SCORES.shape)
    masked = everything * MASK[:, None, None, :]
    visible = masked * (CAUSAL == 0)
    for options, keep in [
        ({}, everything),
        ({"mask": MASK.astype("float32")}, masked),
        ({"mask": MASK.astype("float32"), "bias": CAUSAL == 0}, visible),
        ({"mask": MASK, "bias": CAUSAL}, visible),
        ({"bias": np.maximum(CAUSAL, mask_value("float32"))}, everything * (CAUSAL == 0)),
    ]:
        found = evaluate(attention_normalize(scores, method=method, **options))
        np.testing.assert_allclose(found, slow_weights(SCORES, keep, method), rtol=1e-5, atol=1e-7)
    small = rng.randn(*SCORES.shape).astype("float32")  # a bias that hides nothing
    found = evaluate(attention_normalize(scores, MASK, method=method, bias=small))
    np.testing.assert_allclose(found, slow_weights(SCORES + small, masked, method), rtol=1e-5, atol=1e-7)


def test_the_score_of_a_hidden_key_may_be_anything():
    scores = np.where(MASK[:, None, None], SCORES, np.nan).astype("float32")
    found = evaluate(attention_normalize(ops.convert_to_tensor(scores), MASK))
    np.testing.assert_array_equal(found, evaluate(attention_normalize(ops.convert_to_tensor(SCORES), MASK)))


@pytest.mark.parametrize("method, expected", [("softmax", 0.25), ("softmax_plus", 0.25), ("squared_relu", 0.0)])
def test_a_row_without_keys_is_no_nan(method, expected):
    found = evaluate(attention_normalize(ops.convert_to_tensor(SCORES), np.zeros((2, 4)), method=method))
    np.testing.assert_allclose(found, np.full(SCORES.shape, expected))


def test_half_precision_is_kept():
    half = ops.cast(ops.convert_to_tensor(SCORES), "float16")
    found = evaluate(attention_normalize(half, MASK.astype("float32")))
    assert found.dtype == "float16"
    np.testing.assert_allclose(found, slow_weights(SCORES, MASK[:, None, None] * np.ones(SCORES.shape), ""), atol=1e-3)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="squared_relu"):
        attention_normalize(ops.convert_to_tensor(SCORES), method="softmin")


@pytest.mark.parametrize("bias", [None] + sorted(BIASES))
def test_a_key_head_serves_a_group_of_queries(bias):
    """As if each key head stood once for each head of its group."""
    groups = 3
    query = rng.randn(B, N, H * groups, 4).astype("float32")
    _, key, value = tensors()
    term = BIASES.get(bias)
    if term is not None and term.shape[1] == H:
        term = rng.randn(len(term), H * groups, N, M).astype("float32")
    rest = [ops.convert_to_tensor(x) for x in [MASK] + ([] if term is None else [term])]
    repeated = [np.repeat(x, groups, axis=2) for x in (key, value)]
    got, want = (
        evaluate(attention(*map(ops.convert_to_tensor, (query, *pair)), *rest, scale=0.5))
        for pair in ((key, value), repeated)
    )
    np.testing.assert_allclose(got, want, atol=1e-5)
