"""GatedAttentionUnit against loops over examples."""

import numpy as np
import pytest

from b4k3.layers import GatedAttentionUnit
from support.layer_checks import check_layer

UNITS, KEY, SIZE = 5, 4, 3


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def turn(x, table):
    """Rotary positions: each pair of features as a complex number. x and table [n, KEY]."""
    turned = (x[:, 0::2] + 1j * x[:, 1::2]) * (table[:, 1::2] + 1j * table[:, 0::2])
    out = np.zeros(x.shape)
    out[:, 0::2], out[:, 1::2] = turned.real, turned.imag
    return out


def weigh(a, visible, method):
    """Scores of one query over its visible keys."""
    count = visible.sum()
    if method == "squared_relu":
        return np.maximum(a, 0) ** 2 * visible / max(count, 1)
    if method == "softmax_plus":
        a = a * np.log(max(count, 16)) / np.log(512)
    e = np.exp(a - a[visible].max()) * visible
    return e / e.sum()


def unit(config, a_bias=False, p_bias=None):
    def oracle(weights, arrays, masks):
        rest = list(arrays[1:])
        bias = rest.pop(0) if a_bias else None
        table = rest.pop(0) if p_bias else None
        out = []
        for b, x in enumerate(arrays[0]):
            h = x @ weights["i_dense/kernel"] + weights.get("i_dense/bias", 0)
            h = h * sigmoid(h)
            u, v, qk = h[:, :UNITS], h[:, UNITS : 2 * UNITS], h[:, 2 * UNITS :]
            q, k = (
                qk * weights[name + "_scaleoffset/gamma"] + weights.get(name + "_scaleoffset/beta", 0) for name in "qk"
            )
            if p_bias:
                q, k = turn(q, table[b]), turn(k, table[b])
            attended = []
            for i in range(len(x)):
                a = k @ q[i] / (np.sqrt(KEY) if config.get("attention_scale", True) else 1)
                visible = np.ones(len(x), bool) if masks[0] is None else masks[0][b] > 0
                if bias is not None:
                    term = bias[b % len(bias)]
                    term = (term[0] if term.ndim == 3 else term)[i]
                    a, visible = a + term, visible & (term > -1e20)
                attended.append(weigh(a, visible, config.get("normalization", "squared_relu")) @ v)
            out.append((u * np.array(attended)) @ weights["o_dense/kernel"] + weights.get("o_dense/bias", 0))
        return np.array(out)

    return oracle


def draw(a_bias=None, p_bias=None):
    """Inputs: x, then an attention bias of this form that hides what follows, then the table of rotary positions."""

    def inputs(rng, batch, n):
        arrays = [rng.randn(batch, n, SIZE).astype("float32")]
        if a_bias:
            hidden = np.triu(np.full((n, n), -1e30, "float32"), 1) + rng.randn(n, n).astype("float32")
            arrays.append(np.tile(hidden, (batch, 1, 1)) if a_bias == "3d" else np.tile(hidden, (batch, 1, 1, 1)))
        if p_bias:
            arrays.append(rng.randn(batch, n, KEY).astype("float32"))
        return arrays

    return inputs


def connect(a_bias, p_bias):
    def call(layer, tensors):
        inputs = tensors if len(tensors) > 1 else tensors[0]
        return layer(inputs, a_bias=True if a_bias else None, p_bias=p_bias)

    return call


@pytest.mark.parametrize(
    "config, a_bias, p_bias, masked",
    [
        ({}, None, None, ()),
        ({"normalization": "softmax_plus", "use_bias": False}, None, "rotary", (0,)),
        ({"normalization": "softmax_plus"}, "3d", "rotary", (0,)),
        ({"normalization": "softmax", "attention_scale": False}, "4d", None, (0,)),
        ({"attention_dropout": 0.05}, "4d", None, ()),  # few weights are not 0 here: a high rate may drop them all
    ],
    ids=str,
)
def test_unit(config, a_bias, p_bias, masked, tmp_path):
    use_bias = config.get("use_bias", True)
    dense = ["i_dense/kernel", "i_dense/bias", "o_dense/kernel", "o_dense/bias"]
    equal = config.get("normalization", "squared_relu") != "squared_relu" and not p_bias
    offsets = [name + "_scaleoffset/" + part for name in "qk" for part in ("beta", "gamma")]
    check_layer(
        lambda: GatedAttentionUnit(UNITS, KEY, name="layer", **config),
        draw(a_bias, p_bias),
        unit(config, a_bias, p_bias),
        weights=[name for name in dense + offsets if use_bias or not name.endswith(("bias", "beta"))],
        masked=masked,
        mask_out=(lambda x, m: m[0]) if masked else None,
        connect=connect(a_bias, p_bias),
        still=["k_scaleoffset/beta"] if equal else [],  # adds the same to every score of a query
        tmp=tmp_path,
    )


def test_what_it_does_not_do():
    with pytest.raises(ValueError, match="self_attention=False is not offered"):
        GatedAttentionUnit(UNITS, KEY, self_attention=False)
    with pytest.raises(ValueError, match="p_bias='t5_relative', expected None or 'rotary'"):
        GatedAttentionUnit(UNITS, KEY).call(None, p_bias="t5_relative")
