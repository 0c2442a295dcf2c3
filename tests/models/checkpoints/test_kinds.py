"""Names that no dialect knows: which program wrote them. The files are those of real programs."""

import shutil

import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint
from b4k3.models.checkpoints.kinds import foreign_kind
from support.goldens import ROOT

FOREIGN = ROOT / "foreign"
KINDS = [
    ("keras_tf_weights", "TensorFlow's format"),
    ("obj/bert_model.ckpt-1", "object graph of TensorFlow 2"),
    ("obj", "object graph of TensorFlow 2"),
    ("saved/variables", "TensorFlow's format"),
    ("w.weights.h5", "Keras 3"),
    ("best_model.weights", "by layer"),
    ("whole.h5", "by layer"),
]


@pytest.mark.parametrize("path, words", KINDS)
def test_kind(path, words):
    kind, advice = foreign_kind(open_checkpoint(str(FOREIGN / path)))
    assert words in kind and "load_weights" in advice and not advice.endswith(".")


def test_weights_of_keras_3_can_be_converted():
    assert "b4k3 convert" in foreign_kind(open_checkpoint(str(FOREIGN / "w.weights.h5")))[1]


@pytest.mark.parametrize(
    "names, words",
    [
        (["_layer_checkpoint_dependencies/dense/vars/0"], "Keras 3"),
        (["layers/functional/layers/dense/vars/1", "vars/0"], "Keras 3"),
        (["variables/0/.ATTRIBUTES/VARIABLE_VALUE"], "object graph"),
        (["layer-3/kernel/.ATTRIBUTES/VARIABLE_VALUE", "save_counter/.ATTRIBUTES/VARIABLE_VALUE"], "TensorFlow's"),
        (["bert/tf_bert_model/bert/pooler/dense/kernel:0"], "tf_model.h5"),
    ],
)
def test_kind_of_names(names, words):
    assert words in foreign_kind(names)[0]


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["bert/encoder/layer_0/output/dense/kernel", "cls/predictions/output_bias"],
        ["bert.encoder.layer.0.output.dense.weight"],
        ["encoder/block_000/layer_000/SelfAttention/q", "global_step"],
        ["layers/0/kernel"],
    ],
)
def test_names_of_publishers_are_none(names):
    assert foreign_kind(names) is None


@pytest.mark.parametrize("path", ["saved", "saved/saved_model.pb"])
def test_saved_model_of_tensorflow_2_is_refused(tmp_path, path):
    shutil.copytree(str(FOREIGN / "saved"), str(tmp_path / "saved"))
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x08\x01")
    with pytest.raises(CheckpointError, match="SavedModel of TensorFlow 2.*save_weights.*load_weights"):
        open_checkpoint(str(tmp_path / path))
