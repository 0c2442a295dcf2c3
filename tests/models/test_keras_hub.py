"""Presets of keras-hub: BertBackbone is read, with its config; other classes are refused by name."""

import json
import shutil

import numpy as np
import pytest

from b4k3.models import CheckpointError, ConfigError, build_transformer_model
from b4k3.models.checkpoints import open_checkpoint
from b4k3.models.cli import main
from b4k3.models.cli.subject import Subject
from support import goldens

GOLDEN = goldens.ROOT / "keras_hub_bert"


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    goldens.forget()


@pytest.fixture
def preset(tmp_path):
    """The folder as keras-hub writes it, with the file of a task beside the weights."""
    import h5py

    folder = tmp_path / "preset"
    folder.mkdir()
    for name in ("config.json", "metadata.json"):
        shutil.copy(str(GOLDEN / name), str(folder))
    with np.load(str(GOLDEN / "weights.npz")) as arrays, h5py.File(str(folder / "model.weights.h5"), "w") as file:
        for name in arrays:
            file[name] = arrays[name]
    (folder / "task.json").write_text(
        '{"module": "keras_hub.src.models.bert.bert_masked_lm", "class_name": "BertMaskedLM"}'
    )
    shutil.copy(str(folder / "model.weights.h5"), str(folder / "task.weights.h5"))
    return folder


def test_the_numbers_of_keras_hub(preset):
    z = np.load(str(GOLDEN / "expected.npz"))
    transformer = build_transformer_model(str(preset), return_keras_model=False, with_pool=True)
    assert transformer.load_report.unexpected == [] and transformer.model_key == "bert"
    pooled = goldens.predict(transformer.model, [z["ids"], z["segments"]])[0]
    assert np.abs(pooled - z["pooled"]).max() < 1e-5
    transformer = build_transformer_model(str(preset), return_keras_model=False)
    assert {kind for _, kind in transformer.load_report.unexpected} == {"pooler"}
    hidden = goldens.predict(transformer.model, [z["ids"], z["segments"]])[0]
    mask = z["mask"].astype(bool)
    assert np.abs(hidden - z["hidden"])[mask].max() < 1e-5 * max(1, np.abs(z["hidden"]).max())


def test_the_config(preset):
    source = Subject(str(preset))
    source.require()
    assert source.model == "bert" and source.view.dialect.name == "keras_hub" and source.unknown_keys == []
    wanted = {"num_attention_heads": 3, "hidden_act": "gelu_tanh", "layer_norm_eps": 1e-12, "max_position": 16}
    assert {key: source.known[key] for key in wanted} == wanted
    assert source.view.shape("bert/encoder/layer_1/attention/self/query/kernel") == (12, 12)
    assert source.view.shape("bert/encoder/layer_0/attention/output/dense/kernel") == (12, 12)


def test_converted_for_transformers(preset, tmp_path, capfd):
    assert main(["convert", str(preset), str(tmp_path / "new"), "--to", "huggingface"]) == 0, capfd.readouterr()
    with open_checkpoint(str(tmp_path / "new")) as new, open_checkpoint(str(preset)) as old:
        query = np.asarray(old["layers/transformer_encoder_1/_self_attention_layer/query_dense/vars/0"])
        assert np.array_equal(new["bert.encoder.layer.1.attention.self.query.weight"], query.reshape(12, 12).T)
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert config["model_type"] == "bert" and config["hidden_act"] == "gelu_new"


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"class_name": "RobertaBackbone"},
            "preset of keras-hub, of the class 'RobertaBackbone'; b4k3 reads those of Bert",
        ),
        ({"class_name": 3}, "preset of keras-hub, of the class 3"),
        ({"config": [1]}, "without an object 'config'"),
        ({"config": {}}, "num_attention_heads"),
    ],
)
def test_refused(preset, change, message):
    config = dict(json.loads((preset / "config.json").read_text()), **change)
    (preset / "config.json").write_text(json.dumps(config))
    with pytest.raises((ConfigError, CheckpointError), match=message):
        Subject(str(preset)).require()


def test_arguments_that_nobody_knows_are_told(preset):
    config = json.loads((preset / "config.json").read_text())
    config["config"]["attention_scale"] = 2.0
    (preset / "config.json").write_text(json.dumps(config))
    assert Subject(str(preset)).unknown_keys == ["attention_scale"]
