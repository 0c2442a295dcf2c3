"""A pipe, a device, a socket, a folder, a link in a circle or to nowhere under every name that is opened.

Each is refused at once by a typed error that names the path and what it is. Nothing waits, nothing is read without end.
"""

import os
import shutil
import tracemalloc

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, _files, open_checkpoint, save_checkpoint
from b4k3.models.cli import main
from b4k3.models.config_files import MAX_CONFIG, read_config
from b4k3.models.errors import ConfigError
from b4k3.models.folders import configs_in
from b4k3.snippets import open as open_lines
from support import goldens

from .special_files import KINDS, no_waiting, put

BERT = str(goldens.ROOT / "google_bert")
ARRAYS = {"a": np.arange(4, dtype="float32"), "b": np.arange(6, dtype="float32")}
SHARD = "model-00001-of-00002.safetensors"


def folder_of(path):
    return open_checkpoint(os.path.dirname(path))


def index_of(path):
    return open_checkpoint(os.path.join(os.path.dirname(path), "model.safetensors.index.json"))


def prefix_of(path):
    return open_checkpoint(path.split(".ckpt")[0] + ".ckpt")


def configs_beside(path):
    return configs_in(os.path.dirname(path))


# what is opened: (the name that something else lies under, how it is opened)
OPENED = {
    "config": ("config.json", read_config),
    "config of a folder": ("bert_config.json", configs_beside),
    "gin": ("operative_config.gin", read_config),
    "tensor bundle by its index": ("model.ckpt.index", open_checkpoint),
    "tensor bundle by its prefix": ("model.ckpt.index", prefix_of),
    "data of a tensor bundle": ("model.ckpt.data-00000-of-00001", prefix_of),
    "checkpoint without a suffix": ("bert_model.ckpt", open_checkpoint),
    "state file": ("checkpoint", open_checkpoint),
    "safetensors": ("alone.safetensors", open_checkpoint),
    "index of safetensors": ("model.safetensors.index.json", open_checkpoint),
    "one of several safetensors": (SHARD, index_of),
    "npz": ("model.npz", open_checkpoint),
    "HDF5": ("model.h5", open_checkpoint),
    "weights of Keras": ("model.weights.h5", open_checkpoint),
    "PyTorch": ("pytorch_model.bin", open_checkpoint),
    "index of PyTorch": ("pytorch_model.bin.index.json", open_checkpoint),
    "PyTorch by another name": ("best.pt", open_checkpoint),
    "corpus": ("corpus.txt", lambda path: open_lines(path, encoding="utf-8")),
    "corpus by lines": ("corpus.txt", lambda path: open_lines(path, encoding="utf-8", indexable=True)),
    "index of a corpus": ("corpus.index", lambda path: open_lines(path[:-5] + "txt", indexable=path)),
}
# A folder is looked into for a checkpoint, and Python has an error of its own for one that is opened as a file.
LOOKED_INTO = {name for name, (_, how) in OPENED.items() if how is open_checkpoint}


@pytest.fixture
def folder(tmp_path):
    """A folder with a good file under every name, as far as the others need it."""
    save_checkpoint(str(tmp_path / "model.ckpt"), ARRAYS)
    save_checkpoint(str(tmp_path / "model.safetensors"), ARRAYS, format="safetensors", max_shard_size=20)
    shutil.copy(os.path.join(BERT, "bert_config.json"), str(tmp_path))
    (tmp_path / "corpus.txt").write_text("one\ntwo\n")
    return tmp_path


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("opened", list(OPENED))
def test_refused_at_once(folder, opened, kind):
    name, how = OPENED[opened]
    path = str(folder / name)
    put(path, kind)
    if kind in ("loop", "dangling link") and opened == "index of a corpus":
        return how(path).close()  # nothing is there: the index is made
    with no_waiting(), pytest.raises((ConfigError, CheckpointError, ValueError, OSError)) as caught:
        how(path)
    text = str(caught.value)
    assert path[: -len(".index")] in text or name in text
    if opened.endswith(("corpus", "by lines")) and kind in ("folder", "loop", "dangling link"):
        assert isinstance(caught.value, OSError)  # of the built-in `open`
    elif kind == "folder" and opened in LOOKED_INTO:
        assert isinstance(caught.value, FileNotFoundError) and "no checkpoint in the folder" in text
    elif kind == "dangling link":
        assert isinstance(caught.value, (FileNotFoundError, CheckpointError))
    else:
        assert KINDS[kind] in text and isinstance(caught.value, ValueError)


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_lies_beside_is_passed_over(tmp_path, kind, capfd):
    """Stray files of a folder that are no files: nobody asked for them."""
    model = str(tmp_path / "model")
    shutil.copytree(BERT, model)
    for name in (
        "notes.json",
        "tokenizer.json",
        "old.ckpt.index",
        "model.safetensors",
        "x.gin",
        "m.h5",
        "spiece.model",
    ):
        put(os.path.join(model, name), kind)
    with no_waiting(60):
        assert main(["inspect", model]) == 0
        assert main(["convert", model, str(tmp_path / "copy"), "--to", "huggingface"]) == 0
    assert os.path.join(model, "vocab.txt") in capfd.readouterr().out
    assert "tokenizer.json" not in os.listdir(str(tmp_path / "copy"))


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("option", ["text", "vocabulary", "vocabulary beside", "config"])
def test_arguments_of_commands(tmp_path, option, kind, capfd):
    model, path = str(tmp_path / "model"), str(tmp_path / "given.txt")
    shutil.copytree(BERT, model)
    if option == "config" and kind == "folder":
        return  # a configuration is looked for in it
    if option == "vocabulary beside":
        path = os.path.join(model, "vocab.txt")
    put(path, kind)
    command = {
        "text": ["features", model, path],
        "vocabulary": ["features", model, "--vocab", path],
        "vocabulary beside": ["features", model],
        "config": ["features", model, "--config", path],
    }[option]
    with no_waiting(60):
        assert main(command) == 1
    error = capfd.readouterr().err
    assert "error: " in error and path in error and KINDS[kind] in error


def test_another_file_is_put_there_meanwhile(tmp_path, monkeypatch):
    """The open file is looked at too: a pipe that replaces a file between the look and the opening is refused."""
    path = str(tmp_path / "model.safetensors")
    put(path, "pipe")
    monkeypatch.setattr(_files, "check_regular", lambda *_: None)
    for how in (_files.map_file, _files.open_regular):
        with no_waiting(), pytest.raises(CheckpointError, match="is not a regular file any more") as caught:
            how(path)
        assert path in str(caught.value)


def sparse(path, size, head=b""):
    with open(str(path), "wb") as file:
        file.write(head)
        file.truncate(size)
    return str(path)


HUGE = 10 << 30
ZIP_END = b"PK\5\6" + b"\0" * 8 + b"\xff" * 4 + b"\0" * 6  # its list of files has 4 GB


@pytest.mark.parametrize(
    "name, head, end, message",
    [
        ("config.json", b"{", b"", "a configuration has 16,777,216 at most"),
        ("operative_config.gin", b"", b"", "a configuration has 16,777,216 at most"),
        ("checkpoint", b"", b"", "more than the 1,048,576"),
        ("model.ckpt.index", b"", b"", "more than the 16,777,216"),
        ("model.safetensors.index.json", b"{", b"", "more than the 4,194,304"),
        ("model.safetensors", b"\0\0\0\0\1\0\0\0{", b"", "header of 4294967296 bytes, more than"),
        ("model.npz", b"PK\3\4", ZIP_END, "its list of files has more than 4,194,304 bytes"),
        ("model.zip", b"PK\3\4", ZIP_END, "is a damaged zip archive"),
        ("model.json", b"{", b"", "is a JSON file, not a checkpoint"),
    ],
)
def test_a_limit_refuses_huge_files(tmp_path, name, head, end, message):
    path = sparse(tmp_path / name, HUGE, head)
    with open(path, "r+b") as file:
        file.seek(HUGE - len(end))
        file.write(end)
    how = read_config if name.endswith(("config.json", ".gin")) else open_checkpoint
    tracemalloc.start()
    try:
        with no_waiting(), pytest.raises((ConfigError, CheckpointError), match=message) as caught:
            how(path)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert path in str(caught.value)
    assert MAX_CONFIG == 16 << 20


def test_a_huge_vocabulary(tmp_path, capfd):
    path = sparse(tmp_path / "vocab.txt", HUGE)
    assert main(["features", BERT, "--vocab", path]) == 1
    assert "more than the 67,108,864 bytes that a vocabulary may have" in capfd.readouterr().err


def test_a_text_without_lines(tmp_path, capfd):
    path = sparse(tmp_path / "text.txt", HUGE)
    with no_waiting(60):
        assert main(["features", BERT, path]) == 1
    assert f"{path}, line 1: more than 16,777,216 bytes without a line end" in capfd.readouterr().err
