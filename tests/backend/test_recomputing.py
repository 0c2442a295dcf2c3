"""Recomputed layers have the gradients of plain ones, also where dropout draws a mask."""

import numpy as np
import pytest

from b4k3.backend import Dropout, Layer, build_sublayer, custom_objects, keras, ops, recomputing, row
from support.harness import evaluate, gradient, whole_model_suffix

rng = np.random.RandomState(0)
X = rng.rand(8, 50).astype("float32") + 0.5
ZEROS = np.zeros((8, 50), "float32")
RATE = 0.5


def recomputed(call):
    return recomputing.implementation(call)


class Scale(Layer):
    """dropout(dropout(x · w)) with one scalar weight, so that the loss tells what the gradient must be."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = Dropout(RATE)
        self.second = Dropout(RATE)

    def build(self, input_shape):
        self.w = self.add_weight(name="w", shape=(), initializer="ones")
        super().build(input_shape)

    def call(self, inputs, training=None):
        return self.second(self.first(inputs * self.w))

    def compute_output_shape(self, input_shape):
        return input_shape


class RecomputedScale(Scale):
    @recomputed
    def call(self, inputs, training=None):
        return self.second(self.first(inputs * self.w))


class Deep(Layer):
    """Two inputs, sublayers with weights, no randomness."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = keras.layers.Dense(16, activation="tanh")
        self.outer = keras.layers.Dense(50)

    def build(self, input_shape):
        build_sublayer(self.inner, input_shape[0])
        build_sublayer(self.outer, (input_shape[0][0], 16))
        super().build(input_shape)

    def call(self, inputs, mask=None):
        return self.outer(self.inner(inputs[0]) ** 2) * inputs[1] + inputs[0]

    def compute_output_shape(self, input_shape):
        return input_shape[0]


class RecomputedDeep(Deep):
    @recomputed
    def call(self, inputs, mask=None):
        return self.outer(self.inner(inputs[0]) ** 2) * inputs[1] + inputs[0]


def model_of(layer, two_inputs=False):
    x = keras.layers.Input(shape=(50,))
    first = keras.layers.Dense(50, name="before")(x)
    y = layer([first, x]) if two_inputs else layer(x)
    model = keras.Model(x, y)
    model.compile(keras.optimizers.SGD(0.1), "mae")
    return model


@pytest.mark.parametrize("layer", [Scale, RecomputedScale])
def test_the_gradient_uses_the_mask_of_the_forward_pass(layer):
    model = model_of(layer())
    masks = set()
    for _ in range(4):
        (w,) = model.get_weights()[:1]
        model.reset_metrics()  # Keras 3.5 returns the mean over all batches
        loss = float(model.train_on_batch(X, ZEROS))
        # loss = mean(x · mask) · w, so its gradient is loss / w exactly when both passes had the same mask
        np.testing.assert_allclose(model.get_weights()[0], w - 0.1 * loss / w, rtol=1e-5)
        masks.add(round(loss / float(w), 6))
    assert len(masks) == 4, "each step draws a new mask"
    assert abs(np.mean(list(masks)) - X.mean()) < 0.35, "and scales by what it kept"


def test_without_training_there_is_no_dropout():
    model = model_of(RecomputedScale())
    np.testing.assert_allclose(model.predict(X, verbose=0), X, rtol=1e-6)


def test_gradients_of_inputs_and_weights_are_those_of_the_plain_layer():
    plain, again = model_of(Deep(), True), model_of(RecomputedDeep(), True)
    again.set_weights(plain.get_weights())
    for _ in range(3):
        losses = [float(m.train_on_batch(X, ZEROS)) for m in (plain, again)]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert len(plain.get_weights()) == 6
    for a, b in zip(plain.get_weights(), again.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(plain.predict(X, verbose=0), again.predict(X, verbose=0), rtol=1e-4, atol=1e-5)


def test_the_gate(monkeypatch):
    def call(self, inputs):
        return inputs

    monkeypatch.setattr(recomputing, "do_recompute", False)
    assert recomputing.recompute_grad(call) is call
    monkeypatch.setattr(recomputing, "do_recompute", True)
    assert recomputing.recompute_grad(call) is not call
    assert recomputing.recompute_grad(call).__name__ == "call"


def test_a_foreign_dropout_is_refused_where_it_would_draw_another_mask():
    layer = RecomputedScale()
    layer.first = keras.layers.Dropout(RATE)
    if row.is_keras3:
        model_of(layer)
        return
    with pytest.raises(ValueError, match="b4k3.backend.Dropout"):
        model_of(layer)


def calls_in_a_step(decorate):
    calls = []

    class Counting(Deep):
        @decorate
        def call(self, inputs, mask=None):
            calls.append(1)
            return self.outer(self.inner(inputs[0]))

    model_of(Counting(), True).train_on_batch(X, ZEROS)
    return len(calls)


def test_the_layer_runs_again_for_the_gradient():
    plain, again = calls_in_a_step(lambda call: call), calls_in_a_step(recomputed)
    # JAX traces the call once and repeats its operations.
    assert again == plain if row.backend == "jax" else again > plain


def test_a_function_with_its_own_gradient():
    def f(x):
        def backward(*args, upstream=None):  # torch passes the name
            return (args[-1] if upstream is None else upstream) * 5.0

        return x * 2.0, backward

    def call(x):
        return recomputing.graph_mode_decorator(f, x)

    np.testing.assert_allclose(evaluate(call(ops.convert_to_tensor(X))), X * 2)
    np.testing.assert_allclose(gradient(call, X), np.full_like(X, 5))


def test_dropout_survives_save_and_load(tmp_path):
    path = str(tmp_path / ("model" + whole_model_suffix()))
    x = keras.layers.Input(shape=(50,))
    keras.Model(x, Dropout(RATE)(x)).save(path)
    loaded = keras.models.load_model(path, custom_objects=dict(custom_objects))
    assert loaded.layers[-1].rate == RATE
    np.testing.assert_allclose(loaded.predict(X, verbose=0), X)


def test_gpus_are_a_list_of_names():
    assert all(name.startswith("/device:GPU:") for name in recomputing.get_available_gpus())


def test_symbolic_functions_still_run():
    assert evaluate(recomputing.symbolic(lambda: ops.ones((2,)))()).tolist() == [1, 1]
