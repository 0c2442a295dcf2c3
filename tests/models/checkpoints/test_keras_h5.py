"""Weights in HDF5 that Keras 2 wrote layer by layer, and broken files of that kind."""

import json

import h5py
import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint
from b4k3.models.checkpoints.keras_h5 import name_weights
from support.goldens import ROOT

FOREIGN = ROOT / "foreign"


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "best_model.weights")


def write(path, layers, as_text=False, root=None, **attributes):
    """A file with layers, {name: {weight name: array}}, as Keras writes it."""
    encode = (lambda name: name) if as_text else (lambda name: name.encode("utf-8"))
    with h5py.File(path, "w") as file:
        group = file if root is None else file.create_group(root)
        names = [encode(name) for name in layers]
        group.attrs.create("layer_names", names, dtype=h5py.special_dtype(vlen=str) if as_text else None)
        for layer, weights in layers.items():
            node = group.create_group(layer)
            names = [encode(name) for name in weights]
            node.attrs.create("weight_names", names, dtype=h5py.special_dtype(vlen=str) if as_text else None)
            for name, array in weights.items():
                node[name] = array
        file.attrs.update(attributes)
    return path


ONES = np.ones((2, 3), "float32")
NORM = {"Embedding-Norm/beta:0": np.zeros(2, "float32"), "Embedding-Norm/gamma:0": np.ones(2, "float32")}


@pytest.mark.parametrize("name", ["best_model.weights", "whole.h5"])
def test_files_of_bert4keras(name):
    with open_checkpoint(str(FOREIGN / name)) as checkpoint:
        assert checkpoint.format == "keras_h5" and checkpoint.keras_version == "2.3.1"
        assert len(checkpoint) == 57 and len(checkpoint.layer_names) == 36
        assert checkpoint.shape("Embedding-Token:0") == (120, 32)
        shapes = [checkpoint[f"Transformer-0-FeedForward:{index}"].shape for index in range(4)]
        assert shapes == [(32, 64), (64,), (64, 32), (32,)]
        assert checkpoint.whole_model == (name == "whole.h5")
        assert checkpoint.layer_classes.get("Transformer-0-FeedForward") == (
            "FeedForward" if name == "whole.h5" else None
        )
    assert "optimizer" not in " ".join(checkpoint)


def test_both_files_have_the_same_weights():
    weights, whole = (open_checkpoint(str(FOREIGN / name)) for name in ("best_model.weights", "whole.h5"))
    assert list(weights) == list(whole)
    assert all(np.array_equal(weights[name], whole[name]) for name in weights)


@pytest.mark.parametrize("as_text", [False, True])
def test_names_are_bytes_or_text(path, as_text):
    write(path, {"输入": {}, "Embedding-Norm": NORM, "层": {"层/kernel:0": ONES}}, as_text)
    checkpoint = open_checkpoint(path)
    assert list(checkpoint) == ["Embedding-Norm:0", "Embedding-Norm:1", "层:0"]
    assert checkpoint["Embedding-Norm:1"].tolist() == [1, 1] and not checkpoint["层:0"].flags.writeable
    assert checkpoint.layer_names == ["输入", "Embedding-Norm", "层"] and not checkpoint.whole_model


def test_lists_that_keras_splits(path):
    """An attribute of HDF5 holds 64 kB; Keras splits longer lists."""
    names = [f"layer-{number:04d}-{'x' * 200}" for number in range(500)]
    with h5py.File(path, "w") as file:
        for part in range(3):
            file.attrs[f"layer_names{part}"] = np.array(names[part * 200 : part * 200 + 200], "S")
        for name in names:
            group = file.create_group(name)
            group.attrs["weight_names"] = [b"a:0"]
            group["a:0"] = np.zeros(1)
    assert list(open_checkpoint(path)) == [name + ":0" for name in names]


def test_nested_model(path):
    inner = {"Embedding-Token/embeddings:0": ONES, "cls/kernel:0": ONES, "cls/bias:0": np.zeros(3)}
    write(path, {"model_1": inner, "cls": {"cls_1/kernel:0": ONES}, "crf": {"trans:0": ONES}})
    names = ["model_1/Embedding-Token:0", "model_1/cls:0", "model_1/cls:1", "cls:0", "crf:0"]
    assert list(open_checkpoint(path)) == names


@pytest.mark.parametrize(
    "layer, weights, layer_class, names",
    [
        ("a", [], None, []),
        ("a", ["a/b/kernel:0"], None, ["a:0"]),
        ("a", ["scope/a_2/kernel:0"], None, ["a:0"]),
        ("a", ["b/kernel:0"], None, ["a/b:0"]),
        ("a", ["b/kernel:0"], "TimeDistributed", ["a:0"]),
        ("a", ["b/kernel:0", "c/kernel:0", "b/bias:0"], "Functional", ["a/b:0", "a/c:0", "a/b:1"]),
        ("a", ["kernel:0", "b/kernel:0"], None, ["a:0", "a:1"]),
    ],
)
def test_names_of_weights(layer, weights, layer_class, names):
    assert name_weights(layer, weights, layer_class) == names


def test_classes_of_a_whole_model(path):
    inner = {
        "class_name": "Model",
        "name": "m",
        "config": {"layers": [{"class_name": "Dense", "config": {"name": "d"}}]},
    }
    config = {"class_name": "Model", "config": {"layers": [inner, {"class_name": "Dense", "name": "e"}, 3, {}]}}
    layers = {"m": {"d/kernel:0": ONES}, "e": {"e/kernel:0": ONES}}
    write(path, layers, root="model_weights", model_config=json.dumps(config))
    checkpoint = open_checkpoint(path)
    assert checkpoint.whole_model and list(checkpoint) == ["m/d:0", "e:0"]
    assert checkpoint.layer_classes == {"m": "Model", "m/d": "Dense", "e": "Dense"}


@pytest.mark.parametrize("config", ["", "{", "[1]", "3", '{"config": 3}', '{"config": {"layers": 3}}', "[" * 100000])
def test_a_configuration_that_cannot_be_read_is_passed_over(path, config):
    write(path, {"e": {"e/kernel:0": ONES}}, root="model_weights", model_config=config)
    assert open_checkpoint(path).layer_classes == {} and list(open_checkpoint(path)) == ["e:0"]


def test_weights_of_the_model_itself_and_of_an_optimizer(path):
    write(path, {"a": {"a/kernel:0": ONES}}, root="model_weights")
    with h5py.File(path, "a") as file:
        own = file["model_weights"].create_group("top_level_model_weights")
        own.attrs["weight_names"] = [b"scale:0"]
        own["scale:0"] = np.zeros(())
        file["optimizer_weights/Adam/m:0"] = ONES
    assert list(open_checkpoint(path)) == ["a:0", "top_level_model_weights:0"]


def test_to_another_container(tmp_path):
    source = open_checkpoint(str(FOREIGN / "best_model.weights"))
    copy = open_checkpoint(save_checkpoint(str(tmp_path / "a.npz"), source, format="npz"))
    assert set(copy) == set(source)


def test_tensorflow_models_of_transformers_are_read_by_path(path):
    write(path, {"dropout": {}, "bert": {"tf_bert_model_1/bert/pooler/dense/kernel:0": ONES}})
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == "h5" and list(checkpoint) == ["bert/tf_bert_model_1/bert/pooler/dense/kernel:0"]


# ------------------------------------------------------------------------------------------------------ broken files


def change(path, fault):
    """Break a file of Keras in one way."""
    write(path, {"a": {"a/kernel:0": ONES, "a/bias:0": ONES}, "b": {"b/kernel:0": ONES}})
    with h5py.File(path, "a") as file:
        fault(file)
    return path


def set_attribute(name, value, where="/"):
    def fault(file):
        file[where].attrs[name] = value

    return fault


def remove(name):
    def fault(file):
        del file[name]

    return fault


def link(name, target):
    def fault(file):
        del file[name]
        file[name] = target

    return fault


def remove_attribute(file):
    del file["a"].attrs["weight_names"]


def many_bytes(file):
    file["a"].attrs.create("weight_names", np.zeros(200000, "S1"))


FAULTS = {
    "a number for the layers": (set_attribute("layer_names", 3), "layer_names.*expected a list of strings"),
    "numbers for the layers": (set_attribute("layer_names", [3, 4]), "expected a list of strings"),
    "text for the layers": (set_attribute("layer_names", "a"), "expected a list of strings"),
    "a table of layers": (set_attribute("layer_names", np.array([[b"a"]])), "expected a list of strings"),
    "floats for the weights": (set_attribute("weight_names", [0.5], "a"), "weight_names of /a is float64"),
    "nothing for the weights": (set_attribute("weight_names", h5py.Empty(np.dtype("S1")), "a"), "weight_names of /a"),
    "no list of weights": (remove_attribute, "/a has no attribute weight_names"),
    "bytes that are no text": (set_attribute("layer_names", np.array([b"\xff\xfe"])), "cannot be read"),
    "an empty name": (set_attribute("layer_names", np.array([b"a", b""])), "an empty name"),
    "a layer twice": (set_attribute("layer_names", np.array([b"a", b"a"])), "'a:0' occurs twice"),
    "a layer that is missing": (remove("b"), "layer 'b' is listed, but is missing"),
    "a weight that is missing": (remove("a/a/bias:0"), r"'a:1' \(a/bias:0\) is listed, but is missing"),
    "a layer that is a dataset": (link("b", np.zeros(3)), "layer 'b' is a dataset"),
    "a weight that is a group": (set_attribute("weight_names", np.array([b"a"]), "a"), "'a:0' .* is a group"),
    "a weight below a weight": (set_attribute("weight_names", np.array([b"a/bias:0/x"]), "a"), "is missing"),
    "a weight outside of its layer": (set_attribute("weight_names", np.array([b"../b/b/kernel:0"]), "a"), "is missing"),
    "a layer in another file": (link("b", h5py.ExternalLink("secret.h5", "/b")), "layer 'b' is a link"),
    "a weight in another file": (link("a/a/bias:0", h5py.ExternalLink("secret.h5", "/b")), "'a:1'.*is a link"),
    "a soft link": (link("b", h5py.SoftLink("/a")), "layer 'b' is a link"),
    "a huge weight": (
        lambda file: (
            remove("b/b/kernel:0")(file),
            file.create_dataset("b/b/kernel:0", (2**40,), "f4", chunks=(1024,)),
        ),
        "'b:0' of 4398046511104 bytes has only 0",
    ),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_broken(path, fault):
    damage, words = FAULTS[fault]
    with pytest.raises(CheckpointError, match=words) as caught:
        open_checkpoint(change(path, damage))
    assert path in str(caught.value)


def test_endless_lists(path):
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs.create("layer_names", np.zeros(200000, "S1"))
    with pytest.raises(CheckpointError, match="200000 names in 200000 bytes"):
        open_checkpoint(path)


def test_a_link_in_place_of_the_weights_of_a_whole_model(path):
    with h5py.File(path, "w") as file:
        file["model_weights"] = h5py.ExternalLink("secret.h5", "/")
    with pytest.raises(CheckpointError, match="'model_weights' is a link"):
        open_checkpoint(path)


def test_damaged_bytes(path):
    """Bytes changed at random places: a checkpoint or a CheckpointError, nothing else."""
    with open(str(FOREIGN / "best_model.weights"), "rb") as file:
        content = file.read()
    random = np.random.RandomState(0)
    for _ in range(150):
        damaged = bytearray(content)
        for place in random.randint(0, 40000, 4):
            damaged[place] = random.randint(256)
        with open(path, "wb") as file:
            file.write(bytes(damaged[: random.choice([len(damaged), 20000])]))
        try:
            with open_checkpoint(path) as checkpoint:
                for name in checkpoint:
                    checkpoint[name]
        except CheckpointError as error:
            assert path in str(error)
