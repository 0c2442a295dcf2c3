"""Files and answers of Hugging Face transformers, made by `tests/huggingface/references.py`."""

import numpy as np
import pytest

from b4k3.models import CheckpointError, ConfigError, build_transformer_model
from b4k3.models.checkpoints import open_checkpoint
from support import goldens
from support.huggingface import HEADS, ROOT


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    goldens.forget()


def compare(transformer, name, keys):
    z = np.load(str(ROOT / name / "expected.npz"))
    mask = z["mask"].astype(bool)
    inputs = [z[key] for key in ("ids", "segments", "decoder_ids") if key in z]
    for got, key in zip(goldens.predict(transformer.model, inputs), keys):
        got, want = (got, z[key]) if key == "nsp" else (got[mask], z[key][mask])
        assert got.shape == want.shape
        assert np.abs(got - want).max() <= 1e-5 * max(1.0, np.abs(want).max()), key


@pytest.mark.parametrize("name", sorted(HEADS))
def test_a_folder_of_transformers_in_and_out(name, tmp_path):
    """It is recognised, answers the same, and is written with the same names and values."""
    model, heads, keys = HEADS[name]
    transformer = build_transformer_model(str(ROOT / name), return_keras_model=False, **heads)
    assert transformer.model_key == model
    assert all(kind for _, kind in transformer.load_report.unexpected), transformer.load_report.unexpected
    compare(transformer, name, keys)
    path = str(tmp_path / "model.safetensors")
    transformer.save_weights_as_checkpoint(path, format="safetensors", dialect="huggingface")
    with open_checkpoint(path) as written, open_checkpoint(str(ROOT / name)) as original:
        assert set(written) <= set(original)
        fixed = ("embed_positions", "decoder", "generator_lm_head.weight", "mask_emb")
        assert not [key for key in set(original) - set(written) if not any(part in key for part in fixed)]
        for key in written:
            np.testing.assert_array_equal(written[key], original[key])


BODIES = "albert bert camembert distilbert electra electra_generator ernie megatron_bert mpnet nezha roberta".split()
BODIES += ["xlm_roberta", "deberta_v2", "deberta_v3"]


@pytest.mark.parametrize("name", BODIES)
def test_a_body_without_prefix(name):
    """What AutoModel.save_pretrained writes; model= says which of the relatives it is."""
    with open_checkpoint(str(ROOT / name)) as checkpoint:
        prefix = sorted(key for key in checkpoint if key.endswith("word_embeddings.weight"))[0].split("embeddings.")[0]
        body = {key[len(prefix) :]: checkpoint[key] for key in checkpoint if key.startswith(prefix)}
    transformer = build_transformer_model(
        str(ROOT / name / "config.json"), body, model=HEADS[name][0], return_keras_model=False
    )
    compare(transformer, name, ["hidden"])


def test_uie(tmp_path):
    """PyTorch's file without a model_type, whose names begin with 'encoder.'; written, they begin with 'ernie.'."""
    transformer = build_transformer_model(str(ROOT / "uie"), return_keras_model=False, with_pointers=True)
    assert transformer.model_key == "ernie"
    assert {kind for _, kind in transformer.load_report.unexpected} == {"pooler"}
    compare(transformer, "uie", ["start", "end"])
    path = str(tmp_path / "model.safetensors")
    transformer.save_weights_as_checkpoint(path, format="safetensors", dialect="huggingface")
    with open_checkpoint(path) as written:
        assert "linear_start.weight" in written and "ernie.encoder.layer.1.output.dense.weight" in written
    heads = {"model": "ernie", "with_pointers": True, "return_keras_model": False}
    again = build_transformer_model(str(ROOT / "uie" / "config.json"), path, **heads)
    compare(again, "uie", ["start", "end"])


def test_uie_without_its_pointers_and_ernie_with_them():
    body = build_transformer_model(str(ROOT / "uie"), return_keras_model=False)
    assert {kind for _, kind in body.load_report.unexpected} == {"pooler", "pointers"}
    with pytest.raises(CheckpointError, match="linear_start, linear_end.*with_pointers=False"):
        build_transformer_model(str(ROOT / "ernie"), with_pointers=True)
    heads = {"with_pool": True, "with_pointers": "linear", "ignore_invalid_weights": True}
    model = build_transformer_model(str(ROOT / "uie"), **heads)
    assert [len(shape) for shape in model.output_shape] == [2, 2, 2]


def test_uie_m_is_refused_by_name():
    names = [f"encoder.encoder.layers.0.self_attn.self_attn.{name}_proj.weight" for name in "qkv"]
    tensors = {name: np.zeros((8, 8), "float32") for name in names + ["linear_start.weight"]}
    with pytest.raises(CheckpointError, match="ERNIE-M, as in UIE-M, which b4k3 does not have.*uie-base"):
        build_transformer_model(dict(SMALL), tensors, model="auto", with_pointers=True)


def test_dialects_of_other_models_and_unknown_ones(tmp_path):
    transformer = build_transformer_model(str(ROOT / "albert"), return_keras_model=False)
    with pytest.raises(CheckpointError, match="has no name for bert/encoder/embedding_hidden_mapping_in"):
        transformer.save_weights_as_checkpoint(str(tmp_path / "x"), dialect="huggingface-nezha")
    with pytest.raises(ConfigError, match="dialect='hf' is not known. Known: .*huggingface"):
        transformer.save_weights_as_checkpoint(str(tmp_path / "x"), dialect="hf")
    assert not list(tmp_path.iterdir())


def test_networks_that_only_share_the_names_are_refused():
    for change in ({"position_embedding_type": "relative_key"}, {"rotary_value": True}):
        with pytest.raises(ConfigError, match=next(iter(change))):
            build_transformer_model(dict(SMALL, **change))


SMALL = {
    "vocab_size": 9,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "gelu",
}
