"""Every form of path, and what is said when nothing fits."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint

ARRAYS = {"a": np.arange(3.0), "b": np.ones((2, 2), "float32")}


@pytest.fixture
def bundle(tmp_path):
    return save_checkpoint(str(tmp_path / "bert_model.ckpt"), ARRAYS)


def state(folder, target, name="checkpoint"):
    (folder / name).write_text(f'model_checkpoint_path: "{target}"\nall_model_checkpoint_paths: "x"\n')
    return str(folder / name)


@pytest.mark.parametrize("form", ["", ".index", ".data-00000-of-00001"])
def test_forms_of_a_bundle(bundle, form):
    assert set(open_checkpoint(bundle + form)) == {"a", "b"}


def test_paths_of_pathlib(tmp_path, bundle):
    assert open_checkpoint(tmp_path / "bert_model.ckpt").path == bundle


def test_folder_with_one_bundle(tmp_path, bundle):
    (tmp_path / "vocab.txt").write_text("")
    assert open_checkpoint(str(tmp_path)).path == bundle


@pytest.mark.parametrize("kind", ["relative", "absolute", "escaped"])
def test_checkpoint_file(tmp_path, kind):
    for name in ("模型-1", "模型-2"):
        bundle = save_checkpoint(str(tmp_path / name), ARRAYS)
    target = {"relative": "模型-2", "absolute": bundle, "escaped": r"\346\250\241\345\236\213-2"}[kind]
    (tmp_path / "checkpoint").write_bytes(f'model_checkpoint_path: "{target}"'.encode())
    for path in (tmp_path, tmp_path / "checkpoint"):
        assert open_checkpoint(str(path)).path == bundle


def test_checkpoint_file_that_points_to_nothing(tmp_path):
    path = state(tmp_path, "model.ckpt-7")
    with pytest.raises(FileNotFoundError, match="model.ckpt-7") as caught:
        open_checkpoint(path)
    assert path in str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "other.safetensors", "weights.npz"])
def test_folder_with_one_file(tmp_path, name):
    save_checkpoint(str(tmp_path / name), ARRAYS, format=name.split(".")[1])
    assert open_checkpoint(str(tmp_path)).path == str(tmp_path / name)


def test_folder_of_hugging_face(tmp_path):
    for name in ("model.safetensors", "other.safetensors"):
        save_checkpoint(str(tmp_path / name), ARRAYS, format="safetensors")
    (tmp_path / "tf_model.h5").write_bytes(b"")
    assert open_checkpoint(str(tmp_path)).path == str(tmp_path / "model.safetensors")


def test_folder_with_several(tmp_path, bundle):
    save_checkpoint(str(tmp_path / "model.ckpt-2"), ARRAYS)
    with pytest.raises(CheckpointError, match="several checkpoints.*bert_model.ckpt, model.ckpt-2"):
        open_checkpoint(str(tmp_path))


@pytest.mark.parametrize(
    "path", ["nothing", "nothing.index", "nothing/model.ckpt", "a.safetensors", "a.npz", "a.h5", ""]
)
def test_nothing_there(tmp_path, path):
    path = str(tmp_path / path)
    with pytest.raises(FileNotFoundError) as caught:
        open_checkpoint(path)
    assert path in str(caught.value)


def test_data_without_index(tmp_path, bundle):
    os.unlink(bundle + ".index")
    with pytest.raises(FileNotFoundError, match="bert_model.ckpt.index"):
        open_checkpoint(bundle + ".data-00000-of-00001")


def test_unknown_kind(tmp_path):
    (tmp_path / "model.dat").write_bytes(b"\0\1\2\3")
    with pytest.raises(CheckpointError, match="model.dat: is not a known kind"):
        open_checkpoint(str(tmp_path / "model.dat"))


def test_mapping():
    arrays = {"a": np.arange(3.0), "b": [[1, 2]], "c": np.float16(2)}
    checkpoint = open_checkpoint(arrays)
    assert checkpoint.format == "dict" and checkpoint.shape("b") == (1, 2) and checkpoint["c"] == 2
    assert np.shares_memory(checkpoint["a"], arrays["a"]) and not checkpoint["a"].flags.writeable
    assert arrays["a"].flags.writeable
    assert open_checkpoint(checkpoint) is checkpoint
    with pytest.raises(CheckpointError, match="'d' is not among the 3"):
        checkpoint["d"]
    for wrong in ({3: np.zeros(2)}, {"a": "text"}, {"a": [[1], [1, 2]]}):
        with pytest.raises(ValueError):
            open_checkpoint(wrong)


def test_bfloat16_of_ml_dtypes_stays_bfloat16(tmp_path):
    """The dtype of JAX's arrays, which numpy itself does not have; on the oldest rows nothing has it."""
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    values = np.array([[1.5, -2.0], [3e38, 0.1]], dtype=bfloat16)
    path = save_checkpoint(str(tmp_path / "a.ckpt"), {"a": values})
    for checkpoint in (open_checkpoint(path), open_checkpoint({"a": values})):
        assert checkpoint.stored_dtype("a") == "bfloat16"
        assert np.array_equal(checkpoint["a"], values.astype("float32"))


def test_verify_is_one_of_three(bundle):
    with pytest.raises(CheckpointError, match="verify"):
        open_checkpoint(bundle, verify="all")


def test_a_moved_file_is_found_by_its_new_name(tmp_path, bundle):
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.move(bundle + suffix, str(tmp_path / "new") + suffix)
    assert set(open_checkpoint(str(tmp_path / "new"))) == {"a", "b"}


def test_no_framework_is_imported(bundle):
    code = (
        "import sys; from b4k3.models.checkpoints import open_checkpoint; dict(open_checkpoint(sys.argv[1])); "
        "assert not {'keras', 'tensorflow', 'tf_keras', 'jax', 'torch', 'h5py'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, bundle]).returncode == 0
