"""Pooling over the real tokens."""

import numpy as np
import pytest

from b4k3.backend import keras
from b4k3.layers import FirstToken, GlobalAveragePooling1D, GlobalMaxPooling1D, SequencePooling, Squeeze
from support.layer_checks import check_layer


def pool(function):
    """Example by example over the tokens that are there."""

    def oracle(weights, arrays, masks):
        out = []
        for i, x in enumerate(arrays[0]):
            out.append(function(x if masks[0] is None else x[masks[0][i] > 0]))
        return np.stack(out)

    return oracle


POOLS = [
    (GlobalAveragePooling1D, lambda x: x.mean(0)),
    (GlobalMaxPooling1D, lambda x: x.max(0)),
    (FirstToken, lambda x: x[0]),
]


@pytest.mark.parametrize("masked", [(), (0,)])
@pytest.mark.parametrize("cls, function", POOLS)
def test_pooling(cls, function, masked, tmp_path):
    check_layer(
        lambda: cls(name="layer"),
        lambda rng, batch, n: [rng.randn(batch, n, 4).astype("float32") - 3],
        pool(function),
        masked=masked,
        tmp=tmp_path,
    )


def weighted(x):
    weights = np.arange(1, len(x) + 1)[:, None]
    return (x * weights).sum(0) / weights.sum()


MODES = {
    "cls": lambda x: x[0],
    "max": lambda x: x.max(0),
    "mean": lambda x: x.mean(0),
    "mean_sqrt_len_tokens": lambda x: x.sum(0) / len(x) ** 0.5,
    "weightedmean": weighted,
    "lasttoken": lambda x: x[-1],
}


@pytest.mark.parametrize("masked", [(), (0,)])
@pytest.mark.parametrize("modes", [*MODES, ["lasttoken", "max", "weightedmean"]], ids=str)
def test_modes_of_sentence_transformers(modes, masked, tmp_path):
    check_layer(
        lambda: SequencePooling(modes, name="layer"),
        lambda rng, batch, n: [rng.randn(batch, n, 4).astype("float32") - 3],
        pool(lambda x: np.concatenate([MODES[mode](x) for mode in np.ravel(modes)])),
        masked=masked,
        tmp=tmp_path,
    )


@pytest.mark.parametrize("side", ["left", "right"])
def test_tokens_of_a_prompt_are_left_out_on_either_side_of_padding(side):
    ids = np.array({"right": [[3, 4, 5, 6, 0], [7, 8, 9, 0, 0]], "left": [[0, 3, 4, 5, 6], [0, 0, 7, 8, 9]]}[side])
    tokens, skipped = keras.layers.Input((None,)), keras.layers.Input((1,))
    x = keras.layers.Embedding(10, 4, mask_zero=True)(tokens)
    model = keras.Model([tokens, skipped], [x, SequencePooling(list(MODES))([x, skipped])])
    hidden, vectors = model.predict([ids, np.array([[2], [1]])])
    for i, (row, skip) in enumerate([(hidden[0], 2), (hidden[1], 1)]):
        row = row[ids[i] > 0]
        weights = np.arange(1, len(row) + 1)[skip:, None]
        expected = {mode: function(row[skip:]) for mode, function in MODES.items()}
        expected["weightedmean"] = (row[skip:] * weights).sum(0) / weights.sum()  # the places stay what they were
        np.testing.assert_allclose(vectors[i], np.concatenate(list(expected.values())), atol=1e-6)


def test_unknown_modes_are_refused():
    for modes in ("median", [], ["mean", "median"]):
        with pytest.raises(ValueError, match="expected one or more of cls, max"):
            SequencePooling(modes)


@pytest.mark.parametrize("masked", [(), (0,)])
def test_squeeze(masked, tmp_path):
    check_layer(
        lambda: Squeeze(name="layer"),
        lambda rng, batch, n: [rng.randn(batch, n, 1).astype("float32")],
        lambda weights, arrays, masks: arrays[0][:, :, 0],
        masked=masked,
        tmp=tmp_path,
    )
