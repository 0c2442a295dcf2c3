"""Learned, sinusoidal and rotary positions."""

import numpy as np
import pytest

from b4k3.backend import keras, ops
from b4k3.layers import (
    PaddedPositionEmbedding,
    PositionEmbedding,
    RotaryPositionEmbedding,
    SinusoidalPositionEmbedding,
)
from support.harness import evaluate
from support.layer_checks import check_ids, check_layer, randomize


def vectors(rng, batch, n):
    return [rng.randn(batch, n, 4).astype("float32")]


def vectors_and_ids(high):
    def inputs(rng, batch, n):
        return vectors(rng, batch, n) + [rng.randint(0, high, size=(batch, n)).astype("float32")]

    return inputs


def merge(x, positions, mode):
    positions = np.broadcast_to(positions, x.shape[:2] + positions.shape[-1:])
    merged = {"add": lambda: x + positions, "mul": lambda: x * (positions + 1), "zero": lambda: positions}
    return merged[mode]() if mode in merged else np.concatenate([x, positions], axis=-1)


def position_ids(arrays):
    if len(arrays) > 1:
        return arrays[1].astype(int)
    return np.arange(arrays[0].shape[1])[None]


def learned(table, ids, alpha):
    if not alpha:
        return table[ids]
    n = len(table)
    base = np.stack([(row - alpha * table[0]) / (1 - alpha) for row in table])
    out = np.zeros(ids.shape + table.shape[1:])
    for i in np.ndindex(*ids.shape):
        out[i] = alpha * base[ids[i] // n] + (1 - alpha) * base[ids[i] % n]
    return out


LEARNED = [
    ({"input_dim": 9}, "add"),
    ({"input_dim": 9}, "mul"),
    ({"input_dim": 9}, "zero"),
    ({"input_dim": 9}, "concat"),
    ({"input_dim": 3, "hierarchical": True}, "add"),
    ({"input_dim": 3, "hierarchical": 0.3}, "zero"),
    ({"input_dim": 11, "first_row": 2}, "add"),
]


@pytest.mark.parametrize("custom", [False, True])
@pytest.mark.parametrize("config, mode", LEARNED, ids=str)
def test_learned(config, mode, custom, tmp_path):
    alpha = config.get("hierarchical")
    alpha, first = 0.4 if alpha is True else alpha, config.get("first_row", 0)
    config = dict(config, output_dim=4, merge_mode=mode, custom_position_ids=custom, embeddings_initializer="ones")
    check_layer(
        lambda: PositionEmbedding(name="layer", **config),
        vectors_and_ids(9) if custom else vectors,
        lambda w, x, m: merge(x[0], learned(w["embeddings"], position_ids(x) + first, alpha), mode),
        weights=["embeddings"],
        masked=(0,),
        mask_out=lambda x, m: m[0],
        tmp=tmp_path,
        only_outputs=custom and mode != "add",
    )


def vectors_and_tokens(rng, batch, n):
    """Some of the ids are padding: at the end, in the middle, and the first of one row."""
    ids = rng.randint(0, 6, size=(batch, n)).astype("float32")
    ids[:, -1] = 1
    ids[0, :2] = 1, 0
    return vectors(rng, batch, n) + [ids]


def padded_rows(ids, padding_id):
    out = np.zeros(ids.shape, dtype=int)
    for rows, tokens in zip(out, ids):
        count = 0
        for i, token in enumerate(tokens):
            count += token != padding_id
            rows[i] = count + padding_id if token != padding_id else padding_id
    return out


@pytest.mark.parametrize("masked", [(), (0,), (0, 1)])
@pytest.mark.parametrize("padding_id, mode", [(1, "add"), (0, "mul"), (3, "zero"), (1, "concat")])
def test_padded(padding_id, mode, masked, tmp_path):
    check_layer(
        lambda: PaddedPositionEmbedding(
            14, 4, padding_id=padding_id, merge_mode=mode, embeddings_initializer="ones", name="layer"
        ),
        vectors_and_tokens,
        lambda w, x, m: merge(x[0], w["embeddings"][padded_rows(x[1], padding_id)], mode),
        weights=["embeddings"],
        masked=masked,
        mask_out=lambda x, m: m[0],
        tmp=tmp_path,
        only_outputs=mode != "add" or bool(masked),
    )


def test_padded_with_positions_of_ones_own(tmp_path):
    check_layer(
        lambda: PaddedPositionEmbedding(12, 4, padding_id=2, custom_position_ids=True, name="layer"),
        vectors_and_ids(9),
        lambda w, x, m: x[0] + w["embeddings"][x[1].astype(int) + 3],
        weights=["embeddings"],
        masked=(0,),
        mask_out=lambda x, m: m[0],
        tmp=tmp_path,
    )


@pytest.mark.parametrize("custom", [False, True])
def test_padded_with_a_first_row_of_its_own(custom, tmp_path):
    """A padding id that was moved to 0 by keep_tokens, with the rows of padding_id=1."""
    check_layer(
        lambda: PaddedPositionEmbedding(12, 4, padding_id=0, first_row=2, custom_position_ids=custom, name="layer"),
        vectors_and_ids(9) if custom else vectors_and_tokens,
        lambda w, x, m: x[0] + w["embeddings"][x[1].astype(int) + 2 if custom else padded_rows(x[1], 0) + 1],
        weights=["embeddings"],
        tmp=tmp_path,
    )
    assert PaddedPositionEmbedding(12, 4, padding_id=0, first_row=2).position_limit == 10


class Step:
    def __init__(self, positions):
        self.positions = positions


@pytest.mark.parametrize("custom", [False, True])
def test_padded_in_decoding(custom):
    """Later tokens stand where they would in the whole sequence; on whole prompts it is the same as a call."""
    ids = np.array([[1, 5, 5, 0, 2], [4, 1, 1, 1, 1]])
    x = np.random.RandomState(0).randn(2, 5, 4).astype("float32")
    layer = PaddedPositionEmbedding(9, 4, padding_id=1, custom_position_ids=custom, name="layer")
    inputs = [keras.Input((None, 4)), keras.Input((None,))]
    keras.Model(inputs, layer(inputs))
    table = randomize(layer, np.random.RandomState(0))["embeddings"]
    fed = np.arange(5)[None] + np.zeros((2, 1)) if custom else ids
    rows = fed.astype(int) + 2 if custom else padded_rows(ids, 1)
    got = layer.decode([ops.convert_to_tensor(x), ops.convert_to_tensor(fed)], Step(None))
    np.testing.assert_allclose(evaluate(got), x + table[rows], rtol=1e-5, atol=1e-6)
    positions = np.array([[5], [1]], "int32")
    newest = positions if custom else np.array([[3], [1]], "int32")  # that token is no padding: it was generated
    new = [ops.convert_to_tensor(x[:, :1]), ops.convert_to_tensor(newest)]
    got = layer.decode(new, Step(None if custom else ops.convert_to_tensor(positions)))
    np.testing.assert_allclose(evaluate(got), x[:, :1] + table[positions + 2], rtol=1e-5, atol=1e-6)


def sinusoidal(ids, dim, base=10000):
    out = np.zeros(ids.shape + (dim,))
    for i in np.ndindex(*ids.shape):
        for k in range(dim // 2):
            angle = ids[i] / base ** (2 * k / dim)
            out[i][2 * k : 2 * k + 2] = np.sin(angle), np.cos(angle)
    return out


@pytest.mark.parametrize("custom", [False, True])
@pytest.mark.parametrize("mode", ["add", "mul", "zero", "concat"])
def test_sinusoidal(mode, custom, tmp_path):
    check_layer(
        lambda: SinusoidalPositionEmbedding(4, merge_mode=mode, custom_position_ids=custom, name="layer"),
        vectors_and_ids(500) if custom else vectors,
        lambda w, x, m: merge(x[0], sinusoidal(position_ids(x), 4), mode),
        masked=(0,),
        mask_out=lambda x, m: m[0],
        atol=5e-5,
        tmp=tmp_path,
        only_outputs=mode != "add",
    )


@pytest.mark.parametrize("custom, base", [(False, 10000), (True, 50)])
def test_rotary(custom, base, tmp_path):
    """Its size is that of the heads, not that of x."""
    check_layer(
        lambda: RotaryPositionEmbedding(6, custom_position_ids=custom, base=base, name="layer"),
        vectors_and_ids(9) if custom else vectors,
        lambda w, x, m: np.broadcast_to(sinusoidal(position_ids(x), 6, base), x[0].shape[:2] + (6,)),
        masked=(0,),
        mask_out=lambda x, m: m[0],
        tmp=tmp_path,
    )


def test_a_first_row_is_not_for_composed_positions():
    with pytest.raises(ValueError, match="hierarchical=True and first_row=2: give one of them"):
        PositionEmbedding(5, 4, hierarchical=True, first_row=2)


@pytest.mark.parametrize("option, limit", [({}, 5), ({"hierarchical": True}, 25), ({"first_row": 2}, 3)])
def test_a_sequence_longer_than_the_table(option, limit):
    """The length is only known when the model runs; TensorFlow's error is then its own, with our message."""
    x = keras.Input((None, 4))
    layer = PositionEmbedding(5, 4, name="layer", **option)
    model = keras.Model(x, layer(x))
    model.predict_on_batch(np.zeros((2, limit, 4), "float32"))
    with pytest.raises(Exception, match=f"longer than its {limit} positions") as error:
        model.predict_on_batch(np.zeros((2, limit + 1, 4), "float32"))
    assert isinstance(error.value, ValueError) or type(error.value).__name__ == "InvalidArgumentError"


def test_a_sequence_longer_than_the_padded_table():
    inputs = [keras.Input((None, 4)), keras.Input((None,))]
    layer = PaddedPositionEmbedding(7, 4, padding_id=1, name="layer")
    model = keras.Model(inputs, layer(inputs))
    assert layer.position_limit == 5
    model.predict_on_batch([np.zeros((2, 5, 4), "float32"), np.zeros((2, 5), "float32")])
    with pytest.raises(Exception, match="longer than its 5 positions") as error:
        model.predict_on_batch([np.zeros((2, 6, 4), "float32"), np.zeros((2, 6), "float32")])
    assert isinstance(error.value, ValueError) or type(error.value).__name__ == "InvalidArgumentError"


def test_a_sequence_known_to_be_longer_than_the_table():
    x = keras.Input((6, 4))
    layer = PositionEmbedding(5, 4, name="layer")
    with pytest.raises(ValueError, match="layer: the sequence is longer than its 5 positions"):
        keras.Model(x, layer(x)).predict_on_batch(np.zeros((2, 6, 4), "float32"))


TRAINED = {"factor": 4.0, "original_max_position_embeddings": 64}
# scaling -> frequencies of the pairs of a head of size 8 with base 100, and the factor: by the papers' formulas
SCALED = {
    "default": ({}, [1, 1, 1, 1], 1),
    "linear": ({"factor": 4.0}, [0.25, 0.25, 0.25, 0.25], 1),
    "dynamic": ({"factor": 4.0, "max_position_embeddings": 8}, [1, 1, 1, 1], 1),
    # the pairs turn 10.2, 3.2, 1.02 and 0.32 times in 64 positions: not divided above 4, divided below 1
    "llama3": (
        dict(TRAINED, low_freq_factor=1.0, high_freq_factor=4.0),
        [1, 0.7403 + 0.2597 / 4, 0.0062 + 0.9938 / 4, 0.25],
        1,
    ),
    # between the pairs 0 and 3, which floor and ceil make of -0.99 and 2.02
    "yarn": (TRAINED, [1, 2 / 3 + 1 / 12, 1 / 3 + 2 / 12, 0.25], 1 + 0.1 * np.log(4)),
    "yarn with a factor": (dict(TRAINED, attention_factor=0.5), [1, 2 / 3 + 1 / 12, 1 / 3 + 2 / 12, 0.25], 0.5),
}


@pytest.mark.parametrize("name", list(SCALED))
def test_scaled_rotary_positions(name, tmp_path):
    keys, shares, factor = SCALED[name]
    scaling = dict(keys, rope_type=name.split()[0])

    def oracle(weights, arrays, masks):
        angles = np.arange(arrays[0].shape[1])[:, None] * 100.0 ** (-np.arange(4) / 4) * np.array(shares)
        table = factor * np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(1, -1, 8)
        return np.broadcast_to(table, arrays[0].shape[:2] + (8,))

    check_layer(
        lambda: RotaryPositionEmbedding(8, base=100.0, scaling=scaling, name="layer"),
        vectors,
        oracle,
        atol=1e-3,
        tmp=tmp_path,
    )


def test_unknown_scalings_and_lengths_that_change_the_angles():
    with pytest.raises(ValueError, match="rope_type='longrope', expected default, linear, dynamic, llama3 or yarn"):
        RotaryPositionEmbedding(8, scaling={"rope_type": "longrope"})
    layer = RotaryPositionEmbedding(8, scaling={"rope_type": "dynamic", "max_position_embeddings": 5}, name="layer")
    x = keras.Input((6, 4))
    with pytest.raises(ValueError, match="layer: the sequence is longer than 5, from where on dynamic scaling"):
        keras.Model(x, layer(x)).predict_on_batch(np.zeros((2, 6, 4), "float32"))


# --------------------------------------------------------------------------------------------- ids without a row

LEARNED = {
    "plain": (PositionEmbedding, 9, {"input_dim": 9}),
    "hierarchical": (PositionEmbedding, 9, {"input_dim": 3, "hierarchical": True}),
    "padded": (PaddedPositionEmbedding, 9, {"input_dim": 11, "padding_id": 1}),
}


@pytest.mark.parametrize("kind", list(LEARNED))
def test_positions_without_a_row(kind):
    cls, limit, config = LEARNED[kind]
    check_ids(
        lambda: cls(output_dim=4, embeddings_initializer="uniform", custom_position_ids=True, name="layer", **config),
        lambda ids: [np.ones(ids.shape + (4,), "float32"), ids],
        limit,
    )


def test_padding_without_a_row():
    """Where no id of the vocabulary is padding, the table has no row for it: -1 gets zeros."""
    layer = PaddedPositionEmbedding(9, 4, padding_id=-1, embeddings_initializer="uniform", name="layer")
    inputs = [keras.Input((None, 4)), keras.Input((None,))]
    model = keras.models.Model(inputs, layer(inputs))
    ids = np.array([[5, 0, 2, -1], [4, -1, -1, -1]], "float32")
    x = np.random.RandomState(0).randn(2, 4, 4).astype("float32")
    table = layer.get_weights()[0]
    want = [[table[0], table[1], table[2], 0 * table[0]], [table[0]] + 3 * [0 * table[0]]]
    np.testing.assert_allclose(np.asarray(model.predict_on_batch([x, ids])), x + np.array(want), rtol=1e-5, atol=1e-6)
