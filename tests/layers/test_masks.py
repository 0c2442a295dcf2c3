"""The attention biases of language models and of UniLM; padding written as zeros."""

import numpy as np
import pytest

from b4k3.backend import keras
from b4k3.layers import LanguageModelMask, UniLMMask, ZeroPadding
from support.layer_checks import check_layer

HIDDEN = -1e30


def lm_mask(weights, arrays, masks):
    n = arrays[0].shape[1]
    out = np.zeros((1, 1, n, n), "float32")
    for query in range(n):
        for key in range(n):
            if key > query:
                out[0, 0, query, key] = HIDDEN
    return out


def unilm_mask(weights, arrays, masks):
    batch, n = arrays[0].shape
    out = np.zeros((batch, 1, n, n), "float32")
    for b in range(batch):
        for query in range(n):
            for key in range(n):
                if arrays[0][b, key] and key > query:
                    out[b, 0, query, key] = HIDDEN
    return out


def segments(rng, batch, n):
    starts = rng.randint(0, n, size=(batch, 1))
    return [(np.arange(n)[None] >= starts).astype("float32")]


@pytest.mark.parametrize("masked", [(), (0,)])
@pytest.mark.parametrize("cls, oracle", [(LanguageModelMask, lm_mask), (UniLMMask, unilm_mask)])
def test_masks(cls, oracle, masked, tmp_path):
    check_layer(lambda: cls(name="layer"), segments, oracle, masked=masked, tmp=tmp_path)


@pytest.mark.parametrize("window", [1, 2, 20])
def test_a_language_model_mask_with_a_window(window, tmp_path):
    def oracle(weights, arrays, masks):
        out = lm_mask(weights, arrays, masks)
        for query, key in np.ndindex(out.shape[2:]):
            if query - key >= window:
                out[0, 0, query, key] = HIDDEN
        return out

    check_layer(lambda: LanguageModelMask(window=window, name="layer"), segments, oracle, tmp=tmp_path)


def test_a_language_model_mask_of_embeddings(tmp_path):
    """Only the length is read, so vectors will do as well as ids."""
    check_layer(
        lambda: LanguageModelMask(name="layer"),
        lambda rng, batch, n: [rng.randn(batch, n, 4).astype("float32")],
        lm_mask,
        tmp=tmp_path,
    )


def zero_padding(weights, arrays, masks):
    out = arrays[0].copy()
    if masks[0] is not None:
        for row, mask in zip(out, masks[0]):
            row[mask == 0] = 0
    return out


@pytest.mark.parametrize("masked", [(), (0,)])
def test_zero_padding(masked, tmp_path):
    check_layer(
        lambda: ZeroPadding(name="layer"),
        lambda rng, batch, n: [rng.randn(batch, n, 4).astype("float32")],
        zero_padding,
        masked=masked,
        mask_out=lambda arrays, masks: masks[0],
        tmp=tmp_path,
    )


def test_unilm_with_a_padded_second_segment():
    """Padding has segment id 0 again; it counts as the end of the second segment."""
    x = keras.Input((None,))
    model = keras.Model(x, UniLMMask()(x))
    ids = np.array([[0, 0, 1, 1, 0]], "float32")
    hidden = np.asarray(model.predict_on_batch(ids))[0, 0] < 0
    assert hidden.astype(int).tolist() == [[0, 0, 1, 1, 1]] * 2 + [[0, 0, 0, 1, 1]] + [[0, 0, 0, 0, 0]] * 2
