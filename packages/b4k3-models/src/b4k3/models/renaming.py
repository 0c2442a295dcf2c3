"""Checkpoints whose names are those of a known project but for a prefix, or whose weights are moving averages.

`module/bert/…` (TF-Hub), `model/bert/…`, `my_task/bert/…`, `bert_1/…`, `embeddings/…` without `bert/`,
`model.bert.…`: what stands before the table of tokens tells the prefix.
"""

from __future__ import annotations

import re
from typing import Iterable, Iterator

from .checkpoints import Checkpoint
from .dialects import Dialect
from .leftovers import is_training_state
from .networks.description import Network, skeleton

AVERAGES = ("/ExponentialMovingAverage", "/EMA", ".ema")


class Renamed(Checkpoint):
    """A checkpoint under other names.

    Arguments:
        checkpoint: `Checkpoint`.
        names: new name -> name in the checkpoint.
        outside: names that stand beside the prefix, and so are no part of the network.
        guessed: whether another word was read as the network's own, which deserves a warning.
    """

    def __init__(
        self, checkpoint: Checkpoint, names: dict[str, str], outside: Iterable[str] = (), guessed: bool = False
    ) -> None:
        super().__init__(checkpoint.path, {new: None for new in names}, checkpoint.skipped)
        self.format = checkpoint.format
        self.original, self.names, self.outside = checkpoint, names, frozenset(outside)
        self.guessed = guessed

    def __getitem__(self, name):
        return self.original[self.names[name]] if name in self.names else self._entry(name)

    def _entry(self, name):
        if name not in self.names:
            return super()._entry(name)
        return self.original._entry(self.names[name])

    def close(self):
        self.original.close()


def renamings(
    checkpoint: Checkpoint, network: Network, dialect: Dialect, words: set[str]
) -> Iterator[tuple[str, Renamed]]:
    """Every way of reading the names of a file as those of a network.

    Arguments:
        checkpoint: `Checkpoint`.
        network: `Network` that it may be of.
        dialect: the `Dialect` whose names it may have.
        words: what the names of any network begin with: 'bert', 'electra' …

    Yields:
        (what was done, the checkpoint under the names of the dialect)
    """
    for said, names in averages_as_weights(checkpoint):
        weights = Renamed(checkpoint, names)
        yield said, weights
        for how, other in renamings(weights, network, dialect, words):
            yield f"{said}; {how}", other
    table = next((v.name for _, layer, v in network.variables() if layer.name == "Embedding-Token"), None)
    stored = [name for name, _ in dialect.candidates(table)] if table is not None else []
    names = [name for name in checkpoint.keys() if not is_training_state(name)]
    known = known_skeletons(network, dialect)
    for whole in stored[:1]:
        for outer in sorted({name[: -len(whole)] for name in names if name.endswith(whole) and name != whole}):
            if outer.endswith(("/", ".")):
                inner = {n[len(outer) :]: n for n in checkpoint.keys() if n.startswith(outer)}
                rest = {n: n for n in checkpoint.keys() if not n.startswith(outer) and n not in inner}
                yield f"all names of the network begin with {outer!r}", Renamed(checkpoint, dict(rest, **inner), rest)
        scope, _, tail = re.match(r"([^/.]+)([/.])(.*)", whole).groups()
        separator, others = whole[len(scope)], words - {scope}
        if "/" not in tail and "." not in tail:
            continue
        for begin in sorted({name[: -len(tail)] for name in names if name.endswith(tail)}):
            if re.sub(r"_\d+$", "", begin.split(separator)[-2] if separator in begin else "") in others:
                continue  # the word of another network
            if begin in dialect.prefixes:
                continue  # the dialect itself reads such names
            if begin.endswith(scope + separator) or (begin and begin[-1] not in "/."):
                continue  # its own beginning, or that with something before it, which was tried above
            renamed = scoped(checkpoint, begin, scope + separator, known)
            said = f"the network's names begin with {begin!r}" if begin else f"the names lack {scope + separator!r}"
            yield f"{said}, here read as {scope + separator!r}", Renamed(checkpoint, renamed, guessed=True)


def scoped(checkpoint: Checkpoint, begin: str, scope: str, known: set[str]) -> dict[str, str]:
    """{name with another beginning: name in the file}, for what is the network's; other names stay."""
    segments = set()  # what is beside the network's variables is the network's, known or not
    for name in checkpoint.keys():
        if name.startswith(begin) and skeleton(scope + name[len(begin) :]) in known:
            segments.add(re.split(r"[/.]", name[len(begin) :], maxsplit=1)[0])
    names = {}
    for name in checkpoint.keys():
        inside = name.startswith(begin) and re.split(r"[/.]", name[len(begin) :], maxsplit=1)[0] in segments
        names[scope + name[len(begin) :] if inside else name] = name
    return names


def known_skeletons(network: Network, dialect: Dialect) -> set[str]:
    """Skeletons of the names that a file of this dialect has of the network."""
    found: set[str] = set()
    for _, _, variable in network.variables():
        if dialect.rules is None:
            found.add(variable.skeleton)
        else:
            found.update(skeleton(stored) for stored, _ in dialect.candidates(variable.first))
    return found


def averages_as_weights(checkpoint: Checkpoint) -> list[tuple[str, dict[str, str]]]:
    """The names without the ending of averages, for a file that holds those of its weights and not the weights."""
    found = []
    for end in AVERAGES:
        averages = {name[: -len(end)]: name for name in checkpoint.keys() if name.endswith(end)}
        if averages and not any(name in checkpoint for name in averages):
            rest = {name: name for name in checkpoint.keys() if not name.endswith(end)}
            found.append(
                (f"the file has moving averages ({end}) and no weights: they are loaded", dict(rest, **averages))
            )
    return found
