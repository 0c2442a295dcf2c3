"""ScaleOffset and LayerNormalization, plain and conditional."""

import itertools

import numpy as np
import pytest

from b4k3.backend import call_layer, compiled, keras, ops, runs_eagerly
from b4k3.layers import LayerNormalization, ScaleOffset
from support.harness import evaluate
from support.layer_checks import check_layer, randomize


def constant(value):
    """The number that a scale or offset is when it is no weight, else None."""
    return value if value is not True and value is not False else None


def scale_offset(x, weights, condition, config):
    gamma = weights["gamma"] if config.get("scale", True) is True else constant(config["scale"])
    beta = weights["beta"] if config.get("offset", True) is True else constant(config["offset"])
    if condition is not None:
        if "hidden/kernel" in weights:
            condition = np.tanh(condition @ weights["hidden/kernel"])
        while condition.ndim < x.ndim:
            condition = condition[:, None]
        gamma = None if gamma is None else gamma + condition @ weights["gamma_dense/kernel"]
        beta = None if beta is None else beta + condition @ weights["beta_dense/kernel"]
    x = x if gamma is None else x * gamma
    return x if beta is None else x + beta


def normalize(x, weights, condition, config):
    x = x.astype("float64")
    if config.get("zero_mean", True):
        x = x - x.mean(-1, keepdims=True)
    if config.get("unit_variance", True):
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + config.get("epsilon", 1e-7))
    return scale_offset(x, weights, condition, config)


def names(config):
    """The weights in bert4keras' order."""
    terms = [t for t, key in (("beta", "offset"), ("gamma", "scale")) if config.get(key, True) is True]
    if not config.get("conditional"):
        return terms
    hidden = ["hidden/kernel"] if config.get("hidden_units") else []
    present = [t for t, key in (("beta", "offset"), ("gamma", "scale")) if config.get(key, True) not in (None, False)]
    return terms + hidden + [t + "_dense/kernel" for t in present]


def inputs(condition_axes):
    """x [batch, n, 6], and a condition of 2 or 3 axes where there are any."""

    def draw(rng, batch, n):
        shapes = [(batch, n, 6)] + {0: [], 2: [(batch, 3)], 3: [(batch, n, 3)]}[condition_axes]
        return [(rng.randn(*shape) * 2 + 1).astype("float32") for shape in shapes]

    return draw


def check(cls, oracle, config, condition_axes, masked, tmp, only_outputs=False):
    check_layer(
        lambda: cls(name="layer", **config),
        inputs(condition_axes),
        lambda w, x, m: oracle(x[0], w, x[1] if len(x) > 1 else None, config),
        weights=names(config),
        masked=masked,
        mask_out=lambda x, m: None if not masked else np.prod([v for v in m if v is not None], axis=0),
        tmp=tmp,
        atol=5e-5,
        only_outputs=only_outputs,
    )


TERMS = [True, False, 0.5]


@pytest.mark.parametrize("scale, offset", itertools.product(TERMS, TERMS))
def test_scale_offset(scale, offset, tmp_path):
    check(
        ScaleOffset,
        scale_offset,
        {"scale": scale, "offset": offset},
        0,
        (0,),
        tmp_path,
        only_outputs=scale is not offset,
    )


NORMS = [
    {},
    {"epsilon": 1e-12},
    {"epsilon": 0.5},
    {"zero_mean": False, "offset": False},  # T5
    {"zero_mean": False, "scale": False, "offset": False},  # RoFormerV2
    {"unit_variance": False},
    {"scale": 2.0, "offset": None},
]


@pytest.mark.parametrize("config", NORMS, ids=str)
def test_layer_normalization(config, tmp_path):
    check(LayerNormalization, normalize, config, 0, (0,), tmp_path)


CONDITIONAL = [
    ({}, 2, (0,)),
    ({}, 3, (0, 1)),
    ({"hidden_units": 5, "hidden_activation": "tanh"}, 2, (0,)),
    ({"offset": False, "zero_mean": False}, 2, ()),
    ({"scale": 1.0, "offset": 0.5, "hidden_units": 5, "hidden_activation": "tanh"}, 2, ()),
]


@pytest.mark.parametrize("config, axes, masked", CONDITIONAL, ids=str)
def test_conditional_layer_normalization(config, axes, masked, tmp_path):
    check(LayerNormalization, normalize, dict(config, conditional=True), axes, masked, tmp_path)


def test_conditional_scale_offset(tmp_path):
    check(ScaleOffset, scale_offset, {"conditional": True}, 2, (0,), tmp_path)


def test_a_new_condition_changes_nothing():
    """The projections of the condition start at zero, so that a pretrained model can be given a condition."""
    x, c = keras.Input((None, 6)), keras.Input((3,))
    plain, conditional = LayerNormalization(name="plain")(x), LayerNormalization(conditional=True, name="cond")([x, c])
    a, b = keras.Model([x, c], [plain, conditional]).predict_on_batch(inputs(2)(np.random.RandomState(0), 2, 4))
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=1e-6)


def test_epsilon_of_keras_by_default():
    assert LayerNormalization().epsilon == keras.backend.epsilon()


@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_a_large_mean_does_not_destroy_the_variance(offset, tmp_path):
    """E[x²] - E[x]² in float32 would."""
    check_layer(
        lambda: LayerNormalization(name="layer"),
        lambda rng, batch, n: [(rng.randn(batch, n, 6) * 4 + offset).astype("float32")],
        lambda w, x, m: normalize(x[0], w, None, {}),
        weights=["beta", "gamma"],
        atol=5e-3,
        tmp=tmp_path,
    )


@pytest.mark.parametrize("zero_mean, offset", [(True, True), (True, False), (False, False), (False, True)])
def test_a_bound_normalization_answers_as_its_call(zero_mean, offset):
    layer = LayerNormalization(zero_mean=zero_mean, offset=offset, name="layer")
    layer.build((None, 3, 6))
    randomize(layer, np.random.RandomState(1))
    x = np.random.RandomState(0).randn(2, 3, 6).astype("float32")
    function = compiled(lambda x: [call_layer(layer, x), layer(x)], getattr(layer, "variables", layer.weights))
    direct, called = function(ops.convert_to_tensor(x) if runs_eagerly else x)
    np.testing.assert_allclose(evaluate(direct), evaluate(called), rtol=1e-6)
