"""HDF5 weights. Every row has h5py with its Keras."""

import h5py
import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint

from .conftest import check_equal, make_arrays


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "model.weights.h5")


def test_arrays(path):
    arrays = make_arrays()
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
        file.create_dataset("deep/er/compressed", data=np.zeros((100, 100), "float32"), compression="gzip")
        file.attrs["backend"] = "jax"
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.format == "h5"
        assert checkpoint["deep/er/compressed"].shape == (100, 100)
        arrays["deep/er/compressed"] = np.zeros((100, 100), "float32")
        check_equal(checkpoint, arrays)
    with pytest.raises(CheckpointError, match="closed"):
        checkpoint["floats"]


def test_to_another_container(path, tmp_path):
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.ones((2, 3), ">f4")
    copy = open_checkpoint(save_checkpoint(str(tmp_path / "a.ckpt"), open_checkpoint(path)))
    assert copy["layers/dense/vars/0"].tolist() == [[1, 1, 1]] * 2


def test_bfloat16_as_keras_3_stores_it(path):
    with h5py.File(path, "w") as file:
        file["a"] = np.array([0x3FC0, 0xC000], "<u2").view("V2")
        file["a"].attrs["dtype"] = "bfloat16"
        file["b"] = np.array([1], "<u2").view("V2")
    checkpoint = open_checkpoint(path)
    assert checkpoint.stored_dtype("a") == "bfloat16" and checkpoint["a"].tolist() == [1.5, -2.0]
    assert checkpoint.dtype("a") == np.float32 and list(checkpoint.skipped) == ["b"]


def test_other_datasets_are_listed_and_skipped(path):
    with h5py.File(path, "w") as file:
        file["text"] = "abc"
        file["n"] = np.zeros(2)
        file["empty"] = h5py.Empty("f4")
    checkpoint = open_checkpoint(path)
    assert list(checkpoint) == ["n"] and sorted(checkpoint.skipped) == ["empty", "text"]


def test_links_lead_nowhere(path, tmp_path):
    with h5py.File(str(tmp_path / "secret.h5"), "w") as file:
        file["s"] = np.zeros(2)
    with h5py.File(path, "w") as file:
        file["n"] = np.zeros(2)
        file["external"] = h5py.ExternalLink("secret.h5", "/s")
        file["soft"] = h5py.SoftLink("/n")
        file["loop/back"] = file["/"]
    assert list(open_checkpoint(path)) == ["n"]


def test_data_in_other_files_are_refused(path, tmp_path):
    (tmp_path / "secret").write_bytes(b"\0" * 16)
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (16,), "u1", external=[(str(tmp_path / "secret"), 0, 16)])
    with pytest.raises(CheckpointError, match="'a' lies in another file"):
        open_checkpoint(path)
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "s", shape=(4,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("v", layout)
    with pytest.raises(CheckpointError, match="'v' lies in another file"):
        open_checkpoint(path)


@pytest.mark.parametrize("chunks", [None, (1024,)])
def test_data_that_are_not_there_are_refused(path, chunks):
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (2**40,), "f4", chunks=chunks)
    with pytest.raises(CheckpointError, match="'a' of 4398046511104 bytes has only 0 in the file"):
        open_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + b"\0" * 1000])
def test_damaged(tmp_path, path, content):
    with open(path, "wb") as file:
        file.write(content)
    with pytest.raises(CheckpointError, match="is no HDF5 file, or a damaged one") as caught:
        open_checkpoint(path)
    assert path in str(caught.value)
