"""What `model='auto'` and a folder recognise, what shapes tell, and what is asked for."""

import json
import os
import shutil
import warnings

import goldens
import numpy as np
import pytest
from b4k3.models import CheckpointError, ConfigError, build_transformer_model, ready_configs
from b4k3.models.checkpoints import open_checkpoint
from b4k3.models.config import read_config

# system -> model= that is recognised in its folder
FOLDERS = {
    "google_bert": "bert",
    "bert_lm": "bert",
    "google_albert": "albert",
    "google_albert_groups": "albert",
    "brightmart_albert_zh_google": "albert",
    "bojone_albert_zh": "albert",
    "nezha": "nezha",
    "nezha_realscale": "nezha",
    "roformer": "roformer",
    "roformer_v2": "roformer_v2",
    "gau_alpha": "gau",
    "google_electra": "electra",
    "hit_electra": "electra",
    "clue_electra": "electra",
}


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def build(*args, **kwargs):
    return build_transformer_model(*args, return_keras_model=False, **kwargs)


def first_case(system, model):
    return next(c for c in goldens.systems()[system] if c["build"]["model"] == model and "batches" in c)


def variables(system):
    with open_checkpoint(str(goldens.ROOT / system)) as checkpoint:
        return {name: np.array(checkpoint[name]) for name in checkpoint}


def check(transformer, system):
    """The recognised network gives the outputs of the golden case."""
    case = first_case(system, transformer.model_key)
    for batch, probe in goldens.probes(transformer, case):
        z = goldens.arrays(case)
        for entry, got in zip(batch["compare"], probe(goldens.inputs_of(z, batch))):
            error, tolerance = goldens.difference(z, entry, got)
            assert error <= tolerance, entry["key"]
        break


def own_arguments(system, model):
    kwargs = dict(first_case(system, model)["build"])
    del kwargs["model"]
    return kwargs


@pytest.mark.parametrize("system", sorted(FOLDERS))
def test_folder(system):
    model = FOLDERS[system]
    transformer = build(str(goldens.ROOT / system), **own_arguments(system, model))
    assert transformer.model_key == model
    assert transformer.load_report.notes[0] == "recognised as model=%r" % model
    check(transformer, system)


@pytest.mark.parametrize("system", ["nezha", "google_albert", "clue_electra"])
def test_auto_with_a_config_and_without_its_sizes(system, tmp_path):
    """The config says only what shapes do not."""
    model = FOLDERS[system]
    case = first_case(system, model)
    config = read_config(str(goldens.ROOT / case["config"]))
    kept = ("num_attention_heads", "hidden_act", "use_relative_position", "hidden_dropout_prob")
    kept += ("num_hidden_layers",) if model == "albert" else ()
    config = {key: config[key] for key in kept if key in config}
    transformer = build(config, str(goldens.ROOT / case["checkpoint"]), model="auto", **own_arguments(system, model))
    assert transformer.model_key == model
    check(transformer, system)


def test_what_shapes_do_not_tell_is_asked_for():
    checkpoint = str(goldens.ROOT / "google_bert" / "bert_model.ckpt")
    with pytest.raises(ConfigError, match="the shapes in .*bert_model.ckpt lacks? num_attention_heads, hidden_act"):
        build(None, checkpoint, model="auto")
    case = first_case("google_bert", "bert")
    heads = read_config(str(goldens.ROOT / case["config"]))["num_attention_heads"]
    transformer = build(None, checkpoint, model="auto", num_attention_heads=heads, hidden_act="gelu_tanh")
    assert any("hidden_size=" in note for note in transformer.load_report.notes)
    check(transformer, "google_bert")
    albert = str(goldens.ROOT / "google_albert")
    with pytest.raises(ConfigError, match="num_hidden_layers"):
        build(None, variables("google_albert"), model="auto", num_attention_heads=3, hidden_act="gelu")
    assert os.path.isdir(albert)


def test_the_generator_is_recognised_by_its_config():
    folder = goldens.ROOT / "hit_electra"
    checkpoint = str(folder / "electra_small")
    generator = build(str(folder / "generator.json"), checkpoint, model="auto")
    assert generator.model_key == "electra_generator"
    check(generator, "hit_electra")
    assert build(str(folder), model="electra_generator").hidden_size == 8
    assert build(str(folder / "discriminator.json"), checkpoint, model="auto").model_key == "electra"


def test_nezha_and_roformer_under_neutral_names():
    """Their variables have the same names: config, NSP head and vocabulary tell them apart, or the caller."""
    shapes = {"num_attention_heads": 4, "hidden_act": "gelu"}
    nezha, roformer = variables("nezha"), variables("roformer")
    assert build(dict(shapes, use_relative_position=True), roformer, model="auto").model_key == "nezha"
    assert build(dict(shapes, model_type="roformer"), nezha, model="auto").model_key == "roformer"
    assert build(dict(shapes), nezha, model="auto").model_key == "nezha"  # it has an NSP head
    with pytest.warns(UserWarning, match="taken for RoFormer; if it is NEZHA"):
        assert build(dict(shapes), roformer, model="auto").model_key == "roformer"
    for name in [name for name in nezha if name.startswith("cls/")]:
        del nezha[name]
    with pytest.raises(ConfigError, match="cannot tell NEZHA from RoFormer"):
        build(dict(shapes), nezha, model="auto")


def test_configs_of_a_folder(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(str(goldens.ROOT / "google_bert"), str(folder))
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    config = json.loads((folder / "bert_config.json").read_text())
    (folder / "other.json").write_text(json.dumps(dict(config, num_hidden_layers=12)))  # of another size
    assert build(str(folder)).num_hidden_layers == config["num_hidden_layers"]
    (folder / "third_config.json").write_text(json.dumps(dict(config, hidden_act="relu")))
    with pytest.raises(ConfigError, match="several configs fit .*bert_config.json, third_config.json"):
        build(str(folder))
    (folder / "third_config.json").write_text("{")
    with pytest.raises(ConfigError, match="third_config.json is not JSON"):
        build(str(folder))


def test_a_model_that_does_not_fit_names_the_one_that_does():
    for system, wrong in [("google_electra", "bert"), ("google_albert", "bert"), ("google_bert", "albert")]:
        with pytest.raises(CheckpointError, match="build it with model='%s'" % FOLDERS[system]):
            build(str(goldens.ROOT / system), model=wrong)
    with pytest.raises(CheckpointError, match="model='nezha' or 'roformer'"):
        build(str(goldens.ROOT / "nezha"), model="bert")


def test_auto_without_evidence():
    with pytest.raises(ConfigError, match="model='auto' needs a checkpoint"):
        build({"vocab_size": 9}, model="auto")
    with pytest.raises(ConfigError, match="does not recognise its variables"):
        build({"vocab_size": 9}, {"some/kernel": np.zeros(3)}, model="auto")
    empty = build(dict(read_config("hit_electra_small"), vocab_size=50), model="auto")
    assert empty.model_key == "electra"


# ------------------------------------------------------------------------------------------------ ready configs


def test_ready_configs_are_consistent():
    assert {"google_electra_%s" % size for size in ("small", "base", "large")} <= set(ready_configs())
    for name, path in ready_configs().items():
        config = read_config(name)
        assert config == read_config(path)
        assert config["model_type"] == ("electra_generator" if "generator" in name else "electra")
        assert config["hidden_size"] == 64 * config["num_attention_heads"] or name == "clue_electra_tiny"


def test_a_release_without_a_config_gets_the_ready_one():
    """Only shapes are looked at, so that a model of zeros stands for Google's."""
    config = dict(read_config("google_electra_small"), hidden_dropout_prob=0.0)
    model = config.pop("model_type")
    small = build(dict(config, num_hidden_layers=12), model=model, num_hidden_layers=12)
    tensors = {}
    for layer, names in small.mapping_of_layers().items():
        tensors.update(zip(names, small.layers[layer].get_weights()))
    again = build(None, tensors, model="auto")
    assert (again.num_attention_heads, again.hidden_act) == (4, "gelu")
    assert any("google_electra_small" in note for note in again.load_report.notes)


# ---------------------------------------------------------------------------------------------------- heads


def fresh_head(tensors, scope, random):
    """The variables of a head as BERT's code initialises them."""
    for name in [name for name in tensors if name.startswith(scope)]:
        shape = tensors[name].shape
        if len(shape) == 1:
            tensors[name] = np.ones(shape, "float32") if name.endswith("gamma") else np.zeros(shape, "float32")
        else:
            values = random.randn(40 * int(np.prod(shape)))
            tensors[name] = 0.02 * values[np.abs(values) < 2][: int(np.prod(shape))].reshape(shape).astype("float32")


@pytest.mark.parametrize("head,scope", [("with_mlm", "cls/predictions/"), ("with_nsp", "cls/seq_relationship/")])
def test_an_untrained_head_is_reported(head, scope):
    folder = goldens.ROOT / "hit_roberta_wwm"
    config = str(folder / "bert_config.json")
    tensors = variables("hit_roberta_wwm")

    def notes(**kwargs):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = [n for n in build(config, tensors, **kwargs).load_report.notes if "freshly initialised" in n]
        assert found == [str(w.message) for w in caught if "freshly initialised" in str(w.message)]
        return found

    assert not notes(**{head: True})
    fresh_head(tensors, scope, np.random.RandomState(0))
    assert not notes()
    (note,) = notes(**{head: True})
    assert ("MLM head" if head == "with_mlm" else "NSP head") in note and "noise" in note
    name = next(name for name in tensors if name.startswith(scope) and tensors[name].ndim == 2)
    tensors[name] = tensors[name] * 1.5
    assert not notes(**{head: True})
