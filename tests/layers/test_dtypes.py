"""Every layer under every dtype policy of the row, beside its twin in float32; ids are read before any cast."""

import numpy as np
import pytest

from b4k3 import layers
from b4k3.backend import assign_weights, keras, ops, row
from support.layer_checks import WithMask

ERRORS = {"float16": 4e-3, "bfloat16": 4e-2}  # what a result may be off, relative to the largest number


def has_policies():
    """Not in keras 2.3 and tf.keras 1.15, where a layer has a dtype and casts nothing by itself."""
    if row.kind == "tf.keras":
        from b4k3.backend._keras2.layer import TF1

        return not TF1
    return row.kind != "keras2"


HAS_POLICIES = has_policies()
POLICIES = ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16"] if HAS_POLICIES else ["floatx", "float16"]


def dtype_argument(policy):
    """What to give a layer as its dtype: a name, or in tf.keras 2.2 an object."""
    experimental = getattr(getattr(keras, "mixed_precision", None), "experimental", None)
    return experimental.Policy(policy) if experimental and HAS_POLICIES else policy.replace("floatx", "float16")


# shape without the batch axis, and whether it is cast where there are no policies: (name, shape, cast)
SHAPES = [
    ("x", (None, 4), True),
    ("condition", (3,), True),
    ("mask", (None,), False),
    ("bias", (None, None), True),
    ("ids", (None,), False),
    ("far", (None,), False),
]
N = 6
rng = np.random.RandomState(0)
ARRAYS = {
    "x": rng.randn(2, N, 4).astype("float32"),
    "condition": rng.randn(2, 3).astype("float32"),
    "mask": np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]], "float32"),
    "bias": (rng.randn(2, N, N) + np.where(np.tri(N) > 0, 0, -1e30)).astype("float32"),
    "ids": np.array([[0, 255, 257, 2047, 2049, 4999], [1, 513, 1025, 3001, 0, 0]], "float32"),
    "far": np.array([[0, 1, 257, 300, 301, 302], [0, 1, 2, 3, 4, 5]], "float32"),
}


class Inputs:
    """The symbolic inputs of the one model that holds all layers, and the dtype argument of the layers in it."""

    def __init__(self, argument, dtype):
        self.argument = argument
        self.all = [keras.Input(shape, dtype=dtype if cast else "float32") for _, shape, cast in SHAPES]
        self.x, self.condition, self.mask, self.bias, self.ids, self.far = self.all
        self.masked = WithMask(dtype=argument)([self.x, self.mask])
        self.doubled = layers.Add(name="doubled", dtype=argument)([self.x, self.x])


def attend(layer, i, position=None, p_bias=None, a_bias=False):
    tensors = [i.masked] * 3 + ([i.bias] if a_bias else []) + ([position] if p_bias else [])
    return layer(tensors, a_bias=a_bias, p_bias=p_bias)


class Far(layers.Loss):
    """Its ids are beyond what half precision can tell apart."""

    def compute_loss(self, inputs, mask=None):
        x, ids = inputs
        return ops.mean(ops.cast(x, "float32")) + ops.mean(ops.cast(ids, "float32"))


HEADS = {"heads": 2, "head_size": 4}
# what it is -> (class, arguments, how it is called)
CASES = {
    "rows": (layers.Embedding, {"input_dim": 5000, "output_dim": 4}, lambda layer, i: layer(i.ids)),
    "tied": (layers.Embedding, {"input_dim": 50, "output_dim": 4}, lambda layer, i: layer(i.x, mode="dense")),
    "positions": (
        layers.PositionEmbedding,
        {"input_dim": 400, "output_dim": 4, "custom_position_ids": True},
        lambda layer, i: layer([i.x, i.far]),
    ),
    "padded_positions": (
        layers.PaddedPositionEmbedding,
        {"input_dim": 9, "output_dim": 4, "padding_id": 1},
        lambda layer, i: layer([i.x, i.ids]),
    ),
    "padded_positions_given": (
        layers.PaddedPositionEmbedding,
        {"input_dim": 400, "output_dim": 4, "padding_id": 1, "custom_position_ids": True},
        lambda layer, i: layer([i.x, i.far]),
    ),
    "task": (layers.TaskEmbedding, {"input_dim": 3, "output_dim": 4, "task_id": 2}, lambda layer, i: layer(i.x)),
    "tasks": (
        layers.TaskEmbedding,
        {"input_dim": 400, "output_dim": 4, "custom_task_ids": True},
        lambda layer, i: layer([i.x, i.far]),
    ),
    "sinusoidal": (
        layers.SinusoidalPositionEmbedding,
        {"output_dim": 4, "custom_position_ids": True},
        lambda layer, i: layer([i.x, i.far]),
    ),
    "norm": (layers.LayerNormalization, {}, lambda layer, i: layer(i.x)),
    "rms": (layers.LayerNormalization, {"zero_mean": False, "offset": False}, lambda layer, i: layer(i.x)),
    "conditional": (
        layers.LayerNormalization,
        {"conditional": True, "hidden_units": 3},
        lambda layer, i: layer([i.x, i.condition]),
    ),
    "feedforward": (layers.FeedForward, {"units": 5, "activation": ["gelu", "linear"]}, lambda layer, i: layer(i.x)),
    "attention": (layers.MultiHeadAttention, HEADS, attend),
    "scaled": (layers.MultiHeadAttention, dict(HEADS, attention_scale=0.7), attend),
    "biased": (layers.MultiHeadAttention, HEADS, lambda layer, i: attend(layer, i, a_bias=True)),
    "scores": (
        layers.MultiHeadAttention,
        dict(HEADS, return_attention_scores=True, normalization="softmax_plus"),
        lambda layer, i: attend(layer, i, a_bias=True)[0],
    ),
    "rotary": (
        layers.MultiHeadAttention,
        HEADS,
        lambda layer, i: attend(layer, i, layers.RotaryPositionEmbedding(4, dtype=i.argument)(i.x), "rotary"),
    ),
    "average": (layers.GlobalAveragePooling1D, {}, lambda layer, i: layer(i.masked)),
    "modes": (layers.SequencePooling, {"modes": ["cls", "weightedmean"]}, lambda layer, i: layer(i.masked)),
    "maximum": (layers.GlobalMaxPooling1D, {}, lambda layer, i: layer(i.masked)),
    "add": (layers.Add, {}, lambda layer, i: layer([i.x, i.x])),
    "parts": (
        layers.BatchSplit,
        {"parts": 2},
        lambda layer, i: layers.BatchConcat(dtype=i.argument)(layer(i.doubled)),
    ),
    "loss": (Far, {"output_axis": 0}, lambda layer, i: layer([i.doubled, i.ids])),
    "crf": (layers.ConditionalRandomField, {}, lambda layer, i: layer(i.masked)),
    "memm": (layers.MaximumEntropyMarkovModel, {"hidden_dim": 2}, lambda layer, i: layer(i.masked)),
    "pointer": (layers.GlobalPointer, HEADS, lambda layer, i: layer(i.masked)),
    "efficient": (layers.EfficientGlobalPointer, HEADS, lambda layer, i: layer(i.masked)),
    "unilm": (layers.UniLMMask, {}, lambda layer, i: layer(i.mask)),
}


def build(policy):
    """The model of all cases in this policy, or with None in float32."""
    half = "float32" if policy is None else policy.replace("mixed_", "").replace("floatx", "float16")
    argument = "float32" if policy is None else dtype_argument(policy)
    inputs = Inputs(argument, "float32" if HAS_POLICIES else half)
    made = {name: cls(name=name, dtype=inputs.argument, **config) for name, (cls, config, _) in CASES.items()}
    outputs = [CASES[name][2](layer, inputs) for name, layer in made.items()]
    return keras.Model(inputs.all, outputs), made, half


def dtype_name(x):
    return getattr(x.dtype, "name", x.dtype)


@pytest.mark.parametrize("policy", POLICIES)
def test_policy(policy):
    twin, twins, _ = build(None)
    rng = np.random.RandomState(1)
    for layer in twins.values():
        layer.set_weights([rng.uniform(-1, 1, w.shape).astype("float32") for w in layer.get_weights()])
    expected = twin.predict_on_batch(list(ARRAYS.values()))
    values = {name: layer.get_weights() for name, layer in twins.items()}
    keras.backend.clear_session()
    floatx = keras.backend.floatx()
    try:
        if policy == "floatx":
            keras.backend.set_floatx("float16")
        model, made, half = build(policy)
        for name, layer in made.items():
            assign_weights(zip(layer.weights, values[name]))
        got = model.predict_on_batch(list(ARRAYS.values()))
        for layer in made.values():
            assert layer.compute_dtype == type(layer).from_config(layer.get_config()).compute_dtype == half
    finally:
        keras.backend.set_floatx(floatx)
    for name, output, a, b in zip(made, model.outputs, got, expected):
        assert dtype_name(output) == half, name
        assert {ops.dtype(w) for w in made[name].weights} <= {"float32" if policy.startswith("mixed") else half}, name
        assert np.asarray(a).dtype.name == half, name
        a, b = np.asarray(a).astype("float32"), np.asarray(b)
        if name == "unilm":
            assert ((a < -1e4) == (b < -1e4)).all() and np.isfinite(a).all()
        else:
            there = np.isfinite(b)
            assert (np.isfinite(a) == there).all() and (a[~there] == b[~there]).all(), name
            a, b = a[there], b[there]
            np.testing.assert_allclose(a, b, atol=ERRORS[half] * np.abs(b).max(), rtol=0, err_msg=name)
