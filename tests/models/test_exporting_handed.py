"""Models that Keras on one backend hands to a process on another one: the files answer as the models do here.

With KERAS_BACKEND=jax, other processes write every format. `hatch run export:all` takes every network there; one
process writes the files of many networks.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

from b4k3.backend import keras, row
from b4k3.models import build_transformer_model, export
from b4k3.models.exporting import FORMATS
from b4k3.models.exporting.exports import graph_of
from b4k3.models.exporting.handover import run_child, save_job
from support import exported, goldens
from support.exported_networks import networks, segments_of, with_lora
from support.small_models import SMALL, spread

OTHERS = [name for name, format in FORMATS.items() if format.backend != row.backend]
NETWORKS = networks()
EVERY = os.environ.get("B4K3_EXPORT") == "all" and row.backend == "jax"
CHOSEN = sorted(NETWORKS) if EVERY else ["google_electra/discriminator", "kind/gau"]
AT_ONCE = 12
# In a short run one format of each backend.
FORMATS_HERE = [name for name in OTHERS if os.environ.get("B4K3_EXPORT") == "all" or name in ("onnx", "litert")]


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


@pytest.mark.parametrize("format", FORMATS_HERE)
def test_export_hands_a_model_over(format, tmp_path):
    transformer = build_transformer_model(
        model="bert", return_keras_model=False, **dict(SMALL, with_pool=True, with_mlm="linear")
    )
    path = export(spread(transformer), str(tmp_path / "out"), format)
    exported.check(graph_of(transformer), path, format, SMALL["vocab_size"])


def test_lora_is_handed_over_merged(tmp_path):
    transformer = with_lora(spread(build_transformer_model(model="bert", return_keras_model=False, **SMALL)))
    path = export(transformer, str(tmp_path / "out"), OTHERS[0])
    exported.check(graph_of(transformer), path, OTHERS[0], SMALL["vocab_size"])


@pytest.mark.parametrize("first", range(0, len(CHOSEN), AT_ONCE), ids=lambda i: CHOSEN[i])
def test_every_network_is_handed_over(first, tmp_path, record_property):
    """One format of each backend: the other formats are made of the same graph."""
    jobs, written = {}, []
    for i, name in enumerate(CHOSEN[first : first + AT_ONCE]):
        network = NETWORKS[name]()
        sizes = min(14, getattr(network, "vocab_size", 14)), segments_of(network)
        for format in set(OTHERS) & {"onnx", "saved_model"}:
            folder, path = tmp_path / f"{i}-{format}", str(tmp_path / f"{i}-{FORMATS[format].file}")
            folder.mkdir()
            save_job(str(folder), format, {path: graph_of(network)})
            jobs.setdefault(FORMATS[format].backend, []).append(str(folder))
            written.append((name, graph_of(network), path, format, *sizes))
    for backend, folders in jobs.items():
        run_child(folders, backend)
    for name, *arguments in written:
        record_property(f"{arguments[2]} {name}", exported.check(*arguments))


def test_keras_exports_one_size(tmp_path):
    """What Keras' own `export` writes only for the sizes of `input_signature`, and says so without it."""
    format = {"torch": "torch", "jax": "tf_saved_model"}.get(row.backend)
    if format is None:  # TensorFlow traces any size
        return
    model, path = NETWORKS["kind/deberta_v2"]().model, str(tmp_path / "out") + exported.KERAS_SUFFIXES[format]
    ids = np.random.RandomState(0).randint(2, 19, (2, 7)).astype("float32")
    model([ids, 0 * ids])
    with pytest.raises(ValueError, match="give input_signature.*b4k3.models.export"):
        model.export(path, format=format, verbose=False)
    sizes = [[keras.InputSpec(shape=(2, 7), dtype="float32", name=tensor.name) for tensor in model.inputs]]
    model.export(path, format=format, verbose=False, input_signature=sizes)
    got = exported.keras_runner(format, path)([ids, 0 * ids])
    np.testing.assert_allclose(got, goldens.predict(model, [ids, 0 * ids])[0], atol=1e-4)


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
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "out"), OTHERS[0]]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode and "ConfigError: Twice: the class is defined in the script" in done.stdout, done.stdout
