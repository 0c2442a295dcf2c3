"""A file is loaded as what it is, or refused with the reason: one test for each kind of thing said wrongly."""

import json
import warnings

import numpy as np
import pytest

from b4k3.models import CheckpointError, ConfigError, build_transformer_model
from b4k3.models.checkpoints import save_checkpoint
from b4k3.models.cli import main
from b4k3.models.cli.subject import Subject
from b4k3.models.dialects import translated
from b4k3.models.dialects.google import GOOGLE
from b4k3.models.dialects.huggingface import HUGGINGFACE
from b4k3.models.keys import FIXED
from b4k3.models.loading import LoadReport, require
from b4k3.models.registry import network
from b4k3.models.source import Source
from support import goldens
from support.small_models import CONFIG, SMALL, close, outputs, spread

GPT2 = {"vocab_size": 20, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32, "activation_function": "gelu_new"}
GPT2.update(layer_norm_epsilon=1e-5, n_inner=24)
GPT = dict({key: value for key, value in GPT2.items() if key != "activation_function"}, afn="gelu")
T5 = {"vocab_size": 20, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
T5.update(feed_forward_proj="relu", relative_attention_num_buckets=8)
DISTILBERT = {"vocab_size": 20, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24, "activation": "gelu"}
CONFIGS = {"gpt2": GPT2, "openai-gpt": GPT, "t5": T5, "mt5": T5, "distilbert": DISTILBERT}  # of others it is CONFIG
IDS = np.array([[2, 5, 7, 11, 3]])
SEGMENTS = np.array([[0, 0, 0, 1, 1]])


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def build(config, checkpoint=None, **kwargs):
    return build_transformer_model(config, checkpoint, return_keras_model=False, **kwargs)


def of_type(model_type, **kwargs):
    return dict(CONFIGS.get(model_type, CONFIG), model_type=model_type, **kwargs)


def arrays(name, parts=None, **sizes):
    """The variables of a small network, as its description has them; of all parts or of the named ones."""
    of, random = network(name), np.random.RandomState(0)
    sizes = of.derive(dict(SMALL, segment_vocab_size=2, task_type_vocab_size=3, **sizes))
    found = {}
    for part in of.parts:
        for layer in part.layers if parts is None or part.name in parts else ():
            for _, numbers in layer.instances(sizes) if layer.exists(sizes) else ():
                for variable in layer.variables:
                    value = 0.3 * random.randn(*variable.shape(sizes)).astype("float32")
                    found[variable.name.format(**numbers)] = value + ("gamma" in variable.name)
    return found


def warned(function, *args, **kwargs):
    """(what a call returns, the sentences of its warnings)"""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*args, **kwargs)
    return result, [str(w.message) for w in caught if issubclass(w.category, UserWarning)]


def folder_of(tmp_path, config, tensors, name="folder"):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_checkpoint(str(folder / "model.safetensors"), tensors, format="safetensors")
    return str(folder)


@pytest.fixture(scope="module")
def bert():
    return arrays("bert")


@pytest.fixture(scope="module")
def bert_answer(bert):
    transformer = build(CONFIG, bert)
    return outputs(transformer, IDS, SEGMENTS)[0]


def loads_as_bert(tensors, bert_answer, config=CONFIG, **kwargs):
    """The report of a load, which gives the right outputs."""
    transformer = build(config, tensors, **kwargs)
    close(outputs(transformer, IDS, SEGMENTS)[0], bert_answer)
    return transformer.load_report


# ----------------------------------------------------------------------------------------------------- config files


def test_a_model_type_that_is_not_here(tmp_path, bert, bert_answer):
    config = dict(CONFIG, model_type="convbert")
    folder = folder_of(tmp_path, config, bert)
    for arguments in (
        {"config_path": folder},
        {"config_path": config, "checkpoint_path": bert},
        {"config_path": config},
    ):
        with pytest.raises(ConfigError, match="model_type='convbert' is a network that b4k3 does not have") as e:
            build_transformer_model(**arguments)
        assert "xlm-roberta" in str(e.value) and "insist" in str(e.value)
        with pytest.raises(ConfigError, match="convbert.* is another network than model='bert'") as e:
            build_transformer_model(model="bert", **arguments)
        assert "insist with model_type='bert'" in str(e.value)
    assert not loads_as_bert(None, bert_answer, folder, model="bert", model_type="bert").unread
    assert main(["inspect", folder]) == 3


def test_a_model_that_is_not_the_one_of_the_file(bert, bert_answer):
    with pytest.raises(
        ConfigError, match="model_type='nezha' is another network than model='bert': model='nezha' fits"
    ):
        build(of_type("nezha"), bert, model="bert")
    loads_as_bert(bert, bert_answer, of_type("nezha"), model="bert", model_type="bert")


def test_the_name_roberta_means_bert_unless_a_file_says_otherwise(bert, bert_answer):
    """Chinese publishers call BERT's network so, and bert4keras has the name for it."""
    loads_as_bert(bert, bert_answer, model="roberta")
    assert build(CONFIG, bert, model="roberta").model_key == "bert"
    of_fairseq = {"roberta" + name[4:]: value for name, value in hugging(bert, "bert").items() if name[:4] == "bert"}
    for config in (of_type("roberta"), CONFIG):
        assert Source(config, of_fairseq, "roberta").network.name == "roberta"
    assert Source(of_type("xlm-roberta"), of_fairseq).network.name == "roberta"


def hugging(tensors, name):
    """The tensors under the names of transformers."""
    from b4k3.models.dialects import written
    from b4k3.models.loading import dialect_named

    found, unknown = written(tensors, dialect_named("huggingface", network(name)))
    assert not unknown
    return found


# a value of each key that means another network
OTHER = {
    "add_cross_attention": True,
    "auto_map": {"AutoModel": "modeling_x.XModel"},
    "ln_type": "preln",
    "per_layer_config": {"0": {"hidden_size": 8}},
    "norm_type": "rms_norm",
    "position_embedding_type": "relative_key_query",
    "pruned_heads": {"0": [1]},
    "quantization_config": {"bits": 4},
    "rotary_value": True,
    "tie_encoder_decoder": True,
    "use_bias": False,
}


def test_every_fixed_key_has_a_value_here():
    assert set(OTHER) == set(FIXED)


@pytest.mark.parametrize("key", sorted(OTHER))
def test_a_key_that_means_another_network(key, bert, bert_answer):
    for model_type in ("bert", "electra"):
        with pytest.raises(ConfigError, match=f"{key}=.* is another network than model=") as e:
            build(of_type(model_type, **{key: OTHER[key]}))
        assert f"insist with {key}=None" in str(e.value)
    for value in FIXED[key]:
        assert not Source(of_type("bert", **{key: value}), bert).warned
    loads_as_bert(bert, bert_answer, of_type("bert", **{key: OTHER[key]}), **{key: None})


def test_is_decoder(bert):
    config = of_type("bert", is_decoder=True)
    with pytest.raises(ConfigError, match="is_decoder is true: .* application='lm'.* is_decoder=False"):
        build(config, bert)
    assert build(config, bert, is_decoder=False).model_key == "bert"
    decoder = build(config, bert, application="lm")
    before, after = (outputs(decoder, ids, SEGMENTS)[0] for ids in (IDS, np.where(IDS == 3, 14, IDS)))
    close(after[:, :4], before[:, :4])
    for value in ("yes", 1):
        with pytest.raises(ConfigError, match=f"is_decoder={value!r}, expected true or false"):
            build(of_type("bert", is_decoder=value), bert)
    Source(dict(GPT2, model_type="gpt2", is_decoder=True))


def test_a_key_that_nobody_knows(bert):
    _, said = warned(build, of_type("bert", attention_gimmick=3), bert)
    assert len(said) == 1 and "does not know attention_gimmick" in said[0]
    with pytest.raises(ConfigError, match="no argument 'attention_gimmick'"):
        build(CONFIG, bert, attention_gimmick=3)


@pytest.mark.parametrize(
    "name", sorted(path.parent.name for path in (goldens.ROOT / "huggingface").glob("*/config.json"))
)
def test_the_usual_keys_of_transformers_are_known(name):
    source = Source(str(goldens.ROOT / "huggingface" / name))
    assert source.unknown_keys == [] and source.warned == []


ACTIVATION_KEYS = [
    ("bert", "hidden_act"),
    ("electra", "hidden_act"),
    ("gpt2", "activation_function"),
    ("openai-gpt", "afn"),
    ("distilbert", "activation"),
    ("t5", "feed_forward_proj"),
    ("t5", "dense_act_fn"),
]


@pytest.mark.parametrize("model_type, key", ACTIVATION_KEYS)
def test_activations_name_the_key_as_it_is_spelled(model_type, key):
    for value in ("geluu", 3, 0.5, True, [], [3], {"a": 1}, "x" * 10**5):
        with pytest.raises(ConfigError, match=f"(?s)the call: {key}") as e:
            build(of_type(model_type, **{key: value}))
        assert len(str(e.value)) <= 2000


@pytest.mark.parametrize(
    "model_type, key, value",
    [
        ("bert", "hidden_dropout_prob", 1.5),
        ("bert", "attention_probs_dropout_prob", "0.1"),
        ("bert", "max_position_embeddings", -1),
        ("bert", "type_vocab_size", 2.0),
        ("bert", "hidden_size", True),
        ("bert", "hidden_size", 17),
        ("bert", "vocab_size", 10**30),
        ("bert", "layer_norm_eps", "1e-12"),
        ("bert", "pad_token_id", 20),
        ("bert", "pad_token_id", -2),
        ("bert", "tie_word_embeddings", "no"),
        ("ernie", "use_task_id", 1),
        ("ernie", "task_type_vocab_size", 0),
        ("gpt2", "n_embd", 0),
        ("gpt2", "n_head", "2"),
        ("gpt2", "resid_pdrop", 7),
        ("gpt2", "layer_norm_epsilon", 2),
        ("distilbert", "dim", []),
        ("distilbert", "n_layers", None),
        ("distilbert", "dropout", -0.1),
        ("t5", "d_ff", 1.0),
        ("t5", "num_layers", {}),
        ("t5", "d_kv", "8"),
    ],
)
def test_errors_name_the_key_as_it_is_spelled(model_type, key, value):
    with pytest.raises(ConfigError, match=rf"\b{key}\b") as e:
        build(of_type(model_type, **{key: value}))
    assert len(str(e.value)) <= 2000


# -------------------------------------------------------------------------------------------------------- variables


@pytest.mark.parametrize("model", ["nezha", "roformer", "roformer_v2"])
def test_a_file_of_bert_as_a_network_that_reads_less_of_it(model, bert):
    body = {name: value for name, value in bert.items() if not name.startswith("cls/")}
    for tensors in (bert, body):
        with pytest.raises(CheckpointError, match="(?s)not read: bert/.*build it with model='bert'") as e:
            build(CONFIG, tensors, model=model)
        assert "ignore_unread_weights=True" in str(e.value) and "no weight was changed" in str(e.value)
    transformer, said = warned(build, CONFIG, bert, model=model, ignore_unread_weights=True)
    assert transformer.model_key == model and transformer.load_report.loaded and transformer.load_report.unread
    assert any("belong to the network and are not read: bert/" in sentence for sentence in said)


@pytest.mark.parametrize("resize", [False, True], ids=["", "resize"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool", "complex64"])
def test_weights_that_are_no_floating_point_numbers(dtype, resize, bert, tmp_path):
    """The numbers of quantised weights would be loaded as they are, up to 127."""
    name = "bert/encoder/layer_1/attention/self/key/kernel"
    tensors = dict(bert, **{name: (100 * bert[name]).astype(dtype)})
    with pytest.raises(CheckpointError, match=f"(?s)dtype: {name} is {dtype} in the file.*float16") as e:
        build(CONFIG, tensors, autoresize_weights=resize, ignore_invalid_weights=True, ignore_unread_weights=True)
    assert "no weight was changed" in str(e.value)
    path = str(tmp_path / "model.npz")
    save_checkpoint(path, tensors, format="npz")
    problems = Subject(path).problems
    assert [problem for problem in problems if f"{name} is {dtype}" in problem], problems


def test_half_precision_loads(bert):
    tensors = {name: value.astype("float16") for name, value in bert.items()}
    assert not build(CONFIG, tensors).load_report.not_floats


def test_a_mapping_between_widths_that_are_equal(tmp_path):
    """transformers' ALBERT always has it."""
    sizes = {"num_hidden_groups": 1, "inner_group_num": 1, "embedding_mapping": True}
    tensors = arrays("albert", **sizes)
    config = of_type("albert", embedding_size=16, num_hidden_groups=1, inner_group_num=1)
    transformer = build(config, tensors)
    assert "Embedding-Mapping" in transformer.layers and not transformer.load_report.unread
    kernel = tensors["bert/encoder/embedding_hidden_mapping_in/kernel"]
    np.testing.assert_array_equal(transformer.layers["Embedding-Mapping"].get_weights()[0], kernel)
    with pytest.raises(CheckpointError, match="not read: bert/encoder/embedding_hidden_mapping_in"):
        build(config, tensors, embedding_mapping=False)
    source = Source(folder_of(tmp_path, config, hugging(tensors, "albert")))
    assert source.config["embedding_mapping"] is True


def test_a_table_of_tasks_that_the_config_denies():
    tensors = arrays("ernie", use_task_id=True)
    with pytest.raises(CheckpointError, match="not read: bert/embeddings/task_type_embeddings"):
        build(of_type("ernie", use_task_id=False), tensors)
    assert build(of_type("ernie"), tensors).use_task_id
    transformer = build(of_type("ernie", use_task_id=True), tensors, use_task_id=False)
    assert (
        "bert/embeddings/task_type_embeddings",
        "left out by use_task_id=False",
    ) in transformer.load_report.unexpected


# model_type -> (model=, arguments of the head)
UNTIED = {
    "bert": ("bert", {"with_mlm": "linear"}),
    "roberta": ("roberta", {"with_mlm": "linear"}),
    "ernie": ("ernie", {"with_mlm": "linear"}),
    "distilbert": ("distilbert", {"with_mlm": "linear"}),
    "megatron-bert": ("megatron_bert", {"with_mlm": "linear"}),
    "mpnet": ("mpnet", {"with_mlm": "linear"}),
    "albert": ("albert", {"with_mlm": "linear"}),
    "roformer": ("roformer", {"with_mlm": "linear"}),
    "nezha": ("nezha", {"with_mlm": "linear"}),
    "electra": ("electra_generator", {"with_mlm": "linear"}),
    "gpt2": ("gpt2", {"final_activation": "linear"}),
    "openai-gpt": ("gpt", {"final_activation": "linear"}),
    "t5": ("t5.1.0", {"with_lm": "linear"}),
    "mt5": ("mt5.1.1", {"with_lm": "linear"}),
}


@pytest.mark.parametrize("model_type", sorted(UNTIED))
def test_untied_heads_load_as_untied(model_type, tmp_path):
    """The file has the matrix; the config says so, or is of a release that did not write the key."""
    model, head = UNTIED[model_type]
    config = of_type(model_type, tie_word_embeddings=False)
    if model_type == "mt5":
        config["feed_forward_proj"] = "gated-gelu"
    segments = {"segment_vocab_size": 0} if model == "gpt" else {}
    transformer = spread(build(config, model=model, **segments, **head))
    path = str(tmp_path / "model.safetensors")
    transformer.save_weights_as_checkpoint(path, format="safetensors", dialect="huggingface")
    feed = [IDS, IDS if "t5" in model else SEGMENTS][: len(transformer.inputs)]
    want = outputs(transformer, *feed)[0]
    del config["tie_word_embeddings"]
    for said in ({}, {"tie_word_embeddings": False}):
        if model_type == "t5" and not said:
            said = {"scale_decoder_outputs": False}  # else it follows from the key
        (tmp_path / "config.json").write_text(json.dumps(dict(config, **said)))
        source = Source(str(tmp_path), given=head)
        assert (source.network.name, source.all_sizes["tie_word_embeddings"], source.warned) == (model, False, [])
    again = build(str(tmp_path), **head)
    assert not again.load_report.unread
    close(outputs(again, *feed)[0], want)
    assert main(["inspect", str(tmp_path)]) == 0


def test_fewer_blocks_than_the_file_has(bert):
    config = dict(CONFIG, num_hidden_layers=1)
    transformer, said = warned(build, config, bert)
    assert len(said) == 1 and "num_hidden_layers=1, the checkpoint has 2" in said[0]
    assert len(transformer.load_report.loaded) == 5 + 16
    transformer, said = warned(build, CONFIG, bert, num_hidden_layers=1)
    assert said == [] and len(transformer.load_report.loaded) == 5 + 16
    assert "blocks beyond num_hidden_layers" in dict(transformer.load_report.unexpected).values()
    _, said = warned(build, of_type("gpt2", n_layer=1), arrays("gpt2"))
    assert len(said) == 1 and "n_layer=1" in said[0]
    with pytest.raises(CheckpointError, match="missing: bert/encoder/layer_2/"):
        build(CONFIG, bert, num_hidden_layers=3)


# ------------------------------------------------------------------------------------------------------------ names


def renamed(tensors, function):
    return {function(name): value for name, value in tensors.items()}


# what the names begin with -> (names of Google's that became so, what the report says)
PREFIXES = {
    "module/": (lambda name: "module/" + name, "module/"),
    "model/": (lambda name: "model/" + name, "model/"),
    "bert_1/": (lambda name: name.replace("bert/", "bert_1/"), "bert_1/"),
    "my_task/bert/": (lambda name: name.replace("bert/", "my_task/bert/"), "my_task/"),
    "a/b/bert/": (lambda name: name.replace("bert/", "a/b/bert/"), "a/b/"),
    "none": (lambda name: name.replace("bert/", ""), "lack 'bert/'"),
    "averages": (lambda name: name + "/ExponentialMovingAverage", "moving averages"),
}


@pytest.mark.parametrize("prefix", sorted(PREFIXES))
def test_names_with_a_prefix_are_loaded_and_it_is_said(prefix, bert, bert_answer, tmp_path, capfd):
    change, said = PREFIXES[prefix]
    tensors = dict(renamed(bert, change), global_step=np.array(7))
    report = loads_as_bert(tensors, bert_answer)
    assert any(said in note for note in report.notes), report.notes
    folder = folder_of(tmp_path, dict(CONFIG, model_type="bert"), tensors)
    capfd.readouterr()
    assert main(["inspect", folder, "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    loads = [v["name"] for v in facts["variables"] if v["loads"] is not None]
    assert len(loads) == len(bert) and facts["model"] == "bert"
    assert main(["convert", folder, str(tmp_path / "google"), "--to", "google"]) == 0
    loads_as_bert(None, bert_answer, str(tmp_path / "google"))


@pytest.mark.parametrize("prefix", ["model.", "module.", "encoder.model."])
def test_names_of_torch_with_a_prefix(prefix, bert, bert_answer):
    tensors = renamed(hugging(bert, "bert"), lambda name: prefix + name)
    report = loads_as_bert(tensors, bert_answer)
    assert any(prefix in note for note in report.notes), report.notes
    report = loads_as_bert(tensors, bert_answer, of_type("bert"))


def test_two_prefixes_are_both_named(bert):
    two = dict(renamed(bert, lambda name: "first/" + name), **renamed(bert, lambda name: "second/" + name))
    with pytest.raises(CheckpointError, match="several networks.*first/bert.*second/bert"):
        build(CONFIG, two)


def test_names_of_both_sides_are_shown():
    with pytest.raises(CheckpointError, match="what/ever_2.*bert/embeddings/word_embeddings"):
        build(CONFIG, {f"what/ever_{i}": np.zeros(3) for i in range(3)})


def test_nothing_loaded_is_an_error_whatever_is_ignored(bert):
    ignore = {"ignore_invalid_weights": True, "ignore_unread_weights": True}
    for tensors in (
        {"some/kernel": np.zeros(3)},
        arrays("gpt2"),
        {"bert/surplus": np.zeros(3)},
        {"global_step": np.array(3)},
    ):
        with pytest.raises(CheckpointError):
            build(CONFIG, tensors, model="bert", **ignore)
    transformer = build(CONFIG, **ignore)
    with pytest.raises(CheckpointError, match="nothing was loaded"):
        transformer.load_weights_from_checkpoint(bert, mapping={})


def test_missing_variables_that_are_ignored_are_listed(bert):
    tensors = dict(bert)
    for end in ("bias", "kernel"):
        del tensors["bert/encoder/layer_1/output/dense/" + end]
    transformer, said = warned(build, CONFIG, tensors, ignore_invalid_weights=True)
    (sentence,) = said
    for end in ("bias", "kernel"):
        assert "bert/encoder/layer_1/output/dense/" + end in sentence
    assert "2 variables stay as they were initialised" in sentence and len(transformer.load_report.missing) == 2


# ------------------------------------------------------------------------------------------------- bert4keras' files


@pytest.mark.parametrize("name", ["best_model.h5", "best_model.weights", "whole.h5"])
def test_files_of_bert4keras(name, tmp_path):
    """What bert4keras answered is the oracle; the last layer is the user's own."""
    root = goldens.ROOT / "bert4keras_files"
    transformer = build(str(root / "bert_config.json"), str(root / name), with_pool=True)
    report = transformer.load_report
    assert report.dialect == "keras_layers" and not report.missing and not report.unread
    assert sorted(name for name, _ in report.unexpected) == ["cls:0", "cls:1"]
    from b4k3.models.checkpoints import open_checkpoint

    with open_checkpoint(str(root / name)) as checkpoint:
        kernel, bias = (np.array(checkpoint[f"cls:{i}"], "float64") for i in range(2))
    logits = outputs(transformer, np.array([[2, 3, 4, 5]]), np.zeros((1, 4)))[0] @ kernel + bias
    probabilities = np.exp(logits) / np.exp(logits).sum()
    close(probabilities, np.load(str(root / "y.npy")))
    assert main(["inspect", str(root / name), "--config", str(root / "bert_config.json"), "--model", "bert"]) == 0


# --------------------------------------------------------------------------------------------------------- messages

MANY = 10**5


def test_messages_stay_short_with_many_unread_names(bert):
    one = np.zeros(1, "float32")
    names = [f"bert/encoder/layer_0/extra_{i}/{'x' * 50}" for i in range(MANY)]
    with pytest.raises(CheckpointError, match="not read: bert/encoder/layer_0/extra_") as e:
        build(CONFIG, dict(bert, **{name: one for name in names}))
    assert len(str(e.value)) <= 2000
    some = dict(bert, **{name: one for name in names[: MANY // 20]})
    transformer, said = warned(build, CONFIG, some, ignore_unread_weights=True)
    assert len(said) == 1 and len(said[0]) <= 2000 and len(transformer.load_report.unread) == MANY // 20


def test_messages_stay_short_with_foreign_names():
    many = [f"what/{i}/" + "x" * 200 for i in range(2000)]
    long = ["bert/" + "y" * 10**4 + str(i) for i in range(20)]
    for names in (many, long):
        with pytest.raises(CheckpointError) as e:
            build(CONFIG, {name: np.zeros(1, "float32") for name in names})
        assert len(str(e.value)) <= 2000


def test_messages_stay_short_with_many_missing_names(bert):
    """As of a network of thousands of blocks, which nobody builds here."""
    transformer = build(CONFIG, bert)
    view = Source(CONFIG, bert).view
    report = LoadReport("the file", "google")
    report.missing = [
        (f"Transformer-{i}-FeedForward", f"bert/encoder/layer_{i}/output/dense/kernel", (24, 16)) for i in range(MANY)
    ]
    report.loaded = [("Embedding-Token", "bert/embeddings/word_embeddings", (20, 16))]
    with pytest.raises(CheckpointError, match="missing: bert/encoder/layer_0") as e:
        require(report, transformer, view)
    assert len(str(e.value)) <= 2000
    transformer.ignore_invalid_weights = True
    _, said = warned(require, report, transformer, view)
    assert len(said) == 1 and len(said[0]) <= 2000


def test_messages_stay_short_with_many_keys(bert):
    _, said = warned(build, dict(CONFIG, **{f"key_{i}" * 20: i for i in range(MANY)}), bert)
    assert len(said) == 1 and len(said[0]) <= 2000
    _, said = warned(build, dict(CONFIG, **{"k" * 10**5: 1}), bert)
    assert len(said) == 1 and len(said[0]) <= 2000
    with pytest.raises(ConfigError) as e:
        build(dict(CONFIG, hidden_size="9" * 10**5), bert)
    assert len(str(e.value)) <= 2000
    with pytest.raises(ConfigError) as e:
        build(CONFIG, bert, **{f"key_{i}": i for i in range(2000)})
    assert len(str(e.value)) <= 2000
    for name in ("m" * 10**5, "nezha" * 10**4):
        with pytest.raises(ConfigError) as e:
            build(CONFIG, bert, model=name)
        assert len(str(e.value)) <= 2000


# ------------------------------------------------------------------------------------------ whose a variable is


def test_a_half_of_an_encoder_decoder_is_no_whole_network(bert):
    """An unknown variable in one stack does not make the file one of the other stack alone."""
    tensors = dict(
        arrays("t5.1.0", relative_attention_num_buckets=8),
        **{"encoder/block_000/layer_000/surplus": np.zeros(3, "float32")},
    )
    with pytest.raises(CheckpointError, match="not read: encoder/block_000/layer_000/surplus"):
        build(dict(T5), tensors, model="auto")


def test_a_number_that_is_no_block_is_not_taken_for_one():
    tensors = dict(
        arrays("t5.1.0", relative_attention_num_buckets=8),
        **{"encoder/block_000/layer_007/layer_norm/scale": np.zeros(16, "float32")},
    )
    with pytest.raises(CheckpointError, match="not read: encoder/block_000/layer_007/layer_norm/scale"):
        build(dict(T5), tensors, model="t5.1.0")


def test_every_variable_of_a_bare_file_is_the_networks(bert, tmp_path):
    body = {name: value for name, value in bert.items() if name.startswith("bert/") and "pooler" not in name}
    bare, unknown = translated(body, GOOGLE, HUGGINGFACE)
    assert not unknown
    bare = renamed(bare, lambda name: name[len("bert.") :])
    assert build(CONFIG, dict(bare, **{"classifier.weight": np.zeros((3, 16))}), model="bert").load_report.loaded
    with pytest.raises(CheckpointError, match="not read: norm.weight"):
        build(CONFIG, dict(bare, **{"norm.weight": np.zeros(16, "float32")}), model="bert")
    within = renamed(bare, lambda name: "0.auto_model." + name)  # as sentence-transformers may hold it
    report = build(CONFIG, dict(within, **{"2.linear.weight": np.zeros((4, 4))}), model="bert").load_report
    assert ("2.linear.weight", None) in report.unexpected and not report.unread


def test_a_head_that_is_built_reads_all_of_its_variables(bert):
    tensors = dict(bert, **{"cls/predictions/extra": np.zeros(3, "float32")})
    assert not build(CONFIG, tensors).load_report.unread
    with pytest.raises(CheckpointError, match="not read: cls/predictions/extra"):
        build(CONFIG, tensors, with_mlm=True)


def test_a_language_model_looks_at_its_output_too():
    """application='lm' has the head without being told, and an untied output in the file counts."""
    untied = build(dict(CONFIG, tie_word_embeddings=False), model="bert", with_mlm="linear")
    spread(untied)
    tensors = untied.checkpoint_variables()
    lm = build(CONFIG, tensors, application="lm", with_mlm="linear")
    assert not lm.tie_word_embeddings and "MLM-Decoder" in lm.layers
    assert not build(CONFIG, tensors, application="lm").tie_word_embeddings
