"""How projects name their variables: rules, early ALBERT, and a dialect and an architecture of a third party."""

import numpy as np
import pytest

from b4k3.models import BERT, build_transformer_model, register_architecture, register_dialect, registry
from b4k3.models.checkpoints import CheckpointError, open_checkpoint
from b4k3.models.dialects import Dialect, Rule, View, linear, norm, translated
from b4k3.models.dialects.albert_zh import ALBERT_ZH
from b4k3.models.dialects.bojone_gpt import BOJONE_GPT
from b4k3.models.dialects.google import GOOGLE
from b4k3.models.dialects.huggingface import HUGGINGFACE
from b4k3.models.dialects.huggingface_gpt import GPT2
from b4k3.models.dialects.mesh_t5 import MESH_T5
from b4k3.models.source import Source
from support import goldens

FOLDER = goldens.ROOT / "bojone_albert_zh"
CONFIG = str(FOLDER / "albert_config.json")


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def build(*args, **kwargs):
    return build_transformer_model(*args, return_keras_model=False, **kwargs)


def variables(folder):
    with open_checkpoint(str(folder)) as checkpoint:
        return {name: np.array(checkpoint[name]) for name in checkpoint}


def outputs(transformer):
    z = np.load(str(FOLDER / "expected.npz"))
    mask = z["input_mask"].astype(bool)
    found = goldens.predict(transformer.model, [z["input_ids"], z["segment_ids"]])
    return [x[mask] if x.shape[:2] == mask.shape else x for x in found]


# ---------------------------------------------------------------------------------------------- early albert_zh


def early_albert():
    """(early file, the same weights as converted by multiplying the tables out)."""
    converted = variables(FOLDER)
    rows, size = converted["bert/embeddings/word_embeddings"].shape
    random = np.random.RandomState(0)
    left, right = (0.5 * random.randn(*shape).astype("float32") for shape in ((rows, 8), (8, size)))
    converted["bert/embeddings/word_embeddings"] = left.dot(right)
    block = "bert/encoder/transformer/group_0/inner_group_0/"
    renamed = [
        ("attention_1/output", "attention/output"),
        ("attention_1/self", "attention/self"),
        ("ffn_1/intermediate/output/dense", "output/dense"),
        ("ffn_1/intermediate/dense", "intermediate/dense"),
        ("LayerNorm_1/", "output/LayerNorm/"),
        ("LayerNorm/", "attention/output/LayerNorm/"),
    ]
    early = {}
    for name, value in converted.items():
        if name.startswith(block):
            part = name[len(block) :]
            part = next(new + part[len(old) :] for old, new in renamed if part.startswith(old))
            name = "bert/encoder/layer_shared/" + part
        early[name] = value
    early["bert/embeddings/word_embeddings"] = left
    early["bert/embeddings/word_embeddings_2"] = right
    return early, converted


@pytest.mark.parametrize("model", ["albert", "auto"])
def test_early_albert_is_loaded_as_its_conversion(model):
    early, converted = early_albert()
    heads = {"with_nsp": True, "with_mlm": "linear", "hidden_act": "gelu_tanh"}
    config = dict(goldens_config(), embedding_size=8)  # what the published ones say, of the first table
    got = build(config, early, model=model, **heads)
    assert got.load_report.dialect == "albert_zh"
    assert not got.load_report.unexpected
    for x, y in zip(outputs(got), outputs(build(CONFIG, converted, model="albert", **heads))):
        assert np.abs(x - y).max() <= 1e-5 * max(1.0, np.abs(y).max())


def goldens_config():
    from b4k3.models.config_files import read_config

    return read_config(CONFIG)


def test_early_albert_translates_to_google_names():
    early, converted = early_albert()
    tensors, unknown = translated(open_checkpoint(early), ALBERT_ZH, GOOGLE)
    assert not unknown
    assert {name: value.shape for name, value in tensors.items()} == {k: v.shape for k, v in converted.items()}
    for name in tensors:
        np.testing.assert_allclose(tensors[name], converted[name], rtol=1e-6)
    view = View(open_checkpoint(early), ALBERT_ZH)
    assert view.shape("bert/embeddings/word_embeddings") == converted["bert/embeddings/word_embeddings"].shape


# ------------------------------------------------------------------------------------------------------- rules


def test_numbers_are_carried_over():
    rule = Rule("a/layer_{i}/b_{j}", "x.{i}.y.{j}", True)
    assert rule.to_stored("a/layer_3/b_12") == "x.3.y.12"
    assert rule.to_canonical("x.3.y.12") == "a/layer_3/b_12"
    assert rule.to_stored("a/layer_3/b_12/c") is None and rule.to_canonical("xx3.y.12") is None


def test_translation_there_and_back():
    case = goldens.first_case("google_bert")
    google = {k: v for k, v in variables(goldens.ROOT / "google_bert").items()}
    there, unknown = translated(open_checkpoint(google), GOOGLE, HUGGINGFACE)
    kernel = "bert/encoder/layer_0/output/dense/kernel"
    np.testing.assert_array_equal(there["bert.encoder.layer.0.output.dense.weight"], google[kernel].T)
    back, lost = translated(open_checkpoint(there), HUGGINGFACE, GOOGLE)
    assert not lost and set(back) == set(google) - set(unknown)
    for name in back:
        np.testing.assert_array_equal(back[name], google[name])
    assert case["system"] == "google_bert"


# ---------------------------------------------------------------------------------------------------- mesh_t5


def test_either_spelling_of_t5s_normalisation_and_projections_of_three_axes():
    mt5 = {name: x for name, x in variables(goldens.ROOT / "mt5").items() if "_slot_" not in name}
    other = {}
    for name, x in mt5.items():
        final = name in ("encoder/rms_norm/scale", "decoder/rms_norm/scale")
        name = name.replace("rms_norm", "final_layer_norm" if final else "layer_norm")
        if name.split("/")[-1] in ("q", "k", "v"):
            x = x.reshape(len(x), 2, -1)
        elif name.endswith("/o"):
            x = x.reshape(2, -1, x.shape[-1])
        other[name] = x
    view = View(open_checkpoint(other), MESH_T5)
    for name, x in mt5.items():
        assert view.shape(name) == x.shape, name
        np.testing.assert_array_equal(view[name], x)


def test_bfloat16_of_t5():
    """The golden holds the same values twice."""
    wide, narrow = (open_checkpoint(str(goldens.ROOT / "t5_1_1" / name)) for name in ("", "bf16"))
    assert narrow.stored_dtype("shared/embedding") == "bfloat16"
    names = [name for name in wide if "_slot_" not in name and name in narrow]
    assert len(names) > 40
    for name in names:
        np.testing.assert_array_equal(wide[name], narrow[name])


# ----------------------------------------------------------------------------------------------- variables in parts


def test_queries_keys_and_values_are_one_in_gpt2_of_transformers():
    ours = variables(goldens.ROOT / "gpt2_cpm")
    there, unknown = translated(open_checkpoint(ours), BOJONE_GPT, GPT2)
    assert not unknown
    scope = "gpt/transformer/layer_1/attention/self/"
    kernels = [ours[scope + part + "/kernel"] for part in ("query", "key", "value")]
    np.testing.assert_array_equal(there["transformer.h.1.attn.c_attn.weight"], np.concatenate(kernels, axis=1))
    back, lost = translated(open_checkpoint(there), GPT2, BOJONE_GPT)
    assert not lost and set(back) == set(ours)
    for name in ours:
        np.testing.assert_array_equal(back[name], ours[name])
    del ours[scope + "key/bias"]
    _, unknown = translated(open_checkpoint(ours), BOJONE_GPT, GPT2)
    assert sorted(unknown) == [scope + "query/bias", scope + "value/bias"]


def test_what_is_joined_and_transposed():
    """As in torch: the file has [3 · 2, 4], of which each variable is [4, 2]."""
    rules = [Rule(f"mine/{name}/kernel", "joined.weight", True, part=(k, 3)) for k, name in enumerate("qkv")]
    rules += [Rule(f"mine/{name}/bias", "joined.bias", part=(k, 3)) for k, name in enumerate("qkv")]
    joined = Dialect("joined", rules, lambda names: "joined.weight" in names)
    weight, bias = np.arange(24.0).reshape(6, 4), np.arange(6.0)
    view = View(open_checkpoint({"joined.weight": weight, "joined.bias": bias}), joined)
    for k, name in enumerate("qkv"):
        assert view.shape(f"mine/{name}/kernel") == (4, 2) and view.shape(f"mine/{name}/bias") == (2,)
        np.testing.assert_array_equal(view[f"mine/{name}/kernel"], weight[2 * k : 2 * k + 2].T)
        np.testing.assert_array_equal(view[f"mine/{name}/bias"], bias[2 * k : 2 * k + 2])
    again, unknown = translated(view.checkpoint, joined, joined)
    assert not unknown
    np.testing.assert_array_equal(again["joined.weight"], weight)


# ------------------------------------------------------------------------------------------------ a third party


class Doubled(BERT):
    """A BERT that doubles its output."""

    model_key = "doubled"

    def apply_final_layers(self, inputs):
        from b4k3.layers import Add

        return self.apply([inputs, inputs], Add, name="Doubled")


TOY = Dialect(
    "toy",
    [
        Rule("bert/embeddings/word_embeddings", "toy:words"),
        Rule("bert/embeddings/token_type_embeddings", "toy:segments"),
        Rule("bert/embeddings/position_embeddings", "toy:positions"),
    ]
    + norm("bert/embeddings/LayerNorm", "toy:norm")
    + sum(
        (
            linear("bert/encoder/layer_{i}/" + part, "toy:{i}:" + part)
            for part in (
                "attention/self/query",
                "attention/self/key",
                "attention/self/value",
                "attention/output/dense",
                "intermediate/dense",
                "output/dense",
            )
        ),
        [],
    )
    + norm("bert/encoder/layer_{i}/attention/output/LayerNorm", "toy:{i}:norm1")
    + norm("bert/encoder/layer_{i}/output/LayerNorm", "toy:{i}:norm2"),
    lambda names: "toy:words" in names,
)


def test_a_toy_architecture_and_dialect(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "ARCHITECTURES", dict(registry.ARCHITECTURES))
    monkeypatch.setattr(registry, "DIALECTS", dict(registry.DIALECTS))
    register_architecture("doubled", Doubled)
    register_dialect("toy", TOY)
    case = goldens.first_case("google_bert")
    plain = goldens.build(case)
    path = str(tmp_path / "toy.safetensors")
    plain.save_weights_as_checkpoint(path, format="safetensors", dialect="toy")
    with open_checkpoint(path) as checkpoint:
        assert all(name.startswith("toy:") for name in checkpoint)
    config = str(goldens.ROOT / case["config"])
    doubled = build(config, path, model="doubled", hidden_act=case["build"]["hidden_act"])
    assert doubled.load_report.dialect == "toy"
    z = goldens.arrays(case)
    inputs = goldens.inputs_of(z, case["batches"][0])
    want = 2 * goldens.predict(plain.model, inputs)[0]
    np.testing.assert_allclose(goldens.predict(doubled.model, inputs)[0], want, rtol=1e-5, atol=1e-6)


def test_a_dialect_whose_names_have_no_separator(monkeypatch):
    """Such names have no word that another word could replace; a file that fits nothing is refused as ever."""
    monkeypatch.setattr(registry, "DIALECTS", dict(registry.DIALECTS))
    words = Rule("bert/embeddings/word_embeddings", "words")
    register_dialect("flat", Dialect("flat", [words], lambda names: "words" in names))
    with pytest.raises(CheckpointError, match="no dialect knows its variables .*other.*does not fit model='bert'"):
        Source({"vocab_size": 10}, {"other": np.zeros(3, "float32")}, "bert")
