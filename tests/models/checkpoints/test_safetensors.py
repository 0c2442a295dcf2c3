"""Safetensors files as the format describes them, written out by hand."""

import json
import struct

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint

NAMES = "F16 BF16 F32 F64 C64 BOOL I8 I16 I32 I64 U8 U16 U32 U64".split()
DTYPES = "float16 bfloat16 float32 float64 complex64 bool int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()


def write(path, header, data, pad=0):
    text = json.dumps(header).encode() + b" " * pad
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return str(path)


@pytest.mark.parametrize("code, dtype", list(zip(NAMES, DTYPES)))
def test_dtypes(tmp_path, code, dtype):
    stored = np.array([0, 1, 1, 0], "<u2" if dtype == "bfloat16" else dtype)
    header = {"a": {"dtype": code, "shape": [2, 2], "data_offsets": [0, stored.nbytes]}}
    checkpoint = open_checkpoint(write(tmp_path / "a.safetensors", header, stored.tobytes()))
    assert checkpoint.stored_dtype("a") == dtype and checkpoint.nbytes("a") == stored.nbytes
    expected = (stored.astype("uint32") << 16).view("float32") if dtype == "bfloat16" else stored
    assert checkpoint["a"].dtype == checkpoint.dtype("a") == expected.dtype
    assert checkpoint["a"].tobytes() == expected.tobytes() and checkpoint["a"].shape == (2, 2)


@pytest.mark.parametrize("pad", [0, 1, 7])
def test_views_and_copies(tmp_path, pad):
    """A view of the file where the header leaves the data aligned, else a copy; both read-only."""
    data = np.arange(6, dtype="<f4").tobytes()
    header = {"a": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}}
    checkpoint = open_checkpoint(write(tmp_path / "a.safetensors", header, data, pad))
    length = len(json.dumps(header)) + pad
    assert np.shares_memory(checkpoint["a"], checkpoint["a"]) == (length % 4 == 0)
    assert checkpoint["a"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert checkpoint["a"].flags.aligned and not checkpoint["a"].flags.writeable


def test_order_of_the_file(tmp_path):
    """That of the safetensors package, whose files ours are equal to."""
    names = "uint64 int64 float64 complex64 float32 uint32 int32 float16 uint16 int16 int8 uint8 bool".split()
    arrays = {f"{name}{number}": np.zeros(1, name) for name in sorted(names) for number in (1, 0)}
    path = save_checkpoint(str(tmp_path / "a.safetensors"), arrays, format="safetensors")
    assert list(open_checkpoint(path)) == [f"{name}{number}" for name in names for number in (0, 1)]


def test_what_is_written_is_aligned(tmp_path):
    arrays = {"b": np.zeros(3, bool), "h": np.zeros(1, "float16"), "f": np.ones(5, "float32"), "d": np.ones(1)}
    checkpoint = open_checkpoint(save_checkpoint(str(tmp_path / "a.safetensors"), arrays, format="safetensors"))
    assert list(checkpoint) == ["d", "f", "h", "b"]  # larger items first
    assert all(np.shares_memory(checkpoint[name], checkpoint[name]) for name in checkpoint)


def test_header_for_transformers(tmp_path):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, {"层": np.zeros((2, 1), "float32")}, format="safetensors")
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0
    assert json.loads(data[8 : 8 + length].decode("utf-8")) == {
        "__metadata__": {"format": "pt"},
        "层": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
    }


def test_eight_bit_floats_are_listed_and_skipped(tmp_path):
    header = {
        "a": {"dtype": "F8_E4M3", "shape": [3], "data_offsets": [0, 3]},
        "b": {"dtype": "U8", "shape": [], "data_offsets": [3, 4]},
    }
    checkpoint = open_checkpoint(write(tmp_path / "a.safetensors", header, b"\1\2\3\4"))
    assert list(checkpoint) == ["b"] and checkpoint.skipped == {"a": "F8_E4M3"} and checkpoint["b"] == 4
    with pytest.raises(CheckpointError, match="'a' is a F8_E4M3 entry"):
        checkpoint["a"]


def test_index_with_fractions_in_its_metadata(tmp_path):
    """Some published indices give the total size as a float."""
    path = save_checkpoint(
        str(tmp_path / "m.safetensors"), {"a": np.ones(2), "b": np.zeros(2)}, "safetensors", None, 16
    )
    with open(path) as file:
        index = json.load(file)
    assert index["metadata"] == {"total_size": 32}
    index["metadata"]["total_size"] = 32.0
    with open(path, "w") as file:
        json.dump(index, file)
    assert open_checkpoint(path)["a"].tolist() == [1, 1]
    assert open_checkpoint(path).path == path


def test_closed(tmp_path):
    path = save_checkpoint(str(tmp_path / "m.safetensors"), {"a": np.ones(2)}, "safetensors")
    with open_checkpoint(path) as checkpoint:
        array = checkpoint["a"]
    assert array.tolist() == [1, 1]
    with pytest.raises(CheckpointError, match="closed"):
        checkpoint["a"]
