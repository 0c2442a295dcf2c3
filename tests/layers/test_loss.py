"""Loss: what it adds to a model, and what it lets pass."""

import numpy as np
import pytest

from b4k3.backend import custom_objects, keras, ops
from b4k3.layers import Embedding, Loss
from support.harness import whole_model_suffix
from support.layer_checks import HELPERS, check_layer

SUFFIX = whole_model_suffix()


class Nothing(Loss):
    def compute_loss(self, inputs, mask=None):
        return 0.0


HELPERS["Nothing"] = Nothing  # so that the copy of a model finds it


class CrossEntropy(Loss):
    """The mean over the real tokens of [labels, probabilities]."""

    def compute_loss(self, inputs, mask=None):
        labels, probabilities = inputs
        mask = ops.cast(mask[1], "float32")
        losses = ops.sparse_categorical_crossentropy(ops.cast(labels, "int32"), probabilities)
        return ops.sum(losses * mask) / ops.sum(mask)


class Distances(Loss):
    """Many numbers, of which the mean is to count."""

    def compute_loss(self, inputs, mask=None):
        return ops.square(inputs[0] - inputs[1])


@pytest.mark.parametrize("output_axis", [None, 1, [2, 0]], ids=str)
def test_what_passes(output_axis, tmp_path):
    def pick(values):
        if output_axis is None:
            return values
        return [values[i] for i in output_axis] if isinstance(output_axis, list) else values[output_axis]

    check_layer(
        lambda: Nothing(output_axis, name="layer"),
        lambda rng, b, n: [rng.randn(b, n, i).astype("float32") for i in (2, 3, 4)],
        lambda values, arrays, masks: pick(arrays),
        masked=(0, 1),
        mask_out=lambda arrays, masks: pick(masks),
        tmp=tmp_path,
    )


def test_one_tensor_passes(tmp_path):
    check_layer(
        lambda: Nothing(name="layer"),
        lambda rng, b, n: [rng.randn(b, n, 2).astype("float32")],
        lambda values, arrays, masks: arrays[0],
        masked=(0,),
        mask_out=lambda arrays, masks: masks[0],
        tmp=tmp_path,
    )


def test_it_is_to_be_subclassed():
    with pytest.raises(NotImplementedError, match="Loss: override compute_loss"):
        Loss().compute_loss(None)


def tagger():
    """A model that says whether a token is even, with its loss inside."""
    tokens, labels = keras.Input((None,)), keras.Input((None,))
    vectors = Embedding(12, 4, mask_zero=True)(tokens)
    probabilities = keras.layers.Dense(2, activation="softmax")(vectors)
    model = keras.Model(tokens, probabilities)
    return model, keras.Model([tokens, labels], CrossEntropy(1, name="loss")([labels, probabilities]))


def test_training_saving_and_loading(tmp_path):
    """Compiled without a loss, and fitted without targets."""
    model, trainer = tagger()
    rng = np.random.RandomState(0)
    tokens = rng.randint(1, 12, (16, 5)).astype("float32")
    tokens[:, 3:] = 0
    labels = tokens % 2
    model.set_weights([0.3 * rng.randn(*w.shape) for w in model.get_weights()])

    def expected():
        p = np.asarray(model.predict_on_batch(tokens))[:, :3]
        return -np.log(np.where(labels[:, :3] == 1, p[..., 1], p[..., 0])).mean()

    first = expected()
    trainer.compile(optimizer=keras.optimizers.Adam(0.02))
    history = trainer.fit([tokens, labels], epochs=20, batch_size=16, verbose=0).history
    np.testing.assert_allclose(history["loss"][0], first, rtol=1e-5)
    assert 0.05 * first < expected() < 0.8 * first

    path = str(tmp_path / ("model" + SUFFIX))
    trainer.save(path)
    known = dict(custom_objects, CrossEntropy=CrossEntropy)
    loaded = keras.models.load_model(path, custom_objects=known, compile=False)
    loaded.compile(optimizer=keras.optimizers.Adam(0.02))
    np.testing.assert_allclose(loaded.evaluate([tokens, labels], verbose=0), expected(), rtol=1e-5)


def test_the_mean_of_several_numbers_counts():
    x, y = keras.Input((3,)), keras.Input((3,))
    model = keras.Model([x, y], Distances(0)([keras.layers.Dense(3, use_bias=False)(x), y]))
    model.set_weights([np.eye(3, dtype="float32")])
    model.compile(optimizer="sgd")
    arrays = [np.ones((4, 3), "float32"), np.zeros((4, 3), "float32")]
    arrays[1][0] = 3
    np.testing.assert_allclose(model.evaluate(arrays, verbose=0), (4 + 3) / 4, rtol=1e-5)


class Parts(Loss):
    """A loss of two parts, each of which the history is to show."""

    def compute_loss(self, inputs, mask=None):
        squares = ops.mean(ops.square(inputs[0] - inputs[1]))
        distances = ops.mean(ops.abs(inputs[0] - inputs[1]))
        self.add_metric(squares, "squares")  # keras 2.3's order of arguments
        self.add_metric(distances, name="distances")
        return squares + 2 * distances


def test_training_shows_the_metrics_of_the_loss(tmp_path):
    """The averages over the steps, without a weight more; of a loaded model too."""
    x, y = keras.Input((3,)), keras.Input((3,))
    model = keras.Model([x, y], Parts(0, name="parts")([keras.layers.Dense(3)(x), y]))
    assert len(model.get_weights()) == 2
    model.set_weights([np.eye(3, dtype="float32"), np.zeros(3, "float32")])
    arrays = [np.ones((4, 3), "float32"), np.zeros((4, 3), "float32")]
    arrays[1][0] = 3
    path = str(tmp_path / ("model" + SUFFIX))
    model.save(path)
    model.predict(arrays, batch_size=2, verbose=0)  # which counts for nothing
    check_history(model, arrays)
    loaded = keras.models.load_model(path, custom_objects=dict(custom_objects, Parts=Parts), compile=False)
    check_history(loaded, arrays)


def check_history(model, arrays):
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    history = model.fit(arrays, epochs=2, batch_size=2, verbose=0, validation_data=(arrays, None)).history
    for prefix in ("", "val_"):
        np.testing.assert_allclose(history[prefix + "squares"], [(4 + 3) / 4] * 2, rtol=1e-5)
        np.testing.assert_allclose(history[prefix + "distances"], [(2 + 3) / 4] * 2, rtol=1e-5)
    names = dict(zip(model.metrics_names, np.ravel(model.evaluate(arrays, batch_size=2, verbose=0))))
    np.testing.assert_allclose([names["squares"], names["distances"]], [7 / 4, 5 / 4], rtol=1e-5)


def test_a_metric_needs_a_name():
    if hasattr(Loss(), "_averages"):  # of Keras 3; Keras 2 has its own errors
        with pytest.raises(ValueError, match="under a name"):
            Loss().add_metric(1.0)
        with pytest.raises(ValueError, match="aggregation"):
            Loss().add_metric(1.0, name="x", aggregation="sum")
        layer = Loss()
        for i in range(16):
            layer.add_metric(ops.ones(()), name=str(i))
        with pytest.raises(ValueError, match="at most 16 metrics"):
            layer.add_metric(ops.ones(()), name="16")
