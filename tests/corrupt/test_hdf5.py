"""HDF5 files in which HDF5's own library would loop for ever, and such as claim more than they hold."""

import struct
import subprocess
import sys

import h5py
import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint

MARK = b"GCOL\1\0\0\0"
READ = """
import sys
from b4k3.models.checkpoints import CheckpointError, open_checkpoint
for path in sys.argv[1:]:
    try:
        open_checkpoint(path)
        print("opened")
    except CheckpointError as error:
        print(error)
"""
# what stands in the place of the first object of the heap: index, size
FAULTS = {
    "no free space": (0, 0),
    "less than a header": (0, 15),
    "beyond the heap": (1, 2**40),
    "overflow": (1, 2**64 - 9),
}


def write(path):
    """As Keras 2 writes it with a newer h5py, whose lists of names lie in a heap; also a heap beside the file's own."""
    with h5py.File(str(path), "w") as file:
        strings = h5py.special_dtype(vlen=bytes)
        file.attrs.create("layer_names", np.array([b"a", b"bc"], dtype=object), dtype=strings)
        for layer in ("a", "bc"):
            group = file.create_group(layer)
            group.attrs.create("weight_names", np.array([(layer + "/kernel:0").encode()], dtype=object), dtype=strings)
            group.create_dataset(layer + "/kernel:0", data=np.ones((2, 3), "float32"))
    return path.read_bytes()


def test_heaps_in_which_the_library_would_loop(tmp_path):
    """In a process of its own, which can be ended: no signal reaches Python while the library loops."""
    good = write(tmp_path / "good.h5")
    assert good.count(MARK) >= 1
    assert list(open_checkpoint(str(tmp_path / "good.h5"))) == ["a:0", "bc:0"]
    paths = []
    for name, (index, size) in FAULTS.items():
        at = good.index(MARK) + 16
        bad = good[:at] + struct.pack("<HHIQ", index, 0, 0, size) + good[at + 16 :]
        path = tmp_path / (name.replace(" ", "-") + ".h5")
        path.write_bytes(bad)
        paths.append(str(path))
    command = [sys.executable, "-c", READ] + paths
    lines = subprocess.run(command, stdout=subprocess.PIPE, timeout=120, check=True).stdout.decode("utf-8").splitlines()
    for path, line in zip(paths, lines):
        assert line.startswith(path + ": ") and "of no sensible size" in line
    assert len(lines) == len(FAULTS)


def test_data_that_are_not_there(tmp_path):
    """A dataset whose place in the file ends far behind the file."""
    path = tmp_path / "a.h5"
    with h5py.File(str(path), "w") as file:
        dataset = file.create_dataset("a", shape=(1 << 20,), dtype="float32")
        dataset[-1] = 1  # it has its place now
    with open(str(path), "r+b") as file:
        file.truncate(3000)
    with pytest.raises(CheckpointError, match="a.h5"):
        open_checkpoint(str(path))["a"]
