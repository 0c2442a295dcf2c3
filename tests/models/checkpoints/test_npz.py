"""`.npz` files: those that numpy writes, what numpy reads of ours, and broken ones."""

import os
import zipfile

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint

from .conftest import check_equal


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("verify", ["auto", True, False])
def test_what_numpy_writes(tmp_path, arrays, save, verify):
    path = str(tmp_path / "a.npz")
    save(path, **{name.replace("/", "."): array for name, array in arrays.items()})
    with open_checkpoint(path, verify=verify) as checkpoint:
        check_equal(checkpoint, {name.replace("/", "."): array for name, array in arrays.items()})


def test_what_numpy_reads(tmp_path, arrays):
    path = save_checkpoint(str(tmp_path / "a.npz"), arrays, format="npz")
    with np.load(path, allow_pickle=False) as found:
        assert sorted(found.files) == sorted(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype and found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_orders_of_bytes_and_axes(tmp_path, save):
    base = np.arange(24, dtype="float32").reshape(2, 3, 4)
    save(
        str(tmp_path / "a.npz"),
        f=np.asfortranarray(base),
        b=base.astype(">f4"),
        bf=np.asfortranarray(base.astype(">i2")),
    )
    checkpoint = open_checkpoint(str(tmp_path / "a.npz"))
    for name in ("f", "b", "bf"):
        assert checkpoint.shape(name) == (2, 3, 4) and np.array_equal(checkpoint[name], base)
        assert checkpoint[name].dtype.isnative and not checkpoint[name].flags.writeable


def test_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.savez(str(tmp_path / "a.npz"), a=np.array([Trap()], dtype=object), b=np.zeros(2), c=np.array("x"))
    with zipfile.ZipFile(str(tmp_path / "a.npz"), "a") as archive:
        archive.writestr("notes.txt", "text")
    checkpoint = open_checkpoint(str(tmp_path / "a.npz"))
    assert list(checkpoint) == ["b"]
    assert checkpoint.skipped == {"a": "|O", "c": "<U1", "notes.txt": "file"} or checkpoint.skipped["a"] in (
        "object",
        "|O",
    )
    with pytest.raises(CheckpointError, match="'a' is a"):
        checkpoint["a"]
    assert not (tmp_path / "sprung").exists()


def member(header, data=b"\0" * 16):
    text = header.encode()
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + data


GOOD = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "no npy file"),
        (b"\x93NUMPY\7\0", "no npy file"),
        (member(GOOD)[:9], "header"),
        (member(GOOD)[:20], "header"),
        (member("{"), "header"),
        (member("[" * 5000), "header"),
        (member("__import__('os')"), "header"),
        (member("3"), "not a dict"),
        (member("{}"), "descr"),
        (member(GOOD.replace("(2,)", "(3,)")), "has 16 bytes, expected 24"),
        (member(GOOD.replace("(2,)", "(-2,)")), "negative dimension"),
        (member(GOOD.replace("(2,)", "(2**70,)")), "header"),
        (member(GOOD.replace("(2,)", f"({2**70},)")), "out of range"),
        (member(GOOD.replace("(2,)", "[2]")), "bad fortran_order or shape"),
        (member(GOOD.replace("False", "0")), "bad fortran_order or shape"),
        (member(GOOD + " " * 20000), "a header of"),
        (member(GOOD.replace("<f8", "|b1").replace("(2,)", "(16,)"), b"\2" * 16), "bool"),
    ],
)
@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_broken_members(tmp_path, content, message, kind):
    path = str(tmp_path / "a.npz")
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("weight.npy", content)
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(path)["weight"]
    assert path in str(caught.value) and "'weight'" in str(caught.value)


def test_broken_archives(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK\3\4" + b"\0" * 100)
    with pytest.raises(CheckpointError, match="no zip archive"):
        open_checkpoint(str(path))
    np.savez(str(path), a=np.arange(100.0))
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    for _ in range(2):
        with pytest.raises(CheckpointError, match="'a' has a wrong checksum"):
            open_checkpoint(str(path))["a"]
    assert open_checkpoint(str(path), verify=False)["a"].shape == (100,)
    with zipfile.ZipFile(str(path), "w") as archive:
        archive.writestr("a.npy", member(GOOD))
        with pytest.warns(UserWarning):
            archive.writestr("a.npy", member(GOOD))
    with pytest.raises(CheckpointError, match="'a' occurs twice"):
        open_checkpoint(str(path))


def test_compressed_data_that_are_damaged(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(str(path), a=np.random.RandomState(0).randn(1000))
    data = bytearray(path.read_bytes())
    data[4000] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="'a' (is damaged|has a wrong checksum)"):
        open_checkpoint(str(path))["a"]
