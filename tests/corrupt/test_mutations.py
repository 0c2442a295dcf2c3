"""Seeded mutants of good files: each is read, or an error of ours names the file and says why; never anything else.

Here a share of what `hatch run stress` reads, and those of further formats.
"""

import pytest

from . import bundles
from .mutations import measure, mutate_bytes
from .targets import CONTAINERS, ERRORS, INDICES, TARGETS, TORCH, Target, read_checkpoint

# Each mutant of a config is followed through the whole walk of a build, as far as it needs no Keras: that costs more.
CI_SHARE = {"config of BERT": 20, "config.json of gpt2": 20, "gin of T5": 8}
CI_SHARE.update({name: 150 for name in list(INDICES) + list(CONTAINERS) + list(TORCH)})
# the shares that live: none where only a checksum is asked, not all where most bytes are weights
LIVES_AND_DIES = {
    "index of a bundle": (0.0, 0.5),
    "entries of a bundle": (0.1, 0.6),
    "header of safetensors": (0.0, 0.5),
}


def check(target, count):
    """How many of count mutants were read; all others were refused in our own words, within 64 MB and a second."""
    target.read()  # the good one
    seen = measure(count, target.put, target.read, ERRORS, target.names, traced=10)
    assert not seen.escapes
    assert seen.refused
    return seen.survived


@pytest.mark.parametrize("name", list(CI_SHARE))
def test_mutants(tmp_path, name):
    survived = check(TARGETS[name](tmp_path), CI_SHARE[name])
    low, high = LIVES_AND_DIES.get(name, (0, 1))
    assert low * CI_SHARE[name] <= survived <= high * CI_SHARE[name]


def test_whole_file_of_safetensors(tmp_path):
    target = TARGETS["index of safetensors"](tmp_path)
    path = sorted(tmp_path.glob("model-00001-of-*.safetensors"))[0]
    good = path.read_bytes()
    whole = Target(path, lambda rng: mutate_bytes(good, rng), target.read, [target.path])
    check(whole, 300)


def test_index_and_footer_with_right_checksums(tmp_path):
    pairs = [(b"", bundles.header()), (b"a", bundles.entry(b"\0" * 24))]
    prefix = bundles.write(tmp_path, bundles.table([pairs]), b"\0" * 24)

    def mutant(rng):
        def index(handles):
            return mutate_bytes(bundles.block(handles), rng)

        footer = mutate_bytes(b"\x20\x08\x2d\x10".ljust(40, b"\0"), rng)[:40].ljust(40, b"\0")
        return bundles.table([pairs], index=index, footer=footer if rng.randrange(3) == 0 else None)

    target = Target(prefix + ".index", mutant, lambda: read_checkpoint(prefix), [prefix])
    assert check(target, 500) < 250


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

    def mutant(rng):
        changed = dict(pairs)
        key = rng.choice(sorted(pairs))
        changed[key] = mutate_bytes(changed[key], rng)
        return bundles.table([sorted(changed.items())])

    assert 0 < check(Target(path, mutant, lambda: read_checkpoint(path)), 500) < 250
