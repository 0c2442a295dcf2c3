"""Relative positions, of NEZHA and of T5."""

import os

import numpy as np
import pytest

from b4k3.backend import keras, row
from b4k3.layers import RelativePositionEmbedding, RelativePositionEmbeddingT5
from support.harness import sees_values
from support.layer_checks import check_layer

BUCKETS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden", "t5_buckets.npz")


def query_and_value(rng, batch, n):
    return [rng.randn(batch, n, 4).astype("float32"), rng.randn(batch, n + 2, 4).astype("float32")]


def relative(bucket):
    def oracle(weights, arrays, masks):
        n, m = arrays[0].shape[1], arrays[1].shape[1]
        return np.stack([np.stack([weights["embeddings"][bucket(j - i)] for j in range(m)]) for i in range(n)])

    return oracle


def test_relative(tmp_path):
    check_layer(
        lambda: RelativePositionEmbedding(7, 3, embeddings_initializer="ones", name="layer"),
        query_and_value,
        relative(lambda d: min(max(d, -3), 3) + 3),
        weights=["embeddings"],
        masked=(0,),
        tmp=tmp_path,
    )


def test_relative_with_positions_of_ones_own(tmp_path):
    """The positions of each example: [batch, n, m] distances."""

    def oracle(weights, arrays, masks):
        q, v = (a.astype(int) for a in arrays)
        distances = np.clip(v[:, None, :] - q[:, :, None], -3, 3) + 3
        return weights["embeddings"][distances]

    check_layer(
        lambda: RelativePositionEmbedding(7, 3, embeddings_initializer="ones", custom_position_ids=True, name="layer"),
        lambda rng, batch, n: [rng.randint(0, 9, size=(batch, m)).astype("float32") for m in (n, n + 2)],
        oracle,
        weights=["embeddings"],
        tmp=tmp_path,
    )


@pytest.mark.parametrize("bidirectional", [True, False])
def test_relative_t5(bidirectional, tmp_path):
    golden = np.load(BUCKETS)["mesh_nb16_md64_" + ("bi" if bidirectional else "uni")]
    check_layer(
        lambda: RelativePositionEmbeddingT5(
            16, 3, max_distance=64, bidirectional=bidirectional, embeddings_initializer="ones", name="layer"
        ),
        query_and_value,
        relative(lambda d: golden[d + 300]),
        weights=["embeddings"],
        tmp=tmp_path,
    )


@pytest.mark.parametrize("direction", ["bi", "uni"])
def test_buckets_of_t5(direction):
    """Every distance from -300 to 300, against mesh-TensorFlow's own function."""
    outputs, expected = [], []
    golden = np.load(BUCKETS)
    q, v = keras.Input((1, 1)), keras.Input((None, 1))
    for buckets, far in [(32, 128), (20, 128), (16, 64)]:
        layer = RelativePositionEmbeddingT5(buckets, 1, far, direction == "bi", name=f"t5_{buckets}")
        outputs.append(layer([q, v]))
        layer.set_weights([np.arange(buckets, dtype="float32")[:, None]])
        expected.append(golden[f"mesh_nb{buckets}_md{far}_{direction}"])
    outputs.append(layer([v, q]))  # the distances below 0
    model = keras.Model([q, v], outputs)
    got = model.predict_on_batch([np.zeros((1, 1, 1), "float32"), np.zeros((1, 301, 1), "float32")])
    assert np.load(BUCKETS)["relative_position"].tolist() == list(range(-300, 301))
    for g, e in zip(got, expected):
        assert np.asarray(g)[0, :, 0].tolist() == e[300:].tolist()
    assert np.asarray(got[-1])[:, 0, 0].tolist() == expected[-1][300::-1].tolist()


@pytest.mark.parametrize("cls", [RelativePositionEmbedding, RelativePositionEmbeddingT5])
def test_relative_positions_may_be_negative_but_not_fractional(cls):
    layer = cls(8, 2, embeddings_initializer="uniform", custom_position_ids=True, name="layer")
    inputs = [keras.Input((None,)), keras.Input((None,))]
    model = keras.models.Model(inputs, layer(inputs))
    q, v = np.array([[0.0, -3.0, 1e6]], "float32"), np.array([[-3.0, 0.0, 1e6, 5.0]], "float32")
    np.testing.assert_allclose(
        np.asarray(model.predict_on_batch([q, v])), np.asarray(model.predict_on_batch([q + 2, v + 2])), rtol=1e-6
    )
    wrong = v.copy()
    wrong[0, 1], wrong[0, 3] = 0.5, 1e20
    if row.backend in ("jax", "tensorflow"):
        got = np.isnan(np.asarray(model.predict_on_batch([q, wrong])))
        assert got.all((0, 1, 3)).tolist() == got.any((0, 1, 3)).tolist() == [False, True, False, True]
        got = np.isnan(np.asarray(model.predict_on_batch([wrong, q])))
        assert got.all((0, 2, 3)).tolist() == got.any((0, 2, 3)).tolist() == [False, True, False, True]
    if sees_values():
        with pytest.raises(ValueError, match=r"layer.*: id 0.5 at \[0, 1\] \(1 more like it\)"):
            layer([q, wrong])
