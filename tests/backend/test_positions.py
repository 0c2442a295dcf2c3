"""Sinusoids and rotary positions against complex numbers."""

import numpy as np
import pytest

from b4k3.backend import ops
from b4k3.backend.positions import Sinusoidal, apply_rotary_position_embeddings, sinusoidal_embeddings
from support.harness import call_with_unknown_sizes, evaluate

rng = np.random.RandomState(0)
Q = rng.randn(2, 5, 3, 8).astype("float32")
K = rng.randn(2, 5, 3, 8).astype("float32")


def angles(positions, dim, base=10000.0):
    return np.asarray(positions)[..., None] / base ** (np.arange(0, dim, 2) / dim)


def table(positions, dim, base=10000.0):
    a = angles(positions, dim, base)
    return np.stack([np.sin(a), np.cos(a)], -1).reshape(a.shape[:-1] + (dim,))


def rotated(x, positions, interleaved=True):
    """Each pair of features is a complex number, multiplied by e^(i·angle)."""
    half = x.shape[-1] // 2
    pairs = x[..., 0::2] + 1j * x[..., 1::2] if interleaved else x[..., :half] + 1j * x[..., half:]
    pairs = pairs * np.exp(1j * angles(positions, x.shape[-1]))[None, :, None]
    both = [pairs.real, pairs.imag]
    return np.stack(both, -1).reshape(x.shape) if interleaved else np.concatenate(both, -1)


@pytest.mark.parametrize(
    "positions", [np.arange(9, dtype="int32")[None], np.array([[0.5, 300.0], [7.0, -2.0]], "float32")]
)
@pytest.mark.parametrize("base", [10000, 50])
def test_sinusoidal_embeddings(positions, base):
    def call(p):
        return sinusoidal_embeddings(p, 6, base)

    expected = table(positions, 6, base)
    np.testing.assert_allclose(evaluate(call(ops.convert_to_tensor(positions))), expected, atol=3e-5)
    np.testing.assert_allclose(call_with_unknown_sizes(call, positions), expected, atol=3e-5)


def test_an_odd_dimension_is_refused():
    with pytest.raises(ValueError, match="even"):
        sinusoidal_embeddings(ops.zeros((1, 2)), 5)


@pytest.mark.parametrize("dtype", [None, "float32", "float16"])
def test_initializer(dtype):
    found = evaluate(Sinusoidal()((7, 6), dtype=dtype))
    assert found.dtype == (dtype or "float32")
    np.testing.assert_allclose(found, table(np.arange(7), 6), atol=1e-3 if dtype == "float16" else 1e-6)
    assert isinstance(Sinusoidal.from_config(Sinusoidal().get_config()), Sinusoidal)


@pytest.mark.parametrize("interleaved", [True, False])
def test_rotary(interleaved):
    """The queries may have more heads than the keys."""
    few = K[:, :, :1]

    def call(q, k):
        sinusoidal = sinusoidal_embeddings(ops.arange(ops.shape(q)[1])[None], 8)
        return apply_rotary_position_embeddings(sinusoidal, q, k, interleaved=interleaved)

    for found in (
        evaluate(call(ops.convert_to_tensor(Q), ops.convert_to_tensor(few))),
        call_with_unknown_sizes(call, Q, few),
    ):
        for f, x in zip(found, (Q, few)):
            np.testing.assert_allclose(f, rotated(x, np.arange(5), interleaved), rtol=1e-4, atol=1e-5)


def test_rotary_of_one_tensor_keeps_its_dtype():
    sinusoidal = sinusoidal_embeddings(ops.arange(5)[None], 8)
    found = evaluate(apply_rotary_position_embeddings(sinusoidal, ops.cast(ops.convert_to_tensor(Q), "float16")))
    assert found.dtype == "float16"
    np.testing.assert_allclose(found, rotated(Q, np.arange(5)), atol=5e-3)


def test_scores_depend_on_the_distance_only():
    q, k = np.broadcast_to(Q[:, :1], Q.shape), np.broadcast_to(K[:, :1], K.shape)
    q, k = evaluate(
        apply_rotary_position_embeddings(
            sinusoidal_embeddings(ops.arange(5)[None], 8),
            ops.convert_to_tensor(q.copy()),
            ops.convert_to_tensor(k.copy()),
        )
    )
    scores = np.einsum("bnhd,bmhd->bhnm", q, k)
    np.testing.assert_allclose(scores[:, :, 0, 2], scores[:, :, 2, 4], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tensors", [[], [Q, Q[:, :, 0]]])
def test_rotary_refuses(tensors):
    with pytest.raises(ValueError, match="rotary"):
        apply_rotary_position_embeddings(sinusoidal_embeddings(ops.arange(5)[None], 8), *tensors)
