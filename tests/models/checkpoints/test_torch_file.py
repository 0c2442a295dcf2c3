"""Files of PyTorch: what torch.save wrote is read as torch.load reads it, without torch."""

import json
import os
import shutil
import sys

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint
from huggingface.torch_files import ROOT, SKIPPED
from support import torch_files as t

GOLDENS = sorted(path.name for path in ROOT.glob("*.bin"))
PAIR = np.arange(6, dtype="float32")


@pytest.fixture(scope="module")
def expected():
    with np.load(str(ROOT / "expected.npz"), allow_pickle=False) as found:
        return {name: found[name] for name in found}


@pytest.mark.parametrize("verify", ["auto", True, False])
@pytest.mark.parametrize("name", GOLDENS)
def test_every_dtype_and_view_in_both_layouts(expected, name, verify):
    with open_checkpoint(str(ROOT / name), verify) as checkpoint:
        assert checkpoint.format == "torch"
        wanted = {
            key for key in expected if name.startswith("zip") or not key.startswith(("uint16", "uint32", "uint64"))
        }
        assert set(checkpoint) == wanted
        for key in wanted:
            found, array = checkpoint[key], expected[key]
            assert found.dtype == checkpoint.dtype(key) == array.dtype, key
            assert found.shape == checkpoint.shape(key) == array.shape, key
            assert found.tobytes() == array.tobytes(), key
            assert not found.flags.writeable
        assert checkpoint.stored_dtype("bfloat16.turned") == "bfloat16"
        assert checkpoint.skipped == dict(SKIPPED, **({"float8": "float8_e4m3fn"} if name.startswith("zip") else {}))
        for key in checkpoint.skipped:
            with pytest.raises(CheckpointError, match=f"{key}.*{checkpoint.skipped[key]} entry"):
                checkpoint[key]
    with pytest.raises(CheckpointError, match="closed"):
        checkpoint["base"]


def test_a_tensor_is_a_view_of_the_mapped_file():
    checkpoint = open_checkpoint(str(ROOT / "zip-2.bin"))
    assert np.shares_memory(checkpoint["base"], checkpoint["permuted"])
    assert np.shares_memory(checkpoint["float32.whole"], checkpoint["float32.turned"])


@pytest.mark.parametrize("layout", ["zip", "stream"])
def test_what_the_tests_write(tmp_path, layout):
    arrays = {"a.weight": PAIR.reshape(2, 3), "b": np.array(7), "c": np.zeros((0, 4), "float16")}
    checkpoint = open_checkpoint(t.save(tmp_path / "pytorch_model.bin", arrays, layout))
    assert list(checkpoint) == list(arrays)
    for name, array in arrays.items():
        assert checkpoint[name].tobytes() == array.tobytes() and checkpoint[name].shape == array.shape


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("size, stride", [((2, 3), (3, 1)), ((3, 2), (1, 3))])
def test_the_order_of_bytes(tmp_path, order, size, stride):
    data = {"0": PAIR.astype("<f4" if order == "little" else ">f4").tobytes()}
    pickle = t.state({"a": t.tensor("Float", "0", 6, size, stride)})
    (tmp_path / "m.pt").write_bytes(t.zipped(pickle, data, members=[("byteorder", order.encode())]))
    found = open_checkpoint(str(tmp_path / "m.pt"))["a"]
    steps = tuple(4 * step for step in stride)
    assert np.array_equal(found, np.lib.stride_tricks.as_strided(PAIR, size, steps))


def test_a_machine_of_the_other_order_wrote_the_stream_in_this_one(tmp_path):
    """PyTorch swaps the bytes when it writes a stream, so what it says of the machine does not matter."""
    machine = t.state({"little_endian": b"\x89"})
    data = t.stream(t.state({"a": t.tensor("Float", "0", 6)}), {"0": PAIR.tobytes()})
    (tmp_path / "m.pt").write_bytes(data.replace(t.MACHINE, machine, 1))
    assert np.array_equal(open_checkpoint(str(tmp_path / "m.pt"))["a"], PAIR)


ONE = t.tensor("Float", "0", 6)
NESTED = {
    "state_dict of lightning": ({"epoch": t.number(3), "state_dict": t.dict_of({"a": ONE})}, True),
    "beside an optimizer": (
        {"model": t.dict_of({"a": ONE}), "optimizer": t.dict_of({"state": t.dict_of({"a": t.dict_of({"b": ONE})})})},
        True,
    ),
    "facts beside the tensors": ({"a": ONE, "_metadata": t.dict_of({"": t.dict_of({"version": t.number(1)})})}, True),
    "two dicts": ({"model": t.dict_of({"a": ONE}), "ema": t.dict_of({"a": ONE})}, "several dicts.*'model', 'ema'"),
    "a dict beside tensors": ({"a": ONE, "model": t.dict_of({"a": ONE})}, "several dicts.*beside tensors of its own"),
    "too deep": ({"a": t.dict_of({"b": t.dict_of({"c": ONE})})}, "no tensors.*'a'"),
    "no tensors": ({"a": t.number(3)}, "no tensors.*'a'"),
    "empty": ({}, "empty dict"),
}


@pytest.mark.parametrize("name", list(NESTED))
@pytest.mark.parametrize("layout", ["zip", "stream"])
def test_nested(tmp_path, name, layout):
    items, verdict = NESTED[name]
    make = t.zipped if layout == "zip" else t.stream
    storages = {"0": PAIR.tobytes()} if layout == "zip" or ONE in t.state(items) else {}
    (tmp_path / "m.pth").write_bytes(make(t.state(items), storages))
    if verdict is True:
        assert list(open_checkpoint(str(tmp_path / "m.pth"))) == ["a"]
        return
    with pytest.raises(CheckpointError, match=verdict):
        open_checkpoint(str(tmp_path / "m.pth"))


def test_one_tensor_alone(tmp_path):
    (tmp_path / "m.pt").write_bytes(t.zipped(t.PROTO + ONE + t.STOP, {"0": PAIR.tobytes()}))
    with pytest.raises(CheckpointError, match="one tensor without a name, expected a dict"):
        open_checkpoint(str(tmp_path / "m.pt"))


# ----------------------------------------------------------------------------------------------------------- checksums


def test_a_checksum(tmp_path):
    path = t.save(tmp_path / "m.bin", {"a": PAIR})
    data = (tmp_path / "m.bin").read_bytes()
    (tmp_path / "m.bin").write_bytes(data.replace(PAIR.tobytes(), PAIR[::-1].tobytes()))
    with pytest.raises(CheckpointError, match="'a' has a wrong checksum"):
        open_checkpoint(path)["a"]
    with pytest.raises(CheckpointError, match="wrong checksum"):
        open_checkpoint(path, verify=True)
    assert np.array_equal(open_checkpoint(path, verify=False)["a"], PAIR[::-1])


# ------------------------------------------------------------------------------------------------- finding a checkpoint


def test_the_content_decides(tmp_path):
    for name in ("blob", "model.safetensors", "model.h5", "epoch=1.ckpt", "model.npz"):
        for golden in ("zip-2.bin", "stream-4.bin"):
            shutil.copy(str(ROOT / golden), str(tmp_path / name))
            if (name, golden) != ("model.npz", "zip-2.bin"):
                assert open_checkpoint(str(tmp_path / name)).format == "torch"


def test_in_a_folder(tmp_path):
    for name in ("training_args.bin", "optimizer.pt", "rng_state_0.pth", "scheduler.pt"):
        shutil.copy(str(ROOT / "zip-2.bin"), str(tmp_path / name))
    with pytest.raises(CheckpointError, match="training_args.bin is a file of PyTorch.*state of a trainer"):
        open_checkpoint(str(tmp_path))
    (tmp_path / "notes.bin").write_bytes(b"\0\1\2")
    for name in ("best.pt", "pytorch_model.bin"):
        shutil.copy(str(ROOT / "zip-2.bin"), str(tmp_path / name))
        assert os.path.basename(open_checkpoint(str(tmp_path)).path) == name
    (tmp_path / "tf_model.h5").write_bytes(b"")
    assert open_checkpoint(str(tmp_path)).format == "torch"
    save_checkpoint(str(tmp_path / "model.safetensors"), {"a": PAIR}, format="safetensors")
    assert open_checkpoint(str(tmp_path)).format == "safetensors"


def test_two_files_of_a_folder(tmp_path):
    for name in ("best.pt", "last.pt"):
        shutil.copy(str(ROOT / "zip-2.bin"), str(tmp_path / name))
    with pytest.raises(CheckpointError, match="several checkpoints.*best.pt, last.pt"):
        open_checkpoint(str(tmp_path))


SHARDS = {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}


def sharded(folder, places):
    for name, layout in (("a", "zip"), ("b", "stream")):
        t.save(folder / SHARDS[name], {name: PAIR}, layout)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def test_an_index(tmp_path):
    sharded(tmp_path, SHARDS)
    for path in (tmp_path, tmp_path / "pytorch_model.bin.index.json"):
        checkpoint = open_checkpoint(str(path))
        assert set(checkpoint) == {"a", "b"} and np.array_equal(checkpoint["b"], PAIR)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"a": "pytorch_model-00003-of-00002.bin"}, "missing; get that file too"),
        ({"c": SHARDS["b"]}, "'c' is not in"),
        ({"a": "../x.bin"}, "not a file of the same folder"),
    ],
)
def test_an_index_that_does_not_fit(tmp_path, change, message):
    sharded(tmp_path, {**SHARDS, **change})
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(str(tmp_path))


def test_torch_is_not_imported():
    assert "torch" not in sys.modules or os.environ.get("KERAS_BACKEND") != "jax"


@pytest.mark.parametrize("name", ["x.bin", "x.pt", "x.pth"])
def test_writing_is_refused(tmp_path, name):
    with pytest.raises(CheckpointError, match="'torch' cannot be written; choose one of .*safetensors"):
        save_checkpoint(str(tmp_path / name), {"a": PAIR}, format="torch")
