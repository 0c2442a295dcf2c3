"""2,000 seeded mutants of each kind of file: only errors of ours, under 64 MB and a second each."""

import pathlib
import sys
import tempfile

from corrupt.mutations import MAX_MEMORY, MAX_SECONDS, measure as measure_mutants
from corrupt.targets import CONFIGS, CONTAINERS, ERRORS, INDICES, SENTENCEPIECE, TOKENIZERS, TORCH

COUNT = 2000  # of each kind
KINDS = {
    "configs": CONFIGS,
    "indices": INDICES,
    "containers": CONTAINERS,
    "files of PyTorch": TORCH,
    "tokenizer.json": TOKENIZERS,
    "SentencePiece models": SENTENCEPIECE,
}
SHORT = {
    "configs": 12,
    "indices": 80,
    "containers": 80,
    "files of PyTorch": 80,
    "tokenizer.json": 60,
    "SentencePiece models": 40,
}


def measure(short: bool) -> list:
    """[(what was measured, the figure, whether the promise holds)]; of each kind the mutants are divided among its
    formats."""
    return [row for kind, targets in KINDS.items() for row in of_kind(kind, targets, SHORT[kind] if short else COUNT)]


def of_kind(kind, targets, count):
    escapes, refused, memory, seconds = [], 0, 0, 0.0
    share = -(-count // len(targets))
    for name, make in targets.items():
        with tempfile.TemporaryDirectory() as folder:
            target = make(pathlib.Path(folder))
            target.read()
            # other seeds than those of the tests
            seen = measure_mutants(share, target.put, target.read, ERRORS, target.names, traced=4, first=10**6)
        escapes += [(name,) + escape for escape in seen.escapes]
        refused += seen.refused
        memory, seconds = max(memory, seen.memory), max(seconds, seen.seconds)
    for name, seed, what in escapes:
        print(f"{name}, seed {seed}: {what}", file=sys.stderr)
    total = share * len(targets)
    title = f"{total} mutants of {kind}"
    return [
        (title + ": other errors than ours", f"{len(escapes)}, {refused} refused", not escapes),
        (title + ": memory at most", f"{memory / 2**20:.1f} MB", memory <= MAX_MEMORY),
        (title + ": seconds at most", f"{seconds:.2f} s", seconds <= MAX_SECONDS),
    ]
