"""The text file `checkpoint` of tf.train.Saver, which must not lead anywhere else, and broken ones."""

import os

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint


def state_file(folder, target):
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{target}"\n')
    return str(folder / "checkpoint")


@pytest.mark.parametrize("target", ["../other/m", "/tmp/elsewhere/bert_model.ckpt", "sub/m", r"a\000b", r"\056\056/m"])
def test_checkpoint_file_that_points_outside(tmp_path, target):
    bundle = save_checkpoint(str(tmp_path / "bert_model.ckpt"), {"a": np.zeros(1)})
    os.mkdir(str(tmp_path / "sub"))
    path = state_file(tmp_path, target)
    with pytest.raises(CheckpointError, match="points outside its folder") as caught:
        open_checkpoint(str(tmp_path))
    assert path in str(caught.value)
    if target.endswith("bert_model.ckpt"):
        assert f"give {bundle}" in str(caught.value)


@pytest.mark.parametrize(
    "content, message",
    [(b"", "no line"), (b"model_checkpoint_path: x", "no line"), (b"\xff\xfe", "UTF-8"), (b"#" * 2**21, "more than")],
)
def test_broken_checkpoint_file(tmp_path, content, message):
    (tmp_path / "checkpoint").write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(str(tmp_path))
    assert str(tmp_path / "checkpoint") in str(caught.value)


def test_pipe(tmp_path):
    os.mkfifo(str(tmp_path / "checkpoint"))
    with pytest.raises(CheckpointError, match="checkpoint: is not a regular file, but a named pipe"):
        open_checkpoint(str(tmp_path / "checkpoint"))
    with pytest.raises(FileNotFoundError, match="checkpoint is a named pipe"):
        open_checkpoint(str(tmp_path))
