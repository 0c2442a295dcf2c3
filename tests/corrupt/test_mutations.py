"""Seeded mutations of real files: either they still open and read, or CheckpointError says why; never anything else."""

import os
import random
import struct
import tracemalloc

import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint

from . import bundles

PREFIX = os.path.join(os.path.dirname(__file__), "..", "golden", "google_bert", "bert_model.ckpt")
SPECIAL = [
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"\xff" * 10,
    b"\x80" * 9 + b"\1",
    b"\0\0\0\x80",
    b"[",
    b"{",
    b'"',
    b"9" * 25,
]


def mutate(data, rng):
    """A few bytes changed, cut out, put in or doubled."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 2:
            del data[at : at + rng.choice([1, 2, 8, 100])]
        elif kind == 3:
            data[at:at] = rng.choice(SPECIAL)
        else:
            data[at:at] = data[at : at + rng.randrange(100)]
    return bytes(data)


def put(path, data):
    """A new file: some file systems wait for the disk when one is overwritten."""
    path.unlink()
    path.write_bytes(data)


def survivors(path, write, count):
    """How many of count mutants open and read; every other one must be refused in our own words, within 64 MB."""
    alive = 0
    for seed in range(count):
        write(random.Random(seed))
        if seed % 10 == 0:  # tracing slows everything down
            tracemalloc.start()
        try:
            for _ in open_checkpoint(path).items():
                pass
            alive += 1
        except CheckpointError as error:
            assert path in str(error), (seed, error)
        finally:
            assert tracemalloc.get_traced_memory()[1] < 64 << 20, seed
            tracemalloc.stop()
    return alive


@pytest.fixture
def golden(tmp_path):
    """(path of the index, to be written; prefix, str; the bytes of the good index)."""
    prefix = str(tmp_path / "model.ckpt")
    for suffix in (".data-00000-of-00001", ".index"):
        with open(PREFIX + suffix, "rb") as source, open(prefix + suffix, "wb") as target:
            target.write(source.read())
    return tmp_path / "model.ckpt.index", prefix, (tmp_path / "model.ckpt.index").read_bytes()


def test_index_as_it_lies(golden):
    """Checksums notice nearly all of these; what is behind them is reached by the next test."""
    path, prefix, good = golden
    assert survivors(prefix, lambda rng: put(path, mutate(good, rng)), 500) < 50


def test_index_with_right_checksums(golden):
    path, prefix, good = golden
    content = good[: good.index(b"\0\0\0\0\1\0\0\0\0") - 5]  # up to the checksum before the empty metaindex block
    restarts = content[-4 * (struct.unpack("<I", content[-4:])[0] + 1) :]
    entries = content[: -len(restarts)]

    def write(rng):
        if rng.randrange(8):
            put(path, bundles.table([mutate(entries, rng) + restarts]))
        else:
            put(path, bundles.table([mutate(content, rng)]))

    put(path, bundles.table([content]))
    assert len(open_checkpoint(prefix, verify=True)) == 62
    assert 0 < survivors(prefix, write, 2000) < 1000


def test_entries_of_a_partitioned_variable(tmp_path):
    slices = [[(0, 2), None], [(2, 2), None]]
    pairs = {b"": bundles.header(2), b"p": bundles.entry(dims=(4, 3), slices=slices)}
    for shard, extents in enumerate(slices):
        pairs[bundles.slice_key(b"p", extents)] = bundles.entry(b"\0" * 24, shard=shard)
    prefix = bundles.write(tmp_path, bundles.table([sorted(pairs.items())]), [b"\0" * 24] * 2, shards=2)
    assert open_checkpoint(prefix, verify=True)["p"].shape == (4, 3)

    def write(rng):
        mutant = dict(pairs)
        key = rng.choice(sorted(pairs))
        mutant[key] = mutate(mutant[key], rng)
        put(tmp_path / "model.ckpt.index", bundles.table([sorted(mutant.items())]))

    assert 0 < survivors(prefix, write, 1000) < 500


def test_index_and_footer_with_right_checksums(golden):
    path, prefix, good = golden
    pairs = [(b"", bundles.header()), (b"a", bundles.entry(b"\0" * 24))]

    def write(rng):
        def index(handles):
            return mutate(bundles.block(handles), rng)

        footer = (
            mutate(b"\x20\x08\x2d\x10".ljust(40, b"\0"), rng)[:40].ljust(40, b"\0") if rng.randrange(3) == 0 else None
        )
        put(path, bundles.table([pairs], index=index, footer=footer))

    assert survivors(prefix, write, 1000) < 500


def test_safetensors_header(tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(str(path), open_checkpoint(PREFIX), format="safetensors")
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = data[8 : 8 + length], data[8 + length :]

    def write(rng):
        mutant = mutate(header, rng)
        put(path, struct.pack("<Q", len(mutant)) + mutant + body)

    assert 0 < survivors(str(path), write, 2000) < 1000


@pytest.mark.parametrize("name", ["model.safetensors", "model.npz"])
def test_whole_files(tmp_path, name):
    path = tmp_path / name
    names = ["cls/predictions/output_bias", "bert/pooler/dense/bias", "cls/seq_relationship/output_bias"]
    small = {name: open_checkpoint(PREFIX)[name] for name in names}
    save_checkpoint(str(path), small, format=name.split(".")[1])
    data = path.read_bytes()
    survivors(str(path), lambda rng: put(path, mutate(data, rng)), 1000)


def test_version_1_with_right_checksums(tmp_path):
    pairs, metas, whole = {}, b"", bundles.slice_proto([None, None])
    for name, dtype, tensor in [(b"f", 1, bundles.field(5, b"\0" * 24)), (b"i", 9, bundles.field(10, bytes(range(6))))]:
        shape = bundles.field(2, bundles.shape_proto((2, 3)))
        metas += bundles.field(1, bundles.field(1, name) + shape + bundles.field(3, dtype) + bundles.field(4, whole))
        value = bundles.field(1, name) + bundles.field(2, whole) + bundles.field(3, tensor)
        pairs[bundles.slice_key(name, [None, None])] = bundles.field(2, value)
    pairs[b""] = bundles.field(1, metas)
    path = tmp_path / "model.ckpt-1"
    path.write_bytes(bundles.table([sorted(pairs.items())]))
    assert sum(array.size for array in open_checkpoint(str(path)).values()) == 12

    def write(rng):
        mutant = dict(pairs)
        key = rng.choice(sorted(pairs))
        mutant[key] = mutate(mutant[key], rng)
        put(path, bundles.table([sorted(mutant.items())]))

    assert 0 < survivors(str(path), write, 1000) < 500
