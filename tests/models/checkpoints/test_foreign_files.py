"""Files and folders that are no checkpoint: each is named for what it is, and the message says what to do."""

import io
import os
import pathlib
import pickle
import shutil
import socket
import tarfile
import zipfile

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint

ARRAYS = {"a": np.arange(3.0, dtype="float32"), "b": np.ones((2, 2), "float32")}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 409168\n" % (b"a" * 64)


def archive(*names):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    return data.getvalue()


def tar():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as file:
        file.addfile(tarfile.TarInfo("bert_model.ckpt.index"), io.BytesIO())
    return data.getvalue()


# name of the file, its content, what the message must say
FILES = [
    ("chinese_L-12.zip", archive("L-12/bert_model.ckpt.index", "L-12/vocab.txt"), "unpack it.*L-12/bert_model.ckpt"),
    ("model.zip", archive("weights.safetensors"), "unpack it.*weights.safetensors"),
    ("bert_model.ckpt", archive("m/bert_model.ckpt.index"), "unpack it"),
    ("broken.zip", b"PK\3\4", "damaged zip archive"),
    (
        "model.keras",
        archive("model.weights.h5", "config.json", "metadata.json"),
        "whole model of Keras 3.*b4k3 convert",
    ),
    ("pytorch_model.bin", archive("archive/data.pkl", "archive/data/0"), "data.pkl does not begin with.*PROTO"),
    ("pytorch_model.bin", pickle.dumps({"a": 1, "b": "x" * 40}, 2), "no file of `torch.save`.*safetensors file"),
    ("pytorch_model.bin", b"PK\3\4", "damaged"),
    ("model.ckpt", archive("epoch=1/data.pkl"), "data.pkl does not begin with.*PROTO"),
    ("model.pth", pickle.dumps([1] * 40, 4), "no file of `torch.save`.*safetensors file"),
    ("model.pt", b"\0\1\2\3", "safetensors file"),
    ("model.h5", archive("archive/data.pkl"), "data.pkl does not begin with.*PROTO"),
    ("model.bin", archive("weights.safetensors"), "unpack it.*weights.safetensors"),
    ("model.safetensors", pickle.dumps([1], 4), "safetensors file"),
    ("ernie.pdparams", pickle.dumps([1], 2), "PaddlePaddle.*safetensors file"),
    ("model.onnx", b"\x08\x07\x12\x07pytorch", "ONNX"),
    ("flax_model.msgpack", b"\xde\x00\x02\xa4bert", "Flax.*safetensors file"),
    ("model.tflite", b"\x1c\0\0\0TFL3\0\0", "TensorFlow Lite"),
    ("frozen.pb", b"\n\x0b\n\x03foo\x12\x04Add", "graph of TensorFlow"),
    ("model.gguf", b"GGUF\3\0\0\0", "GGUF"),
    ("model.tar.gz", b"\x1f\x8b\x08\0", "gzip. Unpack it"),
    ("model.npz", b"\x1f\x8b\x08\0", "gzip. Unpack it"),
    ("model.tar", tar(), "tar archive. Unpack it"),
    ("model.7z", b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    ("y.npy", b"\x93NUMPY\1\0", "a .npz"),
    ("model.safetensors", b"<!DOCTYPE html><html>Not found", "web page.*Download the file again"),
    ("bert_model.bin", b"\n<html>", "web page"),
    ("bert_config.json", b'{"vocab_size": 3}', "is a configuration.*config_path"),
    ("other.json", b'{"hidden_size": 3}', "is a configuration.*config_path"),
    ("operative_config.gin", b"d_model = 8\n", "is a configuration.*config_path"),
    ("data.json", b"[1, 2]", "is a JSON file"),
    ("vocab.json", b'{"a": 0, "b": 1}', 'is a JSON file, not a checkpoint; its keys are "a", "b"'),
    ("broken.json", b'{"a": ', "is a text file"),
    ("pytorch_model.bin.index.json", b'{"weight_map": {"a": "m-1.bin"}}', "'a' is in m-1.bin, which is missing"),
    ("index.json", b'{"weight_map": {"a": "m-1.bin"}}', "should end in .bin.index.json"),
    ("vocab.txt", "[PAD]\n[UNK]\n中\n".encode(), "is a text file"),
    ("bert_model.ckpt", b"", r"is empty \(0 bytes\)"),
    ("saved_model.pb", b"\x08\x01", "SavedModel of TensorFlow without variables"),
    ("bert_model.ckpt.meta", b"x", "bert_model.ckpt.index"),
]


@pytest.mark.parametrize("name, content, words", FILES, ids=lambda x: x if isinstance(x, str) else "")
def test_file(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match="(?s)" + words) as caught:
        open_checkpoint(str(tmp_path / name))
    assert str(tmp_path if name == "saved_model.pb" else tmp_path / name) in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["m.safetensors", "m.npz", "m.h5", "m.index", "m.bin", "m.pt", "m.pth", "m.data-00000-of-00001", "m.meta", "m"],
)
def test_git_lfs_pointer(tmp_path, name):
    if ".data" in name:
        save_checkpoint(str(tmp_path / "m"), ARRAYS)
    (tmp_path / name).write_bytes(POINTER)
    with pytest.raises(CheckpointError, match="Git LFS pointer.*409,168 bytes .sha256:a{64}.*git lfs pull") as caught:
        open_checkpoint(str(tmp_path / name))
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "x.npz", "x.h5", "x.index", "checkpoint", "pytorch_model.bin"])
def test_git_lfs_pointer_in_a_folder(tmp_path, name):
    (tmp_path / name).write_bytes(POINTER)
    with pytest.raises(CheckpointError, match="Git LFS pointer"):
        open_checkpoint(str(tmp_path))


def test_git_lfs_pointer_behind_an_index(tmp_path):
    index = b'{"metadata": {}, "weight_map": {"a": "model-00001-of-00001.safetensors"}}'
    (tmp_path / "model.safetensors.index.json").write_bytes(index)
    (tmp_path / "model-00001-of-00001.safetensors").write_bytes(POINTER)
    with pytest.raises(CheckpointError, match="model-00001-of-00001.safetensors: is a Git LFS pointer"):
        open_checkpoint(str(tmp_path))


def test_git_lfs_pointer_behind_an_index_of_pytorch(tmp_path):
    (tmp_path / "pytorch_model.bin.index.json").write_bytes(
        b'{"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}'
    )
    (tmp_path / "pytorch_model-00001-of-00001.bin").write_bytes(POINTER)
    with pytest.raises(CheckpointError, match="pytorch_model-00001-of-00001.bin: is a Git LFS pointer"):
        open_checkpoint(str(tmp_path))


def test_meta_opens_its_checkpoint(tmp_path):
    prefix = save_checkpoint(str(tmp_path / "model.ckpt-321"), ARRAYS)
    pathlib.Path(prefix + ".meta").write_bytes(b"x")
    assert set(open_checkpoint(prefix + ".meta")) == {"a", "b"}


def test_saved_model_of_tensorflow_1_opens(tmp_path):
    """As a module of TensorFlow Hub: the variables have their own names."""
    save_checkpoint(str(tmp_path / "variables" / "variables"), ARRAYS)
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    for path in (tmp_path, tmp_path / "saved_model.pb"):
        assert set(open_checkpoint(str(path))) == {"a", "b"}


@pytest.mark.parametrize("format", ["safetensors", "npz"])
def test_content_decides_where_the_name_says_nothing(tmp_path, format):
    path = save_checkpoint(str(tmp_path / ("a." + format)), ARRAYS, format=format)
    shutil.move(path, str(tmp_path / "blob"))
    assert open_checkpoint(str(tmp_path / "blob")).format == format


@pytest.mark.parametrize("place", ["file", "folder"])
def test_data_without_index(tmp_path, place):
    prefix = save_checkpoint(str(tmp_path / "bert_model.ckpt"), ARRAYS)
    os.unlink(prefix + ".index")
    for path in (prefix, prefix + ".data-00000-of-00001", str(tmp_path)):
        with pytest.raises(FileNotFoundError, match="index is missing: there is no bert_model.ckpt.index"):
            open_checkpoint(path)


def test_meta_alone(tmp_path):
    (tmp_path / "bert_model.ckpt.meta").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match="bert_model.ckpt.meta is there, but it has no weights"):
        open_checkpoint(str(tmp_path / "bert_model.ckpt"))


def test_a_name_that_is_cut_short(tmp_path):
    save_checkpoint(str(tmp_path / "bert_model.ckpt"), ARRAYS)
    with pytest.raises(
        FileNotFoundError, match="did you mean bert_model.ckpt.data-00000-of-00001, bert_model.ckpt.index"
    ):
        open_checkpoint(str(tmp_path / "bert_model"))


def test_folder_with_other_files_says_what_they_are(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "optimizer.pt").write_bytes(archive("archive/data.pkl"))
    with pytest.raises(CheckpointError, match="holds no checkpoint.*optimizer.pt is a file of PyTorch"):
        open_checkpoint(str(tmp_path))


def make_special(path, kind):
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "device":
        os.symlink("/dev/zero", path)
    elif kind == "link":
        os.symlink("nowhere", path)
    elif kind == "loop":
        os.symlink(os.path.basename(path), path)
    else:
        before = os.getcwd()
        os.chdir(os.path.dirname(path))  # the path of a socket may not be long
        try:
            socket.socket(socket.AF_UNIX).bind(os.path.basename(path))
        finally:
            os.chdir(before)


SPECIAL = {
    "FIFO": "a named pipe",
    "device": "a device",
    "link": "a link to nowhere, which does not exist",
    "loop": "a link that leads in a circle",
    "socket": "a socket",
}


@pytest.mark.parametrize("name", ["m.safetensors", "m.npz", "m.h5", "bert_model.ckpt", "m.zip", "m.json"])
@pytest.mark.parametrize("kind", sorted(SPECIAL))
def test_special_file(tmp_path, name, kind):
    make_special(str(tmp_path / name), kind)
    with pytest.raises((CheckpointError, FileNotFoundError), match=SPECIAL[kind]) as caught:
        open_checkpoint(str(tmp_path / name))
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("kind", sorted(SPECIAL))
def test_special_file_of_a_bundle(tmp_path, suffix, kind):
    prefix = save_checkpoint(str(tmp_path / "m"), ARRAYS)
    os.unlink(prefix + suffix)
    make_special(prefix + suffix, kind)
    with pytest.raises((CheckpointError, FileNotFoundError)) as caught:
        open_checkpoint(prefix)
    assert prefix in str(caught.value)


@pytest.mark.parametrize("kind", sorted(SPECIAL))
def test_special_files_in_a_folder_are_passed_over(tmp_path, kind):
    for name in ("checkpoint", "a.index", "model.safetensors", "a.safetensors", "a.npz", "a.h5", "z.json"):
        make_special(str(tmp_path / name), kind)
    with pytest.raises(FileNotFoundError, match="a.h5 is " + SPECIAL[kind]):
        open_checkpoint(str(tmp_path))
    save_checkpoint(str(tmp_path / "b.npz"), ARRAYS, format="npz")
    assert open_checkpoint(str(tmp_path)).format == "npz"


def test_paths_that_cannot_be():
    with pytest.raises(CheckpointError, match="NUL"):
        open_checkpoint("a\0b")
    with pytest.raises(FileNotFoundError) as caught:
        open_checkpoint("a" * 5000)
    assert len(str(caught.value)) <= 2000
    with pytest.raises(TypeError):
        open_checkpoint(3)
