"""MultiHeadAttention against loops over examples and heads."""

import numpy as np
import pytest

from b4k3.backend import keras, ops
from b4k3.layers import MultiHeadAttention
from support.harness import train
from support.layer_checks import First, check_layer

HEADS = 2
ROTARY = ("rotary", "rotary_halves")
WEIGHTS = [f"{d}/{p}" for d in ("query", "key", "value", "output") for p in ("kernel", "bias")]


def turn(x, table, p_bias):
    """Rotary positions: each pair of features as a complex number. x [n, size], table [n, size] of sin and cos."""
    half = x.shape[1] // 2
    real, imaginary = (slice(0, None, 2), slice(1, None, 2)) if p_bias == "rotary" else (slice(half), slice(half, None))
    turned = (x[:, real] + 1j * x[:, imaginary]) * (table[:, 1::2] + 1j * table[:, 0::2])
    out = np.zeros(x.shape)
    out[:, real], out[:, imaginary] = turned.real, turned.imag
    return out


def normalize(a, visible, bias, method):
    """Scores [n, m] to weights; visible [m] and bias [n, m] may be None."""
    seen = np.ones(a.shape) if visible is None else np.repeat(visible[None], len(a), axis=0)
    if bias is not None:
        a, seen = a + bias, seen * (bias > -1e29)
    a = np.where(seen > 0, a, -1e30)
    count = np.maximum(seen.sum(-1, keepdims=True), 1)
    if method == "squared_relu":
        return np.maximum(a, 0) ** 2 / count
    if method == "softmax_plus":
        a = a * np.log(np.maximum(count, 16)) / np.log(512)
    e = np.exp(a - a.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attend(config, a_bias=False, p_bias=None):
    """The oracle of a layer with this config."""

    def project(weights, x, name, b, h):
        y = x[b] @ weights[name + "/kernel"] + weights.get(name + "/bias", 0)
        heads = HEADS if name == "query" else config.get("key_value_heads", HEADS)
        size, h = y.shape[-1] // heads, h * heads // HEADS
        y = y[:, h * size : (h + 1) * size]
        gamma = weights.get(name + "_norm/gamma")
        if gamma is None:
            return y
        return y / np.sqrt((y**2).mean(-1, keepdims=True) + config["query_key_epsilon"]) * gamma

    def oracle(weights, arrays, masks):
        rest = list(arrays[3:])
        bias = rest.pop(0) if a_bias else None
        position = rest.pop(0) if p_bias else None
        outputs, scores = [], []
        for b in range(len(arrays[0])):
            heads, seen = [], []
            for h in range(HEADS):
                q, k, v = (project(weights, x, d, b, h) for x, d in zip(arrays, ("query", "key", "value")))
                if p_bias in ROTARY:
                    q, k = turn(q, position[b], p_bias), turn(k, position[b], p_bias)
                a = q @ k.T
                if p_bias == "typical_relative":
                    a = a + np.array([[q[i] @ position[0, i, j] for j in range(len(k))] for i in range(len(q))])
                if p_bias == "t5_relative":
                    a = a + position[0, :, :, h]
                scale = config.get("attention_scale", True)
                a = a * ({True: 1 / np.sqrt(q.shape[-1]), False: 1}[scale] if isinstance(scale, bool) else scale)
                term = None if bias is None else (bias[b] if bias.ndim == 3 else bias[b % len(bias), h % bias.shape[1]])
                if p_bias == "mpnet_relative":
                    term = position[0, :, :, h] + (0 if term is None else term)
                visible = None if masks[2] is None else masks[2][b]
                w = normalize(a, visible, term, config.get("normalization", "softmax"))
                o = w @ v
                if p_bias == "typical_relative":
                    o = o + np.array([sum(w[i, j] * position[0, i, j] for j in range(len(k))) for i in range(len(q))])
                heads.append(o)
                seen.append(a)
            outputs.append(np.concatenate(heads, -1) @ weights["output/kernel"] + weights.get("output/bias", 0))
            scores.append(seen)
        outputs = np.array(outputs)
        return [outputs, np.array(scores)] if config.get("return_attention_scores") else outputs

    return oracle


def draw(a_bias=None, p_bias=None, cross=False, size=3):
    """Inputs: q, k, v, then the attention bias of this form, then the position input."""

    def inputs(rng, batch, n):
        m = n + 2 if cross else n
        shapes = [(batch, n, 4), (batch, m, 5), (batch, m, 5)]
        if a_bias:
            shapes.append({"bnm": (batch, n, m), "b1nm": (batch, 1, n, m), "bhnm": (batch, HEADS, n, m)}[a_bias])
        if p_bias:
            last = HEADS if p_bias in ("t5_relative", "mpnet_relative") else size
            shapes.append((batch, n, last) if p_bias in ROTARY else (batch, n, m, last))
        return [rng.randn(*shape).astype("float32") for shape in shapes]

    return inputs


def connect(a_bias, p_bias):
    def call(layer, tensors):
        if p_bias in ("typical_relative", "t5_relative", "mpnet_relative"):  # these positions have no axis of the batch
            tensors = tensors[:-1] + [First()(tensors[-1])]
        options = dict(a_bias=True) if a_bias else {}
        return layer(tensors, p_bias=p_bias, **options) if p_bias else layer(tensors, **options)

    return call


def check(config, a_bias=None, p_bias=None, cross=False, masked=(), tmp=None, weights=WEIGHTS, **options):
    config = dict({"head_size": 4}, **config)
    same_for_every_key = p_bias not in ROTARY and config.get("normalization") != "squared_relu"
    still = same_for_every_key and not config.get("return_attention_scores")
    check_layer(
        lambda: MultiHeadAttention(HEADS, name="layer", **config),
        draw(a_bias, p_bias, cross, config.get("key_size") or config["head_size"]),
        attend(config, bool(a_bias), p_bias),
        weights=weights,
        masked=masked,
        mask_out=lambda x, m: m[0],
        connect=connect(a_bias, p_bias),
        still=["key/bias"] if still else [],  # adds the same to every score of a query
        atol=5e-5,
        tmp=tmp,
        **options,
    )


SHAPES = [
    ({}, "plain"),
    ({"out_dim": 7}, "out_dim"),
    ({"key_size": 6}, "a key_size of its own"),
    ({"head_size": 4, "key_size": 2, "attention_scale": False}, "no scale"),
    ({"key_size": 2, "attention_scale": 0.4}, "a scale of its own"),
    ({"key_size": 2, "attention_scale": 1, "return_attention_scores": True}, "a scale of 1"),
    ({"normalization": "squared_relu", "attention_scale": 0.4}, "squared_relu with a scale of its own"),
    ({"normalization": "squared_relu"}, "squared_relu"),
    ({"normalization": "softmax_plus"}, "softmax_plus"),
    ({"return_attention_scores": True, "key_size": 6}, "scores"),
]


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("config", [c for c, _ in SHAPES], ids=[name for _, name in SHAPES])
def test_configs(config, cross, tmp_path):
    check(config, cross=cross, masked=(0, 2) if cross else (0, 1, 2), tmp=tmp_path)


def test_without_masks_and_biases(tmp_path):
    weights = [name for name in WEIGHTS if name.endswith("kernel")]
    check({"use_bias": False}, cross=True, weights=weights, tmp=tmp_path)


GROUPED = {"key_value_heads": 1, "key_size": 6}


@pytest.mark.parametrize("a_bias", [None, "bnm", "bhnm"])
@pytest.mark.parametrize("more", [{}, {"return_attention_scores": True}], ids=str)
def test_groups_of_queries_share_a_key(more, a_bias, tmp_path):
    config = dict(GROUPED, **more)
    check(config, a_bias, masked=(2,) if a_bias else (0, 2), tmp=tmp_path, only_outputs=a_bias == "bhnm")


def test_normalized_queries_and_keys(tmp_path):
    """The weights of Qwen3."""
    kernels = [name for name in WEIGHTS if name.endswith("kernel")]
    normed = {"query_key_epsilon": 0.1, "use_bias": False}
    check(dict(GROUPED, **normed), weights=kernels + ["query_norm/gamma", "key_norm/gamma"], tmp=tmp_path)


def test_biases_of_all_but_the_output(tmp_path):
    """The weights of Qwen2."""
    check(dict(GROUPED, use_output_bias=False), weights=WEIGHTS[:-1], tmp=tmp_path)


@pytest.mark.parametrize("count", [3, 0, -1, 8])
def test_groups_that_do_not_divide_the_heads(count):
    with pytest.raises(ValueError, match=f"layer: key_value_heads={count}, expected a divisor of heads=4"):
        MultiHeadAttention(4, 8, key_value_heads=count, name="layer")


POSITIONS = [
    ("rotary", GROUPED, False),
    ("rotary", {}, False),
    ("rotary", {"key_size": 6, "normalization": "softmax_plus"}, False),
    ("rotary_halves", {"key_size": 6}, False),
    ("typical_relative", {}, True),
    ("typical_relative", {"return_attention_scores": True}, False),
    ("rotary", {"attention_scale": 1.7}, False),
    ("typical_relative", {"attention_scale": 1.7}, True),
    ("t5_relative", {"attention_scale": 1.7}, True),
    ("t5_relative", {"attention_scale": False}, True),
    ("t5_relative", {}, False),
    ("t5_relative", {"normalization": "squared_relu", "key_size": 2}, True),
    ("mpnet_relative", {}, True),
    (None, {}, True),
]


@pytest.mark.parametrize("a_bias", [None, "bnm", "bhnm"])
@pytest.mark.parametrize("p_bias, config, cross", POSITIONS, ids=str)
def test_biases(p_bias, config, cross, a_bias, tmp_path):
    only_outputs = a_bias == "bhnm" or bool(a_bias and p_bias)
    check(config, a_bias, p_bias, cross, masked=(2,) if a_bias else (0, 2), tmp=tmp_path, only_outputs=only_outputs)


@pytest.mark.parametrize("config", [{}, {"normalization": "softmax_plus"}, {"normalization": "squared_relu"}], ids=str)
def test_a_bias_of_minus_infinity_hides(config, tmp_path):
    inputs = draw("b1nm")

    def hidden(rng, batch, n):
        arrays = inputs(rng, batch, n)
        arrays[3] = np.where(np.tri(n)[None, None] > 0, arrays[3], -np.inf).astype("float32")
        return arrays

    check_layer(
        lambda: MultiHeadAttention(HEADS, 4, name="layer", **config),
        hidden,
        attend(config, True),
        weights=WEIGHTS,
        masked=(2,),
        connect=connect("b1nm", None),
        still=["key/bias"] if config.get("normalization") != "squared_relu" else [],
        tmp=tmp_path,
    )


def test_unknown_position_bias():
    x = keras.Input((3, 4))
    with pytest.raises(ValueError, match="p_bias='rotatory', expected one of"):
        layer = MultiHeadAttention(HEADS, 4, name="layer")
        keras.Model(x, layer([x, x, x], p_bias="rotatory")).predict_on_batch(np.zeros((1, 3, 4), "float32"))


@pytest.mark.parametrize("scale", [0, -0.5, float("inf"), float("nan"), "true", [1.0]], ids=str)
def test_wrong_scale(scale):
    with pytest.raises(ValueError, match="expected True, False or a positive number"):
        MultiHeadAttention(HEADS, 4, attention_scale=scale, name="layer")


def test_unknown_normalization():
    with pytest.raises(ValueError, match="softplus"):
        layer = MultiHeadAttention(HEADS, 4, normalization="softplus", name="layer")
        x = keras.Input((3, 4))
        keras.Model(x, layer([x, x, x])).predict_on_batch(np.zeros((1, 3, 4), "float32"))


@pytest.mark.parametrize("normalization", ["softmax", "softmax_plus"])
def test_dropout_trains(normalization):
    """Training drops attention weights, keeps their mean, and drops others each time; inference drops nothing.

    The loss is the mean product of the output with the target, and the learning rate 0: so the loss of a step is the
    output in training mode, seen through the target.
    """
    x = keras.Input((None, 4))
    layer = MultiHeadAttention(HEADS, 4, attention_dropout=0.4, normalization=normalization, name="layer")
    model = keras.Model(x, layer([x, x, x]))
    rng = np.random.RandomState(1)
    layer.set_weights([rng.randn(*w.shape).astype("float32") for w in layer.get_weights()])
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss=lambda y, output: ops.mean(y * output, axis=-1))
    arrays = np.repeat(rng.randn(1, 6, 4), 512, axis=0).astype("float32")
    target = np.repeat(rng.randn(1, 6, 8), 512, axis=0).astype("float32")
    still = [float(model.test_on_batch(arrays, target)) for _ in range(2)]
    trained = [train(model, arrays, target) for _ in range(3)]
    assert still[0] == still[1]
    assert len(set(trained + still[:1])) == 4
    one = [train(model, arrays[:1], target[:1]) for _ in range(20)]
    assert np.std(one) > 10 * abs(np.mean(trained) - still[0]), (one, trained, still)
    outputs = [np.asarray(model.predict_on_batch(arrays[:2])) for _ in range(2)]
    assert (outputs[0] == outputs[1]).all() and (outputs[0][0] == outputs[0][1]).all()


def test_the_projections_start_with_values_of_their_own():
    """An unseeded initializer of newer Keras gives the same values each time it is called."""
    x = keras.Input((None, 8))
    layer = MultiHeadAttention(HEADS, 4, name="layer")
    keras.Model(x, layer([x, x, x]))
    kernels = [w for w in layer.get_weights() if w.ndim == 2]
    assert len({w.tobytes() for w in kernels}) == 4 and {w.shape for w in kernels} == {(8, 8)}
