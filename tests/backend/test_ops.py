"""Every op of the Keras 2 rows against numpy; the same table runs on Keras 3, so both mean the same."""

import ast
import math
import os

import numpy as np
import pytest

import b4k3.backend
from b4k3.backend import ops
from support.harness import call_with_unknown_sizes, evaluate

FOLDER = os.path.join(os.path.dirname(b4k3.backend.__file__), "_keras2", "ops")

rng = np.random.RandomState(0)
X = rng.randn(2, 3, 4).astype("float32")
Y = rng.randn(2, 3, 4).astype("float32")
P = (np.abs(X) + 0.1).astype("float32")
UNIT = np.tanh(X)
V = rng.randn(5).astype("float32")
M = rng.randn(4, 3).astype("float32")
S = rng.randn(4, 4).astype("float32")
INTS = np.array([[3, 1, 2], [0, 5, 4]], "int32")
ODD = np.array([1.0, np.inf, -np.inf, np.nan, 0.0], "float32")
INFS = np.array([[1.0, -np.inf, 2.0], [-np.inf, -np.inf, -np.inf]], "float32")
BOOLS = np.array([[True, False, True], [False, False, True]])
PROBS = np.exp(X) / np.exp(X).sum(-1, keepdims=True)
CLASSES = np.array([[0, 3, 1], [2, 2, 0]], "int32")
BINARY = (Y > 0).astype("float32")

erf = np.vectorize(math.erf)


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def one_hot(x, n, axis=-1):
    return np.moveaxis(np.eye(n, dtype="float32")[x], -1, axis)


def logsumexp(x, axis=None, keepdims=False):
    with np.errstate(divide="ignore"):
        return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def gelu(x, approximate=True):
    if approximate:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def segment(ufunc, start):
    def segmented(data, ids, num_segments):
        out = np.full((num_segments,) + data.shape[1:], start, data.dtype)
        ufunc.at(out, ids, data)
        return out

    return segmented


def pooled(x, size, stride, reduce):
    return np.stack([reduce(x[:, i : i + size], 1) for i in range(0, x.shape[1] - size + 1, stride)], 1)


def scattered(indices, values, shape):
    out = np.zeros(shape, values.dtype)
    np.add.at(out, tuple(indices.T), values)
    return out


def updated(x, key, values):
    x = x.copy()
    x[key] = values
    return x


def cross_entropy(y, p):
    return -np.sum(y * np.log(p), -1)


def multiplied_until(x):
    while x.max() < 99:
        x = x * 10
    return x


# op, arrays, what else is passed by keyword, the expected value as a function of the arrays
TABLE = [
    ("abs", [X], {}, np.abs),
    ("absolute", [INTS], {}, np.abs),
    ("arccos", [UNIT], {}, np.arccos),
    ("arcsin", [UNIT], {}, np.arcsin),
    ("arctan", [X], {}, np.arctan),
    ("arctan2", [X, Y], {}, np.arctan2),
    ("ceil", [X], {}, np.ceil),
    ("cos", [X], {}, np.cos),
    ("cosh", [X], {}, np.cosh),
    ("erf", [X], {}, erf),
    ("exp", [X], {}, np.exp),
    ("exp", [INTS], {}, np.exp),
    ("expm1", [X], {}, np.expm1),
    ("floor", [X], {}, np.floor),
    ("log", [P], {}, np.log),
    ("log10", [P], {}, np.log10),
    ("log1p", [P], {}, np.log1p),
    ("log2", [P], {}, np.log2),
    ("logical_not", [BOOLS], {}, np.logical_not),
    ("negative", [X], {}, np.negative),
    ("reciprocal", [P], {}, lambda x: 1 / x),
    ("rsqrt", [P], {}, lambda x: 1 / np.sqrt(x)),
    ("sign", [X], {}, np.sign),
    ("sin", [X], {}, np.sin),
    ("sinh", [X], {}, np.sinh),
    ("sqrt", [P], {}, np.sqrt),
    ("square", [INTS], {}, np.square),
    ("tan", [X], {}, np.tan),
    ("tanh", [X], {}, np.tanh),
    ("isfinite", [ODD], {}, np.isfinite),
    ("isinf", [ODD], {}, np.isinf),
    ("isnan", [ODD], {}, np.isnan),
    ("round", [X], {}, np.round),
    ("round", [X], {"decimals": 2}, lambda x: np.round(x, 2)),
    ("clip", [X], {"x_min": -0.5, "x_max": 0.25}, lambda x: np.clip(x, -0.5, 0.25)),
    ("clip", [INTS], {"x_min": 1, "x_max": 3}, lambda x: np.clip(x, 1, 3)),
    ("nan_to_num", [ODD], {"nan": 7.0, "posinf": 8.0, "neginf": -8.0}, lambda x: np.array([1, 8, -8, 7, 0.0])),
    ("add", [X, Y], {}, np.add),
    ("add", [INTS, V[:3]], {}, np.add),
    ("subtract", [X, Y], {}, np.subtract),
    ("multiply", [X, Y], {}, np.multiply),
    ("divide", [X, P], {}, np.divide),
    ("divide", [INTS, INTS + 2], {}, np.divide),
    ("true_divide", [X, P], {}, np.divide),
    ("divide_no_nan", [X, np.zeros_like(X)], {}, lambda x, y: y),
    ("divide_no_nan", [X, P], {}, np.divide),
    ("floor_divide", [INTS, np.array([2, -2, 3], "int32")], {}, np.floor_divide),
    ("mod", [INTS, np.array([2, -2, 3], "int32")], {}, np.mod),
    ("mod", [X, P], {}, np.mod),
    ("power", [P, Y], {}, np.power),
    ("maximum", [X, Y], {}, np.maximum),
    ("minimum", [X, Y], {}, np.minimum),
    ("equal", [INTS, INTS[:1]], {}, np.equal),
    ("not_equal", [INTS, INTS[:1]], {}, np.not_equal),
    ("greater", [X, Y], {}, np.greater),
    ("greater_equal", [X, Y], {}, np.greater_equal),
    ("less", [X, Y], {}, np.less),
    ("less_equal", [X, Y], {}, np.less_equal),
    ("logical_and", [BOOLS, INTS], {}, np.logical_and),
    ("logical_or", [BOOLS, INTS], {}, np.logical_or),
    ("logical_xor", [BOOLS, BOOLS[::-1].copy()], {}, np.logical_xor),
    ("logaddexp", [X, Y], {}, np.logaddexp),
    ("logaddexp", [INFS, INFS], {}, np.logaddexp),
    ("isclose", [X, X + 1e-9], {}, np.isclose),
    ("isclose", [X, Y], {"rtol": 0.5}, lambda x, y: np.isclose(x, y, rtol=0.5)),
    ("isclose", [ODD[3:], ODD[3:]], {"equal_nan": True}, lambda x, y: np.isclose(x, y, equal_nan=True)),
    ("sum", [X], {"axis": (0, 2)}, lambda x: x.sum((0, 2))),
    ("sum", [BOOLS], {}, np.sum),
    ("prod", [X], {"axis": 1, "keepdims": True}, lambda x: x.prod(1, keepdims=True)),
    ("mean", [X], {"axis": -1, "keepdims": True}, lambda x: x.mean(-1, keepdims=True)),
    ("mean", [INTS], {"axis": 0}, lambda x: x.mean(0)),
    ("var", [X], {"axis": [0, 1]}, lambda x: x.var((0, 1))),
    ("std", [X], {}, np.std),
    ("moments", [X], {"axes": [0, 1]}, lambda x: (x.mean((0, 1)), x.var((0, 1)))),
    ("max", [X], {"axis": 1}, lambda x: x.max(1)),
    ("max", [X], {"axis": 1, "initial": 0.5}, lambda x: x.max(1, initial=0.5)),
    ("amax", [INTS], {}, np.max),
    ("min", [X], {"axis": (1, 2)}, lambda x: x.min((1, 2))),
    ("amin", [INTS], {"axis": 1}, lambda x: x.min(1)),
    ("all", [BOOLS], {"axis": 0}, lambda x: x.all(0)),
    ("any", [BOOLS], {"axis": -1, "keepdims": True}, lambda x: x.any(-1, keepdims=True)),
    ("count_nonzero", [INTS], {"axis": 1}, lambda x: np.count_nonzero(x, 1)),
    ("logsumexp", [X], {"axis": 1}, lambda x: logsumexp(x, 1)),
    ("logsumexp", [INFS[:1]], {"axis": -1, "keepdims": True}, lambda x: logsumexp(x, -1, True)),
    ("argmax", [X], {"axis": 1}, lambda x: x.argmax(1)),
    ("argmax", [X], {}, np.argmax),
    ("argmax", [X], {"axis": 1, "keepdims": True}, lambda x: x.argmax(1)[:, None]),
    ("argmin", [INTS], {"axis": -1}, lambda x: x.argmin(-1)),
    ("norm", [X], {"axis": -1}, lambda x: np.linalg.norm(x, axis=-1)),
    ("norm", [X], {"ord": 1, "axis": 1}, lambda x: np.linalg.norm(x, 1, 1)),
    ("norm", [X], {"ord": np.inf, "axis": 1}, lambda x: np.linalg.norm(x, np.inf, 1)),
    ("norm", [M], {"ord": "fro", "axis": (0, 1)}, lambda x: np.linalg.norm(x)),
    ("cumsum", [X], {"axis": 1}, lambda x: x.cumsum(1)),
    ("cumsum", [INTS], {}, np.cumsum),
    ("cumprod", [X], {"axis": -1}, lambda x: x.cumprod(-1)),
    ("segment_sum", [M, np.array([0, 2, 2, 1])], {"num_segments": 4}, lambda x, i: segment(np.add, 0)(x, i, 4)),
    ("segment_max", [M, np.array([0, 2, 2, 1])], {"num_segments": 3}, lambda x, i: segment(np.maximum, -9)(x, i, 3)),
    ("bincount", [np.array([1, 1, 4], "int32")], {"minlength": 6}, lambda x: np.bincount(x, minlength=6)),
    ("matmul", [X, S], {}, np.matmul),
    ("matmul", [X, V[:4]], {}, np.matmul),
    ("matmul", [V[:3], X], {}, np.matmul),
    ("dot", [X, S], {}, np.dot),
    ("dot", [V, V], {}, np.dot),
    ("tensordot", [X, M], {"axes": 1}, lambda x, y: np.tensordot(x, y, 1)),
    ("outer", [V, V], {}, np.outer),
    ("zeros_like", [INTS], {}, np.zeros_like),
    ("ones_like", [X], {"dtype": "int32"}, lambda x: np.ones_like(x, "int32")),
    ("full_like", [X], {"fill_value": 3}, lambda x: np.full_like(x, 3)),
    ("tril", [X], {}, np.tril),
    ("tril", [INTS], {"k": -1}, lambda x: np.tril(x, -1)),
    ("triu", [X], {"k": 1}, lambda x: np.triu(x, 1)),
    ("diag", [V], {}, np.diag),
    ("diag", [V], {"k": -2}, lambda x: np.diag(x, -2)),
    ("diag", [M], {"k": 1}, lambda x: np.diag(x, 1)),
    ("diagonal", [X], {"offset": -1, "axis1": 1, "axis2": 2}, lambda x: np.diagonal(x, -1, 1, 2)),
    ("trace", [X], {"axis1": 1, "axis2": 2}, lambda x: np.trace(x, axis1=1, axis2=2)),
    ("size", [X], {}, np.size),
    ("ndim", [X], {}, np.ndim),
    ("reshape", [X], {"newshape": (6, -1)}, lambda x: x.reshape(6, -1)),
    ("ravel", [X], {}, np.ravel),
    ("expand_dims", [X], {"axis": -1}, lambda x: x[..., None]),
    ("expand_dims", [V], {"axis": (0, -1)}, lambda x: x[None, :, None]),
    ("squeeze", [X[:1]], {"axis": 0}, lambda x: x[0]),
    ("broadcast_to", [V], {"shape": (2, 5)}, lambda x: np.broadcast_to(x, (2, 5))),
    ("transpose", [X], {}, np.transpose),
    ("transpose", [X], {"axes": (0, 2, 1)}, lambda x: x.transpose(0, 2, 1)),
    ("moveaxis", [X], {"source": 0, "destination": -1}, lambda x: np.moveaxis(x, 0, -1)),
    ("moveaxis", [X], {"source": (0, 1), "destination": (-1, 0)}, lambda x: np.moveaxis(x, (0, 1), (-1, 0))),
    ("swapaxes", [X], {"axis1": 0, "axis2": -1}, lambda x: np.swapaxes(x, 0, -1)),
    ("flip", [X], {"axis": 1}, lambda x: np.flip(x, 1)),
    ("flip", [X], {}, np.flip),
    ("roll", [X], {"shift": 2, "axis": 1}, lambda x: np.roll(x, 2, 1)),
    ("roll", [X], {"shift": -1}, lambda x: np.roll(x, -1)),
    ("pad", [X], {"pad_width": ((0, 0), (1, 2), (0, 1))}, lambda x: np.pad(x, ((0, 0), (1, 2), (0, 1)), "constant")),
    ("pad", [V], {"pad_width": 1, "constant_values": 7}, lambda x: np.pad(x, 1, "constant", constant_values=7)),
    ("pad", [V], {"pad_width": ((1, 2),), "mode": "reflect"}, lambda x: np.pad(x, (1, 2), "reflect")),
    ("append", [X, Y], {"axis": 1}, lambda x, y: np.append(x, y, 1)),
    ("append", [V, INTS], {}, np.append),
    ("unstack", [X], {"num": 3, "axis": 1}, lambda x: [x[:, i] for i in range(3)]),
    ("split", [X], {"indices_or_sections": 2, "axis": -1}, lambda x: np.split(x, 2, -1)),
    ("split", [X], {"indices_or_sections": [1, 3], "axis": 2}, lambda x: np.split(x, [1, 3], 2)),
    ("tile", [M], {"repeats": (2, 1, 3)}, lambda x: np.tile(x, (2, 1, 3))),
    ("tile", [X], {"repeats": 2}, lambda x: np.tile(x, 2)),
    ("repeat", [X], {"repeats": 2, "axis": 1}, lambda x: np.repeat(x, 2, 1)),
    ("where", [BOOLS, INTS, V[:3]], {}, np.where),
    ("where", [BOOLS], {}, np.where),
    ("nonzero", [INTS], {}, np.nonzero),
    ("take", [X, INTS[:, :2] % 3], {"axis": 1}, lambda x, i: np.take(x, i, 1)),
    ("take", [X, np.array([3, 5])], {}, np.take),
    ("take", [X, np.array([-1, 0])], {"axis": 1}, lambda x, i: np.take(x, i, 1)),
    ("take_along_axis", [X, CLASSES[..., None]], {"axis": -1}, lambda x, i: np.take_along_axis(x, i, -1)),
    ("take_along_axis", [X, np.array([[[1, 0, 2, -1]]] * 2)], {"axis": 1}, lambda x, i: np.take_along_axis(x, i, 1)),
    ("sort", [X], {"axis": 1}, lambda x: np.sort(x, 1)),
    ("argsort", [X], {"axis": -1}, lambda x: np.argsort(x, -1)),
    ("argsort", [np.array([2, 1, 2, 1])], {}, lambda x: np.array([1, 3, 0, 2])),
    ("top_k", [X], {"k": 2}, lambda x: (np.sort(x, -1)[..., ::-1][..., :2], np.argsort(-x, -1)[..., :2])),
    ("in_top_k", [CLASSES[0], X[0]], {"k": 2}, lambda t, p: np.array([c in r[-2:] for c, r in zip(t, p.argsort())])),
    ("searchsorted", [np.sort(V), X[0, 0]], {}, np.searchsorted),
    ("searchsorted", [np.array([1, 2, 2, 3]), np.array([2, 9])], {"side": "right"}, lambda x, v: np.array([3, 4])),
    ("digitize", [V], {"bins": [-0.5, 0.0, 1.0]}, lambda x: np.digitize(x, [-0.5, 0.0, 1.0])),
    ("relu", [X], {}, lambda x: np.maximum(x, 0)),
    ("relu6", [X * 9], {}, lambda x: np.clip(x, 0, 6)),
    ("leaky_relu", [X], {"negative_slope": 0.3}, lambda x: np.where(x > 0, x, 0.3 * x)),
    ("elu", [X], {"alpha": 0.7}, lambda x: np.where(x > 0, x, 0.7 * np.expm1(x))),
    ("selu", [X], {}, lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))),
    ("sigmoid", [X], {}, lambda x: 1 / (1 + np.exp(-x))),
    ("hard_sigmoid", [X * 3], {}, lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    ("hard_silu", [X * 3], {}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    ("hard_swish", [X * 3], {}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    ("silu", [X], {}, lambda x: x / (1 + np.exp(-x))),
    ("swish", [X], {}, lambda x: x / (1 + np.exp(-x))),
    ("softplus", [X], {}, lambda x: np.log1p(np.exp(x))),
    ("softplus", [np.array([-12, -6, -3, 0, 9, 90], "float32")], {}, lambda x: np.logaddexp(x, 0)),
    ("softsign", [X], {}, lambda x: x / (1 + np.abs(x))),
    ("log_sigmoid", [X], {}, lambda x: -np.log1p(np.exp(-x))),
    ("gelu", [X], {}, gelu),
    ("gelu", [X], {"approximate": False}, lambda x: gelu(x, False)),
    ("softmax", [X], {}, softmax),
    ("softmax", [X], {"axis": 1}, lambda x: softmax(x, 1)),
    ("softmax", [X], {"axis": (1, 2)}, lambda x: softmax(x, (1, 2))),
    ("log_softmax", [X], {"axis": 1}, lambda x: np.log(softmax(x, 1))),
    ("normalize", [X], {}, lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)),
    ("one_hot", [CLASSES], {"num_classes": 4}, lambda x: one_hot(x, 4)),
    ("one_hot", [CLASSES], {"num_classes": 4, "axis": 1}, lambda x: one_hot(x, 4, 1)),
    ("one_hot", [CLASSES], {"num_classes": 4, "dtype": "int32"}, lambda x: one_hot(x, 4)),
    ("max_pool", [X], {"pool_size": 2, "strides": 1}, lambda x: pooled(x, 2, 1, np.max)),
    ("average_pool", [X], {"pool_size": 2, "strides": 2}, lambda x: pooled(x, 2, 2, np.mean)),
    ("categorical_crossentropy", [PROBS, PROBS], {}, cross_entropy),
    ("categorical_crossentropy", [PROBS, X], {"from_logits": True}, lambda y, x: cross_entropy(y, softmax(x))),
    ("sparse_categorical_crossentropy", [CLASSES, PROBS], {}, lambda y, p: cross_entropy(one_hot(y, 4), p)),
    (
        "sparse_categorical_crossentropy",
        [CLASSES[..., None], X],
        {"from_logits": True},
        lambda y, x: cross_entropy(one_hot(y[..., 0], 4), softmax(x)),
    ),
    ("binary_crossentropy", [BINARY, PROBS], {}, lambda y, p: -np.log(np.where(y > 0, p, 1 - p))),
    (
        "binary_crossentropy",
        [BINARY, X],
        {"from_logits": True},
        lambda y, x: np.log1p(np.exp(np.where(y > 0, -x, x))),
    ),
    ("copy", [X], {}, np.copy),
    ("stop_gradient", [X], {}, np.copy),
    ("cast", [X], {"dtype": "int32"}, lambda x: x.astype("int32")),
    ("convert_to_tensor", [INTS], {"dtype": "float32"}, lambda x: x.astype("float32")),
]

# op, a call of it on the array P, the expected value
CALLS = [
    ("zeros", lambda x: ops.zeros((2, 3)), lambda x: np.zeros((2, 3))),
    ("ones", lambda x: ops.ones((ops.shape(x)[0], 2), "int32"), lambda x: np.ones((2, 2))),
    ("full", lambda x: ops.full((2, 2), 1.5), lambda x: np.full((2, 2), 1.5)),
    ("empty", lambda x: ops.empty((2, 0)), lambda x: np.empty((2, 0))),
    ("eye", lambda x: ops.eye(3, 4, 1), lambda x: np.eye(3, 4, 1)),
    ("identity", lambda x: ops.identity(3), lambda x: np.identity(3)),
    ("tri", lambda x: ops.tri(3, 4, -1), lambda x: np.tri(3, 4, -1)),
    ("arange", lambda x: ops.arange(ops.shape(x)[1]), lambda x: np.arange(3)),
    ("arange", lambda x: ops.arange(1, 8, 3, dtype="float32"), lambda x: np.arange(1.0, 8.0, 3.0)),
    ("arange", lambda x: ops.arange(0.0, 1.0, 0.25), lambda x: np.arange(0.0, 1.0, 0.25)),
    ("linspace", lambda x: ops.linspace(0.0, 2.0, 5), lambda x: np.linspace(0, 2, 5)),
    ("linspace", lambda x: ops.linspace(0.0, 2.0, 5, endpoint=False), lambda x: np.linspace(0, 2, 5, endpoint=False)),
    ("meshgrid", lambda x: ops.meshgrid(x[0, 0], x[0, :, 0]), lambda x: np.meshgrid(x[0, 0], x[0, :, 0])),
    (
        "meshgrid",
        lambda x: ops.meshgrid(x[0, 0], x[0, :, 0], indexing="ij"),
        lambda x: np.meshgrid(x[0, 0], x[0, :, 0], indexing="ij"),
    ),
    ("array", lambda x: ops.array([1, 2], "float32"), lambda x: np.array([1.0, 2.0])),
    ("concatenate", lambda x: ops.concatenate([x, x + 1], axis=-1), lambda x: np.concatenate([x, x + 1], -1)),
    ("stack", lambda x: ops.stack([x, x + 1], axis=1), lambda x: np.stack([x, x + 1], 1)),
    ("hstack", lambda x: ops.hstack([x, x]), lambda x: np.hstack([x, x])),
    ("vstack", lambda x: ops.vstack([x, x]), lambda x: np.vstack([x, x])),
    ("get_item", lambda x: ops.get_item(x, (slice(None), 1)), lambda x: x[:, 1]),
    ("shape", lambda x: ops.reshape(x, (-1, ops.shape(x)[2])), lambda x: x.reshape(-1, 4)),
    ("shape", lambda x: ops.reshape(x, (ops.shape(x)[0], ops.shape(x)[1] * 4)), lambda x: x.reshape(2, 12)),
    ("einsum", lambda x: ops.einsum("bnd,bmd->bnm", x, x), lambda x: np.einsum("bnd,bmd->bnm", x, x)),
    ("einsum", lambda x: ops.einsum("...d,kd->...k", x, x[0]), lambda x: np.einsum("...d,kd->...k", x, x[0])),
    ("einsum", lambda x: ops.einsum("bnd->bd", x), lambda x: x.sum(1)),
    ("slice", lambda x: ops.slice(x, (0, 1, 2), (2, 2, 1)), lambda x: x[:2, 1:3, 2:3]),
    (
        "slice_update",
        lambda x: ops.slice_update(x, (0, ops.argmax(x[0, :, 0]) * 0 + 1, 0), x[:, :1]),
        lambda x: updated(x, (slice(None), slice(1, 2)), x[:, :1]),
    ),
    (
        "slice_update",
        lambda x: ops.slice_update(x, (1, 0, 2), x[:1, :2, :1]),
        lambda x: updated(x, (slice(1, 2), slice(0, 2), slice(2, 3)), x[:1, :2, :1]),
    ),
    (
        "scatter",
        lambda x: ops.scatter(np.array([[1, 0], [0, 2]]), x[0, :2], (2, 3, 4)),
        lambda x: scattered(np.array([[1, 0], [0, 2]]), x[0, :2], (2, 3, 4)),
    ),
    (
        "scatter_update",
        lambda x: ops.scatter_update(x, np.array([[1, 0], [0, 2]]), x[0, :2]),
        lambda x: updated(x, ([1, 0], [0, 2]), x[0, :2]),
    ),
    ("cond", lambda x: ops.cond(ops.sum(x) > 1e6, lambda: x, lambda: -x), lambda x: -x),
    ("switch", lambda x: ops.switch(1, [lambda y: y, lambda y: y * 2], x), lambda x: x * 2),
    (
        "while_loop",
        lambda x: ops.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 2.0), (0, x))[1],
        lambda x: x * 8,
    ),
    ("while_loop", lambda x: ops.while_loop(lambda y: ops.max(y) < 99, lambda y: y * 10, x), multiplied_until),
    ("fori_loop", lambda x: ops.fori_loop(0, 3, lambda i, y: y + ops.cast(i, "float32"), x), lambda x: x + 3),
    ("map", lambda x: ops.map(lambda row: ops.sum(row, -1), x), lambda x: x.sum(-1)),
    (
        "scan",
        lambda x: ops.scan(lambda c, v: (c + v, c * 2), ops.zeros_like(x[0]), x),
        lambda x: (x.sum(0), np.stack([x[0] * 0, x[0] * 2])),
    ),
    (
        "scan",
        lambda x: ops.scan(lambda c, v: (c + v, c * 2), ops.zeros_like(x[0]), x, reverse=True)[1],
        lambda x: np.stack([x[1] * 2, x[0] * 0]),
    ),
    (
        "vectorized_map",
        lambda x: ops.vectorized_map(lambda v: ops.matmul(v, v[0]), x),
        lambda x: np.einsum("bnd,bd->bn", x, x[:, 0]),
    ),
    ("is_tensor", lambda x: ops.cast(ops.is_tensor(x) and not ops.is_tensor(3), "int32"), lambda x: 1),
    ("dtype", lambda x: ops.cast(ops.dtype(x) == "float32", "int32"), lambda x: 1),
    ("convert_to_numpy", lambda x: x, lambda x: x),  # every test goes through it
]


def check(found, expected):
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for f, e in zip(found, expected):
            check(f, e)
        return
    expected = np.asarray(expected)
    assert np.shape(found) == expected.shape
    np.testing.assert_allclose(np.asarray(found, "float64"), expected.astype("float64"), rtol=2e-5, atol=2e-6)


def labels(table):
    return [f"{line[0]}-{i}" for i, line in enumerate(table)]


@pytest.mark.parametrize("name, arrays, options, expected", TABLE, ids=labels(TABLE))
def test_op_equals_numpy(name, arrays, options, expected):
    op = getattr(ops, name)
    with np.errstate(all="ignore"):
        expected = expected(*arrays)
    check(evaluate(op(*[ops.convert_to_tensor(a) for a in arrays], **options)), expected)
    check(call_with_unknown_sizes(lambda *xs: op(*xs, **options), *arrays), expected)


@pytest.mark.parametrize("name, call, expected", CALLS, ids=labels(CALLS))
def test_call_equals_numpy(name, call, expected):
    expected = expected(P)
    check(evaluate(call(ops.convert_to_tensor(P))), expected)
    check(call_with_unknown_sizes(call, P), expected)


PROMOTIONS = [
    ("add", ("float16", 2.5), "float16"),
    ("multiply", ("bfloat16", 2), "bfloat16"),
    ("add", ("int32", 1), "int32"),
    ("add", ("int32", 0.5), "float32"),
    ("add", ("int32", "float16"), "float16"),
    ("add", ("float16", "float32"), "float32"),
    ("add", ("float16", "bfloat16"), "float32"),
    ("add", ("bfloat16", "float32"), "float32"),
    ("add", ("bool", "int32"), "int32"),
    ("divide", ("int32", "int32"), "float32"),
    ("divide", ("int32", 2), "float32"),
    ("maximum", ("float16", 0), "float16"),
    ("power", ("float16", 2), "float16"),
    ("less", ("int32", 0.5), "bool"),
    ("mean", ("int32",), "float32"),
    ("mean", ("float16",), "float16"),
    ("sqrt", ("int32",), "float32"),
    ("softmax", ("bfloat16",), "bfloat16"),
    ("sum", ("bool",), "int32"),
    ("argmax", ("float32",), "int32"),
    ("equal", ("int32", 1), "bool"),
]


@pytest.mark.parametrize("name, arguments, expected", PROMOTIONS, ids=labels(PROMOTIONS))
def test_dtype_of_the_result(name, arguments, expected):
    arguments = [ops.cast(ops.ones((2, 2)), a) if isinstance(a, str) else a for a in arguments]
    assert str(ops.dtype(getattr(ops, name)(*arguments))) == expected


def defined_names():
    """The public functions of _keras2/ops, read from the source, since the module needs TensorFlow."""
    names = set()
    for filename in os.listdir(FOLDER):
        if filename.endswith(".py"):
            with open(os.path.join(FOLDER, filename), encoding="utf-8") as f:
                for node in ast.parse(f.read()).body:
                    targets = getattr(node, "targets", [])
                    names.update([node.name] if isinstance(node, ast.FunctionDef) else [t.id for t in targets])
    return {name for name in names if not name.startswith("_")}


def test_every_op_is_tested():
    tested = {line[0] for line in TABLE + CALLS}
    assert defined_names() == tested


def test_every_op_exists_here():
    """On Keras 3: each of our names is one of keras.ops. On Keras 2: it is exported."""
    assert {name for name in defined_names() if not hasattr(ops, name)} == set()


def test_size_is_static_where_it_is_known():
    assert ops.shape(ops.zeros((2, 3))) == (2, 3)
