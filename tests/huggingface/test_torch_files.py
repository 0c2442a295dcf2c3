"""Files that the torch of this environment writes, and those that our tests write, read by both."""

import numpy as np
import pytest

try:
    import torch
except ImportError:  # the rows without it collect these tests, and skip them
    torch = None

from b4k3.models.checkpoints import open_checkpoint
from support import torch_files as t

from .torch_files import arrays, save, state

LAYOUTS = [(zipped, protocol) for zipped in (True, False) for protocol in (2, 3, 4, 5)]


def equal(found, wanted):
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape, name
        assert found[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("zipped, protocol", LAYOUTS)
@pytest.mark.parametrize("nested", [False, True])
def test_we_read_what_torch_writes(tmp_path, zipped, protocol, nested):
    values, path = state(zipped), tmp_path / "m.pt"
    save(path, {"epoch": 1, "state_dict": values} if nested else values, zipped, protocol)
    theirs = torch.load(str(path), weights_only=False)
    with open_checkpoint(str(path), verify=True) as ours:
        equal(ours, arrays(theirs["state_dict"] if nested else theirs))


@pytest.mark.parametrize("zipped", [True, False])
def test_random_views(tmp_path, zipped):
    """Slices, steps, permutations and expansions of a few storages."""
    rng = np.random.RandomState(0)
    values, bases = {}, [torch.randn(4, 5, 6), torch.arange(120).reshape(2, 3, 4, 5), torch.randn(7, 3).bfloat16()]
    for number in range(300):
        tensor = bases[rng.randint(len(bases))]
        for _ in range(rng.randint(4)):
            axis = rng.randint(tensor.dim()) if tensor.dim() else 0
            kind = rng.randint(4)
            if kind == 0 and tensor.dim():
                start = rng.randint(tensor.shape[axis] + 1)
                tensor = tensor[(slice(None),) * axis + (slice(start, None, rng.randint(1, 4)),)]
            elif kind == 1:
                tensor = tensor.permute(*rng.permutation(tensor.dim()).tolist())
            elif kind == 2 and tensor.dim() and tensor.shape[axis]:
                tensor = tensor.select(axis, rng.randint(tensor.shape[axis]))
            elif kind == 3:
                tensor = tensor.unsqueeze(axis).expand(*tensor.shape[:axis], 3, *tensor.shape[axis:])
        values[f"v{number}"] = tensor
    torch.save(values, str(tmp_path / "m.pt"), _use_new_zipfile_serialization=zipped)
    equal(open_checkpoint(str(tmp_path / "m.pt")), arrays(values))


@pytest.mark.parametrize("order", ["little", "big"])
def test_torch_reads_what_the_tests_write(tmp_path, order):
    """Otherwise the tests of damaged files would begin with files that are no good."""
    wanted = np.arange(6, dtype="float32").reshape(2, 3)
    data = {"0": wanted.astype("<f4" if order == "little" else ">f4").tobytes()}
    pickle = t.state({"a": t.tensor("Float", "0", 6, (2, 3))})
    (tmp_path / "m.pt").write_bytes(
        t.zipped(pickle, data, members=[("byteorder", order.encode()), ("version", b"3\n")])
    )
    assert np.array_equal(torch.load(str(tmp_path / "m.pt"))["a"].numpy(), wanted)
    assert np.array_equal(open_checkpoint(str(tmp_path / "m.pt"))["a"], wanted)
    pickle = pickle.replace(b"tQ", b"NtQ")  # the id of a storage in a stream has a sixth part
    (tmp_path / "old.pt").write_bytes(t.stream(pickle, {"0": wanted.tobytes()}))
    assert np.array_equal(torch.load(str(tmp_path / "old.pt"))["a"].numpy(), wanted)


def test_without_checksums(tmp_path):
    """PyTorch can leave them out; then the archive says zero."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(3)}, str(tmp_path / "m.pt"))
    finally:
        torch.serialization.set_crc32_options(before)
    assert open_checkpoint(str(tmp_path / "m.pt"), verify=True)["a"].tolist() == [1.0, 1.0, 1.0]


REFUSED = {
    "quantized": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "conjugates": lambda: torch.ones(3, dtype=torch.complex64).conj(),
    "asks for 'torch.nn.modules.linear.Linear'": lambda: torch.nn.Linear(2, 3),
    "asks for 'numpy": lambda: np.ones(3),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("message", list(REFUSED))
def test_refused(tmp_path, message, zipped):
    torch.save({"b": REFUSED[message]()}, str(tmp_path / "m.pt"), _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=message):
        open_checkpoint(str(tmp_path / "m.pt"))
