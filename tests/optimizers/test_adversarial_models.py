"""Adversarial training of models with several outputs, masks, weights, dropout, and losses of layers."""

import numpy as np
import pytest

from b4k3.backend import Dropout, custom_objects, environment, keras, ops, row
from b4k3.layers import Embedding, GlobalAveragePooling1D, Loss
from b4k3.optimizers import adversarial_training, gradient_penalty, virtual_adversarial_training
from support.harness import dtype_policy, runs_eagerly, whole_model_suffix
from support.layer_checks import HELPERS

WORDS, SIZE, LENGTH, ROWS = 7, 4, 5, 6
RNG = np.random.RandomState(1)
IDS = np.where(np.arange(LENGTH) < [[5], [3], [2], [4], [5], [1]], RNG.randint(1, WORDS, (ROWS, LENGTH)), 0)
CLASSES = RNG.randint(0, 2, (ROWS, 1))
WEIGHTS = RNG.rand(ROWS)
CROSSENTROPY = "sparse_categorical_crossentropy"
NO_MOVE = 1e-12  # so short that float32 does not see it
METHODS = (adversarial_training, gradient_penalty, virtual_adversarial_training)


class Smooth(Loss):
    """The cross-entropy of [ids, probabilities of words] over the real words; the first is shown as a metric."""

    def compute_loss(self, inputs, mask=None):
        ids, probabilities = inputs
        picked = ops.sum(ops.one_hot(ops.cast(ids, "int32"), WORDS) * ops.log(probabilities), axis=-1)
        real = ops.cast(ops.not_equal(ids, 0), "float32")
        self.add_metric(ops.mean(picked), name="first")
        return -ops.sum(picked * real) / ops.sum(real)


HELPERS["Smooth"] = Smooth  # so that the copy of a model finds it


def classifier(rate=0.0):
    """[batch, n] ids to [batch, 2]."""
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    x = Embedding(WORDS, SIZE, name="words")(ids)
    x = Dropout(rate)(keras.layers.Flatten()(x))
    return keras.Model(ids, keras.layers.Dense(2, activation="softmax", name="classes", dtype="float32")(x))


def two_outputs():
    """Ids to a class, and to masked probabilities of words by the table itself."""
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    table = Embedding(WORDS, SIZE, mask_zero=True, name="words", embeddings_regularizer="l2")
    x = keras.layers.Dense(SIZE, activation="tanh", name="dense")(table(ids))
    words = keras.layers.Activation("softmax", name="guesses")(table(x, mode="dense"))
    classes = keras.layers.Dense(1, name="classes")(GlobalAveragePooling1D()(x))
    return keras.Model(ids, [classes, words])


def loss_layer():
    """Ids to probabilities of the same words, with a loss that is a layer."""
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    table = Embedding(WORDS, SIZE, name="words")
    x = keras.layers.Dense(SIZE, activation="tanh", name="dense")(table(ids))
    words = keras.layers.Activation("softmax")(table(x, mode="dense"))
    return keras.Model(ids, Smooth(output_axis=1)([ids, words]))


def penalized():
    """Ids to a number, with a loss of Keras' own layer."""
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    x = keras.layers.Flatten()(Embedding(WORDS, SIZE, name="words")(ids))
    return keras.Model(ids, keras.layers.Dense(1)(keras.layers.ActivityRegularization(l2=0.1)(x)))


TWO_LOSSES = {
    "loss": {"classes": "mse", "guesses": CROSSENTROPY},
    "loss_weights": {"classes": 0.5, "guesses": 2.0},
    "metrics": {"classes": ["mae"]},
}
TRAINED = {
    "two outputs": (two_outputs, TWO_LOSSES, [CLASSES * 1.0, IDS[..., None]], {}),
    "weights of samples": (
        classifier,
        {"loss": CROSSENTROPY},
        CLASSES,
        {"sample_weight": WEIGHTS},
    ),
    "weights of classes": (
        classifier,
        {"loss": CROSSENTROPY, "metrics": ["accuracy"]},
        CLASSES,
        {"class_weight": {0: 0.3, 1: 2.0}},
    ),
    "a loss of a layer": (loss_layer, {}, None, {}),
    "a loss of Keras": (penalized, {"loss": "mse"}, CLASSES, {}),
}


def trained(model, arguments, y, weights):
    """The weights and the history after two epochs of two batches of unequal sizes."""
    model.compile(optimizer=keras.optimizers.SGD(0.1), **arguments)
    history = model.fit(IDS, y, batch_size=4, epochs=2, shuffle=False, verbose=0, **weights).history
    return model.get_weights(), history, np.ravel(model.evaluate(IDS, y, batch_size=4, verbose=0))


def keeps_all_losses():
    """Whether this is tf.keras 1.15."""
    return environment.keras_flavour == "tf.keras" and not runs_eagerly()


@pytest.mark.parametrize("case", TRAINED)
def test_without_a_move_training_is_as_ever(case):
    make, *how = TRAINED[case]
    model = make()
    start = model.get_weights()
    weights, history, evaluated = trained(model, *how)
    model.set_weights(start)
    if case == "a loss of Keras" and keeps_all_losses():
        with pytest.raises(ValueError, match="no b4k3.layers.Loss"):
            trained(adversarial_training(model, "words", NO_MOVE), *how)
        return
    found_weights, found_history, found = trained(adversarial_training(model, "words", NO_MOVE), *how)
    for a, b in zip(found_weights, weights):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert sorted(found_history) == sorted(history)
    for name in history:
        np.testing.assert_allclose(found_history[name], history[name], rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(found, evaluated, rtol=1e-4)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
@pytest.mark.parametrize("case", ["two outputs", "a loss of a layer"])
def test_each_method_trains_such_models(method, case):
    make, arguments, y, weights = TRAINED[case]
    if case == "two outputs" and method is virtual_adversarial_training:
        with pytest.raises(ValueError, match="no distribution"):
            method(make(), "words")
        return
    if method is gradient_penalty and case == "two outputs":  # a second gradient is wanted
        y, arguments = [y[0], np.eye(WORDS)[IDS]], dict(arguments, loss={"classes": "mse", "guesses": "mse"})
    model = make()
    before = model.get_weights()
    model_of = method(model, "words")
    model_of.compile(optimizer=keras.optimizers.SGD(0.01), **arguments)
    history = model_of.fit(IDS, y, batch_size=3, epochs=1, verbose=0, **weights).history
    assert np.isfinite(history["loss"]).all()
    assert any((a != b).any() for a, b in zip(model.get_weights(), before))


@pytest.mark.parametrize("run", ["dropout", "eagerly", "half precision"])
def test_training_with(run):
    if run == "eagerly" and not (environment.is_keras3 or environment.keras_flavour == "tf_keras"):
        return
    with dtype_policy("mixed_bfloat16" if run == "half precision" else "float32"):
        model = adversarial_training(classifier(rate=0.3 if run == "dropout" else 0.0), "words", 0.1, steps=2)
    eager = {"run_eagerly": True} if run == "eagerly" else {}
    model.compile(loss=CROSSENTROPY, optimizer=keras.optimizers.SGD(0.01), **eager)
    history = model.fit(IDS, CLASSES, batch_size=3, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert model.evaluate(IDS, CLASSES, verbose=0) == model.evaluate(IDS, CLASSES, verbose=0)


def test_unlabelled_texts():
    plain = classifier()
    before = plain.predict(IDS, verbose=0)
    model = virtual_adversarial_training(plain, "words", epsilon=2.0, xi=1.0)
    model.compile(optimizer=keras.optimizers.SGD(0.5))
    losses = model.fit(IDS, batch_size=6, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and all(loss > 0 for loss in losses)
    assert np.abs(plain.predict(IDS, verbose=0) - before).max() > 1e-4


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_a_saved_model_is_the_same(method, tmp_path):
    model = method(classifier(), "words")
    model.compile(loss="mse", optimizer="sgd")
    path = str(tmp_path / f"model{whole_model_suffix()}")
    model.save(path)
    loaded = keras.models.load_model(path, custom_objects=custom_objects)
    assert type(loaded) is type(model) and loaded.settings == model.settings
    np.testing.assert_array_equal(loaded.predict(IDS, verbose=0), model.predict(IDS, verbose=0))
    if method is adversarial_training:
        loaded.fit(IDS, np.eye(2)[CLASSES[:, 0]], epochs=1, verbose=0)


def test_weights_are_those_of_the_plain_model(tmp_path):
    plain, other = classifier(), classifier()
    path = str(tmp_path / "plain.weights.h5")
    virtual_adversarial_training(plain, "words").save_weights(path)
    other.load_weights(path)
    np.testing.assert_array_equal(other.predict(IDS, verbose=0), plain.predict(IDS, verbose=0))
    for method in METHODS:
        model = method(plain, "words")
        assert [w.shape for w in model.get_weights()] == [w.shape for w in plain.get_weights()]
        assert model.get_layer("words") is plain.get_layer("words") and model.name == plain.name


def test_a_penalty_of_a_loss_without_a_second_gradient():
    """TensorFlow 1 has none of its sparse cross-entropy, and says so."""
    model = gradient_penalty(classifier(), "words")
    model.compile(loss=CROSSENTROPY, optimizer="sgd")
    try:
        assert np.isfinite(model.fit(IDS, CLASSES, epochs=1, verbose=0).history["loss"]).all()
    except ValueError as error:
        assert row.backend == "tensorflow" and not row.is_keras3 and "categorical_crossentropy" in str(error)


def test_what_is_refused():
    model = classifier()
    with pytest.raises(ValueError, match="'Embedding-Token': no such layer in"):
        adversarial_training(model)
    with pytest.raises(ValueError, match="'classes': Dense has no table"):
        gradient_penalty(model, "classes")
    for arguments in ({"epsilon": 0.0}, {"steps": 0}, {"step_size": -1.0}):
        with pytest.raises(ValueError, match="positive"):
            adversarial_training(model, "words", **arguments)
    for arguments in ({"epsilon": 0.0}, {"xi": 0.0}, {"iterations": 0}):
        with pytest.raises(ValueError, match="positive"):
            virtual_adversarial_training(model, "words", **arguments)
    with pytest.raises(TypeError, match="has no inputs and outputs"):
        adversarial_training(keras.layers.Dense(1), "words")


def test_a_table_of_another_layer():
    ids = keras.Input((LENGTH,), dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(WORDS, SIZE, name="words")(ids))
    model = adversarial_training(keras.Model(ids, keras.layers.Dense(1)(x)), "words")
    if environment.is_keras3:
        model.compile(loss="mse", optimizer="sgd")
        assert np.isfinite(model.fit(IDS, CLASSES, epochs=1, verbose=0).history["loss"]).all()
    else:
        with pytest.raises(ValueError, match="b4k3.layers.Embedding"):
            model.compile(loss="mse", optimizer="sgd")
            model.fit(IDS, CLASSES, epochs=1, verbose=0)
