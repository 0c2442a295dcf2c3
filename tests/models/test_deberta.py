"""DeBERTa's files as Microsoft published them, and what is refused."""

import json
import shutil

import numpy as np
import pytest

from b4k3.models import CheckpointError, ConfigError, build_transformer_model
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from models.test_huggingface import HEADS, ROOT, compare
from support import goldens
from support.small_models import SMALL

RELATIVE = dict(SMALL, model="deberta_v2", relative_attention=True, pos_att_type=["c2p"])
OURS, MICROSOFTS = "cls.predictions.", "lm_predictions.lm_head."


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def published(folder):
    """The golden of DeBERTa-v3 as Microsoft's files are: other names of the head, and what only pretraining had."""
    with open_checkpoint(str(ROOT / "deberta_v3")) as checkpoint:
        tensors = {name: np.array(checkpoint[name]) for name in checkpoint if ".decoder." not in name}
    for name in [name for name in tensors if name.startswith(OURS)]:
        tensors[name.replace(OURS, MICROSOFTS).replace("transform.", "")] = tensors.pop(name)
    tensors["deberta.embeddings.position_embeddings.weight"] = np.ones((20, 18), "float32")
    tensors["mask_predictions.dense.weight"] = np.ones((18, 18), "float32")
    save_checkpoint(str(folder / "model.safetensors"), tensors, format="safetensors")
    config = json.loads((ROOT / "deberta_v3" / "config.json").read_text())
    for key in ("legacy", "architectures", "pad_token_id", "tie_word_embeddings", "pooler_hidden_act"):
        del config[key]
    (folder / "config.json").write_text(json.dumps(dict(config, pos_att_type="p2c|c2p", z_steps=0)))
    return str(folder)


def test_microsofts_names_and_config(tmp_path):
    transformer = build_transformer_model(published(tmp_path), return_keras_model=False, with_mlm="linear")
    compare(transformer, "deberta_v3", ["mlm"])
    assert dict(transformer.load_report.unexpected) == {
        "deberta.embeddings.position_embeddings.weight": "positions of the decoder in pretraining",
        "mask_predictions.dense.weight": "discriminator head",
    }
    assert not transformer.ignored_config_keys


@pytest.mark.parametrize("name", ["deberta_v2", "deberta_v3"])
def test_the_pooler_of_a_fine_tuned_file(name, tmp_path):
    """Its activation is gelu; published files have no pooler, and say so."""
    shutil.copy(str(ROOT / name / "config.json"), str(tmp_path))
    with pytest.raises(CheckpointError, match=r"the file has no pooler: build with with_pool=False"):
        build_transformer_model(str(ROOT / name), with_pool=True)
    with open_checkpoint(str(ROOT / name)) as checkpoint:
        tensors = {name: np.array(checkpoint[name]) for name in checkpoint if name.startswith("deberta.")}
    tensors.update({"pooler.dense.weight": np.eye(18, dtype="float32"), "pooler.dense.bias": np.zeros(18, "float32")})
    save_checkpoint(str(tmp_path / "model.safetensors"), tensors, format="safetensors")
    transformer = build_transformer_model(str(tmp_path), with_pool=True, return_keras_model=False)
    z = np.load(str(ROOT / name / "expected.npz"))
    first = z["hidden"][:, 0]
    tanh = np.tanh(np.sqrt(2 / np.pi) * (first + 0.044715 * first**3))  # 1e-3 from the erf form at most
    np.testing.assert_allclose(goldens.predict(transformer.model, [z["ids"]])[0], 0.5 * first * (1 + tanh), atol=2e-3)


def test_wrong_models_are_refused_with_the_right_one():
    for model in ("bert", "nezha"):
        with pytest.raises(ConfigError, match="model_type='deberta-v2' is another network.*model='deberta_v2' fits it"):
            build_transformer_model(str(ROOT / "deberta_v3"), model=model)
    with open_checkpoint(str(ROOT / "deberta_v3")) as checkpoint:
        tensors = {name: np.array(checkpoint[name]) for name in checkpoint}
    with pytest.raises(CheckpointError, match="model='deberta_v2'"):
        build_transformer_model(dict(SMALL), tensors, model="bert")
    assert HEADS["deberta_v3"][0] == "deberta_v2"


def test_the_first_deberta_is_another_network():
    """Its queries, keys and values are one matrix, its config says `deberta`."""
    with pytest.raises(ConfigError, match="model_type='deberta' is a network that b4k3 does not have"):
        build_transformer_model(dict(SMALL, model_type="deberta"))
    with open_checkpoint(str(ROOT / "deberta_v3")) as checkpoint:
        tensors = {name: np.array(checkpoint[name]) for name in checkpoint}
    for name in [name for name in tensors if "query_proj" in name or "key_proj" in name or "value_proj" in name]:
        del tensors[name]
    for i in range(2):
        tensors[f"deberta.encoder.layer.{i}.attention.self.in_proj.weight"] = np.ones((54, 18), "float32")
    with pytest.raises(CheckpointError, match="the file is of the first DeBERTa"):
        build_transformer_model(str(ROOT / "deberta_v3" / "config.json"), tensors)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"pos_att_type": "c2p|p2p"}, "pos_att_type='c2p.p2p', expected a list of 'c2p' and 'p2c'"),
        ({"pos_att_type": 3}, "pos_att_type=3, expected"),
        ({"norm_rel_ebd": "instance_norm"}, "norm_rel_ebd='instance_norm', expected 'layer_norm' or 'none'"),
        ({"position_buckets": 1}, "position_buckets=1 leaves no buckets"),
        ({"position_buckets": 8, "max_relative_positions": 5}, "position_buckets=8 leaves no buckets"),
        ({"position_buckets": "8"}, "position_buckets='8', expected an int from -1"),
        ({"conv_kernel_size": 2}, "conv_kernel_size=2, expected an odd number"),
        ({"with_nsp": True}, "with_nsp: DeBERTaV2 has no such head"),
        ({"position_biased_input": False, "custom_position_ids": True}, "nothing reads position ids"),
        ({"application": "lm"}, "application"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        build_transformer_model(**dict(RELATIVE, **change))


@pytest.mark.parametrize("change", [{"z_steps": 2}, {"conv_groups": 2}, {"conv_act": "prelu"}, {"pos_att_type": "p2p"}])
def test_configs_that_mean_something_else_are_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        build_transformer_model(dict(RELATIVE, **change), model="deberta_v2")


def test_a_config_without_segments_has_none():
    """As in transformers, whose default is 0."""
    config = {key: value for key, value in SMALL.items() if key not in ("segment_vocab_size", "type_vocab_size")}
    model = build_transformer_model(dict(config, model_type="deberta-v2"))
    assert len(model.inputs) == 1
