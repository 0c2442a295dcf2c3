"""Files that are small and would take much memory or time if they were believed."""

import json
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError
from b4k3.models.cli.subject import Subject
from b4k3.models.errors import ConfigError
from b4k3.models.source import MORE_BLOCKS
from b4k3.snippets import open as open_lines
from support import goldens

from . import bundles
from .test_tf_bundle import check_refused

BERT = goldens.ROOT / "google_bert"


def test_very_many_slices(tmp_path):
    """An empty slice takes two bytes in the file and a hundred in memory."""
    many = bundles.entry(dims=(), slices=()) + b"\x3a\0" * 50001
    prefix = bundles.write(tmp_path, [(b"a", many)])
    check_refused(prefix, "field slices has more than 50,000 values", "a", [prefix])
    many = bundles.entry(dims=(), slices=()) + b"\x3a\0" * 34000
    prefix = bundles.write(tmp_path, [(b"%d" % number, many) for number in range(3)])
    check_refused(prefix, "more than 100,000 slices", None, [prefix])


def test_a_zip_archive_of_very_many_files(tmp_path):
    path = tmp_path / "a.npz"
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[20, 0, 0, 0, 0, 0], *[0, 0, 0], 1, 0, 0, 0, 0, 0, 0) + b"x"
    directory = entry * 60000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 60000, 60000, len(directory), 0, 0)
    path.write_bytes(directory + end)
    check_refused(str(path), "its list of files has more than", None, [str(path)])


def test_a_compressed_variable_that_is_larger_than_it_says(tmp_path):
    """It is inflated up to what it says, and no further."""
    path = tmp_path / "a.npz"
    np.savez_compressed(str(path), a=np.zeros(8 << 20, dtype="float32"))
    data = path.read_bytes()
    with zipfile.ZipFile(str(path)) as archive:
        size = archive.getinfo("a.npy").file_size
    assert size > 32 << 20
    path.write_bytes(data.replace(struct.pack("<L", size), struct.pack("<L", 128 + 16)))  # of four numbers, it says
    check_refused(str(path), "does not inflate to 144 bytes", "a", [str(path)])


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(tmp_path, method):
    path = tmp_path / "a.npz"
    np.save(str(tmp_path / "a.npy"), np.arange(4))
    with zipfile.ZipFile(str(path), "w", method) as archive:
        archive.write(str(tmp_path / "a.npy"), "a.npy")
    check_refused(str(path), f"compressed by method {method}", "a", [str(path)])


CLAIMS = {
    "blocks": ({"num_hidden_layers": 10000}, "num_hidden_layers=10000"),
    "width": ({"hidden_size": 10**6}, "hidden_size=1000000"),
    "vocabulary": ({"vocab_size": 10**8}, "vocab_size=100000000"),
    "positions": ({"max_position_embeddings": 10**7}, "max_position_embeddings=10000000"),
    "heads": ({"num_attention_heads": 10**4, "attention_head_size": 10**5}, "weights"),
}


def config(folder, **changes):
    path = folder / "bert_config.json"
    path.write_text(json.dumps(dict(json.loads((BERT / "bert_config.json").read_text()), **changes)))
    return str(path)


@pytest.mark.parametrize("name", list(CLAIMS))
def test_a_config_that_claims_far_more_than_the_checkpoint_has(tmp_path, name):
    """It is refused before anything is built, within the memory of the checkpoint."""
    from b4k3.models import build_transformer_model

    changes, message = CLAIMS[name]
    path = config(tmp_path, **changes)
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match=message) as caught:
            build_transformer_model(path, str(BERT / "bert_model.ckpt"))
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert path in str(caught.value)


def test_blocks_that_are_not_there_are_not_looked_for_one_by_one(tmp_path):
    for blocks, looked_for in [(5, True), (4 + MORE_BLOCKS, False), (10**4, False)]:
        subject = Subject(str(BERT / "bert_model.ckpt"), config(tmp_path, num_hidden_layers=blocks))
        assert f"says num_hidden_layers={blocks}, the shapes say 3" in subject.problems[0]
        assert any("there is no" in problem for problem in subject.problems) == looked_for


@pytest.mark.parametrize("value", [[3], {"a": 1}, "12", 0.5, True, "x" * 5000])
def test_numbers_of_blocks_that_are_none(tmp_path, value):
    subject = Subject(str(BERT / "bert_model.ckpt"), config(tmp_path, num_hidden_layers=value))
    assert "num_hidden_layers=" in subject.problems[0] and len(subject.problems[0]) < 500
    with pytest.raises((ConfigError, CheckpointError), match="num_hidden_layers"):
        subject.require()


@pytest.mark.parametrize(
    "stored",
    [
        '{"format": 1, "size": %d, "time": %d}',
        '{"format": 1, "size": %d, "time": %d, "offsets": [0, 4, 9999]}',
        '{"format": 1, "size": %d, "time": %d, "offsets": [4, 0]}',
        '{"format": 1, "size": %d, "time": %d, "offsets": [-4, 0]}',
        '{"format": 1, "size": %d, "time": %d, "offsets": ["a"]}',
        '{"format": 1, "size": %d, "time": %d, "offsets": [1180591620717411303424]}',
        '{"format": 1, "size": %d, "time": %d, "offsets": 3}',
        "[" * 100000 + "%d%d",
        '{"format": 1, "size": %d, "time": %d, "offsets": [0, 4]}' + " " * 10000,
    ],
)
def test_an_index_of_lines_that_is_not_one(tmp_path, stored):
    """It is made anew; what it says leads nowhere else."""
    corpus, index = tmp_path / "corpus.txt", tmp_path / "corpus.index"
    corpus.write_text("one\ntwo\n")
    status = os.stat(str(corpus))
    index.write_text(stored % (status.st_size, status.st_mtime_ns))
    with open_lines(str(corpus), encoding="utf-8", indexable=str(index)) as lines:
        assert lines[:] == ["one\n", "two\n"]
    assert json.loads(index.read_text())["offsets"] == [0, 4]
    assert sorted(os.listdir(str(tmp_path))) == ["corpus.index", "corpus.txt"]
