"""One check for every layer: shapes, masks, weights, configs, saved weights and gradients against a slow oracle."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from b4k3.backend import Layer, custom_objects, keras, ops, row, weight_path
from support.harness import answer, as_list, evaluate, runs_eagerly, sees_values, unwrapped

SIZES = ((2, 5), (3, 8))  # (batch, length): every model runs on both
TRAINS = row.backend != "numpy"
HAS_REGISTRY = hasattr(keras.utils, "register_keras_serializable")


class WithMask(Layer):
    """[x, m] -> x, with the mask m != 0."""

    reads_ids = True

    def call(self, inputs):
        return inputs[0]

    def compute_mask(self, inputs, mask=None):
        return ops.not_equal(inputs[1], 0)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])


class ReadMask(Layer):
    """x -> its mask as numbers; where it has none, a single -1."""

    reads_ids = True

    def call(self, inputs, mask=None):
        return ops.full((1, 1), -1.0) if mask is None else ops.cast(mask, "float32")

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (None, None)


class First(Layer):
    """[batch, ...] -> [...]: a tensor without an axis of the batch, as relative positions are."""

    reads_ids = True

    def call(self, inputs):
        return inputs[0]

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[1:])


class Wave(Layer):
    """[x, outputs…] -> [batch, 1], one number that depends on all that is finite in every output, to train by."""

    reads_ids = True

    def call(self, inputs):
        total = 0.0
        for x in inputs[1:]:
            x = ops.cast(x, "float32")
            x = ops.where(ops.isfinite(x), x, 0.0)
            total = total + ops.mean(ops.sin(3.0 * x + 1.0))
        first = ops.cast(ops.reshape(inputs[0], (ops.shape(inputs[0])[0], -1))[:, :1], "float32")
        return first * 0.0 + total

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], 1)


HELPERS = {c.__name__: c for c in (WithMask, ReadMask, First, Wave)}


def known_objects():
    """The scope in which a config is read back: our layers come from Keras' registry where it has one."""
    return keras.utils.custom_object_scope(HELPERS if HAS_REGISTRY else dict(custom_objects, **HELPERS))


def static_shape(x):
    return tuple(keras.backend.int_shape(x) if not row.is_keras3 else x.shape)


def common_shape(a, b):
    """The shape of two arrays, None where they differ."""
    return tuple(m if m == n else None for m, n in zip(a.shape, b.shape))


def random_mask(rng, batch, n):
    """Right padded, no row empty, not every row full."""
    lengths = rng.randint(1, n, size=batch)
    return (np.arange(n)[None] < lengths[:, None]).astype("float32")


def randomize(layer, rng, scale=0.5):
    """Draw the layer's weights; return {path without the layer's name: array}."""
    layer.set_weights([(rng.randn(*w.shape) * scale).astype("float32") for w in layer.get_weights()])
    paths = [weight_path(w) for w in layer.weights]
    assert all(path.startswith(layer.name + "/") for path in paths), paths
    return {path[len(layer.name) + 1 :]: value for path, value in zip(paths, layer.get_weights())}


def example(inputs, masked, rng, size):
    arrays = inputs(rng, *size)
    masks = [random_mask(rng, x.shape[0], x.shape[1]) if i in masked else None for i, x in enumerate(arrays)]
    return arrays, masks


def build_models(layer, pair, connect):
    """The functional model of a layer, a trainable one over it, and the names of its inputs' order."""
    (arrays, masks), (others, _) = pair
    inputs = [keras.Input(common_shape(a, b)[1:], dtype=a.dtype.name) for a, b in zip(arrays, others)]
    tensors, mask_inputs = list(inputs), []
    for i, m in enumerate(masks):
        if m is not None:
            mask_inputs.append(keras.Input((None,), dtype="float32"))
            tensors[i] = WithMask()([inputs[i], mask_inputs[-1]])
    outputs = as_list(connect(layer, tensors))
    model = keras.Model(inputs + mask_inputs, outputs + [ReadMask()(x) for x in outputs])
    trainer = keras.Model(inputs + mask_inputs, Wave()([inputs[0]] + outputs))
    return model, trainer, [static_shape(x) for x in outputs]


def feed(arrays, masks):
    return arrays + [m for m in masks if m is not None]


def default_connect(layer, tensors):
    return layer(unwrapped(tensors))


def same(xs, ys, atol):
    assert len(xs) == len(ys)
    for x, y in zip(xs, ys):
        np.testing.assert_allclose(np.asarray(x, "float32"), y, rtol=1e-5, atol=atol)


def check_layer(
    make, inputs, oracle, weights=(), masked=(), mask_out=None, connect=default_connect, still=(), atol=2e-5, tmp=None,
    only_outputs=False, gradients=True,
):  # fmt: skip
    """Check a layer in a functional model whose batch and lengths are unknown, on two sizes.

    Arguments:
        make: function without arguments that returns a new layer named 'layer'.
        inputs: function (rng, batch, n) that returns the list of input arrays.
        oracle: function (weights {path: array}, arrays, masks) that returns the expected output, or a list of them.
        weights: the expected paths of the weights in their order, without the layer's name.
        masked: indices of the inputs that carry a mask.
        mask_out: function of (arrays, masks) that returns the expected mask, or a list of one for each output.
        connect: function (layer, tensors) that calls the layer.
        still: paths of weights whose gradient is zero by nature.
        atol: absolute tolerance of the outputs; rtol is 1e-5.
        tmp: folder for the saved weights.
        only_outputs: leave out the copy and the gradients, which cost most, where a neighbouring case has them.
        gradients: False where the weights act in a loss only, which has a test of its own.
    """
    random.seed(7)  # from which Keras 3 draws the seeds of dropout
    rng = np.random.RandomState(7)
    pair = [example(inputs, masked, rng, size) for size in SIZES]
    layer = make()
    model, trainer, shapes = build_models(layer, pair, connect)
    assert [weight_path(w) for w in layer.weights] == ["layer/" + name for name in weights]
    values = randomize(layer, rng) if weights else {}
    results = []
    for arrays, masks in pair:
        originals = [a.copy() for a in arrays]
        got = answer(model, feed(arrays, masks))
        expected = as_list(oracle(values, arrays, masks))
        expected_masks = as_list(mask_out(arrays, masks) if mask_out else None)
        expected_masks += [None] * (len(expected) - len(expected_masks))
        expected += [np.full((1, 1), -1.0) if m is None else m for m in expected_masks]
        same(got, expected, atol)
        assert all((a == b).all() for a, b in zip(arrays, originals)), "an input was changed in place"
        results.append([np.asarray(x) for x in got])
    assert shapes == [common_shape(a, b) for a, b in zip(*results)][: len(shapes)]
    if only_outputs:
        return
    check_copy(model, layer, feed(*pair[0]), results[0], tmp)
    if weights and gradients and TRAINS:
        check_gradients(trainer, layer, feed(*pair[1]), still)


def check_copy(model, layer, arrays, results, tmp):
    """A model rebuilt from its config, as JSON, gives equal outputs once it has the saved weights."""
    config = json.loads(json.dumps(layer.get_config()))
    with known_objects():
        assert json.loads(json.dumps(type(layer).from_config(config).get_config())) == config
        copy = type(model).from_config(model.get_config())
    if layer.weights:
        path = str(tmp / "layer.weights.h5")
        model.save_weights(path)
        copy.load_weights(path)
    same(answer(copy, arrays), results, 1e-6)


def check_gradients(trainer, layer, arrays, still):
    """A step of gradient descent moves every weight that it can; dropout may keep one still, but not three times."""
    eagerly = {"run_eagerly": True} if runs_eagerly() else {}
    trainer.compile(optimizer=keras.optimizers.SGD(5.0), loss="mse", **eagerly)
    waiting = {weight_path(weight)[len(layer.name) + 1 :] for weight in layer.weights} - set(still)
    for _ in range(3):
        before = layer.get_weights()
        trainer.train_on_batch(arrays, np.zeros((len(arrays[0]), 1), "float32"))
        for weight, a, b in zip(layer.weights, before, layer.get_weights()):
            path, moved = weight_path(weight)[len(layer.name) + 1 :], np.abs(a - b).max()
            assert path not in still or moved < 2e-6, f"{path} moved by {moved:g}"
            waiting -= {path} if moved > 2e-6 else set()
        if not waiting:
            return
    raise AssertionError(f"{sorted(waiting)} did not move")


def check_ids(make, inputs_of, limit):
    """Ids that have no row: an error where they can be seen, else NaN for them and for nothing else.

    Arguments:
        make: function that makes a layer.
        inputs_of: function from ids [1, n] to the list of the layer's inputs, arrays.
        limit: int, how many ids there are.
    """
    right, wrong = [0, limit - 1], [-1, limit, 0.5, np.nan, 1e20, -np.inf, 2.0**32]
    ids = np.array([right + wrong], "float32")
    model = model_of(make(), inputs_of(ids))
    if row.backend in ("jax", "tensorflow"):
        got = np.asarray(model.predict_on_batch(unwrapped(inputs_of(ids))))
        assert np.isfinite(got[0, :2]).all() and np.isnan(got[0, 2:]).all()
        again = np.asarray(model.predict_on_batch(unwrapped(inputs_of(np.where(ids == ids[:, :1], ids, limit - 1)))))
        np.testing.assert_array_equal(got[:, :2], again[:, :2])
    for value in wrong if sees_values() else ():
        inputs = inputs_of(np.array([[0, limit - 1], [value, 0]], "float32"))
        with pytest.raises(ValueError, match=r"layer.*: id .* at \[1, 0\], expected whole numbers from 0 to"):
            model(unwrapped(inputs))
    for dtype in ("int64", "uint8") if sees_values() else ():
        got, wide = (evaluate(make()(unwrapped(inputs_of(np.array([[0, 1]], d))))) for d in (dtype, "float32"))
        assert got.shape == wide.shape
    if sees_values():
        with pytest.raises(ValueError, match=r"layer.*: id 4294967297 at \[0, 1\]"):
            make()(unwrapped(inputs_of(np.array([[0, 2**32 + 1]], "int64"))))


def model_of(layer, arrays):
    """A Keras model of one layer, with inputs of float32 like these arrays."""
    inputs = [keras.Input((None,) + a.shape[2:]) for a in arrays]
    return keras.models.Model(inputs, layer(unwrapped(inputs)))
