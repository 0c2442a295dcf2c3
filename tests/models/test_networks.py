"""What the descriptions of networks promise: they say neither more nor less than the classes do."""

import ast
import json
import pathlib
import re

import numpy as np
import pytest

import b4k3.models
from b4k3.backend import Dense
from b4k3.layers import Add, Embedding, LayerNormalization
from b4k3.models import BERT, CheckpointError, Transformer, build_transformer_model, registry
from b4k3.models.checkpoints import open_checkpoint
from b4k3.models.cli import main
from b4k3.models.dialects import View
from b4k3.models.dialects.google import GOOGLE
from b4k3.models.distribution import plan_of
from b4k3.models.fitting import Fit
from b4k3.models.keys import ARGUMENTS
from b4k3.models.measuring import measure
from b4k3.models.networks.bert import embeddings, feed_forward, mlm_head
from b4k3.models.networks.description import Blocks, Layer, Network, Part, dense, norm
from b4k3.models.registry import load, network, networks, register_architecture
from b4k3.models.source import IDENTIFYING
from b4k3.models.transformer import accepted_arguments
from support import goldens
from support.small_models import SMALL, close, outputs, spread

NAMES = [of.name for of in networks()]
# what a small network of each needs beside SMALL; sizes differ, so that an exchanged axis shows
WIDE = {"embedding_size": 12, "segment_vocab_size": 3}
T5 = {"attention_head_size": 5, "num_decoder_layers": 3, "relative_attention_num_buckets": 6}
BART = {"num_decoder_layers": 3, "num_decoder_attention_heads": 4, "decoder_intermediate_size": 20}
OWN = {
    "bart": {"final_logits_bias": True, "scale_embedding": True},
    "bart_decoder": {"final_logits_bias": True},
    "cpt": {"num_hidden_layers": 5, "encoder_max_position": 30, "final_logits_bias": True},
    "gpt": {"segment_vocab_size": 3},
    "ernie": {"use_task_id": True, "task_type_vocab_size": 5},
    "albert": {"num_hidden_groups": 2, "inner_group_num": 2, "num_hidden_layers": 3},
    "albert_unshared": {"num_hidden_groups": 2, "inner_group_num": 2, "num_hidden_layers": 3},
    "gau": {"hidden_act": "swish", "attention_key_size": 6},
    "roberta": {"model_type": "roberta"},
    "deberta_v2": {
        "relative_attention": True,
        "pos_att_type": "c2p|p2c",
        "norm_rel_ebd": "layer_norm",
        "conv_kernel_size": 3,
    },
    "llama": {"num_key_value_heads": 1, "attention_bias": True, "mlp_bias": True},
    "qwen2": {"num_key_value_heads": 1},
    "qwen3": {"num_key_value_heads": 1, "attention_bias": True, "attention_head_size": 6},
    "mistral": {"num_key_value_heads": 1, "attention_head_size": 6},
    "smollm3": {"num_key_value_heads": 1},
    "xlnet": {"embedding_size": SMALL["hidden_size"]},
}


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def small(name, **kwargs):
    """A small network with every head."""
    of = network(name)
    known = set(ARGUMENTS) | set(of.keys)
    config = {key: value for key, value in SMALL.items() if key != "max_position" or key in known}
    if "relative_attention_num_buckets" in known:
        config.update({key: value for key, value in T5.items() if key in known})
        config["hidden_act"] = "relu" if "t5.1.0" in name else ["relu", "linear"]
    elif "num_decoder_attention_heads" in known:
        config.update(BART)
    elif not of.generates:
        config.update(WIDE)
    config.update(OWN.get(name, {}))
    config.update({part.argument: True for part in of.heads}, **kwargs)
    return build_transformer_model(return_keras_model=False, model=name, **config)


# -------------------------------------------------------------------------------------------- class and description


@pytest.mark.parametrize("name", NAMES)
def test_the_class_is_there_and_takes_the_keys(name):
    """A key that no class takes would be dead; an argument that is no key would be refused in a call."""
    of = network(name)
    cls = load(of.target)
    assert cls.network is of
    absent = set(getattr(cls, "absent_heads", ()))
    assert (set(of.keys) | set(ARGUMENTS)) ^ accepted_arguments(cls, "__init__") == absent
    for part in of.heads:
        assert part.argument in of.keys or part.argument is None
    assert name in of.model_types and of.what and not set(of.keys) & set(ARGUMENTS)


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_is_described(name):
    """Each weight of the built network has a variable, of the shape that follows from the sizes; tied and untied."""
    of = network(name)
    built = {}
    for tied in (True, False):
        transformer = built[tied] = small(name, tie_word_embeddings=tied)
        mapping = transformer.mapping_of_layers()
        weighted = {key for key, layer in transformer.layers.items() if getattr(layer, "trainable_weights", None)}
        assert weighted == set(mapping)
        for _, layer, instance, numbers in described(of, transformer.sizes):
            shapes = [tuple(map(int, w.shape)) for w in transformer.layers[instance].weights]
            variables = layer.variables_of(transformer.sizes)
            wanted = [variable.shape(transformer.sizes) for variable in variables]
            assert len(shapes) == len(wanted), instance
            for variable, shape, want in zip(variables, shapes, wanted):
                if want is None:
                    assert {"gau_size", "relative_rows"} & set(variable.axes)  # it does not follow from the sizes
                else:
                    assert shape == (want[::-1] if variable.transposed else want), variable.name.format(**numbers)
        names = [variable for variables in mapping.values() for variable in variables]
        if name != "albert_unshared":
            assert len(names) == len(set(names))
        check_measures(of, transformer)
    markers = {part.marker for part in of.heads if part.marker is not None}
    assert markers <= {layer.name for layer in built[True].model.layers}
    assert all(part.marker or part.on or part.argument is None for part in of.heads)


@pytest.mark.parametrize("name", NAMES)
def test_every_matrix_of_the_blocks_can_be_cut(name):
    """Two devices share each of them, unless the plan says why not: first matrices by columns, second ones by rows."""
    plan = plan_of(small(name), 2, uneven="replicate")
    assert {share.path for share in plan.shares if share.axis is not None}
    for share in plan.shares:
        if share.path.endswith("_bias") and len(share.shape) == 2:  # of XLNet: a row for each head
            assert share.axis == 0
        elif len(share.shape) > 1 and re.search("(Attention|FeedForward|Unit|Position-(Key|Query))/", share.path):
            first = None if share.note else len(share.shape) - 1 - ("MultiHead" in share.path and len(share.shape) == 3)
            second = re.search("/(output|o_dense)", share.path) and len(share.shape) == 2
            assert share.axis == (0 if second and not share.note else first), share
            assert not share.note or "does not divide by 2" in share.note


def described(of, sizes):
    for part in of.parts:
        for layer in part.layers:
            for instance, numbers in layer.instances(sizes) if layer.exists(sizes) else ():
                yield part, layer, instance, numbers


def check_measures(of, transformer):
    """The shapes in a file give the sizes back."""
    tensors = {}
    for key, variables in transformer.mapping_of_layers().items():
        for variable, w in zip(variables, transformer.layers[key].weights):
            shape = tuple(map(int, w.shape))
            entry = of.find(variable)
            tensors[variable] = np.zeros(shape[::-1] if entry[2].transposed else shape, "int8")
    found = measure(of, View(open_checkpoint(tensors), GOOGLE))
    assert {key: transformer.sizes[key] for key in found} == found
    lacking = set(IDENTIFYING + ("intermediate_size",)) - set(found)
    # the first of T5's matrices is of another size; a decoder alone has no blocks of the encoder
    assert not lacking - {"num_hidden_layers"} or of.name == "bart_decoder"
    assert not lacking or of.name.startswith("albert") or of.name.endswith("_decoder")


def test_variables_and_blocks_that_only_some_configurations_have():
    layer = Layer("Dense", dense("mine/layer_{i}/dense", 2, 3, lambda sizes: sizes["biased"]), Blocks(start=1))
    part = Part("blocks", [layer, Layer("Norm", norm("mine/norm", 2, lambda sizes: sizes["biased"]))])
    mine = Network("mine", "", "mine", [part])
    plain = {"Transformer-1-Dense": ["mine/layer_1/dense/kernel"], "Norm": ["mine/norm/gamma"]}
    assert mine.mapping({"num_hidden_layers": 2, "biased": False}) == plain
    biased = {
        "Transformer-1-Dense": ["mine/layer_1/dense/kernel", "mine/layer_1/dense/bias"],
        "Norm": ["mine/norm/beta", "mine/norm/gamma"],
    }
    assert mine.mapping({"num_hidden_layers": 2, "biased": True}) == biased
    file = open_checkpoint({"mine/norm/gamma": np.zeros(2, "float32")})
    assert Fit(mine, View(file, GOOGLE)).full  # the others are in no configuration's way


@pytest.mark.parametrize("name", ["bert", "electra", "electra_generator", "roformer_v2"])
def test_markers_come_with_the_heads_alone(name):
    of = network(name)
    bare = small(name, **{part.argument: False for part in of.heads})
    assert not {part.marker for part in of.heads} & {layer.name for layer in bare.model.layers}


def test_names_of_architectures_stand_in_their_own_files_alone():
    """A string that is exactly the name: in the class's file, the description, the registry and the dialects."""
    root = pathlib.Path(b4k3.models.__file__).parent
    own, found = {}, []
    for name in registry.ARCHITECTURES:
        modules = [base.__module__.split(".") for base in load(network(name).target).__mro__]
        own[name] = {module[-1] + ".py" for module in modules if module[-2:-1] == ["architectures"]}
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root).parts
        if place[0] in ("networks", "dialects", "registry.py", "configs"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            name = getattr(node, "value", getattr(node, "s", None))  # of Python 3.7 it is s
            if isinstance(name, str) and place[-1] not in own.get(name, place):
                found.append(f"{'/'.join(place)}:{node.lineno} {name!r}")
    assert not found


# ------------------------------------------------------------------------------------------ an architecture of yours


class Offspring(BERT):
    """Of BERT: only what it computes is another thing."""

    embedding_epsilon = block_epsilon = 1e-3


class Renamer(BERT):
    """Of BERT, with variables under other names: `variable_mapping` says all of it."""

    def variable_mapping(self):
        mapping = super().variable_mapping()
        return {key: ["mine/" + name for name in names] for key, names in mapping.items()}


class Mapped(Transformer):
    """Of nothing that b4k3 has; bert4keras' way of saying where the weights are."""

    def get_inputs(self):
        return self.input_ids("Input-Token")

    def apply_embeddings(self, inputs):
        return self.apply(
            inputs,
            Embedding,
            input_dim=self.vocab_size,
            output_dim=self.embedding_size,
            mask_zero=True,
            name="Embedding-Token",
        )

    def apply_main_layers(self, inputs, index):
        name = f"Transformer-{index}-FeedForward"
        x = self.feed_forward(inputs, name)
        return self.normalize(self.apply([inputs, x], Add, name=name + "-Add"), name + "-Norm")

    def apply_final_layers(self, inputs):
        return inputs

    def variable_mapping(self):
        mapping = {"Embedding-Token": ["plain/words"]}
        for i in range(self.num_hidden_layers):
            name, scope = f"Transformer-{i}-FeedForward", f"plain/block_{i}/"
            ends = ("in/kernel", "in/bias", "out/kernel", "out/bias")
            mapping[name] = [scope + end for end in ends]
            mapping[name + "-Norm"] = [scope + "norm/beta", scope + "norm/gamma"]
        return mapping


class Described(Mapped):
    """The same computation with a description of its own, and a head."""

    variable_mapping = Transformer.variable_mapping

    def __init__(self, with_mlm=False, mlm_act=None, **kwargs):
        super().__init__(**kwargs)
        self.with_mlm = with_mlm

    def apply_final_layers(self, inputs):
        if not self.with_mlm:
            return inputs
        x = self.dense(inputs, self.embedding_size, "MLM-Dense", "tanh")
        return self.apply(x, LayerNormalization, name="MLM-Norm")


SCOPE = "toy/block_{i}"
REPEATED = Blocks()
HEAD = [layer for layer in mlm_head("toy/head").layers if layer.name in ("MLM-Dense", "MLM-Norm")]
Described.network = Network(
    "described",
    Described,
    "a toy checkpoint",
    [
        Part("embeddings", embeddings("toy").layers[:1]),
        Part(
            "blocks",
            [
                Layer("FeedForward", feed_forward(SCOPE + "/in", SCOPE + "/out"), REPEATED),
                Layer("FeedForward-Norm", norm(SCOPE + "/norm", "hidden_size"), REPEATED),
            ],
        ),
        Part("MLM head", HEAD, argument="with_mlm", option="mlm", marker="MLM-Dense"),
    ],
    keys=("with_mlm", "mlm_act"),
)


class Undescribed(Described):
    """A class that says nothing of its variables: a Network with it as its target does."""

    network = None


# class -> what its variables begin with, a key that its head is made by, number of its inputs
TOYS = {
    Offspring: ("bert/", "with_mlm", 2),
    Renamer: ("mine/", "with_mlm", 2),
    Mapped: ("plain/", None, 1),
    Described: ("toy/", "with_mlm", 1),
}


@pytest.fixture
def registered():
    """Registers a class by its name in small letters, until the test is over."""
    before = dict(registry.ARCHITECTURES)

    def register(cls):
        register_architecture(cls.__name__.lower(), cls)
        return cls.__name__.lower()

    yield register
    registry.ARCHITECTURES.clear()
    registry.ARCHITECTURES.update(before)
    network.cache_clear()


@pytest.mark.parametrize("target", [Described, Undescribed], ids=lambda cls: cls.__name__)
def test_a_network_that_nobody_registered(target, tmp_path):
    """`model=` takes the description itself, and it says where the weights are even if the class does not."""
    network = Described.network.but("mine", target)
    config = {key: value for key, value in SMALL.items() if key != "max_position"}
    transformer = spread(build_transformer_model(config, model=network, return_keras_model=False, with_mlm="linear"))
    assert isinstance(transformer, target)
    path = str(tmp_path / "model.ckpt")
    transformer.save_weights_as_checkpoint(path)
    again = build_transformer_model(config, path, model=network, return_keras_model=False, with_mlm="linear")
    assert not again.load_report.unexpected and not again.load_report.initialized
    ids = np.array([[2, 5, 7, 11, 3, 0, 0]])
    close(outputs(again, ids)[0], outputs(transformer, ids)[0])


class Forgetful(BERT):
    """BERT with one more layer, which `variable_mapping` does not name."""

    def apply_final_layers(self, inputs):
        return self.apply(super().apply_final_layers(inputs), Dense, units=4, name="Extra-Dense")


def test_weights_without_names_are_no_secret(tmp_path):
    """They would be lost in the file, and stay random in the model."""
    transformer, plain = (build_transformer_model(SMALL, model=m, return_keras_model=False) for m in (Forgetful, BERT))
    with pytest.raises(CheckpointError, match="the weights of Extra-Dense would be lost"):
        transformer.save_weights_as_checkpoint(str(tmp_path / "x.npz"), format="npz")
    assert not list(tmp_path.iterdir())
    with pytest.warns(UserWarning, match="the weights of Extra-Dense stay as they were initialised"):
        report = transformer.load_weights_from_checkpoint(plain.checkpoint_variables())
    assert [layer for layer, _ in report.initialized] == ["Extra-Dense", "Extra-Dense"]
    mapping = transformer.variable_mapping()  # given outright, it leaves the layer out without a word
    assert transformer.checkpoint_variables(mapping).keys() == plain.checkpoint_variables().keys()


def test_a_class_without_a_description_writes_no_file(tmp_path):
    """An empty checkpoint would lose the weights without a word."""
    config = {key: value for key, value in SMALL.items() if key != "max_position"}
    transformer = build_transformer_model(config, model=Undescribed, return_keras_model=False)
    with pytest.raises(CheckpointError, match="Undescribed: no layer of the model has a variable"):
        transformer.save_weights_as_checkpoint(str(tmp_path / "model.ckpt"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cls", list(TOYS), ids=lambda cls: cls.__name__)
def test_an_architecture_of_yours(registered, cls, tmp_path, capfd):
    """Once registered it is built, recognised, inspected, converted and verified like those that are here."""
    model = registered(cls)
    scope, argument, inputs = TOYS[cls]
    head = {} if argument is None else {argument: "linear"}
    keys = [key for key in SMALL if key != "max_position" or inputs == 2]
    config = {key: SMALL[key] for key in keys}
    if inputs == 2:
        config["embedding_size"] = 12
    transformer = spread(build_transformer_model(config, model=model, return_keras_model=False, **head))
    folder = tmp_path / "folder"
    folder.mkdir()
    transformer.save_weights_as_checkpoint(str(folder / "model.ckpt"))
    (folder / "config.json").write_text(json.dumps(dict(config, model_type=model)))
    ids = np.array([[2, 5, 7, 11, 3, 0, 0]])
    feed = [ids, 0 * ids][:inputs]

    again = build_transformer_model(str(folder), return_keras_model=False, **head)
    assert type(again) is cls and f"recognised as model={model!r}" in again.load_report.notes
    assert not again.load_report.unexpected and not again.load_report.initialized
    want = outputs(transformer, *feed)[0]
    close(outputs(again, *feed)[0], want)

    capfd.readouterr()
    assert main(["inspect", str(folder), "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["model"] == model and not facts["problems"]
    assert {v["loads"] for v in facts["variables"]} <= {"loads", f"{argument}=True"}
    assert all(v["name"].startswith((scope, "cls/") if cls is Offspring else scope) for v in facts["variables"])
    assert {v["part"] for v in facts["variables"]} >= {"blocks"}

    for target, options in (("other", ["--format", "safetensors"]), ("google", ["--to", "google"])):
        assert main(["convert", str(folder), str(tmp_path / target)] + options) == 0
        assert main(["inspect", str(tmp_path / target)]) == 0
        assert main(["verify", str(folder), str(tmp_path / target)]) == 0
        converted = build_transformer_model(str(tmp_path / target), return_keras_model=False, **head)
        assert type(converted) is cls
        close(outputs(converted, *feed)[0], want)
