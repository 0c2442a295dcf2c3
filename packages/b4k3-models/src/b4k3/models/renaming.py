"""Read checkpoints whose names have another prefix than a known project's, or that contain only moving averages.

Such names are `module/bert/…` (TF-Hub), `model/bert/…`, `my_task/bert/…`, `bert_1/…`, `embeddings/…` without `bert/`,
and `model.bert.…`. The name of the token embeddings shows the prefix. For example, BERT calls them
`bert/embeddings/word_embeddings`. A file that has `my_task/bert/embeddings/word_embeddings` has the prefix `my_task/`,
so `my_task/` is cut off all names. A guess is used only if all variables of the network are found by it.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Iterator, Sequence

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
        outside: list of str. The names without the prefix, which do not belong to the network.
        guessed: bool. Whether another word was taken for the network's own word, "bert" for example. Then the user is
            warned.

    Attributes:
        original: `Checkpoint`. The argument.
        names: dict. The argument.
        outside: set of str. The argument.
        guessed: bool. The argument.

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
        words: set of str. The first words of the names of all networks, "bert" and "electra" for example.

    Yields:
        (a sentence that tells how the names were read, the checkpoint under the names of the dialect)
    """
    for said, names in averages_as_weights(checkpoint):
        weights = Renamed(checkpoint, names)
        yield said, weights
        for how, other in renamings(weights, network, dialect, words):
            yield f"{said}; {how}", other
    table = next((v.name for _, layer, v in network.variables() if layer.name == "Embedding-Token"), None)
    stored = dialect.candidates(table) if table is not None else []
    if stored:
        whole, _ = stored[0]  # the name of the token embeddings, "bert/embeddings/word_embeddings" for example
        names = [name for name in checkpoint.keys() if not is_training_state(name)]
        yield from _without_prefixes(checkpoint, names, whole)
        yield from _with_other_words(checkpoint, names, whole, words, dialect, known_skeletons(network, dialect))


def _without_prefixes(checkpoint: Checkpoint, names: Sequence[str], whole: str) -> Iterator[tuple[str, Renamed]]:
    """Yield the checkpoint without each prefix that the name `whole` of the token embeddings has among `names`."""
    for outer in sorted({name[: -len(whole)] for name in names if name.endswith(whole) and name != whole}):
        if outer.endswith(("/", ".")):
            inner = {n[len(outer) :]: n for n in checkpoint.keys() if n.startswith(outer)}
            rest = {n: n for n in checkpoint.keys() if not n.startswith(outer) and n not in inner}
            yield f"all names of the network begin with {outer!r}", Renamed(checkpoint, dict(rest, **inner), rest)


def _with_other_words(
    checkpoint: Checkpoint, names: Sequence[str], whole: str, words: set[str], dialect: Dialect, known: set[str]
) -> Iterator[tuple[str, Renamed]]:
    """Yield the checkpoint with the network's own word in the place of another word, or of none.

    For example, "bert/embeddings/word_embeddings" has the word "bert" and the tail "embeddings/word_embeddings". A file
    that has "my_bert/embeddings/word_embeddings" begins with "my_bert/" where it should have "bert/".
    """
    match = re.match(r"([^/.]+)([/.])(.*)", whole)
    if match is None or not re.search(r"[/.]", match.group(3)):
        return
    scope, separator, tail = match.groups()
    for begin in sorted({name[: -len(tail)] for name in names if name.endswith(tail)}):
        word = begin.split(separator)[-2] if separator in begin else ""
        if re.sub(r"_\d+$", "", word) in words - {scope}:
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
        known: set of str. The skeletons of all names that the network has.

    Returns:
        dict from the new name to the name in the file. Names that do not belong to the network stay.

    Example:
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> from b4k3.models.renaming import scoped
        >>> checkpoint = open_checkpoint({"my/embeddings/words": np.zeros(1), "global_step": np.zeros(1)})
        >>> scoped(checkpoint, "my/", "bert/", {"bert/embeddings/words"})
        {'bert/embeddings/words': 'my/embeddings/words', 'global_step': 'global_step'}
    """
    # A name with the same first word as a known variable belongs to the network, even if the variable is unknown.
    segments = set()
    for name in checkpoint.keys():
        if name.startswith(begin) and skeleton(scope + name[len(begin) :]) in known:
            segments.add(re.split(r"[/.]", name[len(begin) :], maxsplit=1)[0])
    names = {}
    for name in checkpoint.keys():
        inside = name.startswith(begin) and re.split(r"[/.]", name[len(begin) :], maxsplit=1)[0] in segments
        names[scope + name[len(begin) :] if inside else name] = name
    return names


def known_skeletons(network: Network, dialect: Dialect) -> set[str]:
    """List the skeletons of all names that a network has in a dialect. A skeleton has '#' for each number.

    Arguments:
        network: `Network`.
        dialect: `Dialect`.

    Returns:
        set of str.
    """
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
        list of (a sentence that tells how the names were read, dict from the name of the weight to the name of its
        average).

    Example:
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> from b4k3.models.renaming import averages_as_weights
        >>> checkpoint = open_checkpoint({"bert/pooler/dense/bias/ExponentialMovingAverage": np.zeros(1)})
        >>> averages_as_weights(checkpoint)[0][1]
        {'bert/pooler/dense/bias': 'bert/pooler/dense/bias/ExponentialMovingAverage'}
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
