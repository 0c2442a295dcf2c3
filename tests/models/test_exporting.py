"""Exported models: every encoder in every format, run by the programs that the formats are for.

The formats that PyTorch traces are tested with KERAS_BACKEND=torch, those of TensorFlow with tensorflow; `hatch run
export:test` does both, in a short form, and `hatch run export:all` tests every network.
"""

import json
import os

import numpy as np
import pytest

from b4k3.backend import keras, row
from b4k3.models import ConfigError, build_transformer_model, export
from b4k3.models.exporting.exports import graph_of
from b4k3.models.exporting.onnx_int8 import quantise_onnx, round_matrices
from b4k3.models.exporting.writing import add_metadata
from support import exported, goldens
from support.exported_networks import networks, segments_of, with_lora
from support.small_models import SMALL, spread

FORMATS_HERE = exported.OF_BACKEND[row.backend]
SHORT = "google_bert/nsp_mlm kind/deberta_v2 kind/gau kind/modernbert"
SHORT = SHORT.split() if row.backend == "torch" else "google_bert/nsp_mlm kind/roformer".split()
FUSED = "albert albert_groups albert_unshared bert distilbert electra ernie megatron_bert roberta".split()
NETWORKS = networks()
CHOSEN = SHORT if os.environ.get("B4K3_EXPORT") != "all" else sorted(NETWORKS)


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


@pytest.fixture(scope="module")
def built():
    return {}


@pytest.fixture
def network(name, built):
    """One network at a time, which the tests of all formats share."""
    if name not in built:
        built.clear()
        built[name] = NETWORKS[name]()
    return built[name]


def bert(**arguments):
    return spread(build_transformer_model(model="bert", return_keras_model=False, **dict(SMALL, **arguments)))


def cases():
    """(network, format); torch takes long for a program of its own, so it makes one for each network of b4k3."""
    return [(name, f) for name in CHOSEN for f in FORMATS_HERE if f != "torch" or "kind" in name or name in SHORT]


@pytest.mark.parametrize("name, format", cases())
def test_every_network_in_every_format(name, format, network, tmp_path, record_property):
    model = getattr(network, "model", network)  # without caches
    if format == "torch" and "modernbert" in name:  # its window is cut into blocks
        with pytest.raises(ValueError, match="for any length"):
            export(model, str(tmp_path / format), format)
        return
    path = export(model, str(tmp_path / format), format)
    sizes = min(14, getattr(network, "vocab_size", 14)), segments_of(network)
    record_property("difference", exported.check(graph_of(network), path, format, *sizes))
    if format == "onnx" and name.startswith("kind/") and name[5:] in FUSED:
        counts = exported.fused(path, network.num_attention_heads, network.hidden_size)
        assert not {"Softmax", "Erf", "ReduceMean"} & set(counts), counts
        assert counts["Attention"] >= network.num_hidden_layers


@pytest.mark.parametrize("format", FORMATS_HERE)
def test_lora_is_merged(format, tmp_path):
    """The file has one kernel for each layer, as without LoRA; the model keeps its LoRA."""
    plain, adapted = bert(with_mlm="linear"), with_lora(bert(with_mlm="linear"))
    before = goldens.predict(adapted.model, [np.array([[2, 5, 7]]), np.zeros([1, 3])])[0]
    path = export(adapted, str(tmp_path / "adapted"), format)
    exported.check(graph_of(adapted), path, format, SMALL["vocab_size"])
    if format == "onnx":
        assert operations(path) == operations(export(plain, str(tmp_path / "plain"), format))
    after = goldens.predict(adapted.model, [np.array([[2, 5, 7]]), np.zeros([1, 3])])[0]
    np.testing.assert_array_equal(before, after)
    assert adapted.lora is not None


def operations(path):
    import onnx

    return [node.op_type for node in onnx.load(path).graph.node]


# What Keras' own `export` writes: (format, kind, arguments of `build_transformer_model`)
OF_KERAS = {
    "torch": [("onnx", k) for k in ("bert", "roformer", "deberta_v2", "distilbert")] + [("openvino", "distilbert")],
    "tensorflow": [(f, k) for f in ("tf_saved_model", "openvino", "litert") for k in ("bert", "deberta_v2")],
}[row.backend]


@pytest.mark.parametrize("format, kind", OF_KERAS)
def test_keras_exports_too(format, kind, tmp_path):
    """Keras' own `export` writes the same numbers, for the inputs that the Keras model has."""
    transformer = NETWORKS[f"kind/{kind}"]()
    model, path = transformer.model, str(tmp_path / "out") + exported.KERAS_SUFFIXES[format]
    random = np.random.RandomState(0)
    feeds = [random.randint(2, 20, (batch, n)) for batch, n in ((1, 4), (3, 7), (2, 1))]
    feeds = [[ids.astype("float32"), (0 * ids).astype("float32")][: len(model.inputs)] for ids in feeds]
    feeds[0][0][0, 3] = transformer.pad_token_id
    model(feeds[0] if len(feeds[0]) > 1 else feeds[0][0])  # Keras exports no model that was never called
    model.export(path, format=format, verbose=False)
    run = exported.keras_runner(format, path)
    for feed in feeds:
        np.testing.assert_allclose(run(feed), goldens.predict(model, feed)[0], atol=1e-4)


def test_what_keras_cannot_export_is_refused(tmp_path):
    """The message names the way that works; nothing is written."""
    model = bert().model
    for format in sorted(set(exported.KERAS_SUFFIXES) - {format for format, kind in OF_KERAS if kind == "bert"}):
        with pytest.raises(ValueError, match=f"format='{format}': Keras .* b4k3.models.export.*for any batch"):
            model.export(str(tmp_path / "out") + exported.KERAS_SUFFIXES[format], format=format)
    assert not os.listdir(str(tmp_path))


def test_weights_over_2_gb_lie_in_one_file(tmp_path):
    """PyTorch writes a file for each of them; the file of this test is small."""
    if row.backend != "torch":
        return
    import onnx

    transformer = bert()
    path = str(tmp_path / "model.onnx")
    model = onnx.load(transformer.export(path))
    (tmp_path / "out").mkdir()
    path = str(tmp_path / "out" / "model.onnx")
    onnx.save_model(model, path, save_as_external_data=True, all_tensors_to_one_file=False, size_threshold=0)
    assert len(os.listdir(str(tmp_path / "out"))) > 30
    for make_int8 in (quantise_onnx, round_matrices):
        with pytest.raises(ConfigError, match="int8: the weights are over 2 GB"):
            make_int8(path, path)
    add_metadata(path, {"note": "mine"})
    assert sorted(os.listdir(str(tmp_path / "out"))) == ["model.onnx", "model.onnx_data"]
    for format in ("onnx", "openvino"):
        exported.check(graph_of(transformer), path, format, SMALL["vocab_size"])


def test_names_and_metadata(tmp_path):
    assert graph_of(bert(with_pool=True, with_mlm=True)).names == ["pooler_output", "probabilities"]
    assert graph_of(bert(with_mlm="linear")).names == ["logits"]
    assert graph_of(bert()).names == ["last_hidden_state"]
    if row.backend != "torch":
        return
    import onnx

    path = bert().export(str(tmp_path / "bert.onnx"), metadata={"id2label": {"0": "猫"}, "note": "mine"})
    props = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(props["id2label"]) == {"0": "猫"} and props["note"] == "mine" and props["architecture"] == "bert"


def test_an_id_beyond_the_vocabulary_gives_nan_and_a_long_text_an_error(tmp_path):
    format = FORMATS_HERE[0]
    run = exported.runner(format, bert().export(str(tmp_path / "out"), format))
    feed = {name: np.ones((2, 5), "int64") for name in ("input_ids", "attention_mask", "token_type_ids")}
    feed["input_ids"][0, 3] = SMALL["vocab_size"]
    found = run(feed)["last_hidden_state"]
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()
    with pytest.raises(Exception):  # noqa: B017 each program has its own
        run({name: np.ones((1, SMALL["max_position"] + 1), "int64") for name in feed})


def test_refusals(tmp_path):
    with pytest.raises(ConfigError, match="format='tflite': expected one of onnx"):
        export(bert(), str(tmp_path / "out"), "tflite")
    with pytest.raises(ConfigError, match="no such option"):
        export(bert(), str(tmp_path / "out"), FORMATS_HERE[0], colour=3)
    with pytest.raises(ConfigError, match="expected a Transformer"):
        export("bert", str(tmp_path / "out"))
    with pytest.raises(ConfigError, match="1 names|2 names"):
        export(bert(), str(tmp_path / "out"), outputs=["a", "b"])
    half = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, dtype="mixed_float16")])
    with pytest.raises(ConfigError, match="computes in float16"):
        export(half, str(tmp_path / "out"))
    assert not os.listdir(str(tmp_path))


def test_a_quantised_model(tmp_path):
    """A SavedModel can hold its products; the other formats refuse it by name."""
    transformer = bert(with_mlm="linear")
    transformer.model.quantize("int8")
    for format in set(FORMATS_HERE) - {"saved_model"}:
        with pytest.raises(ConfigError, match=f"format='{format}': .* is quantised to int8.* before model.quantize"):
            transformer.export(str(tmp_path / format), format)
    if "saved_model" in FORMATS_HERE:
        path = transformer.export(str(tmp_path / "out"), "saved_model")
        exported.check(graph_of(transformer), path, "saved_model", SMALL["vocab_size"])


def test_what_is_there_stays(tmp_path):
    format = FORMATS_HERE[0]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    path = bert().export(str(tmp_path / "out"), format)
    with pytest.raises(ConfigError, match="is there already"):
        bert(num_hidden_layers=1).export(str(tmp_path / "out"), format)
    assert bert(num_hidden_layers=1).export(str(tmp_path / "out"), format, overwrite=True) == path
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
    assert [name for name in os.listdir(str(tmp_path)) if name.startswith(".")] == []

    if row.backend != "torch":
        return
    import onnx

    name = {"onnx": "model.onnx", "openvino": "model.xml"}[format]
    paths = [str(tmp_path / (end + name)) for end in ("float_", "int8_")]
    for path, options in zip(paths, ({}, {"int8": True})):
        export(bert(), path, format, **options)
    ids = np.random.RandomState(0).randint(1, 20, (4, 9))
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    if format == "onnx":
        matrices = [tensor for tensor in onnx.load(paths[1]).graph.initializer if len(tensor.dims) == 2]
        kinds = [tensor.data_type for tensor in matrices]
        assert kinds.count(onnx.TensorProto.INT8) == 12, kinds  # four and two in each of two blocks
        kept = [list(tensor.dims) for tensor in matrices if tensor.name.endswith("_rows")]
        assert kept == [[6, 16]] * 2, kept  # of 24 inputs
    else:
        sizes = [os.path.getsize(path[:-4] + ".bin") for path in paths]
        assert sizes[1] < sizes[0] / 2, sizes
    for key, want in exported.runner(format, paths[0])(feed).items():
        got = exported.runner(format, paths[1])(feed)[key]
        cosines = (got * want).sum(-1) / np.linalg.norm(got, axis=-1) / np.linalg.norm(want, axis=-1)
        assert cosines.mean() > 0.999, cosines.mean()


def test_int8_is_refused_by_name(tmp_path):
    network = build_transformer_model(model="gpt2", return_keras_model=False, **SMALL)
    format = FORMATS_HERE[0]
    message = "such graphs stay float" if row.backend == "torch" else "int8: format='saved_model' has no such option"
    with pytest.raises(ConfigError, match=message):
        export(network, str(tmp_path / "out"), format, int8=True)
    assert not (tmp_path / "out").exists()
