"""The verdict on a checkpoint: loaded, missing, unexpected, mismatched, resized; and writing one."""

import numpy as np
import pytest

from b4k3.backend import orthogonally_resize
from b4k3.layers import MultiHeadAttention
from b4k3.models import CheckpointError, build_transformer_model
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from b4k3.models.dialects import translated
from b4k3.models.dialects.google import GOOGLE
from b4k3.models.dialects.huggingface import HUGGINGFACE
from support import goldens

FOLDER = goldens.ROOT / "google_bert"
CONFIG = str(FOLDER / "bert_config.json")
CHECKPOINT = str(FOLDER / "bert_model.ckpt")
SMALL = {"hidden_act": "gelu_tanh", "return_keras_model": False}


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    goldens.forget()


@pytest.fixture
def variables():
    return {name: value for name, value in open_checkpoint(CHECKPOINT).items()}


def build(checkpoint=CHECKPOINT, **kwargs):
    return build_transformer_model(CONFIG, checkpoint, **dict(SMALL, **kwargs))


def test_report_of_an_encoder(variables):
    extra = dict(variables, global_step=np.array(7))
    extra["bert/pooler/dense/kernel/adam_m"] = np.zeros((2, 2))
    report = build(extra, num_hidden_layers=1).load_report
    assert len(report.loaded) == 5 + 16
    assert not report.missing and not report.mismatched and not report.initialized
    kinds = dict(report.unexpected)
    assert kinds["global_step"] == "training state"
    assert kinds["bert/pooler/dense/kernel/adam_m"] == "optimizer slot"
    assert kinds["bert/pooler/dense/kernel"] == "pooler"
    assert kinds["cls/predictions/output_bias"] == "MLM head"
    assert kinds["cls/seq_relationship/output_bias"] == "NSP head"
    assert kinds["bert/encoder/layer_2/output/dense/bias"] == "blocks beyond num_hidden_layers"
    text = report.summary()
    assert "21 variables loaded" in text and "blocks beyond num_hidden_layers: 32" in text and "google names" in text


def test_one_error_lists_everything_that_is_missing(variables):
    for name in list(variables):
        if "layer_1/" in name or "position_embeddings" in name:
            del variables[name]
    with pytest.raises(CheckpointError) as e:
        build(variables)
    message = str(e.value)
    assert message.count("missing:") == 17
    assert "build it with model='nezha'" in message and "no weight was changed" in message


@pytest.mark.parametrize(
    "names,hint",
    [
        (["electra/embeddings/word_embeddings", "discriminator_predictions/dense/bias"], "model='electra'"),
        (["bert/encoder/transformer/group_0/inner_group_0/attention_1/self/query/kernel"], "model='albert'"),
        (["encoder/block_000/layer_000/SelfAttention/q"], "model='t5.1.0'"),
        (["newslm/embeddings/word_embed"], "model='gpt2_ml'"),
        (["gpt/embeddings/word_embeddings"], "model='gpt'"),
        (["GAU_alpha/encoder/layer_0/gau/i_dense/kernel"], "model='gau'"),
    ],
)
def test_the_model_that_fits_is_named(names, hint):
    with pytest.raises(CheckpointError, match=hint):
        build({name: np.zeros((2, 2), "float32") for name in names}, num_hidden_layers=1)


def test_names_that_no_dialect_knows():
    with pytest.raises(CheckpointError, match="no dialect knows its variables .*what"):
        build({"what": np.zeros(2)})


def test_missing_variables_may_be_ignored(variables):
    full = build().layers["Transformer-1-FeedForward"].get_weights()
    del variables["bert/encoder/layer_1/output/dense/kernel"]
    transformer = build(variables, ignore_invalid_weights=True)
    got = transformer.layers["Transformer-1-FeedForward"].get_weights()
    for i in (0, 1, 3):
        assert np.array_equal(got[i], full[i])  # those after the gap did not move up
    assert 0.01 < got[2].std() < 0.03  # as it was drawn, not zero
    assert [name for _, name, _ in transformer.load_report.missing] == ["bert/encoder/layer_1/output/dense/kernel"]


def test_autoresize():
    bigger = build(hidden_size=64, intermediate_size=100, attention_head_size=16, autoresize_weights=True)
    report = bigger.load_report
    assert len(report.resized) > 40 and not report.mismatched
    assert bigger.layers["Transformer-0-FeedForward"].get_weights()[0].shape == (64, 100)
    assert "resized: bert/embeddings/word_embeddings" in report.summary()


@pytest.mark.parametrize("scale, factor", [(True, 2**0.25), (False, 1), (0.3, 1)], ids=str)
def test_resized_queries_keep_the_size_of_the_scores(scale, factor):
    """Only a scale that depends on the key size has to be made up for."""
    transformer = build(None, num_hidden_layers=1)
    attention = MultiHeadAttention(2, 4, attention_scale=scale)
    value = np.random.RandomState(0).randn(6, 8)
    for index, expected in [(0, factor), (2, factor), (4, 1)]:
        resized = transformer.resize_variable(attention, index, value, (6, 16))
        np.testing.assert_allclose(resized, orthogonally_resize(value, (6, 16)) * expected, rtol=1e-6)


def test_frozen_models_load_too(variables):
    transformer = build(None, num_hidden_layers=1)
    transformer.model.trainable = False
    for layer in transformer.model.layers:
        layer.trainable = False
    transformer.load_weights_from_checkpoint(CHECKPOINT)
    table = transformer.layers["Embedding-Token"].get_weights()[0]
    assert np.array_equal(table, variables["bert/embeddings/word_embeddings"])


def test_nothing_is_drawn_that_a_checkpoint_fills():
    transformer = build()
    assert {"Embedding-Token", "Transformer-0-FeedForward"} <= transformer.uninitialized
    config = transformer.layers["Embedding-Token"].get_config()["embeddings_initializer"]
    assert config["class_name"].split(">")[-1] == "TruncatedNormal" and config["config"]["stddev"] == 0.02


@pytest.mark.parametrize("format", ["tf", "safetensors"])
def test_writing_gives_back_what_was_read(format, tmp_path, variables):
    """With every head; bit for bit, under the names and in the layout of the file."""
    transformer = build(with_nsp=True, with_mlm=True)
    path = str(tmp_path / ("model.ckpt" if format == "tf" else "model.safetensors"))
    transformer.save_weights_as_checkpoint(path, format=format)
    written = open_checkpoint(path)
    assert set(written.keys()) == set(variables)
    for name, value in variables.items():
        assert np.array_equal(written[name], value), name
    if format == "tf":
        again = build(path, with_nsp=True, with_mlm=True)
        assert len(again.load_report.loaded) == len(variables)


@pytest.mark.parametrize("body_only", [False, True])
def test_hugging_face_names(body_only, tmp_path, variables):
    """The same weights under torch's names and layout, with or without the prefix of the body."""
    tensors, unknown = translated(variables, GOOGLE, HUGGINGFACE)
    assert not unknown and len(tensors) == len(variables)
    kernel = "bert.encoder.layer.0.intermediate.dense.weight"
    assert np.array_equal(tensors[kernel], variables["bert/encoder/layer_0/intermediate/dense/kernel"].T)
    if body_only:
        tensors = {name[5:]: value for name, value in tensors.items() if name.startswith("bert.")}
    save_checkpoint(str(tmp_path / "model.safetensors"), tensors, format="safetensors")
    heads = {} if body_only else {"with_nsp": True, "with_mlm": True}
    transformer = build(str(tmp_path / "model.safetensors"), **heads)
    assert transformer.load_report.dialect == "huggingface"
    for got, want in zip(transformer.model.get_weights(), build(**heads).model.get_weights()):
        assert np.array_equal(got, want)
    back, unknown = translated(tensors, HUGGINGFACE, GOOGLE)
    assert not unknown
    for name, value in back.items():
        assert np.array_equal(value, variables[name])
