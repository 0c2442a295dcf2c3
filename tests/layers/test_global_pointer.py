"""GlobalPointer and its efficient variant against loops over spans."""

import numpy as np
import pytest

from b4k3.backend import keras, multilabel_categorical_crossentropy, ops
from b4k3.layers import EfficientGlobalPointer, GlobalPointer
from support.layer_checks import check_layer

HEADS, HEAD_SIZE, SIZE = 3, 4, 5


def turn(x, position):
    """Rotary positions of one vector: each pair of features as a complex number."""
    angles = position * 10000.0 ** (-2 * np.arange(len(x) // 2) / len(x))
    turned = (x[::2] + 1j * x[1::2]) * np.exp(1j * angles)
    return np.stack([turned.real, turned.imag], -1).reshape(-1)


def full(values, x, head):
    """Query and key of each position, and the terms of the first and the last one."""
    part = slice(2 * HEAD_SIZE * head, 2 * HEAD_SIZE * (head + 1))
    x = x @ values["dense/kernel"][:, part] + (values["dense/bias"][part] if "dense/bias" in values else 0)
    return x[:, :HEAD_SIZE], x[:, HEAD_SIZE:], np.zeros(len(x)), np.zeros(len(x))


def efficient(values, x, head):
    x = x @ values["p_dense/kernel"] + values.get("p_dense/bias", 0)
    terms = (x @ values["q_dense/kernel"] + values.get("q_dense/bias", 0)) / 2
    return x[:, 0::2], x[:, 1::2], terms[:, 2 * head + 1], terms[:, 2 * head]


def score_spans(parts, config):
    def oracle(values, arrays, masks):
        batch, n = arrays[0].shape[:2]
        out = np.full((batch, HEADS, n, n), -np.inf)
        for b, h, first, last in np.ndindex(out.shape):
            if masks[0] is not None and not (masks[0][b, first] and masks[0][b, last]):
                continue
            if config.get("tril_mask", True) and last < first:
                continue
            q, k, of_first, of_last = parts(values, arrays[0][b].astype("float64"), h)
            q, k = q[first], k[last]
            if config.get("RoPE", True):
                q, k = turn(q, first), turn(k, last)
            out[b, h, first, last] = q @ k / np.sqrt(HEAD_SIZE) + of_first[first] + of_last[last]
        return out

    return oracle


@pytest.mark.parametrize(
    "config, masked", [({}, (0,)), ({"RoPE": False, "tril_mask": False, "use_bias": False}, ())], ids=str
)
@pytest.mark.parametrize(
    "cls, parts, projections",
    [(GlobalPointer, full, ["dense"]), (EfficientGlobalPointer, efficient, ["p_dense", "q_dense"])],
    ids=["full", "efficient"],
)
def test_spans(cls, parts, projections, config, masked, tmp_path):
    kinds = ["kernel", "bias"] if config.get("use_bias", True) else ["kernel"]
    check_layer(
        lambda: cls(HEADS, HEAD_SIZE, name="layer", **config),
        lambda rng, b, n: [rng.randn(b, n, SIZE).astype("float32")],
        score_spans(parts, config),
        weights=[f"{p}/{kind}" for p in projections for kind in kinds],
        masked=masked,
        atol=5e-5,
        tmp=tmp_path,
    )


def test_learning_spans():
    """The loss that goes with it: every pair of a 1 and a later 2 is a span of kind 0, others are none."""
    x = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(4, 8, mask_zero=True)(x)
    model = keras.Model(x, GlobalPointer(2, 8)(vectors))

    def loss(y_true, y_pred):
        y_true, y_pred = (ops.reshape(y, (-1, ops.shape(y)[-1] ** 2)) for y in (y_true, y_pred))
        return ops.mean(multilabel_categorical_crossentropy(y_true, y_pred))

    rng = np.random.RandomState(0)
    tokens = rng.randint(1, 4, (32, 6))
    tokens[:8, 4:] = 0
    spans = np.zeros((32, 2, 6, 6), "float32")
    spans[:, 0] = np.triu((tokens[:, :, None] == 1) & (tokens[:, None] == 2))
    model.compile(optimizer=keras.optimizers.Adam(0.05), loss=loss)
    model.fit(tokens, spans, epochs=20, batch_size=16, verbose=0)
    found = np.asarray(model.predict_on_batch(tokens)) > 0
    assert (found == spans).mean() > 0.99
