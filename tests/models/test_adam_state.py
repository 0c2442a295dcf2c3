"""The state of Adam in checkpoints: a training of Google's code, stopped after three updates, goes on here."""

from __future__ import annotations

import numpy as np
import pytest

from b4k3.backend import K, keras
from b4k3.models import CheckpointError, ConfigError, adam_variables, build_transformer_model, restore_adam
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from b4k3.optimizers import Adam, Lion, extend_with_lr_schedule, extend_with_weight_decay, warmup_linear
from support.goldens import ROOT
from support.harness import fresh_session
from support.small_models import CONFIG

FOLDER = ROOT / "adam_resumed"
CHECKPOINT = str(FOLDER / "model.ckpt")
BertAdam = extend_with_lr_schedule(extend_with_weight_decay(Adam, "AdamWeightDecay"), "BertAdam")


@pytest.fixture(autouse=True)
def forget():
    """Each test with a graph of its own, for what is trained in it is large."""
    yield
    fresh_session()


def bert(**arguments):
    """The model of the golden, with Google's form of gelu."""
    arguments.setdefault("with_mlm", True)
    return build_transformer_model(
        str(FOLDER / "bert_config.json"), hidden_act="gelu_tanh", return_keras_model=False, **arguments
    )


def compiled(transformer, optimizer=None):
    if optimizer is None:
        optimizer = BertAdam(
            1e-2,
            bias_correction=False,
            weight_decay_rate=0.01,
            exclude_from_weight_decay=["Norm", "bias", "MLM-Bias"],
            lr_schedule=warmup_linear(20),
        )
    transformer.model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer)
    return transformer


def train(transformer, expected):
    for ids, segments, labels in zip(expected["ids"], expected["segments"], expected["labels"]):
        transformer.model.train_on_batch([ids, segments], labels[..., None].astype("float32"))


def farthest(transformer, expected):
    """The largest difference of a weight after the training.

    The biases of keys do not change the network: their gradients are what rounding leaves, which Adam makes larger.
    """
    values = {name: value for name, value in transformer.checkpoint_variables().items() if "key/bias" not in name}
    return max(np.abs(values[name] - expected["after/" + name]).max() for name in values)


def test_a_training_of_googles_code_goes_on():
    expected = np.load(str(FOLDER / "expected.npz"))
    transformer = compiled(bert(checkpoint_path=CHECKPOINT))
    train(transformer, expected)
    assert farthest(transformer, expected) > 1e-3  # without its moments it goes elsewhere
    transformer.load_weights_from_checkpoint(CHECKPOINT)
    report = restore_adam(transformer, CHECKPOINT)
    assert not report.problems() and report.notes == ["the optimizer goes on after 3 updates"]
    train(transformer, expected)
    assert farthest(transformer, expected) < 1e-5
    state = adam_variables(transformer)
    assert state["global_step"] == 6
    name = "bert/embeddings/word_embeddings/adam_v"
    np.testing.assert_allclose(state[name], expected["after/" + name], rtol=1e-3, atol=1e-10)


def state_of(transformer):
    return {name: np.array(value) for name, value in adam_variables(transformer).items()}


def equal(got, want):
    assert got.keys() == want.keys()
    for name in want:
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)


def random_state(transformer):
    random, state = np.random.RandomState(5), state_of(transformer)
    state = {name: np.asarray(random.rand(*value.shape), "float32") for name, value in state.items()}
    return {**state, "global_step": np.asarray(12, "int64")}


def test_state_is_written_and_read(tmp_path):
    """The matrix of the NSP head is stored transposed; other optimizers spell the names of the moments otherwise."""
    transformer = compiled(build_transformer_model(CONFIG, with_nsp=True, return_keras_model=False), Adam())
    path, state = str(tmp_path / "model.ckpt"), random_state(transformer)
    assert state["cls/seq_relationship/output_weights/adam_v"].shape == (2, 16)
    save_checkpoint(path, {**transformer.checkpoint_variables(), **state})
    restore_adam(transformer, path)
    equal(state_of(transformer), state)
    spelled = {name.replace("adam_m", "Adam").replace("adam_v", "Adam_1"): 2 * value for name, value in state.items()}
    restore_adam(transformer, {**transformer.checkpoint_variables(), **spelled}, step=7)
    doubled = {name: 2 * value for name, value in state.items()}
    equal(state_of(transformer), {**doubled, "global_step": np.asarray(7)})


def test_kept_tokens_keep_their_moments():
    stored = open_checkpoint(CHECKPOINT)
    keep = [3, 0, 19, 7]
    transformer = compiled(bert(checkpoint_path=CHECKPOINT, keep_tokens=keep))
    restore_adam(transformer, CHECKPOINT)
    for end in ("/adam_m", "/adam_v"):
        for name in ("bert/embeddings/word_embeddings", "cls/predictions/output_bias"):
            np.testing.assert_array_equal(state_of(transformer)[name + end], stored[name + end][keep])


def test_what_does_not_fit_is_listed_and_changes_nothing():
    transformer = compiled(bert(checkpoint_path=CHECKPOINT))
    before, stored = state_of(transformer), dict(open_checkpoint(CHECKPOINT))
    del stored["bert/embeddings/LayerNorm/beta/adam_m"]
    stored["bert/embeddings/LayerNorm/gamma/adam_v"] = np.ones(5, "float32")
    stored["cls/predictions/output_bias/adam_v"] = -np.ones(20, "float32")
    with pytest.raises(CheckpointError) as error:
        restore_adam(transformer, stored)
    said = str(error.value)
    assert "missing: bert/embeddings/LayerNorm/beta for Embedding-Norm [16] (adam_m)" in said
    assert "shape: bert/embeddings/LayerNorm/gamma is [5] in the file, Embedding-Norm wants [16] (adam_v)" in said
    assert "values: cls/predictions/output_bias has numbers that no moment has (adam_v)" in said
    equal(state_of(transformer), before)


def test_layers_of_which_no_checkpoint_has_moments():
    """The pooler had no gradient in the training of the golden; a new head was not there."""
    transformer = bert(checkpoint_path=CHECKPOINT, with_mlm=False, with_pool="linear")
    head = keras.layers.Dense(3, name="my-head")
    model = keras.models.Model(transformer.model.inputs, head(transformer.model.output))
    for frozen in (False, True):
        head.trainable = transformer.layers["Pooler-Dense"].trainable = not frozen
        model.compile(loss="mse", optimizer=Adam())
        if frozen:
            assert len(restore_adam(transformer, CHECKPOINT, model=model).loaded) == 37
            assert np.abs(adam_variables(transformer, model)["bert/embeddings/LayerNorm/beta/adam_m"]).max() > 0
            continue
        with pytest.raises(CheckpointError, match="missing: bert/pooler/dense/kernel") as error:
            restore_adam(transformer, CHECKPOINT, model=model)
        assert "a variable that no checkpoint has" in str(error.value) and "my-head" in str(error.value)


def with_optimizer(optimizer, **arguments):
    return lambda: compiled(bert(**arguments), optimizer())


REFUSED = {
    "not compiled": (bert, CHECKPOINT, ConfigError, "call model.compile first"),
    "Lion": (with_optimizer(Lion), CHECKPOINT, ConfigError, "another optimizer, Lion"),
    "Adam of Keras": (with_optimizer(keras.optimizers.Adam), CHECKPOINT, ConfigError, "another optimizer, Adam"),
    "no moments": (
        with_optimizer(Adam),
        lambda: {name: value for name, value in open_checkpoint(CHECKPOINT).items() if "adam" not in name},
        CheckpointError,
        "has no moments of Adam",
    ),
    "no step": (
        with_optimizer(Adam),
        lambda: {name: value for name, value in open_checkpoint(CHECKPOINT).items() if name != "global_step"},
        CheckpointError,
        "has no global_step: give the number of updates as step=",
    ),
    "compound_tokens": (
        with_optimizer(Adam, compound_tokens=[[3, 4]]),
        CHECKPOINT,
        ConfigError,
        "rows that are the mean of other rows",
    ),
    "an id twice": (with_optimizer(Adam, keep_tokens=[3, 3]), CHECKPOINT, ConfigError, "has an id twice"),
    "albert_unshared": (
        lambda: compiled(build_transformer_model(CONFIG, model="albert_unshared", return_keras_model=False), Adam()),
        CHECKPOINT,
        ConfigError,
        "several layers are stored as bert/encoder/transformer/group_0",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    transformer, checkpoint, error, said = REFUSED[name]
    with pytest.raises(error, match=said):
        restore_adam(transformer(), checkpoint() if callable(checkpoint) else checkpoint)


def test_accumulation_counts_updates():
    from b4k3.optimizers import extend_with_gradient_accumulation

    optimizer = extend_with_gradient_accumulation(Adam, "AdamGA")(grad_accum_steps=4)
    transformer = compiled(bert(checkpoint_path=CHECKPOINT, num_hidden_layers=1), optimizer)
    restore_adam(transformer, CHECKPOINT)
    assert int(K.get_value(optimizer.iterations)) in (3, 12)  # updates or batches, as the Keras counts
    assert adam_variables(transformer)["global_step"] == 3
