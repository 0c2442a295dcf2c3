"""Tensor bundles: those that TensorFlow wrote, and what it can write but the golden ones do not hold."""

import os

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint
from corrupt import bundles

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "..", "golden")
BERT = os.path.join(GOLDEN, "google_bert", "bert_model.ckpt")
T5 = os.path.join(GOLDEN, "t5_1_1", "model.ckpt-1000000")
T5_BF16 = os.path.join(GOLDEN, "t5_1_1", "bf16", "model.ckpt-1000000")


def contents(prefix, *suffixes):
    data = []
    for suffix in suffixes:
        with open(prefix + suffix, "rb") as file:
            data.append(file.read())
    return data


def test_google_bert():
    with open_checkpoint(BERT, verify=True) as checkpoint:
        assert len(checkpoint) == 62
        assert checkpoint.shape("bert/pooler/dense/kernel") == (32, 32)
        assert checkpoint.dtype("bert/pooler/dense/kernel") == np.float32
        assert checkpoint.nbytes("bert/pooler/dense/kernel") == 4096
        assert "bert/pooler/dense/kernel" in checkpoint and "pooler" not in checkpoint and 3 not in checkpoint
        assert checkpoint.get("pooler") is None and checkpoint.get("bert/pooler/dense/bias").shape == (32,)
        assert checkpoint.skipped == {}
        assert repr(checkpoint) == f"<tf checkpoint {BERT}: 62 variables>"


@pytest.mark.parametrize("prefix", [BERT, T5])
def test_written_again_it_is_the_same_file(tmp_path, prefix):
    """TensorFlow 1.15 wrote these; our writer gives its bytes, index and data."""
    again = save_checkpoint(str(tmp_path / "model.ckpt"), open_checkpoint(prefix))
    suffixes = ".index", ".data-00000-of-00001"
    assert contents(again, *suffixes) == contents(prefix, *suffixes)


def test_bfloat16_is_widened_exactly():
    wide, narrow = open_checkpoint(T5), open_checkpoint(T5_BF16)
    assert {narrow.stored_dtype(name) for name in narrow} == {"bfloat16", "float32", "int64"}
    for name in narrow:
        if narrow.stored_dtype(name) == "bfloat16":
            assert narrow.dtype(name) == narrow[name].dtype == np.float32
            assert narrow.nbytes(name) * 2 == wide.nbytes(name)
            assert np.array_equal(narrow[name], wide[name]), name


def test_arrays_are_views_of_the_file_and_outlive_it():
    checkpoint = open_checkpoint(BERT)
    array = checkpoint["bert/embeddings/word_embeddings"]
    assert not array.flags.owndata and not array.flags.writeable
    again = checkpoint["bert/embeddings/word_embeddings"]
    assert np.shares_memory(array, again)
    before = array.copy()
    checkpoint.close()
    del checkpoint
    assert np.array_equal(array, before)
    with pytest.raises(ValueError):
        array[0] = 1


def test_closed():
    checkpoint = open_checkpoint(BERT)
    with checkpoint:
        pass
    checkpoint.close()
    with pytest.raises(CheckpointError, match="closed"):
        checkpoint["bert/pooler/dense/kernel"]


def test_absent_name_is_told_with_near_ones():
    checkpoint = open_checkpoint(BERT)
    for call in (
        checkpoint.__getitem__,
        checkpoint.shape,
        checkpoint.dtype,
        checkpoint.nbytes,
        checkpoint.stored_dtype,
    ):
        with pytest.raises(
            CheckpointError, match="bert_model.ckpt: variable 'bert/pooler/kernel'.*pooler/dense/kernel"
        ):
            call("bert/pooler/kernel")


def test_other_entries_are_listed_and_skipped(tmp_path):
    text = b"\x01\x02abc"
    pairs = [(b"a", bundles.entry(text, (2,), dtype=7)), (b"b", bundles.entry(b"\1" * 4, (4,), dtype=6, offset=5))]
    checkpoint = open_checkpoint(bundles.write(tmp_path, pairs, text + b"\1" * 4), verify=True)
    assert list(checkpoint) == ["b"] and checkpoint.skipped == {"a": "string"}
    with pytest.raises(CheckpointError, match="'a' is a string entry"):
        checkpoint["a"]


def test_unaligned_variables(tmp_path):
    data = b"\7" + np.arange(6, dtype="<f4").tobytes()
    pairs = [(b"a", bundles.entry(data[:1], (), dtype=6)), (b"b", bundles.entry(data[1:], offset=1))]
    array = open_checkpoint(bundles.write(tmp_path, pairs, data))["b"]
    assert array.flags.aligned and array.tolist() == [[0, 1, 2], [3, 4, 5]] and not array.flags.writeable


@pytest.mark.parametrize("dtype, number", [("float32", 1), ("bfloat16", 14), ("int64", 9), ("bool", 10)])
@pytest.mark.parametrize("rows, columns", [([4], [3]), ([1, 3], [3]), ([4], [1, 1, 1]), ([2, 2], [2, 1])])
def test_slices(tmp_path, dtype, number, rows, columns):
    """A partitioned variable is put together, whether one axis was cut or both, from several data files."""
    stored = {"bfloat16": "<u2"}.get(dtype, np.dtype(dtype).newbyteorder("<") if dtype != "bfloat16" else None)
    full = np.arange(12).reshape(4, 3) % (2 if dtype == "bool" else 100)
    full = (full + 0x3F80 if dtype == "bfloat16" else full).astype(stored)
    slices, pairs, files = [], [], [b"", b""]
    starts = [[(sum(axis[:i]), size) for i, size in enumerate(axis)] for axis in (rows, columns)]
    for number_of_slice, (r, c) in enumerate([(r, c) for r in starts[0] for c in starts[1]]):
        extents = [None if len(rows) == 1 else r, None if len(columns) == 1 else c]
        data = full[r[0] : sum(r), c[0] : sum(c)].tobytes()
        shard = number_of_slice % 2
        value = bundles.entry(data, (r[1], c[1]), number, shard, len(files[shard]))
        files[shard] += data
        slices.append(extents)
        pairs.append((bundles.slice_key(b"p", extents), value))
    pairs.append((b"p", bundles.entry(dims=(4, 3), dtype=number, slices=slices)))
    checkpoint = open_checkpoint(bundles.write(tmp_path, pairs, files, 2), verify=True)
    assert list(checkpoint) == ["p"] and checkpoint.stored_dtype("p") == dtype
    assert checkpoint.shape("p") == (4, 3) and checkpoint.nbytes("p") == full.nbytes
    array = checkpoint["p"]
    found = array.view("uint32") >> 16 if dtype == "bfloat16" else array
    assert array.dtype == checkpoint.dtype("p") and np.array_equal(found, full)


def test_bytes_between_variables_are_allowed(tmp_path):
    """TensorFlow can align variables, so there may be gaps; and a shard that nothing refers to need not be there."""
    one = np.ones((2, 3), "<f4").tobytes()
    pairs = [(b"a", bundles.entry(one, offset=64)), (b"b", bundles.entry(one))]
    checkpoint = open_checkpoint(bundles.write(tmp_path, pairs, [one + b"\0" * 40 + one], shards=2))
    assert checkpoint["a"].sum() == checkpoint["b"].sum() == 6


def test_an_open_checkpoint_stays_the_one_that_was_opened(tmp_path):
    prefix = save_checkpoint(str(tmp_path / "model.ckpt"), {"a": np.zeros(4), "b": np.zeros(4)})
    checkpoint = open_checkpoint(prefix)
    save_checkpoint(prefix, {"a": np.ones(4), "b": np.ones(4)})
    assert checkpoint["a"].sum() == checkpoint["b"].sum() == 0
    assert open_checkpoint(prefix)["a"].sum() == 4


def test_only_what_is_asked_for_is_checked(tmp_path):
    one = np.ones((2, 3), "<f4").tobytes()
    pairs = [(b"a", bundles.entry(one, crc=1)), (b"b", bundles.entry(one, offset=24))]
    prefix = bundles.write(tmp_path, pairs, one * 2)
    checkpoint = open_checkpoint(prefix)
    assert checkpoint["b"].sum() == 6
    for _ in range(2):
        with pytest.raises(CheckpointError, match="model.ckpt.data-00000-of-00001: variable 'a' has checksum"):
            checkpoint["a"]
    with pytest.raises(CheckpointError, match="'a' has checksum"):
        open_checkpoint(prefix, verify=True)
    assert open_checkpoint(prefix, verify=False)["a"].sum() == 6
