"""What decoding stands on: compiled functions, loops, buffers that are written in place, layers called directly."""

import numpy as np
import pytest

from b4k3.backend import (
    Dense,
    activations,
    call_layer,
    compiled,
    keras,
    matmul_transposed,
    ops,
    runs_eagerly,
    while_loop,
    write_at,
)
from support.harness import dtype_policy, evaluate

X = np.random.RandomState(0).randn(2, 3).astype("float32")


def as_argument(x):
    return ops.convert_to_tensor(x) if runs_eagerly else x


def dense():
    layer = keras.layers.Dense(4, name="dense")
    keras.Model(*(lambda x: (x, layer(x)))(keras.Input((3,))))
    return layer


@pytest.mark.parametrize("donate", [False, True])
def test_a_compiled_function_sees_the_newest_weights(donate):
    layer = dense()

    def apply(state, scale):
        return {"y": [call_layer(layer, state["x"]) * scale], "x": state["x"]}

    function = compiled(apply, getattr(layer, "variables", layer.weights), donate=donate)
    for factor in (1.0, 2.0):
        kernel, bias = factor * np.ones((3, 4)), factor * np.arange(4.0)
        layer.set_weights([kernel, bias])
        got = function({"x": as_argument(X)}, as_argument(np.asarray(3.0, "float32")))
        np.testing.assert_allclose(evaluate(got["y"][0]), 3 * (X @ kernel + bias), rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(evaluate(got["x"]), X)


def test_while_loop():
    """Powers of two until one is above a bound, which is an argument."""

    def run(state, bound):
        def body(state):
            return {"n": state["n"] + 1, "x": [state["x"][0] * 2.0]}

        return while_loop(lambda s: ops.max(s["x"][0]) < bound, body, state)

    function = compiled(run)
    for bound, steps in ((5.0, 3), (100.0, 7), (0.5, 0)):
        state = {"n": np.asarray(0, "int32"), "x": [np.ones(2, "float32")]}
        state = {"n": as_argument(state["n"]), "x": [as_argument(state["x"][0])]}
        got = function(state, as_argument(np.asarray(bound, "float32")))
        assert int(evaluate(got["n"])) == steps
        np.testing.assert_array_equal(evaluate(got["x"][0]), np.full(2, 2.0**steps))


@pytest.mark.parametrize("batch", [1, 2])
def test_a_loop_carries_buffers_of_four_axes(batch):
    """Each round writes its number into one column, and reads the whole buffer."""
    zeros = np.zeros((batch, 2, 3, 4), "float32")

    def body(state):
        column = ops.ones((batch, 2, 3, 1)) * (state["sum"][:, None, None, None] + 1.0)
        x = write_at(state["x"], state["n"], column, 3)
        return {"n": state["n"] + 1, "x": x, "sum": ops.sum(x, axis=(1, 2, 3))}

    state = {"x": as_argument(zeros), "sum": as_argument(np.zeros(batch, "float32")), "n": 0}
    state["n"] = 0 if runs_eagerly else np.asarray(0, "int32")
    got = compiled(lambda state: while_loop(lambda s: s["n"] < 3, body, state))(state)
    want = zeros.copy()
    for i in range(3):
        want[..., i] = want.sum(axis=(1, 2, 3)).reshape(-1, 1, 1) + 1
    np.testing.assert_array_equal(evaluate(got["x"]), want)


def test_dense_of_one_row_and_of_many():
    """A single row has a way of its own where the weights are many."""
    layer = Dense(1024, activation="tanh", name="dense")
    keras.Model(*(lambda x: (x, layer(x)))(keras.Input((None, 512))))
    kernel, bias = np.random.RandomState(2).randn(512, 1024) / 30, np.random.RandomState(3).randn(1024)
    layer.set_weights([kernel, bias])
    function = compiled(lambda x: [call_layer(layer, x)], getattr(layer, "variables", layer.weights))
    for shape in ((1, 1, 512), (1, 2, 512), (2, 1, 512)):
        x = np.random.RandomState(4).randn(*shape).astype("float32")
        got = evaluate(function(as_argument(x))[0])
        np.testing.assert_allclose(got, np.tanh(x @ kernel + bias), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "x_shape, y_shape",
    [((1, 1, 512), (1024, 512)), ((1, 512), (1024, 512)), ((1, 1, 512), (1023, 512)), ((2, 3, 8), (5, 8)),
     ((3, 8), (5, 8)), ((2, 4, 3, 8), (2, 4, 5, 8))],
)  # fmt: skip
def test_matmul_transposed(x_shape, y_shape):
    """A table, met by one row or by many, and batches of matrices."""
    x = np.random.RandomState(5).randn(*x_shape).astype("float32")
    y = np.random.RandomState(6).randn(*y_shape).astype("float32") / 20
    function = compiled(lambda x, y: [matmul_transposed(x, y)])
    got = evaluate(function(as_argument(x), as_argument(y))[0])
    np.testing.assert_allclose(got, np.matmul(x, np.swapaxes(y, -1, -2)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_write_at(axis):
    shape, one = (4, 5, 6), [4, 5, 6]
    one[axis] = 1
    buffer, x = np.zeros(shape, "float32"), np.random.RandomState(1).randn(*one)
    function = compiled(lambda buffer, x, start: write_at(buffer, start, x, axis))
    for start in (0, 3):
        number = start if runs_eagerly else np.asarray(start, "int32")
        got = evaluate(function(as_argument(buffer.copy()), as_argument(x.astype("float32")), number))
        want = buffer.copy()
        want[(slice(None),) * axis + (slice(start, start + 1),)] = x
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_layer_called_directly_answers_the_same(policy):
    with dtype_policy(policy) as there:
        if not there and policy != "float32":
            return
        layer = dense()
    function = compiled(lambda x: [call_layer(layer, x), layer(x)], getattr(layer, "variables", layer.weights))
    direct, called = function(as_argument(X))
    np.testing.assert_array_equal(evaluate(direct), evaluate(called))
    assert str(evaluate(direct).dtype) == ("float16" if policy == "mixed_float16" else "float32")


class Doubled(Dense):
    """A layer that computes something else than the class whose bound call it inherits."""

    def call(self, inputs):
        return 2.0 * super().call(inputs)


@pytest.mark.parametrize("make", [Dense, Doubled])
@pytest.mark.parametrize("arguments", [{}, {"activation": activations.get("gelu")}, {"use_bias": False}])
def test_a_bound_layer_answers_as_its_call(make, arguments):
    layer = make(5, **arguments)
    layer.build((None, X.shape[-1]))
    function = compiled(lambda x: [call_layer(layer, x), layer(x)], getattr(layer, "variables", layer.weights))
    direct, called = function(as_argument(X))
    np.testing.assert_allclose(evaluate(direct), evaluate(called), rtol=1e-6)
