"""Seeded mutations of `tokenizer.json`: they load and encode, or VocabError says why; never anything else."""

import copy
import json
import random
import tracemalloc
import warnings

import pytest

from b4k3.tokenizers import VocabError, load_tokenizer_json
from benchmarks.tokenizers.json_differential import unigram, wordpiece

DELETED = object()
VALUES = [
    None,
    True,
    -1,
    3.5,
    2**70,
    2**32,
    10**39,
    "x",
    "",
    "\ud800",
    [],
    {},
    [[]],
    float("nan"),
    float("inf"),
    DELETED,
]
DEEP = "[" * 500 + "]" * 500
# in the place of a value, as text
RAW = ["1" * 5000, "1e999", "-", '"', DEEP, "[" * 100000, '{"type": "a", "type": "b"}', "NaN", '"\\ud800"', "tru"]
MARK = '"<<mark>>"'


def places(value, path=()):
    """The paths of everything in a description; of long lists and objects the first items."""
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in items[:12]:
        yield path + (key,)
        if isinstance(inner, (dict, list)):
            yield from places(inner, path + (key,))


def put(description, path, value):
    """A copy with another value at a path."""
    out = copy.deepcopy(description)
    target = out
    for key in path[:-1]:
        target = target[key]
    if value is DELETED:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return out


def mutants(description, rng, count):
    """Bytes of damaged files."""
    paths = list(places(description))
    for k in range(count):
        path = rng.choice(paths)
        if k % 3:
            value = rng.choice(VALUES)
            yield json.dumps(put(description, path, value)).encode("utf-8")
            continue
        text = json.dumps(put(description, path, "<<mark>>")).replace(MARK, rng.choice(RAW))
        data = bytearray(text.encode("utf-8"))
        how = rng.randrange(4)
        if how == 1:
            del data[rng.randrange(len(data)) :]
        elif how == 2:
            data[rng.randrange(len(data))] = rng.choice([0, 0xFF, 0xC3, 0x22, 0x7B])
        yield bytes(data)


@pytest.mark.parametrize("make, seed", [(wordpiece, 3), (wordpiece, 8), (unigram, 3), (unigram, 9)])
def test_mutants_work_or_say_what_is_wrong(tmp_path, make, seed):
    rng = random.Random(seed)
    description = make(rng)
    path = tmp_path / "tokenizer.json"
    refused = 0
    tracemalloc.start()
    for k, data in enumerate(mutants(description, rng, 120)):
        path.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tokenizer = load_tokenizer_json(str(path))
            tokenizer.encode("hello a ab [MASK] <e>")
        except VocabError as e:
            assert str(path) in str(e) or "neither" in str(e), (k, e)
            refused += 1
            continue
        try:
            batch = tokenizer.encode_batch(["hello", "b ab"], ["a", ""])
            assert len(batch.ids) == len(batch.offsets) == len(batch.word_ids) == 2
            assert len(batch.overflowing.ids) == len(batch.overflowing)
        except ValueError:
            pass  # a length or stride that the texts cannot have
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 30 < refused < 120
    assert peak < 64 << 20
