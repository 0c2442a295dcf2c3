"""What `model='auto'` and a folder recognise, what shapes tell, and what is asked for."""

import json
import shutil
import warnings

import numpy as np
import pytest

from b4k3.models import CheckpointError, ConfigError, build_transformer_model, ready_configs
from b4k3.models.checkpoints import open_checkpoint
from b4k3.models.config_files import read_config
from b4k3.models.keys import understand
from b4k3.models.registry import architecture
from b4k3.models.source import Source
from b4k3.models.transformer import accepted_arguments
from support import goldens

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
    "nezha_gen": "bert",
    "gpt_openai_cdial": "gpt",
    "gpt2_cpm": "gpt2",
    "gpt2_ml": "gpt2_ml",
    "t5_1_0": "t5.1.0",
    "mt5": "mt5.1.1",
    "t5_pegasus": "t5_pegasus",
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


def requested(config, checkpoint=None, model="auto", **kwargs):
    """What would be built; nothing is."""
    return Source(config, checkpoint, model, kwargs)


@pytest.mark.parametrize("system", sorted(FOLDERS))
def test_folder(system):
    """The class and the arguments are those of the golden case, which names config, checkpoint and model."""
    model = FOLDERS[system]
    case = first_case(system, model)
    for default in (None, "auto"):
        request = requested(str(goldens.ROOT / system), model=default)
        assert request.network.name == model
        assert request.notes[0] == f"recognised as model={model!r}"
        assert request.checkpoint.path == str(goldens.ROOT / case["checkpoint"])
        accepted = accepted_arguments(architecture(model))
        path = str(goldens.ROOT / case["config"])
        want = understand(request.network, read_config(path), path).values
        got = request.config
        added = {key: value for key, value in got.items() if key in accepted and key not in want}
        assert {key: got[key] for key in want} == want
        of_shapes = {"num_decoder_layers", "relative_attention_num_buckets"}
        assert set(added) <= {"embedding_size", "embedding_mapping", "num_hidden_groups", "inner_group_num"} | of_shapes


@pytest.mark.parametrize("system", ["google_albert_groups", "google_electra", "roformer_v2"])
def test_outputs_of_a_recognised_folder(system):
    transformer = build(str(goldens.ROOT / system), **own_arguments(system, FOLDERS[system]))
    assert transformer.load_report.notes[0] == f"recognised as model={FOLDERS[system]!r}"
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
    with pytest.raises(ConfigError, match="num_hidden_layers"):
        build(None, variables("google_albert"), model="auto", num_attention_heads=3, hidden_act="gelu")


def test_the_generator_is_recognised_by_its_config():
    folder = goldens.ROOT / "hit_electra"
    checkpoint = str(folder / "electra_small")
    generator = build(str(folder / "generator.json"), checkpoint, model="auto")
    assert generator.model_key == "electra_generator"
    check(generator, "hit_electra")
    assert requested(str(folder), model="electra_generator").config["hidden_size"] == 8
    assert requested(str(folder / "discriminator.json"), checkpoint).network.name == "electra"


def test_nezha_and_roformer_under_neutral_names():
    """Their variables have the same names: config, NSP head and vocabulary tell them apart, or the caller."""
    nezha, roformer = variables("nezha"), variables("roformer")

    def model(config, tensors):
        return requested(config, tensors).network.name

    assert model({"use_relative_position": True}, roformer) == "nezha"
    assert model({"model_type": "roformer"}, nezha) == "roformer"
    assert model({}, nezha) == "nezha"  # it has an NSP head
    with pytest.warns(UserWarning, match="taken for RoFormer; if it is NEZHA"):
        assert build({"num_attention_heads": 4, "hidden_act": "gelu"}, roformer, model="auto").model_key == "roformer"
    for name in [name for name in nezha if name.startswith("cls/")]:
        del nezha[name]
    with pytest.raises(ConfigError, match="cannot tell 'nezha' from 'roformer'"):
        model({}, nezha)


def test_configs_of_a_folder(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(str(goldens.ROOT / "google_bert"), str(folder))
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    config = json.loads((folder / "bert_config.json").read_text())
    (folder / "other.json").write_text(json.dumps(dict(config, num_hidden_layers=12)))  # of another size
    assert requested(str(folder)).config["num_hidden_layers"] == config["num_hidden_layers"]
    (folder / "third_config.json").write_text(json.dumps(dict(config, hidden_act="relu")))
    with pytest.raises(ConfigError, match="several configs fit .*bert_config.json, third_config.json"):
        requested(str(folder))
    (folder / "third_config.json").write_text("{")
    assert requested(str(folder)).where.endswith("bert_config.json")  # what cannot be read is none
    (folder / "bert_config.json").write_text("{")
    with pytest.raises(ConfigError, match="bert_config.json: it is not valid JSON"):
        requested(str(folder))


def test_a_model_that_does_not_fit_names_the_one_that_does():
    for system, wrong in [("google_electra", "bert"), ("google_albert", "bert"), ("google_bert", "albert")]:
        with pytest.raises(CheckpointError, match=f"build it with model='{FOLDERS[system]}'"):
            build(str(goldens.ROOT / system), model=wrong)
    with pytest.raises(CheckpointError, match="build it with model='nezha'"):
        build(str(goldens.ROOT / "nezha"), model="bert")


@pytest.mark.parametrize(
    "name, model, wrong",
    [("mpnet", "mpnet", "roberta"), ("megatron_bert", "megatron_bert", "bert"), ("uie", "ernie", "bert")],
)
def test_a_folder_of_transformers_under_the_name_of_a_relative(name, model, wrong):
    """With the model_type of the config, and by the names in the file alone."""
    folder = goldens.ROOT / "huggingface" / name
    config = read_config(str(folder / "config.json"))
    said = config.pop("model_type", None)
    weights = str(folder / ("pytorch_model.bin" if name == "uie" else "model.safetensors"))
    assert requested(config, weights).network.name == model
    with pytest.raises(CheckpointError, match=f"build it with model='{model}'"):
        build(config, weights, model=wrong, model_type=wrong)
    if said is not None:
        with pytest.raises(ConfigError, match=f"model='{model}' fits it"):
            build(str(folder), model=wrong)


def test_auto_without_evidence():
    with pytest.raises(ConfigError, match="model='auto' needs a checkpoint"):
        build({"vocab_size": 9}, model="auto")
    with pytest.raises(CheckpointError, match="does not fit any network that b4k3 has"):
        build({"vocab_size": 9}, {"some/kernel": np.zeros(3)}, model="auto")
    assert requested("hit_electra_small").network.name == "electra"


def test_t5_pegasus_opened_as_mt5_is_noted():
    """Its variables are mT5's; Google's own file is not taken for it."""
    pegasus, mt5 = (str(goldens.ROOT / name) for name in ("t5_pegasus", "mt5"))
    assert any("T5-PEGASUS" in note for note in requested(pegasus, model="mt5.1.1").notes)
    assert not any("T5-PEGASUS" in note for note in requested(mt5, model="mt5.1.1").notes)
    with pytest.raises(CheckpointError, match="build it with model='t5.1.0'"):
        build(str(goldens.ROOT / "t5_1_0"), model="t5.1.1")


def test_the_form_of_gelu_is_noted():
    for hidden_act, noted in (("gelu", True), ("gelu_tanh", False)):
        notes = build(str(goldens.ROOT / "google_albert"), hidden_act=hidden_act).load_report.notes
        assert any("the original code means hidden_act='gelu_tanh'" in note for note in notes) == noted


# --------------------------------------------------------------------------------------------------- modernbert

MODERNBERT = goldens.ROOT / "huggingface" / "modernbert"


def test_modernbert_and_its_relatives():
    tensors, config = variables("huggingface/modernbert"), read_config(str(MODERNBERT / "config.json"))
    assert requested(str(MODERNBERT)).network.name == "modernbert"
    with pytest.raises(ConfigError, match="another network than model='roformer': model='modernbert' fits it"):
        build(str(MODERNBERT), model="roformer")
    del config["model_type"]
    assert requested(config, tensors).network.name == "modernbert"
    for model in ("bert", "roformer", "gpt2"):
        with pytest.raises(CheckpointError, match="build it with model='modernbert'"):
            build(config, tensors, model=model)
    body = {name[len("model.") :]: value for name, value in tensors.items() if name.startswith("model.")}
    assert requested(config, body).network.name == "modernbert"
    for name in [name for name in body if "Wqkv" in name]:  # a decoder of the same project has them apart
        for key, part in zip("qkv", np.split(body.pop(name), 3)):
            body[name.replace("Wqkv", key + "_proj")] = part
    with pytest.raises(CheckpointError, match="as in ModernBERT-decoder"):
        build(config, body, model="modernbert")


def test_the_old_keys_of_modernbert_mean_the_same():
    """Those of transformers 4, as the published configs have them."""
    new = read_config(str(MODERNBERT / "config.json"))
    old = {key: value for key, value in new.items() if key not in ("rope_parameters", "layer_types")}
    old.update(global_rope_theta=160000, local_rope_theta=100.0, layer_norm_eps=1e-12, reference_compile=True)
    old.update(position_embedding_type="sans_pos", repad_logits_with_grad=False)
    keys = ("global_rope_theta", "local_rope_theta", "layer_norm_eps", "hidden_act", "mlm_act", "local_attention")
    found = [requested(config, str(MODERNBERT)) for config in (old, new)]
    assert [found[0].config[key] for key in keys] == [found[1].config[key] for key in keys]
    assert not found[0].unknown_keys and not found[0].warned
    kinds = [build(config, str(MODERNBERT)).kinds for config in (old, new)]
    assert kinds[0] == kinds[1] == ["full_attention", "sliding_attention"]


@pytest.mark.parametrize(
    "change",
    [
        {"rope_parameters": {"full_attention": {"rope_theta": 10.0, "rope_type": "linear", "factor": 2.0}}},
        {"rope_parameters": {"rope_theta": 10.0, "rope_type": "default"}},
        {"rope_scaling": {"type": "linear", "factor": 2.0}},
        {"mlp_dropout": 0.1},
        {"head_dim": 4},
        {"layer_types": ["full_attention"]},
        {"layer_types": ["full_attention", "chunked_attention"]},
        {"layer_types": None, "global_attn_every_n_layers": 0},
        {"classifier_activation": "geluu"},
        {"norm_bias": 1},
        {"local_attention": 0},
    ],
    ids=str,
)
def test_what_modernbert_does_not_understand(change):
    config = dict(read_config(str(MODERNBERT / "config.json")), **change)
    with pytest.raises(ConfigError, match=sorted(change)[0]):
        build(config, str(MODERNBERT), model="modernbert")


# ------------------------------------------------------------------------------------------------ ready configs


def test_ready_configs_are_consistent():
    assert {f"google_electra_{size}" for size in ("small", "base", "large")} <= set(ready_configs())
    for name, path in ready_configs().items():
        config = read_config(name)
        assert config == read_config(path)
        if "electra" in name:
            assert config["model_type"] == ("electra_generator" if "generator" in name else "electra")
            assert config["hidden_size"] == 64 * config["num_attention_heads"] or name == "clue_electra_tiny"


def test_a_release_without_a_config_gets_the_ready_one():
    """Only names and shapes are looked at, so that a file of zeros stands for Google's."""
    config = read_config("google_electra_small")
    sizes = [("word_embeddings", config["vocab_size"]), ("position_embeddings", 512), ("token_type_embeddings", 2)]
    tensors = {"electra/embeddings/" + name: np.zeros((rows, 128), "int8") for name, rows in sizes}
    for i in range(12):
        tensors[f"electra/encoder/layer_{i}/attention/self/query/kernel"] = np.zeros((256, 256), "int8")
        tensors[f"electra/encoder/layer_{i}/intermediate/dense/kernel"] = np.zeros((256, 1024), "int8")
    request = requested(None, tensors)
    assert request.where == "the ready config google_electra_small"
    assert any("google_electra_small" in note for note in request.notes)
    assert request.config["num_attention_heads"] == 4
    del config["model_type"]
    config = understand(request.network, config, "it").values
    assert {key: request.config[key] for key in config} == config
    del tensors["electra/encoder/layer_11/attention/self/query/kernel"]
    del tensors["electra/encoder/layer_11/intermediate/dense/kernel"]
    assert "num_attention_heads" not in requested(None, tensors).config


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
