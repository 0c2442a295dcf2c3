"""Adapters of Hugging Face PEFT: theirs in, ours out and in again, and one refusal for everything that is not LoRA."""

import json
import shutil

import numpy as np
import pytest

from b4k3.backend import low_rank_of
from b4k3.models import CheckpointError, ConfigError, build_transformer_model
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from support import goldens
from support.lora import trained
from support.small_models import SMALL, close, outputs, spread

ROOT = goldens.ROOT / "adapters"
HEADS = {"bert": {"with_nsp": True, "with_mlm": "linear"}, "gpt2": {"final_activation": "linear"}}
IDS = np.array([[2, 5, 7, 11, 13, 3, 0, 0], [2, 6, 8, 3, 9, 10, 12, 3]])
PREFIX = "base_model.model."
QUERY = "bert.encoder.layer.0.attention.self.query"


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def build(model="bert", **kwargs):
    return spread(build_transformer_model(dict(SMALL, **kwargs), model=model, return_keras_model=False))


def answer(transformer):
    return outputs(transformer, *([IDS] if len(transformer.inputs) == 1 else [IDS, IDS * 0]))


def written(tmp_path, targets=("query", "value"), model="bert", **kwargs):
    """The folder of an adapter for a small model, and what the model answers with it."""
    transformer = build(model, **kwargs)
    transformer.enable_lora(2, targets, alpha=3 if "Pooler-Dense" not in targets else None, verbose=False)
    folder = str(tmp_path / "adapter")
    trained(transformer).save_adapter(folder)
    return folder, answer(transformer)


def change(folder, config=None, tensors=None):
    """Change the configuration and the arrays of an adapter."""
    path = f"{folder}/adapter_config.json"
    with open(path) as file:
        found = json.load(file)
    with open(path, "w") as file:
        json.dump(dict(found, **(config or {})), file)
    if tensors is not None:
        path = f"{folder}/adapter_model.safetensors"
        with open_checkpoint(path) as checkpoint:
            stored = tensors({name: np.array(checkpoint[name]) for name in checkpoint})
        save_checkpoint(path, stored, format="safetensors")


@pytest.mark.parametrize("name", sorted(HEADS))
def test_their_adapter_gives_their_outputs(name):
    transformer = build_transformer_model(
        str(goldens.ROOT / "huggingface" / name), return_keras_model=False, **HEADS[name]
    )
    report = transformer.load_adapter(ROOT / name)
    assert len(report.loaded) == len(transformer.lora.targets) and not report.unexpected
    given, want = (np.load(str(path / name / "expected.npz")) for path in (goldens.ROOT / "huggingface", ROOT))
    inputs = [given[key] for key in ("ids", "segments") if key in given and (name, key) != ("gpt2", "segments")]
    mask = given["mask"].astype(bool)
    for got, key in zip(goldens.predict(transformer.model, inputs), [k for k in ("nsp", "mlm", "lm") if k in want]):
        close(*((got, want[key]) if key == "nsp" else (got[mask], want[key][mask])))


@pytest.mark.parametrize(
    ("model", "targets", "kwargs"),
    [
        ("bert", ("query", "FeedForward/output", "Embedding-Token", "Pooler-Dense"), {"with_pool": True}),
        ("bert", ("Embedding-Token", "MLM-Dense"), {"with_mlm": True}),
        ("albert", ("query", "Embedding-Token"), {"embedding_size": 12}),
        ("gpt2", ("query", "value", "Embedding-Token"), {}),
    ],
)
def test_ours_out_and_in(model, targets, kwargs, tmp_path):
    folder, want = written(tmp_path, targets, model, **kwargs)
    other = build(model, **kwargs)
    other.load_adapter(folder)
    for got, wanted in zip(answer(other), want):
        close(got, wanted)
    if model != "gpt2":  # where the joined module gives its keys a matrix of zeros
        for target in other.lora.targets:
            low_rank_of(target.layer).b.assign(np.zeros(low_rank_of(target.layer).b.shape))
        other.load_adapter(folder)  # into the LoRA that is there
        for got, wanted in zip(answer(other), want):
            close(got, wanted)


def test_names_for_another_class(tmp_path):
    bert = build()
    bert.enable_lora(2, "query", verbose=False)
    bert.save_adapter(tmp_path / "body", base_model="mine")
    bert.save_adapter(tmp_path / "head", for_class="BertForSequenceClassification")
    for name, module in (("body", QUERY[len("bert.") :]), ("head", QUERY)):
        with open_checkpoint(str(tmp_path / name / "adapter_model.safetensors")) as checkpoint:
            assert PREFIX + module + ".lora_A.weight" in checkpoint
        config = json.loads((tmp_path / name / "adapter_config.json").read_text())
        assert module in config["target_modules"] and config["base_model_name_or_path"] in (None, "mine")
        build().load_adapter(tmp_path / name)
    with pytest.raises(ConfigError, match="begins with Bert"):
        bert.save_adapter(tmp_path / "no", for_class="GPT2Model")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
        ({"bias": "all"}, "bias is 'all': train with bias='none'"),
        ({"use_dora": True}, "use_dora is True"),
        ({"layer_replication": [[0, 1]]}, "layer_replication"),
        ({"lora_bias": True}, "lora_bias is True"),
        ({"a_new_kind": {"x": 1}}, "a_new_kind is"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'"),
        ({"rank_pattern": {"(a|b)+query": 2}}, "rank_pattern has the regular expression"),
        ({"r": 0}, "the rank of the adapter is 0"),
        ({"lora_alpha": "x"}, "lora_alpha is 'x'"),
        ({"r": 3}, f"shape: {QUERY[5:]} has"),
    ],
)
def test_a_configuration_that_is_refused(config, said, tmp_path):
    folder, _ = written(tmp_path)
    change(folder, config)
    bert = build()
    with pytest.raises((ConfigError, CheckpointError)) as error:
        bert.load_adapter(folder)
    assert said in str(error.value) and bert.lora is None


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (lambda x: {k: v for k, v in x.items() if "layer.0.attention.self.query.lora_B" not in k}, "missing: "),
        (lambda x: dict(x, other=np.ones(2, "float32")), "not read: other"),
        (lambda x: {k: v.astype("int32") for k, v in x.items()}, "dtype: "),
        (lambda x: {k: v[:, :8] if "lora_A" in k else v for k, v in x.items()}, "has matrices for [8, 16]"),
        (
            lambda x: {k.replace("layer.1", "layer.9"): v for k, v in x.items()},
            "not read: base_model.model.encoder.layer.9",
        ),
        (lambda x: {"other": np.ones(2, "float32")}, "no matrix of LoRA"),
    ],
)
def test_arrays_that_are_refused(tensors, said, tmp_path):
    folder, _ = written(tmp_path)
    change(folder, tensors=tensors)
    bert = build()
    with pytest.raises(CheckpointError) as error:
        bert.load_adapter(folder)
    assert said in str(error.value) and bert.lora is None


def test_whole_modules_can_be_left_out(tmp_path):
    folder, want = written(tmp_path)
    name = PREFIX + "classifier.weight"
    change(folder, {"modules_to_save": ["classifier"]}, lambda x: dict(x, **{name: np.ones((2, 16), "float32")}))
    bert = build()
    with pytest.raises(CheckpointError, match="modules_to_save is .'classifier'.*ignore_unread_weights=True"):
        bert.load_adapter(folder)
    assert bert.load_adapter(folder, ignore_unread_weights=True).unread == [name]
    close(answer(bert)[0], want[0])


def test_a_tied_output_needs_the_same_matrices(tmp_path):
    folder, want = written(tmp_path, ("Embedding-Token",), with_mlm=True)
    other = PREFIX + "cls.predictions.decoder"
    table = PREFIX + "bert.embeddings.word_embeddings.base_layer.weight"
    base = build().checkpoint_variables()["bert/embeddings/word_embeddings"]
    change(folder, tensors=lambda x: dict(x, **{table: base, other + ".base_layer.weight": base}))
    bert = build(with_mlm=True)
    bert.load_adapter(folder)  # PEFT stores the weights of what it adapts at the input and the output
    close(answer(bert)[0], want[0])
    change(folder, tensors=lambda x: {k: v + 1 if k == table else v for k, v in x.items()})
    with pytest.raises(CheckpointError, match="not read: .*word_embeddings.base_layer.weight"):
        build(with_mlm=True).load_adapter(folder)
    change(folder, tensors=lambda x: {k: v for k, v in x.items() if not k.startswith(other) and k != table})
    with pytest.raises(CheckpointError, match="tied: .*tie_word_embeddings=False"):
        build(with_mlm=True).load_adapter(folder)
    build().load_adapter(folder)  # without the head there is nothing to be tied to


def test_what_cannot_be_written(tmp_path):
    bert = build(with_pool=True)
    with pytest.raises(ConfigError, match="has no LoRA"):
        bert.save_adapter(tmp_path / "x")
    bert.enable_lora(2, verbose=False)
    bert.layers["Pooler-Dense"].trainable = True
    with pytest.raises(CheckpointError, match="Pooler-Dense: these weights are trained too"):
        bert.save_adapter(tmp_path / "x")
    for model, kwargs, targets, said in (
        ("gau", {"hidden_act": "swish", "attention_key_size": 8}, "i_dense", "transformers has no class"),
        ("t5.1.0", {"hidden_act": "relu", "max_position": None}, "Embedding-Token", "in several modules"),
        ("bert", {"keep_tokens": list(range(10))}, "Embedding-Token", "cut down by keep_tokens"),
    ):
        config = {key: value for key, value in dict(SMALL, **kwargs).items() if value is not None}
        transformer = build_transformer_model(config, model=model, return_keras_model=False)
        transformer.enable_lora(2, targets, verbose=False)
        with pytest.raises((CheckpointError, ConfigError), match=said):
            transformer.save_adapter(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_folder_without_an_adapter_and_another_lora(tmp_path):
    with pytest.raises(FileNotFoundError):
        build().load_adapter(tmp_path / "nothing")
    folder, _ = written(tmp_path)
    bert = build()
    bert.enable_lora(3, verbose=False)
    with pytest.raises(ConfigError, match="call remove_lora"):
        bert.load_adapter(folder)
    shutil.move(f"{folder}/adapter_model.safetensors", f"{folder}/adapter_model.bin")
    with pytest.raises(CheckpointError, match="is a pickle"):
        build().load_adapter(folder)
