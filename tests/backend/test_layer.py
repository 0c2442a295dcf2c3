"""The base of our layers, and what goes with it."""

import warnings

import numpy as np
import pytest

from b4k3.backend import Layer, assign_weights, build_sublayer, keras, ops, row, weight_path
from support.harness import evaluate


class Owner(Layer):
    """A layer with a weight of its own, two Dense and a Dropout, one of them inside another owner."""

    def __init__(self, rate=0.0, depth=1, **kwargs):
        super().__init__(**kwargs)
        self.first = keras.layers.Dense(3, name="first", dtype=self.sublayer_dtype)
        self.second = Owner(rate, depth - 1, name="second") if depth else keras.layers.Dropout(rate, name="dropout")

    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")
        build_sublayer(self.first, input_shape)
        build_sublayer(self.second, tuple(input_shape[:-1]) + (3,))
        self.built = True

    def call(self, inputs, training=None):
        return self.second(self.first(inputs * self.scale), training=training)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[:-1]) + (3,)


def build(layer, dim=4):
    x = keras.Input((None, dim))
    return keras.Model(x, layer(x))


def test_paths_and_order_of_weights():
    layer = Owner(name="layer")
    build(layer)
    expected = ["layer/scale", "layer/first/kernel", "layer/first/bias"]
    expected += ["layer/second/scale", "layer/second/first/kernel", "layer/second/first/bias"]
    assert [weight_path(w) for w in layer.weights] == expected
    assert [weight_path(w) for w in layer.trainable_weights] == expected


def test_masks_pass():
    class Passes(Layer):
        def call(self, inputs):
            return inputs

        def compute_output_shape(self, input_shape):
            return input_shape

    assert Passes().supports_masking


def test_assign_weights():
    layer = Owner(name="layer")
    build(layer)
    rng = np.random.RandomState(0)
    values = [rng.randn(*w.shape) for w in layer.get_weights()]  # float64: cast to the dtype of the variable
    assign_weights(zip(layer.weights, values))
    for value, weight, variable in zip(values, layer.get_weights(), layer.weights):
        assert weight.dtype == "float32"
        np.testing.assert_allclose(weight, value, rtol=1e-6)
        np.testing.assert_allclose(evaluate(variable), value, rtol=1e-6)


def test_variables_do_not_share_the_array_they_were_given():
    layers = [keras.layers.Dense(3, use_bias=False, name=f"layer_{i}") for i in range(2)]
    for layer in layers:
        build(layer, 2)
    value = np.arange(6, dtype="float32").reshape(3, 2).T  # not contiguous
    copy = value.copy()
    assign_weights([(layer.weights[0], value) for layer in layers])
    layers[0].set_weights([copy * 2])
    np.testing.assert_array_equal(value, copy)
    value[:] = -1.0
    np.testing.assert_array_equal(layers[0].get_weights()[0], copy * 2)
    np.testing.assert_array_equal(layers[1].get_weights()[0], copy)


def unaligned(value):
    memory = np.zeros(value.nbytes + 1, "uint8")[1:]
    memory[:] = value.ravel().view("uint8")
    return memory.view(value.dtype).reshape(value.shape)


def read_only(value):
    value = value.copy()
    value.flags.writeable = False
    return value


ODD = {
    "read only": read_only,
    "other byte order": lambda value: value.astype(value.dtype.newbyteorder("S")),
    "backwards": lambda value: value[::-1].copy()[::-1],
    "unaligned": unaligned,
    "float16": lambda value: value.astype("float16"),
    "int32": lambda value: value.astype("int32"),
}


@pytest.mark.parametrize("odd", list(ODD))
def test_assign_arrays_as_files_have_them(odd):
    layer = keras.layers.Dense(3, use_bias=False)
    build(layer, 2)
    value = np.arange(6, dtype="float32").reshape(2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assign_weights([(layer.weights[0], ODD[odd](value))])
    np.testing.assert_array_equal(layer.get_weights()[0], value)


def test_assign_no_weights():
    assign_weights([])


@pytest.mark.parametrize("depth", [0, 2])
def test_an_owner_of_a_dropout_reads_the_learning_phase(depth):
    """keras 2.3 feeds it only to models that say so; the other rows need no such word, and this asks by training."""
    layer = Owner(0.5, depth, name="layer")
    model = build(layer)
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    # no two rows alike: masks that hide equally many of them must not give equal losses
    x, y = np.random.RandomState(0).rand(4, 2, 4).astype("float32"), np.zeros((4, 2, 3), "float32")
    still = {float(model.test_on_batch(x, y)) for _ in range(2)}
    trained = {float(model.train_on_batch(x, y)) for _ in range(3)}
    assert len(still) == 1 and len(trained | still) == 4


def test_no_dropout_no_learning_phase():
    if row.kind == "keras2":
        assert not Owner(0.0).uses_learning_phase and Owner(0.1, 3).uses_learning_phase


def test_compute_dtype():
    layer = Owner(name="layer")
    build(layer)
    assert layer.compute_dtype == "float32"
    assert ops.dtype(ops.convert_to_tensor(np.zeros(2, "float32"))) == "float32"


class Twice(Layer):
    """Twice its input, or the input and its double."""

    def __init__(self, both=False, **kwargs):
        super().__init__(**kwargs)
        self.both = both

    def call(self, inputs):
        return [inputs, inputs * 2] if self.both else inputs * 2

    def compute_output_shape(self, input_shape):
        return [input_shape, input_shape] if self.both else input_shape


def test_what_each_call_took_and_gave():
    """The names of Keras 2's layers, on every row."""
    x = keras.Input((3,))
    layer, pair = Twice(name="twice"), Twice(True, name="pair")
    once = layer(x)
    twice = layer(once)
    same, double = pair(twice)
    assert layer.get_input_at(0) is x and layer.get_input_at(1) is once and layer.get_input_at(-1) is once
    assert layer.get_output_at(0) is once and layer.get_output_at(1) is twice and layer.get_output_at(-1) is twice
    assert pair.get_output_at(0)[1] is double and pair.output[0] is same
    assert tuple(layer.get_input_shape_at(1)) == (None, 3) == tuple(layer.get_output_shape_at(0))
    assert [tuple(shape) for shape in pair.get_output_shape_at(0)] == [(None, 3)] * 2
    assert layer.get_input_mask_at(0) is None and layer.get_output_mask_at(1) is None
    model = keras.Model(x, [layer.get_output_at(0), layer.get_output_at(1)])
    found = model.predict_on_batch(np.ones((1, 3), "float32"))
    np.testing.assert_array_equal(np.concatenate(found), [[2] * 3, [4] * 3])
    with pytest.raises(ValueError):
        layer.get_output_at(2)


def test_the_masks_of_a_call():
    tokens = keras.Input((None,))
    vectors = keras.layers.Embedding(5, 3, mask_zero=True)(tokens)
    layer = Twice()
    layer(vectors)
    for mask in (layer.get_input_mask_at(0), layer.get_output_mask_at(0)):
        assert mask is not None and len(mask.shape) == 2
