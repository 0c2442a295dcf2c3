"""`save_checkpoint` and what `open_checkpoint` reads back, for every container that is written."""

import errno
import os
import re
import shutil

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, _staging, open_checkpoint, save_checkpoint

from .conftest import check_equal, make_arrays

SUFFIX = {"tf": ".ckpt", "safetensors": ".safetensors", "npz": ".npz"}
DTYPES = {"safetensors": [dtype for dtype in "float16 float32 float64 complex64 bool int8 int64 uint8 uint64".split()]}
FORMATS = sorted(SUFFIX)


def arrays_for(format):
    return make_arrays(DTYPES[format]) if format in DTYPES else make_arrays()


def path_for(folder, format):
    return str(folder / ("model" + SUFFIX[format]))


def contents(folder):
    return {name: (folder / name).read_bytes() for name in os.listdir(str(folder))}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("verify", ["auto", True, False])
def test_round_trip(tmp_path, format, verify):
    arrays = arrays_for(format)
    path = save_checkpoint(path_for(tmp_path, format), arrays, format=format)
    with open_checkpoint(path, verify=verify) as checkpoint:
        assert checkpoint.format == format and checkpoint.path == path
        check_equal(checkpoint, arrays)
    assert not [name for name in os.listdir(str(tmp_path)) if name.endswith(".tmp")]


@pytest.mark.parametrize("format", FORMATS)
def test_same_bytes_whatever_the_order(tmp_path, format):
    arrays = arrays_for(format)
    for folder in ("one", "two"):
        save_checkpoint(path_for(tmp_path / folder, format), arrays, format=format)
        if format != "npz":
            arrays = dict(reversed(list(arrays.items())))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize("format", FORMATS)
def test_from_one_container_to_another(tmp_path, format):
    arrays = arrays_for("safetensors")
    checkpoint = open_checkpoint(save_checkpoint(str(tmp_path / "source.ckpt"), arrays))
    check_equal(open_checkpoint(save_checkpoint(path_for(tmp_path, format), checkpoint, format=format)), arrays)


@pytest.mark.parametrize("format", FORMATS)
def test_one_variable_in_memory_at_a_time(tmp_path, format):
    class Lazy(dict):
        live = 0

        def __getitem__(self, name):
            array = np.zeros(1000, dtype="float32").view(Counted)
            Lazy.live += 1
            assert Lazy.live <= 2  # the one that is written, and the one that follows
            return array

    class Counted(np.ndarray):
        def __del__(self):
            if self.base is not None and type(self.base) is np.ndarray:
                Lazy.live -= 1

    save_checkpoint(path_for(tmp_path, format), Lazy.fromkeys("abcdef"), format=format)


@pytest.mark.parametrize("format", ["tf", "safetensors"])
@pytest.mark.parametrize("size", [1, 1000, 20000, 10**9])
def test_shards(tmp_path, format, size):
    arrays = arrays_for(format)
    path = save_checkpoint(path_for(tmp_path, format), arrays, format=format, max_shard_size=size)
    check_equal(open_checkpoint(path), arrays)
    data = [name for name in os.listdir(str(tmp_path)) if "-of-" in name]
    biggest = max(array.nbytes for array in arrays.values())
    total = sum(array.nbytes for array in arrays.values())
    assert len(data) >= min(total // max(size, biggest), len(arrays))
    for name in data:
        assert os.path.getsize(str(tmp_path / name)) <= max(size, biggest) + 10000


def test_layout_of_sharded_safetensors(tmp_path):
    arrays = {"a": np.zeros(4, "float32"), "b": np.ones(4, "float32")}
    path = save_checkpoint(str(tmp_path / "model.safetensors"), arrays, format="safetensors", max_shard_size=16)
    assert sorted(os.listdir(str(tmp_path))) == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ]
    assert os.path.basename(path) == "model.safetensors.index.json"


@pytest.mark.parametrize("format", FORMATS)
def test_replacing_leaves_nothing_of_the_old_one(tmp_path, format):
    path = path_for(tmp_path, format)
    sizes = [None] if format == "npz" else [16, 16, None, None, 16, 32]
    for value, size in enumerate(sizes * 2):
        arrays = {name: np.full(4, value, "float32") for name in "abc"}
        opened = save_checkpoint(path, arrays, format=format, max_shard_size=size)
        check_equal(open_checkpoint(opened), arrays)
        check_equal(open_checkpoint(str(tmp_path)), arrays)  # so there is one only
    assert len(os.listdir(str(tmp_path))) <= 5


@pytest.mark.parametrize("format", FORMATS)
def test_a_checkpoint_may_be_written_over_itself(tmp_path, format):
    arrays = arrays_for("safetensors")
    path = save_checkpoint(path_for(tmp_path, format), arrays, format=format)
    before = open_checkpoint(path)
    view = before["floats"]
    save_checkpoint(path, before, format=format)
    assert view.tobytes() == arrays["floats"].tobytes()
    check_equal(open_checkpoint(path), arrays)


STEPS = ("replace", "rename", "fsync", "link", "unlink")  # the calls by which anything gets or loses its place


class Crash(BaseException):
    """At the given call of one of STEPS the process dies: nothing cleans up after it, and its locks are gone."""

    def __init__(self, patch, step):
        super().__init__(step)
        self.left = step
        for name in STEPS:
            patch.setattr(_staging.os, name, self.crashing(getattr(os, name)))
        leave = _staging.Staging.__exit__

        def die(staging, kind, *error):
            leave(staging, kind, *error) if kind is None else _staging.unlock(staging._handle)

        patch.setattr(_staging.Staging, "__exit__", die)
        patch.setattr(_staging.Staging, "_roll_back", lambda staging: None)

    def crashing(self, function):
        def wrapper(*args, **kwargs):
            self.left -= 1
            if self.left < 0:
                raise self
            return function(*args, **kwargs)

        return wrapper


@pytest.mark.parametrize(
    "format, size", [("tf", None), ("tf", 16), ("safetensors", None), ("safetensors", 16), ("npz", None)]
)
def test_a_crash_leaves_the_old_checkpoint_or_the_new_one(tmp_path, monkeypatch, format, size):
    old, new = {name: np.zeros(4) for name in "abc"}, {name: np.ones(4) for name in "abc"}
    step, finished = 0, False
    while not finished:
        folder = tmp_path / str(step)
        path = save_checkpoint(path_for(folder, format), old, format=format, max_shard_size=size)
        with monkeypatch.context() as patch:
            try:
                Crash(patch, step)
                path = save_checkpoint(path_for(folder, format), new, format=format, max_shard_size=size)
                finished = True
            except Crash:
                pass
        found = open_checkpoint(path)
        assert all(len(set(found[name])) == 1 for name in "abc")
        assert {found[name][0] for name in "abc"} in ([{1.0}] if finished else [{0.0}, {1.0}])
        path = save_checkpoint(path_for(folder, format), new, format=format, max_shard_size=size)
        check_equal(open_checkpoint(path), new)  # the next one succeeds, and removes what the crash left
        names = os.listdir(str(folder))
        assert len({match for name in names for match in re.findall(r"-of-\d+", name)}) <= 1
        assert not [name for name in names if ".b4k3" in name]
        step += 1
    assert step >= 3


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("size", [None, 16])
@pytest.mark.parametrize("format", ["tf", "safetensors", "npz"])
def test_an_error_at_any_step_leaves_everything_as_it_was(tmp_path, monkeypatch, format, size, error):
    """A full disk, for instance: whichever call it strikes, the old checkpoint is there, and nothing else."""
    size = None if format == "npz" else size
    path = path_for(tmp_path / "folder", format)
    for old in ({}, {"a": np.zeros(4), "b": np.zeros(4)}):
        if old:
            save_checkpoint(path, old, format=format, max_shard_size=size)
        before = contents(tmp_path / "folder") if old else None
        for name in ("replace", "fsync"):
            for step in range(20):
                calls, function = [], getattr(os, name)

                def failing(*args, function=function, step=step, calls=calls):
                    calls.append(args)
                    if len(calls) == step + 1:
                        raise error
                    return function(*args)

                with monkeypatch.context() as patch:
                    patch.setattr(_staging.os, name, failing)
                    patch.setattr(_staging, "sync_folder", lambda folder: None)  # which passes over errors
                    new = {name: np.ones(4) for name in "abc"}
                    try:
                        save_checkpoint(path, new, format=format, max_shard_size=size)
                        break
                    except type(error) as caught:
                        assert type(error) is KeyboardInterrupt or f"{path}: No space" in str(caught)
                assert (contents(tmp_path / "folder") if old else os.listdir(str(tmp_path))) == (before or [])
            assert step == len(calls) > 0
            shutil.rmtree(str(tmp_path / "folder"))
            if old:
                save_checkpoint(path, old, format=format, max_shard_size=size)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("format, sizes", [("tf", (None, None)), ("tf", (16, None)), ("safetensors", (16, 32))])
def test_of_two_writers_one_whole_checkpoint_is_left(tmp_path, format, sizes):
    for attempt in range(8):
        path, children = path_for(tmp_path / str(attempt), format), []
        start = os.pipe()
        for value, size in enumerate(sizes):
            children.append(os.fork())
            if not children[-1]:
                status = 1
                try:
                    os.read(start[0], 1)
                    arrays = {name: np.full(20000, value, "float32") for name in "abcdef"}
                    save_checkpoint(path, arrays, format=format, max_shard_size=size and size * 10000)
                    status = 0
                finally:
                    os._exit(status)
        os.write(start[1], b"go")
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
        found = open_checkpoint(str(tmp_path / str(attempt)), verify=True)
        assert len({float(found[name][0]) for name in "abcdef"}) == 1
        names = os.listdir(str(tmp_path / str(attempt)))
        assert len({match for name in names for match in re.findall(r"-of-\d+", name)}) <= 1  # of one writer only
        assert not [name for name in names if ".b4k3" in name]


@pytest.mark.parametrize("format", FORMATS)
def test_without_replace_nothing_is_replaced(tmp_path, monkeypatch, format):
    path = save_checkpoint(path_for(tmp_path, format), {"a": np.zeros(4)}, format=format, replace=False)
    before = contents(tmp_path)
    with pytest.raises(CheckpointError, match="is there already"):
        save_checkpoint(path, {"a": np.ones(4)}, format=format, replace=False)
    assert contents(tmp_path) == before


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_has_is_not(tmp_path):
    with _staging.Staging(str(tmp_path / "x")) as living:
        stale, handle = _staging.temporary_folder(str(tmp_path))
        with open(os.path.join(stale, "1"), "w") as file:
            file.write("half of it")
        _staging.unlock(handle)
        foreign = tmp_path / f".b4k3-00000000-{1:032x}.tmp"  # of another machine, which may be alive
        foreign.mkdir()
        _staging.write_file(str(tmp_path / "y"), b"y")
        assert not os.path.exists(stale) and os.path.isdir(living.temporary) and foreign.is_dir()
        os.utime(str(foreign), (1, 1))
        _staging.write_file(str(tmp_path / "y"), b"z")
        assert not foreign.exists()
    assert contents(tmp_path) == {"y": b"z"}


@pytest.mark.parametrize("format", FORMATS)
def test_an_error_leaves_the_old_checkpoint_and_no_rubbish(tmp_path, format):
    path = path_for(tmp_path, format)
    save_checkpoint(path, {"a": np.zeros(4)}, format=format)
    before = contents(tmp_path)
    with pytest.raises(CheckpointError, match="'b' holds numbers too large for float16"):
        save_checkpoint(path, {"a": np.ones(4), "b": np.array([1e9])}, format=format, dtype="float16")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtype_converts_floats_only(tmp_path, format, dtype):
    arrays = {"f": np.array([1.0, -2.5, 3e-3, np.inf, -np.inf], "float32"), "i": np.arange(3), "b": np.array([True])}
    before = {name: array.copy() for name, array in arrays.items()}
    if (format, dtype) == ("npz", "bfloat16"):
        with pytest.raises(CheckpointError, match="'f': npz has no bfloat16"):
            save_checkpoint(path_for(tmp_path, format), arrays, format=format, dtype=dtype)
        return
    checkpoint = open_checkpoint(save_checkpoint(path_for(tmp_path, format), arrays, format=format, dtype=dtype))
    assert [checkpoint.stored_dtype(name) for name in "fib"] == [dtype, "int64", "bool"]
    if dtype != "bfloat16":
        assert np.array_equal(checkpoint["f"], arrays["f"].astype(dtype))
    assert np.allclose(checkpoint["f"], arrays["f"], rtol=4e-3, atol=0)
    assert all(np.array_equal(arrays[name], before[name]) for name in arrays)


def slow_bfloat16(value):
    """The upper half of a float32, or its neighbour: whichever is nearer, of equally near ones the even."""
    bits = int(np.array(value, "float32").view("uint32"))
    lower, rest = bits >> 16, bits & 0xFFFF
    return lower + (rest > 0x8000 or (rest == 0x8000 and lower % 2))


def test_bfloat16_rounds_to_nearest_even(tmp_path):
    bits = np.random.RandomState(0).randint(0, 0x7F000000, 3000).astype("uint32")
    bits[:1000] = bits[:1000] & 0xFFFF0000 | 0x8000
    values = np.concatenate([bits.view("float32"), -bits.view("float32")])
    path = save_checkpoint(str(tmp_path / "a.ckpt"), {"a": values}, dtype="bfloat16")
    found = (open_checkpoint(path)["a"].view("uint32") >> 16).tolist()
    assert found == [slow_bfloat16(value) for value in values]


def test_bfloat16_keeps_not_a_number_and_scalars(tmp_path):
    values = np.array([0x7F800001, 0xFFFFFFFF, 0x7FFFFFFF], "uint32").view("float32")
    path = save_checkpoint(str(tmp_path / "a.ckpt"), {"a": values, "b": np.float32(1.5)}, dtype="bfloat16")
    checkpoint = open_checkpoint(path)
    assert np.isnan(checkpoint["a"]).all()
    assert checkpoint["b"].shape == () and checkpoint["b"] == 1.5


@pytest.mark.parametrize("format", FORMATS)
def test_layouts_of_arrays(tmp_path, format):
    base = np.arange(24, dtype="float32").reshape(4, 6)
    arrays = {"f": np.asfortranarray(base), "strided": base[::2, ::3], "t": base.T, "big": base.astype(">f4")}
    checkpoint = open_checkpoint(save_checkpoint(path_for(tmp_path, format), arrays, format=format))
    for name, array in arrays.items():
        assert checkpoint[name].dtype == np.dtype("float32")
        assert np.array_equal(checkpoint[name], array), name


@pytest.mark.parametrize(
    "tensors, options, message",
    [
        ({"a": np.array(["text"])}, {}, "'a' has dtype .*not numeric"),
        ({"a": np.array([object()])}, {}, "'a' has dtype object"),
        ({"": np.zeros(1)}, {}, "name ''"),
        ({"a\0": np.zeros(1)}, {}, "name 'a"),
        ({3: np.zeros(1)}, {}, "name 3"),
        ({"\udc80": np.zeros(1)}, {}, "UTF-8"),
        ({"a": np.zeros(1)}, {"format": "pickle"}, "'pickle' cannot be written; choose one of .*safetensors"),
        ({"a": np.zeros(1)}, {"format": "h5"}, "'h5' cannot be written"),
        ({"a": np.zeros(1)}, {"dtype": "int8"}, "dtype is 'int8'"),
        ({"a": np.zeros(1)}, {"max_shard_size": 0}, "max_shard_size"),
        ({"a": np.array([1e39])}, {"dtype": "float32"}, "'a' holds numbers too large for float32"),
        ({"a": np.array([3.4e38])}, {"dtype": "bfloat16"}, "'a' holds numbers too large for bfloat16"),
        ({"__metadata__": np.zeros(1)}, {"format": "safetensors"}, "__metadata__"),
        ({"a": np.zeros(1, "complex128")}, {"format": "safetensors"}, "'a' of dtype complex128"),
        ({"a": np.zeros(1)}, {"format": "npz", "max_shard_size": 5}, "npz has no shards"),
    ],
)
def test_refused(tmp_path, tensors, options, message):
    path = path_for(tmp_path, options.get("format", "tf")) if options.get("format") in SUFFIX else str(tmp_path / "x")
    with pytest.raises(CheckpointError, match=message) as caught:
        save_checkpoint(path, tensors, **options)
    assert path in str(caught.value)
    assert os.listdir(str(tmp_path)) == []


def test_refused_paths_and_types(tmp_path):
    with pytest.raises(CheckpointError, match="is a folder"):
        save_checkpoint(str(tmp_path), {"a": np.zeros(1)})
    for format, suffix in (("safetensors", ".safetensors"), ("npz", ".npz")):
        with pytest.raises(CheckpointError, match="should end in " + suffix):
            save_checkpoint(str(tmp_path / "a.bin"), {"a": np.zeros(1)}, format=format)
    with pytest.raises(TypeError, match="mapping"):
        save_checkpoint(str(tmp_path / "a"), [np.zeros(1)])


@pytest.mark.parametrize("format", ["tf", "safetensors"])
def test_nothing_is_written_that_would_not_be_read(tmp_path, format):
    tensors = dict.fromkeys((f"{number:0100d}" for number in range(40000)), np.float32(0))
    with pytest.raises(CheckpointError, match="too many|more than"):
        save_checkpoint(path_for(tmp_path, format), tensors, format=format)
    assert os.listdir(str(tmp_path)) == []
