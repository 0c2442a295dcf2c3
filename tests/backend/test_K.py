"""The names of Keras 2's backend mean the same on every row."""

import collections
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from b4k3.backend import K, compiled, keras, ops, row
from support.harness import call_with_unknown_sizes, evaluate

rng = np.random.RandomState(0)
X = rng.randn(2, 3, 4).astype("float32")
Y = rng.randn(2, 4, 5).astype("float32")
M = rng.randn(4, 5).astype("float32")
P = np.exp(X) / np.exp(X).sum(-1, keepdims=True)
IDS = np.array([[0, 3, 1], [2, 2, 0]], "int32")
HOT = np.eye(4, dtype="float32")[IDS]
MASK = np.array([[1, 1, 0], [1, 0, 0]], "float32")


def t(x):
    return ops.convert_to_tensor(x)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def running_sum():
    """[b, n, d] summed over time, kept where the mask is 0."""
    out, total = np.zeros_like(X), np.zeros((2, 4), "float32")
    for i in range(3):
        total = total + X[:, i] * MASK[:, i : i + 1]
        out[:, i] = total
    return out


def step(x, states):
    total = states[0] + x * states[1]
    return total, [total]


# name, a call on tensors, the value that is expected
CASES = [
    ("abs", lambda: K.abs(t(X)), np.abs(X)),
    ("all", lambda: K.all(t(X) > -1, axis=1), (X > -1).all(1)),
    ("any", lambda: K.any(t(X) > 1, axis=-1, keepdims=True), (X > 1).any(-1, keepdims=True)),
    ("arange", lambda: K.arange(1, 7, 2), np.arange(1, 7, 2)),
    ("arange", lambda: K.arange(0, 3, dtype="float32"), np.arange(3.0)),
    ("argmax", lambda: K.argmax(t(X)), X.argmax(-1)),
    ("argmin", lambda: K.argmin(t(X), axis=1), X.argmin(1)),
    ("batch_dot", lambda: K.batch_dot(t(X), t(Y)), X @ Y),
    ("batch_dot", lambda: K.batch_dot(t(X), t(X), 2), X @ X.transpose(0, 2, 1)),
    ("batch_dot", lambda: K.batch_dot(t(X), t(X), (1, 1)), X.transpose(0, 2, 1) @ X),
    ("batch_dot", lambda: K.batch_dot(t(X[:, 0]), t(X[:, 1]), 1), (X[:, 0] * X[:, 1]).sum(1, keepdims=True)),
    ("batch_flatten", lambda: K.batch_flatten(t(X)), X.reshape(2, 12)),
    ("bias_add", lambda: K.bias_add(t(X), t(M[:, 0])), X + M[:, 0]),
    ("binary_crossentropy", lambda: K.binary_crossentropy(t(HOT), t(P)), -np.log(np.where(HOT > 0, P, 1 - P))),
    ("cast", lambda: K.cast(t(X), "int32"), X.astype("int32")),
    ("cast_to_floatx", lambda: K.cast_to_floatx(IDS), IDS.astype("float32")),
    ("categorical_crossentropy", lambda: K.categorical_crossentropy(t(HOT), t(P)), -np.log(P[HOT > 0]).reshape(2, 3)),
    ("clip", lambda: K.clip(t(X), -0.5, 0.5), np.clip(X, -0.5, 0.5)),
    ("concatenate", lambda: K.concatenate([t(X), t(X)]), np.concatenate([X, X], -1)),
    ("concatenate", lambda: K.concatenate([t(X), t(X)], 1), np.concatenate([X, X], 1)),
    ("constant", lambda: K.constant([1, 2]), np.array([1.0, 2.0])),
    ("constant", lambda: K.constant(3, shape=(2, 2)), np.full((2, 2), 3.0)),
    ("cos", lambda: K.cos(t(X)), np.cos(X)),
    ("cumprod", lambda: K.cumprod(t(X), axis=1), X.cumprod(1)),
    ("cumsum", lambda: K.cumsum(t(X)), X.cumsum(0)),
    ("dot", lambda: K.dot(t(X), t(M)), X @ M),
    ("elu", lambda: K.elu(t(X)), np.where(X > 0, X, np.expm1(X))),
    ("equal", lambda: K.equal(t(IDS), 2), IDS == 2),
    ("exp", lambda: K.exp(t(X)), np.exp(X)),
    ("expand_dims", lambda: K.expand_dims(t(X)), X[..., None]),
    ("expand_dims", lambda: K.expand_dims(t(X), 1), X[:, None]),
    ("eye", lambda: K.eye(3), np.eye(3)),
    ("flatten", lambda: K.flatten(t(X)), X.reshape(-1)),
    ("flatten", lambda: K.flatten(t(X), 1), X.reshape(2, 12)),
    ("gather", lambda: K.gather(t(M), t(IDS)), M[IDS]),
    ("greater", lambda: K.greater(t(X), 0.0), X > 0),
    ("greater_equal", lambda: K.greater_equal(t(X), 0.0), X >= 0),
    ("hard_sigmoid", lambda: K.hard_sigmoid(t(X)), np.clip(0.2 * X + 0.5, 0, 1)),
    ("identity", lambda: K.identity(t(X)), X),
    ("in_test_phase", lambda: K.in_test_phase(t(X), lambda: t(-X), training=True), -X),
    ("in_top_k", lambda: K.in_top_k(t(X[0]), t(IDS[0]), 4), np.array([True] * 3)),
    ("in_train_phase", lambda: K.in_train_phase(lambda: t(X), t(-X), training=True), X),
    ("in_train_phase", lambda: K.in_train_phase(t(X), t(-X), training=False), -X),
    ("l2_normalize", lambda: K.l2_normalize(t(X), -1), X / np.linalg.norm(X, axis=-1, keepdims=True)),
    ("less", lambda: K.less(t(X), 0.0), X < 0),
    ("less_equal", lambda: K.less_equal(t(X), 0.0), X <= 0),
    ("log", lambda: K.log(t(P)), np.log(P)),
    ("log_softmax", lambda: K.log_softmax(t(X)), np.log(softmax(X))),
    ("logsumexp", lambda: K.logsumexp(t(X), axis=1, keepdims=True), np.log(np.exp(X).sum(1, keepdims=True))),
    ("map_fn", lambda: K.map_fn(lambda x: K.sum(x, -1), t(X)), X.sum(-1)),
    ("max", lambda: K.max(t(X), 1), X.max(1)),
    ("maximum", lambda: K.maximum(t(X), 0.0), np.maximum(X, 0)),
    ("mean", lambda: K.mean(t(X), axis=[0, 2]), X.mean((0, 2))),
    ("mean", lambda: K.mean(K.equal(t(IDS), 2)), (IDS == 2).mean()),
    ("min", lambda: K.min(t(X)), X.min()),
    ("minimum", lambda: K.minimum(t(X), 0.0), np.minimum(X, 0)),
    ("not_equal", lambda: K.not_equal(t(IDS), 2), IDS != 2),
    ("one_hot", lambda: K.one_hot(t(IDS), 4), HOT),
    ("ones", lambda: K.ones((2, 3)), np.ones((2, 3))),
    ("ones_like", lambda: K.ones_like(t(X)), np.ones_like(X)),
    ("permute_dimensions", lambda: K.permute_dimensions(t(X), (0, 2, 1)), X.transpose(0, 2, 1)),
    ("pow", lambda: K.pow(t(X), 2), X**2),
    ("prod", lambda: K.prod(t(X), axis=1), X.prod(1)),
    ("relu", lambda: K.relu(t(X)), np.maximum(X, 0)),
    ("relu", lambda: K.relu(t(X), alpha=0.1, max_value=1.0), np.minimum(np.where(X > 0, X, 0.1 * X), 1)),
    ("repeat", lambda: K.repeat(t(M), 3), np.repeat(M[:, None], 3, 1)),
    ("repeat_elements", lambda: K.repeat_elements(t(X), 2, 1), np.repeat(X, 2, 1)),
    ("reshape", lambda: K.reshape(t(X), (-1, 4)), X.reshape(-1, 4)),
    ("reshape", lambda: K.reshape(t(X), (2, -1), 2), X.reshape(2, 3, 2, 2)),
    ("reverse", lambda: K.reverse(t(X), 1), X[:, ::-1]),
    ("rnn", lambda: K.rnn(step, t(X), [t(X[:, 0] * 0)], constants=[2.0])[1], 2 * X.cumsum(1)),
    ("rnn", lambda: K.rnn(step, t(X), [t(X[:, 0] * 0)], mask=t(MASK) > 0, constants=[1.0])[0], running_sum()[:, -1]),
    ("rnn", lambda: K.rnn(step, t(X), [t(X[:, 0] * 0)], True, constants=[1.0])[1], X[:, ::-1].cumsum(1)),
    ("round", lambda: K.round(t(X)), np.round(X)),
    ("shape", lambda: K.reshape(t(X), (K.shape(t(X))[0], -1)), X.reshape(2, -1)),
    ("sigmoid", lambda: K.sigmoid(t(X)), 1 / (1 + np.exp(-X))),
    ("sign", lambda: K.sign(t(X)), np.sign(X)),
    ("sin", lambda: K.sin(t(X)), np.sin(X)),
    ("slice", lambda: K.slice(t(X), (0, 1, 0), (2, 2, 3)), X[:2, 1:3, :3]),
    ("softmax", lambda: K.softmax(t(X)), softmax(X)),
    ("softplus", lambda: K.softplus(t(X)), np.log1p(np.exp(X))),
    ("softsign", lambda: K.softsign(t(X)), X / (1 + np.abs(X))),
    (
        "sparse_categorical_crossentropy",
        lambda: K.sparse_categorical_crossentropy(t(IDS), t(X), from_logits=True),
        -np.log(softmax(X)[HOT > 0]).reshape(2, 3),
    ),
    (
        "sparse_categorical_crossentropy",
        lambda: K.reshape(K.sparse_categorical_crossentropy(t(IDS[..., None].astype("float32")), t(P)), (2, 3)),
        -np.log(P[HOT > 0]).reshape(2, 3),
    ),
    ("sqrt", lambda: K.sqrt(t(X)), np.sqrt(np.maximum(X, 0))),
    ("square", lambda: K.square(t(X)), X**2),
    ("squeeze", lambda: K.squeeze(t(X[:1]), 0), X[0]),
    ("stack", lambda: K.stack([t(X), t(X)], 1), np.stack([X, X], 1)),
    ("std", lambda: K.std(t(X), axis=1), X.std(1)),
    ("stop_gradient", lambda: K.stop_gradient(t(X)), X),
    ("sum", lambda: K.sum(t(X), axis=-1, keepdims=True), X.sum(-1, keepdims=True)),
    ("switch", lambda: K.switch(K.sum(t(P)) > 0, lambda: t(X), lambda: t(-X)), X),
    ("switch", lambda: K.switch(t(MASK) > 0, t(X), t(-X)), np.where(MASK[..., None] > 0, X, -X)),
    ("tanh", lambda: K.tanh(t(X)), np.tanh(X)),
    ("temporal_padding", lambda: K.temporal_padding(t(X), (2, 0)), np.pad(X, ((0, 0), (2, 0), (0, 0)), "constant")),
    ("tile", lambda: K.tile(t(X), (1, 2, 1)), np.tile(X, (1, 2, 1))),
    ("transpose", lambda: K.transpose(t(M)), M.T),
    ("var", lambda: K.var(t(X)), X.var()),
    ("variable", lambda: K.variable(M), M),
    ("where", lambda: K.where(t(MASK), t(X[..., 0]), -np.inf), np.where(MASK > 0, X[..., 0], -np.inf)),
    ("zeros", lambda: K.zeros((2, 3)), np.zeros((2, 3))),
    ("zeros_like", lambda: K.zeros_like(t(X)), np.zeros_like(X)),
]


@pytest.mark.parametrize("name, call, expected", CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_value(name, call, expected):
    found = evaluate(call())
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.astype("float64"), expected.astype("float64"), rtol=2e-5, atol=2e-6)


def test_shapes_and_types():
    x = t(X)
    assert K.int_shape(x) == (2, 3, 4) and K.ndim(x) == 3 and K.dtype(x) == "float32"
    assert K.is_tensor(x) and not K.is_tensor(3.0)
    assert not K.is_keras_tensor(x) and not K.is_keras_tensor(X)
    symbolic = keras.layers.Input(shape=(None, 4))
    assert K.is_keras_tensor(keras.layers.Dense(2)(symbolic)) and K.int_shape(symbolic) == (None, None, 4)
    assert K.count_params(K.variable(M)) == 20
    assert not K.is_sparse(x)


def test_variables():
    a, b = K.variable(M), K.variable(M[0])
    K.set_value(a, M + 1)
    K.batch_set_value([(b, M[1])])
    np.testing.assert_array_equal(K.get_value(a), M + 1)
    found = K.batch_get_value([a, b])
    np.testing.assert_array_equal(found[1], M[1])
    np.testing.assert_array_equal(K.eval(b), M[1])


def test_names_that_are_listed():
    assert {"dropout", "random_uniform", "rnn", "sum", "where"} <= set(dir(K))
    assert not {"Sizes", "Training", "counting", "fold"} & set(dir(K))


def test_settings():
    assert K.epsilon() == 1e-7 and K.floatx() == "float32" and K.image_data_format() == "channels_last"
    K.set_epsilon(1e-5)
    assert K.epsilon() == 1e-5
    K.set_epsilon(1e-7)
    assert K.backend() == row.backend
    with K.name_scope("scope"):
        K.zeros_like(t(X))


def test_random():
    x = evaluate(K.random_uniform((1000,), 2.0, 3.0))
    assert x.min() >= 2 and x.max() <= 3 and x.std() > 0.2
    x = evaluate(K.random_normal((1000,), 5.0, 0.1))
    assert abs(x.mean() - 5) < 0.05 and x.std() > 0.05
    assert np.abs(evaluate(K.truncated_normal((1000,), 0.0, 1.0))).max() <= 2
    x = evaluate(K.random_binomial((1000,), 0.3))
    assert set(x.tolist()) == {0.0, 1.0} and 0.2 < x.mean() < 0.4
    x = evaluate(K.dropout(K.ones_like(t(rng.rand(1000).astype("float32"))), 0.25))
    np.testing.assert_allclose(np.unique(x), [0, 4 / 3], rtol=1e-6)


def count_sizes(x):
    n = K.shape(x)[1]
    return K.reshape(x, (K.maximum(n, 2), -1)), K.cast(n, "float32") / 2


# name, a function of x [2, 3, 4] whose sizes are not known on TensorFlow before it runs, the shape and values expected
COUNTED = [
    ("prod", lambda x: K.reshape(x, (K.prod(K.shape(x)[:2]), -1)), X.reshape(6, 4)),
    ("prod of a list", lambda x: K.reshape(x, (-1, K.prod([K.shape(x)[1], K.shape(x)[2]]))), X.reshape(2, 12)),
    ("prod of nothing", lambda x: K.reshape(x, (K.prod(K.shape(x)[3:]), -1)), X.reshape(1, 24)),
    ("sum", lambda x: K.arange(0, K.sum(K.shape(x)[1:])), np.arange(7)),
    ("max", lambda x: K.arange(0, K.max(K.shape(x))), np.arange(4)),
    ("min", lambda x: K.arange(0, K.min(K.shape(x))), np.arange(2)),
    ("maximum", lambda x: count_sizes(x)[0], X.reshape(3, 8)),
    ("cast", lambda x: x * count_sizes(x)[1], X * 1.5),
    ("stack", lambda x: K.reshape(x, K.stack([K.shape(x)[0], K.shape(x)[1] * K.shape(x)[2]])), X.reshape(2, 12)),
    ("concatenate", lambda x: K.reshape(x, K.concatenate([K.shape(x)[:1], [2, -1]], axis=0)), X.reshape(2, 2, 6)),
    ("multiply", lambda x: K.reshape(x, K.shape(x)[:2] * [1, K.shape(x)[2]]), X.reshape(2, 12)),
    ("divide", lambda x: x[:, : K.shape(x)[2] // 2], X[:, :2]),
    ("tile", lambda x: K.tile(x, K.stack([1, K.shape(x)[1], 1])), np.tile(X, (1, 3, 1))),
    ("ones", lambda x: K.sum(K.ones(K.shape(x)), 0), np.full((3, 4), 2.0)),
    (
        "zeros",
        lambda x: K.concatenate([x, K.zeros((K.shape(x)[0], 1, K.shape(x)[2]))], 1),
        np.pad(X, ((0, 0), (0, 1), (0, 0)), "constant"),
    ),
    ("eye", lambda x: x[..., :3] + K.eye(K.shape(x)[1]), X[..., :3] + np.eye(3)),
    ("one_hot", lambda x: K.one_hot(K.cast(x[:, 0, 0] * 0 + 1, "int32"), K.shape(x)[1]), np.eye(3)[[1, 1]]),
    ("sqrt", lambda x: x / K.sqrt(K.cast(K.shape(x)[-1], K.floatx())), X / 2),
    ("equal", lambda x: K.cast(K.all(K.equal(K.shape(x), K.shape(x))), "int32"), np.int32(1)),
    ("switch", lambda x: K.switch(K.greater(K.shape(x)[1], 2), x, -x), X),
    ("axes", lambda x: x * K.cast(K.shape(K.shape(x))[0], "float32"), 3 * X),
    ("number and tensor", lambda x: K.concatenate([[0], K.reshape(x, [-1])], axis=0), np.append(0, X)),
    ("list of tensors", lambda x: K.sum([K.max(x), K.min(x)]), X.max() + X.min()),
]
if not row.is_keras3:  # there these make a variable, of a known shape only
    COUNTED = [case for case in COUNTED if case[0] not in ("eye", "ones", "zeros")]


@pytest.mark.parametrize("name, function, expected", COUNTED, ids=[c[0] for c in COUNTED])
def test_sizes_count_in_a_traced_function(name, function, expected):
    found = evaluate(compiled(function)(t(X))) if row.is_keras3 else call_with_unknown_sizes(function, X)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


class Counting(keras.layers.Layer):
    """Asks for sizes where Keras 3 has no data yet."""

    def call(self, inputs):
        return K.reshape(inputs, (K.prod(K.shape(inputs)[:2]), K.max(K.shape(inputs)[2:])))


def test_sizes_in_a_layer_before_there_are_data():
    x = keras.layers.Input(shape=(None, 4))
    model = keras.Model(x, Counting()(x))
    np.testing.assert_allclose(model.predict_on_batch(X), X.reshape(6, 4))


def test_sizes_of_symbolic_tensors():
    if not row.is_keras3:
        return
    x = keras.layers.Input(shape=(3, 4))
    model = keras.Model(x, K.reshape(x, (K.shape(x)[0], -1)))
    np.testing.assert_allclose(evaluate(model(X)), X.reshape(2, 12))
    with pytest.raises(ValueError, match="call of a layer"):
        K.prod(K.shape(x)[:2])
    assert K.shape(x)[1:] * 2 == (6, 8) and 1 + K.shape(x)[1:] == (4, 5) and -K.shape(x)[1:] == (-3, -4)
    with pytest.raises(ValueError, match="2 and 3 axes"):
        K.shape(x)[1:] + (1, 2, 3)


def test_random_numbers_of_a_traced_function():
    """They are others in each run, and the same ones after the same seed."""
    draws = {
        "uniform": lambda x: K.random_uniform(K.shape(x), 2.0, 3.0),
        "integers": lambda x: K.random_uniform(K.shape(x), 0, 9, dtype="int32"),
        "normal": lambda x: K.random_normal(K.shape(x), 5.0, 0.1),
        "truncated": lambda x: K.truncated_normal(K.shape(x)),
        "binomial": lambda x: K.random_binomial(K.shape(x), 0.3),
        "dropout": lambda x: K.dropout(x, 0.25),
        "seeded": lambda x: K.random_normal(K.shape(x), seed=3),
    }
    if not row.is_keras3:
        return

    def run():
        keras.utils.set_random_seed(1)
        function = compiled(lambda x: {name: draw(x) for name, draw in draws.items()})
        return [evaluate(function(ops.ones((40, 50)))) for _ in range(3)]

    first, again = run(), run()
    for name in draws:
        runs = [values[name].astype("float64") for values in first]
        assert not np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[1], runs[2]), name
        if name != "seeded":
            np.testing.assert_array_equal(runs[2], again[2][name], err_msg=name)
    flat = {name: np.stack([values[name] for values in first]).astype("float64") for name in draws}
    assert flat["uniform"].min() >= 2 and flat["uniform"].max() < 3 and abs(flat["uniform"].mean() - 2.5) < 0.02
    assert set(np.unique(flat["integers"])) == set(range(9)) and abs(flat["integers"].mean() - 4) < 0.2
    assert abs(flat["normal"].mean() - 5) < 0.01 and abs(flat["normal"].std() - 0.1) < 0.005
    assert np.abs(flat["truncated"]).max() <= 2 and abs(flat["truncated"].std() - 0.88) < 0.03
    assert set(np.unique(flat["binomial"])) == {0, 1} and abs(flat["binomial"].mean() - 0.3) < 0.03
    assert abs((flat["dropout"] > 0).mean() - 0.75) < 0.03 and abs(flat["dropout"].max() - 4 / 3) < 1e-6
    assert abs(flat["seeded"].mean()) < 0.05 and abs(flat["seeded"].std() - 1) < 0.05


@K.symbolic
def one():
    return K.constant(1.0)


def test_symbolic_functions_still_run():
    assert K.ndim(one()) == 0


class Phase(keras.layers.Layer):
    """Multiplies by 2 in training."""

    def call(self, inputs, training=None):  # declared, since Keras 3.5 on JAX tells only those who ask
        return K.in_train_phase(inputs * 2, inputs)

    def compute_output_shape(self, input_shape):
        return input_shape


def test_the_phase_is_known_inside_a_layer():
    x = keras.layers.Input(shape=(4,))
    model = keras.Model(x, Phase()(keras.layers.Dropout(0.0)(x)))
    model.compile("sgd", "mae")
    np.testing.assert_allclose(model.predict(M[:, :4], verbose=0), M[:, :4])
    if row.backend == "numpy":  # does not train
        return
    zeros = np.zeros((4, 4), "float32")
    loss = model.train_on_batch(M[:, :4], zeros)
    np.testing.assert_allclose(loss, 2 * np.abs(M[:, :4]).mean(), rtol=1e-5)


def test_graph_functions_where_there_are_graphs():
    if row.is_keras3:
        for name in ("gradients", "function", "placeholder", "get_session"):
            with pytest.raises(NotImplementedError, match="guide"):
                getattr(K, name)(None, None)
    else:
        assert callable(K.gradients) and callable(K.function)


def test_an_unknown_name_says_where_to_look():
    with pytest.raises(AttributeError, match="b4k3.backend.ops"):
        getattr(K, "no_such_function")  # noqa: B009


class SlowCounter(collections.Counter):
    """A Counter whose values are old by the time that a thread has them."""

    def __getitem__(self, key):
        value = super().__getitem__(key)
        time.sleep(0.02)
        return value


def test_threads_get_streams_of_their_own(monkeypatch):
    """Each place in a traced function has its own stream, and each seed one generator, whatever thread asks."""
    if not row.is_keras3:
        return
    from b4k3.backend._keras3 import drawing

    class SlowGenerator:
        def __init__(self, seed):
            time.sleep(0.02)

    monkeypatch.setattr(drawing, "draws", SlowCounter())
    monkeypatch.setattr(drawing, "generators", {})
    monkeypatch.setattr(drawing.keras.random, "SeedGenerator", SlowGenerator)
    with ThreadPoolExecutor(4) as threads:
        begins = list(threads.map(drawing.begin_of_stream, [3] * 4))
        generators = set(threads.map(drawing.generator_of, [3] * 4))
    assert sorted(begins) == [[3, 1], [3, 2], [3, 3], [3, 4]]
    assert len(generators) == 1
