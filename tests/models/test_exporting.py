"""Exported models: every encoder in every format, run by the programs that the formats are for.

The formats that PyTorch traces are tested with KERAS_BACKEND=torch, those of TensorFlow with tensorflow; `hatch run
export:test` does both, in a short form, and `hatch run export:all` tests every network.
"""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from b4k3.backend import keras, row
from b4k3.models import ConfigError, build_transformer_model, export
from b4k3.models.exporting import FORMATS
from b4k3.models.exporting.exports import graph_of
from support import exported, goldens
from support.small_models import SMALL, encoders, spread

FORMATS_HERE = exported.OF_BACKEND[row.backend]
SHORT = "google_bert/nsp_mlm kind/deberta_v2 kind/gau kind/modernbert"
SHORT = SHORT.split() if row.backend == "torch" else "google_bert/nsp_mlm kind/roformer".split()
OF_ONE_LENGTH = {("kind/modernbert", "torch")}  # its window is cut into blocks
FUSED = "albert albert_groups albert_unshared bert distilbert electra ernie megatron_bert roberta".split()


def networks():
    """{name: function that builds it}: each network of the goldens that is an encoder, and each kind of encoder."""
    found = {}
    for system, cases in goldens.systems().items():
        for case in goldens.joined(cases):
            if "submodel" not in case["batches"][0] and len(case["batches"][0]["inputs"]) <= 2:
                found[f"{system}/{case['case']}"] = lambda case=case: goldens.build(case)
    for kind, config in encoders().items():
        found[f"kind/{kind}"] = lambda config=config: spread(
            build_transformer_model(return_keras_model=False, **config)
        )
    return found


NETWORKS = networks()
CHOSEN = SHORT if os.environ.get("B4K3_EXPORT") != "all" else sorted(NETWORKS)


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def bert(**arguments):
    return spread(build_transformer_model(model="bert", return_keras_model=False, **dict(SMALL, **arguments)))


@pytest.mark.parametrize("name", CHOSEN)
def test_every_network_in_every_format(name, tmp_path):
    transformer = NETWORKS[name]()
    try:
        graph = graph_of(transformer)
    except ConfigError as error:
        assert "a decoder's" in str(error), error
        return
    segments = max(1, getattr(transformer, "segment_vocab_size", 2) or 1)
    for format in FORMATS_HERE:
        if (name, format) in OF_ONE_LENGTH:
            with pytest.raises(ValueError, match="for any length"):
                export(transformer.model, str(tmp_path / format), format)
            continue
        path = export(transformer.model, str(tmp_path / format), format)  # without caches
        exported.check(graph, path, format, min(14, transformer.vocab_size), segments)
        if format == "onnx" and name.partition("/")[2] in FUSED:
            counts = exported.fused(path, transformer.num_attention_heads, transformer.hidden_size)
            assert not {"Softmax", "Erf", "ReduceMean"} & set(counts), counts
            assert counts["Attention"] >= transformer.num_hidden_layers


@pytest.mark.parametrize("format", [name for name in FORMATS if name not in FORMATS_HERE])
def test_another_backend_traces(format, tmp_path):
    """A second process writes the format of another backend; this process reads it."""
    transformer = bert(with_pool=True, with_mlm="linear")
    path = export(transformer, str(tmp_path / "out"), format)
    exported.check(graph_of(transformer), path, format, SMALL["vocab_size"])


def test_keras_exports_too(tmp_path):
    """Keras' own `export` writes the same numbers, for the inputs that the Keras model has."""
    model, path, ids = bert().model, str(tmp_path / "out"), np.array([[2, 5, 7, 0]], "float32")
    model([ids, 0 * ids])  # Keras exports no model that was never called
    if row.backend == "tensorflow":
        model.export(path, format="tf_saved_model", verbose=False)
        import tensorflow as tf

        loaded = tf.saved_model.load(path)  # its variables live as long as it does
        got = loaded.serve([ids, 0 * ids]).numpy()
    else:
        model.export(path + ".onnx", format="onnx", verbose=False)
        import onnxruntime

        session = onnxruntime.InferenceSession(path + ".onnx", providers=["CPUExecutionProvider"])
        names = [port.name for port in session.get_inputs()]
        got = session.run(None, dict(zip(names, (ids, 0 * ids))))[0]
    np.testing.assert_allclose(got, goldens.predict(model, [ids, 0 * ids])[0], atol=1e-4)


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


SCRIPT = """
import sys
from b4k3.backend import Layer, keras, register
from b4k3.models import BERT, ConfigError
@register
class Twice(Layer):
    def call(self, x):
        return x * 2
bert = BERT(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
bert.build()
from b4k3.models import export
export(keras.Model(bert.inputs, Twice()(bert.output)), sys.argv[1], sys.argv[2])
"""


def test_a_class_of_the_script_is_refused_by_name(tmp_path):
    other = next(name for name in FORMATS if name not in FORMATS_HERE)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "out"), other]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode and re.search("ConfigError: Twice: the class is defined in the script", done.stdout), (
        done.stdout
    )


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_int8_answers_nearly_the_same(format, tmp_path):
    """Its matrices are int8; in ONNX the largest inputs of those with fewer outputs stay float."""
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
