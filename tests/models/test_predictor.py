"""Predictor: what `predict_on_batch` gives, from many threads, after errors, with the newest weights."""

import threading
import traceback

import numpy as np
import pytest

from b4k3.backend import keras, ops, row
from b4k3.layers import Embedding, FeedForward, LayerNormalization, SequencePooling
from b4k3.models import ConfigError, Predictor, build_transformer_model
from support.harness import as_list, evaluate
from support.small_models import SMALL, spread

THREADS = 8


def same(got, want):
    assert type(got) is type(want)
    if isinstance(want, dict):
        assert list(got) == list(want)
        got, want = list(got.values()), list(want.values())
    for a, b in zip(as_list(got), as_list(want)):
        assert type(a) is np.ndarray and a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 * max(1.0, np.abs(b).max()))


@pytest.fixture(scope="module")
def transformer():
    return spread(build_transformer_model(dict(SMALL), model="bert", application="lm", return_keras_model=False))


@pytest.fixture(scope="module")
def bert(transformer):
    return transformer.model


@pytest.fixture(scope="module")
def predictor(bert):
    return Predictor(bert)


def batch(rows=2, n=5, seed=0):
    ids = np.random.RandomState(seed).randint(1, 20, (rows, n))
    ids[:, n - 1 :] = 0
    return [ids, np.zeros((rows, n))]


def two_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    x = keras.layers.Dropout(0.5)(keras.layers.Concatenate()([a, b]))
    return keras.Model([a, b], [keras.layers.Dense(2)(x), keras.layers.Dense(1, activation="tanh")(x)])


def an_input_as_output():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    return keras.Model([a, b], [keras.layers.Dense(2)(a), b])


def a_sequence():
    return keras.Sequential([keras.layers.Dense(3), keras.layers.Dropout(0.5), keras.layers.Dense(2)])


def one_input():
    x = keras.Input((4,), name="x")
    return keras.Model(x, keras.layers.Dense(2)(keras.layers.Dropout(0.5)(x)))


X = np.random.RandomState(1).randn(4, 4).astype("float32")
A, B = X[:, :3], X[:, 1:]


@pytest.mark.parametrize(
    "make, x, form",
    [
        (one_input, X, None),
        (one_input, [X], None),
        (one_input, {"x": X}, None),
        (one_input, X.astype("float64"), None),
        (one_input, X.tolist(), X),
        (a_sequence, X, None),
        (two_inputs, [A, B], None),
        (two_inputs, {"a": A, "b": B}, None),
        (two_inputs, {"b": B, "a": A}, None),
        (two_inputs, (A, B), [A, B]),
        (two_inputs, [A.tolist(), B.tolist()], [A, B]),
    ],
)
def test_gives_what_predict_on_batch_gives(make, x, form):
    model = make()
    same(Predictor(model)(x), model.predict_on_batch(x if form is None else form))


def test_an_input_that_is_an_output():
    dense, b = Predictor(an_input_as_output())([A, B])
    assert dense.shape == (4, 2)
    np.testing.assert_array_equal(b, B)


@pytest.mark.parametrize("rows, n", [(2, 5), (1, 5), (2, 6), (0, 5)])
def test_sizes_of_a_transformer(bert, predictor, rows, n):
    x = batch(rows, n)
    if rows:
        same(predictor(x), bert.predict_on_batch(x))
    assert predictor(x).shape == (rows, n, 20)


def test_structures_of_inputs_and_outputs():
    """Keras 3 and tf.keras from 2.3 on keep them; older ones have lists."""
    a, b, c = (keras.Input((3,), name=name) for name in "abc")
    dense = keras.layers.Dense(2)
    try:
        model = keras.Model({"one": a, "more": [b, c]}, {"y": dense(a), "z": keras.layers.Concatenate()([b, c])})
    except (TypeError, ValueError, AttributeError):
        assert row.kind == "keras2" or not row.is_keras3
        return
    x = {"one": A, "more": [B, B]}
    if row.is_keras3:
        same(Predictor(model)(x), model.predict_on_batch(x))
        with pytest.raises(ValueError, match="'more' is missing"):
            Predictor(model)({"one": A})


def test_a_model_that_is_a_class():
    class Own(keras.Model):
        def __init__(self):
            super().__init__(name="own")
            self.dense = keras.layers.Dense(3)

        def call(self, inputs, training=None):
            return self.dense(inputs["x"]) * (2.0 if training else 1.0)

    if row.kind != "keras2":
        model = Own()
        same(Predictor(model)({"x": X}), model.predict_on_batch({"x": X}))


def test_newest_weights_are_read(bert, predictor):
    x, weights = batch(), bert.get_weights()
    before = predictor(x)
    bert.set_weights([0.9 * w for w in weights])
    try:
        after = predictor(x)
        assert np.abs(after - before).max() > 1e-3
        same(after, bert.predict_on_batch(x))
    finally:
        bert.set_weights(weights)
    same(predictor(x), before)


WRONG = [
    ([np.ones((1, 40)), np.zeros((1, 40))], "40"),
    ([np.ones((1, 5))], "Input-Token.*Input-Segment"),
    (np.ones((1, 5)), "Input-Token.*Input-Segment"),
    ({"Input-Token": np.ones((1, 5))}, "no Input-Segment or segment_ids"),
    ([np.ones((1, 5, 2)), np.zeros((1, 5))], r"'Input-Token'.*\[1, 5, 2\]"),
    ([np.ones((2, 5)), np.zeros((3, 5))], "'Input-Segment': 3"),
    ([np.ones((1, 5)), np.zeros((1, 6))], "Input-Segment"),
    ([[[1, 2], [3]], np.zeros((2, 2))], "Input-Token"),
    ([np.array([["a"]]), np.zeros((1, 1))], "'Input-Token'.*expected numbers"),
    ([None, np.zeros((1, 1))], "'Input-Token'.*expected numbers"),
    ([np.array([[1j]]), np.zeros((1, 1))], "'Input-Token'.*complex"),
]


@pytest.mark.parametrize("x, message", WRONG)
def test_wrong_inputs_are_named_and_harm_nothing(bert, predictor, x, message):
    want = bert.predict_on_batch(batch())
    with pytest.raises(ValueError, match="(?s)" + message):
        predictor(x)
    same(predictor(batch()), want)


@pytest.mark.parametrize("value", [1.5, np.nan, 2.0**40])
def test_numbers_that_an_input_cannot_hold(value):
    x = keras.Input((2,), dtype="int32", name="x")
    model = keras.Model(x, keras.layers.Embedding(3, 2)(x))
    assert Predictor(model)(np.array([[1.0, 2.0]])).shape == (1, 2, 2)
    with pytest.raises(ValueError, match="'x': expected whole numbers that int32 can hold"):
        Predictor(model)(np.array([[1.0, value]]))


@pytest.mark.parametrize("model, shapes, message", [(None, 1, "got NoneType"), (one_input, 0, "max_shapes=0")])
def test_wrong_arguments(model, shapes, message):
    with pytest.raises(ConfigError, match=message):
        Predictor(model() if model else None, shapes)


def test_a_transformer_is_told_to_give_its_model(transformer):
    with pytest.raises(ConfigError, match="give its attribute `model`"):
        Predictor(transformer)


def run_threads(function, count=THREADS):
    """Call `function(number)` in threads at the same time. Returns: what was raised."""
    errors, barrier = [], threading.Barrier(count)

    def run(number):
        try:
            barrier.wait()
            function(number)
        except BaseException as error:  # a failed assertion too
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not any(thread.is_alive() for thread in threads)
    return errors


def test_threads_and_errors_between(bert):
    """Threads begin together on shapes that nothing is compiled for, and every other call is wrong."""
    batches = [batch(rows, n, rows) for rows, n in [(1, 4), (2, 4), (3, 7)]]
    want = [bert.predict_on_batch(x) for x in batches]
    predictor = Predictor(bert)

    def calls(number):
        for i in range(4):
            which = (number + i) % len(batches)
            same(predictor(batches[which]), want[which])
            with pytest.raises(ValueError):
                predictor(WRONG[(number + i) % len(WRONG)][0])

    assert run_threads(calls) == []


def test_generation_in_threads(transformer):
    prompts = [np.array([[1, 2, 3]]), np.array([[4, 5, 6]]), np.array([[7, 8, 0]])]
    want = [transformer.generate(ids, 6).tolist() for ids in prompts]
    transformer.engine = None  # the threads compile

    def calls(number):
        for i in range(3):
            assert transformer.generate(prompts[(number + i) % 3], 6).tolist() == want[(number + i) % 3]

    assert run_threads(calls, 4) == []


def test_a_tied_model_called_by_threads(bert):
    batches = [[a.astype("float32") for a in batch(rows, n, rows)] for rows, n in [(1, 4), (2, 4), (3, 7)]]

    def call(x):
        return evaluate(bert([ops.convert_to_tensor(a) for a in x], training=False))

    want = [call(x) for x in batches]

    def calls(number):
        for i in range(3):
            same(call(batches[(number + i) % 3]), want[(number + i) % 3])

    assert run_threads(calls) == []


def test_an_error_holds_no_tensors(predictor):
    """Keras 3 takes masks out of its table when tensors die, and must not do that in another thread."""
    with pytest.raises(ValueError) as caught:
        predictor(WRONG[0][0])
    frames, error = [], caught.value.__cause__
    while error is not None:
        frames += [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        error = error.__cause__ or error.__context__
    ours = [frame for frame in frames if frame.f_code.co_name == "predict"]
    assert ours and not [frame for frame in frames if frame not in ours and frame.f_locals]


def masked(*layers):
    """A model of masked ids whose last layer shows which positions are hidden."""
    ids = keras.Input((None,))
    x = Embedding(20, 4, mask_zero=True)(ids)
    for layer in layers:
        x = layer(x)
    return keras.Model(ids, SequencePooling("mean")(x))


class KeepsNoMask(keras.layers.Layer):
    def call(self, x):
        return x * 2.0

    def compute_output_shape(self, shape):
        return shape


class Own(keras.layers.Layer):
    """A layer with a `__call__` of its own, and with a mask that it makes itself."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def __call__(self, x, *args, **kwargs):
        return super().__call__(x + 1.0, *args, **kwargs)

    def call(self, x, mask=None, training=None):
        return x if mask is None else x + ops.cast(mask, x.dtype)[..., None] * (5.0 if training else 1.0)

    def compute_mask(self, x, mask=None):
        return None if mask is None else ops.concatenate([mask[:, 1:], mask[:, :1]], axis=1)

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [keras.layers.Dropout(0.5), LayerNormalization(), FeedForward(8, "gelu")],
        lambda: [KeepsNoMask()],
        lambda: [Own(), LayerNormalization()],
        lambda: [keras.Sequential([keras.layers.Dense(4), Own()])],
    ],
    ids=["ours", "without mask", "own call", "a model inside"],
)
def test_masks_of_any_layer(layers):
    model = masked(*layers())
    ids = batch(3, 6)[0].astype("float32")
    ids[0, 3:] = 0
    same(Predictor(model)(ids), model.predict_on_batch(ids))


def test_a_hook_of_torch_is_called(bert):
    predictor, calls = Predictor(bert), []
    for layer in (bert.get_layer("Transformer-0-FeedForward"), bert):
        handle = layer.register_forward_hook(lambda *given: calls.append(1))
        predictor(batch())
        handle.remove()
    predictor(batch())
    assert calls == [1, 1]
