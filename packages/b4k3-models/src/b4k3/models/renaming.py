"""Read checkpoints whose names have another prefix than a known project's, or that contain only moving averages.

Such names are `module/bert/…` (TF-Hub), `model/bert/…`, `my_task/bert/…`, `bert_1/…`, `embeddings/…` without `bert/`,
and `model.bert.…`. The name of the token embeddings shows the prefix. For example, BERT calls them
`bert/embeddings/word_embeddings`. A file that has `my_task/bert/embeddings/word_embeddings` has the prefix `my_task/`,
so `my_task/` is cut off all names. A guess is used only if all variables of the network are found by it.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Iterator

from .checkpoints import Checkpoint
from .dialects import Dialect
from .leftovers import is_training_state
from .networks.description import Network, skeleton

AVERAGES = ("/ExponentialMovingAverage", "/EMA", ".ema")


class Renamed(Checkpoint):
    """A checkpoint under other names.

    Arguments:
        checkpoint: `Checkpoint`.
        names: dict from the new name to the name in the checkpoint.
        outside: the names without the prefix, which do not belong to the network.
        guessed: bool. Whether another word was taken for the network's own word, "bert" for example. Then the user is
            warned.

    Example:
        >>> import numpy as np
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> from b4k3.models.renaming import Renamed
        >>> checkpoint = open_checkpoint({"my_task/bert/x": np.zeros(2, dtype="float32")})
        >>> Renamed(checkpoint, {"bert/x": "my_task/bert/x"})["bert/x"].shape
        (2,)
    """

    def __init__(
        self, checkpoint: Checkpoint, names: dict[str, str], outside: Iterable[str] = (), guessed: bool = False
    ) -> None:
        super().__init__(checkpoint.path, {new: None for new in names}, checkpoint.skipped)
        self.format = checkpoint.format
        self.original, self.names, self.outside = checkpoint, names, frozenset(outside)
        self.guessed = guessed

    def __getitem__(self, name: str) -> Any:
        return self.original[self.names[name]] if name in self.names else self._entry(name)

    def _entry(self, name: str) -> Any:
        if name not in self.names:
            return super()._entry(name)
        return self.original._entry(self.names[name])

    def close(self) -> None:
        """Close the file."""
        self.original.close()


def renamings(
    checkpoint: Checkpoint, network: Network, dialect: Dialect, words: set[str]
) -> Iterator[tuple[str, Renamed]]:
    """Yield every way to read the names of a file as the names of a network.

    Arguments:
        checkpoint: `Checkpoint`.
        network: `Network` that the file may be of.
        dialect: `Dialect` that the file may be in.
        words: the first words of the names of all networks, "bert" and "electra" for example.

    Yields:
        (a sentence that says how the names were read, the checkpoint under the names of the dialect)
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
        split: Any = re.match(r"([^/.]+)([/.])(.*)", whole)  # "bert", "/", "embeddings/word_embeddings"
        scope, _, tail = split.groups()
        separator, others = whole[len(scope)], words - {scope}
        if "/" not in tail and "." not in tail:
            continue
        for begin in sorted({name[: -len(tail)] for name in names if name.endswith(tail)}):
            if re.sub(r"_\d+$", "", begin.split(separator)[-2] if separator in begin else "") in others:
                continue  # this word belongs to another network
            if begin in dialect.prefixes:
                continue  # the dialect itself reads such names
            if begin.endswith(scope + separator) or (begin and begin[-1] not in "/."):
                continue  # the network's own word, with or without a prefix: both were tried before
            renamed = scoped(checkpoint, begin, scope + separator, known)
            said = f"the network's names begin with {begin!r}" if begin else f"the names lack {scope + separator!r}"
            yield f"{said}, here read as {scope + separator!r}", Renamed(checkpoint, renamed, guessed=True)


def scoped(checkpoint: Checkpoint, begin: str, scope: str, known: set[str]) -> dict[str, str]:
    """Replace the beginning of the names that belong to a network.

    Arguments:
        checkpoint: `Checkpoint`.
        begin: str. The beginning of the names in the file, which may be "".
        scope: str. The new beginning, "bert/" for example.
        known: the skeletons of all names that the network has.

    Returns:
        dict from the new name to the name in the file. Names that do not belong to the network stay.
    """
    segments = set()  # a name with the same first word as a known variable belongs to the network, even if unknown
    for name in checkpoint.keys():
        if name.startswith(begin) and skeleton(scope + name[len(begin) :]) in known:
            segments.add(re.split(r"[/.]", name[len(begin) :], maxsplit=1)[0])
    names = {}
    for name in checkpoint.keys():
        inside = name.startswith(begin) and re.split(r"[/.]", name[len(begin) :], maxsplit=1)[0] in segments
        names[scope + name[len(begin) :] if inside else name] = name
    return names


def known_skeletons(network: Network, dialect: Dialect) -> set[str]:
    """The skeletons of all names that a network has in a dialect."""
    found: set[str] = set()
    for _, _, variable in network.variables():
        if dialect.rules is None:
            found.add(variable.skeleton)
        else:
            found.update(skeleton(stored) for stored, _ in dialect.candidates(variable.first))
    return found


def averages_as_weights(checkpoint: Checkpoint) -> list[tuple[str, dict[str, str]]]:
    """Find the moving averages in a file that does not have the weights themselves.

    Arguments:
        checkpoint: `Checkpoint`.

    Returns:
        list of (a sentence that says how the names were read, dict from the name of the weight to the name of its
        average).
    """
    found = []
    for end in AVERAGES:
        averages = {name[: -len(end)]: name for name in checkpoint.keys() if name.endswith(end)}
        if averages and not any(name in checkpoint for name in averages):
            rest = {name: name for name in checkpoint.keys() if not name.endswith(end)}
            found.append(
                (f"the file has moving averages ({end}) and no weights: they are loaded", dict(rest, **averages))
            )
    return found
