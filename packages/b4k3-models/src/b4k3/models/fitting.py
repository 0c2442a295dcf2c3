"""Compare the names in a file with the description of a network, and collect what else is known about the file.

For example, a file has 'bert/embeddings/word_embeddings', 'bert/embeddings/task_type_embeddings' and 'global_step'. The
description of ERNIE explains the first two names. The description of BERT leaves the second unexplained, although it
begins with 'bert', the word of BERT's own variables. 'global_step' is a leftover of training and needs no explanation.
"""

from __future__ import annotations

import os
import re
from typing import Any, Collection, Sequence

from .checkpoints import Checkpoint
from .dialects import View
from .leftovers import leftover
from .measuring import contradictions, measure
from .networks.description import Network, skeleton


def first_segment(name: str) -> str:
    """Cut a name at its first separator.

    Arguments:
        name: str. The name of a variable.

    Returns:
        str, the part before the separator: 'bert' for 'bert/encoder/…' and for 'bert.encoder.…'.
    """
    return re.split(r"[/.:]", name, maxsplit=1)[0]


def is_bare(view: View, of: Network) -> bool:
    """Tell whether the names of the body have no prefix. Then every variable of the file belongs to the network.

    Arguments:
        of: `Network`.
        view: `View` of the checkpoint.

    Returns:
        bool. For example, it is True if a file of transformers has 'embeddings.word_embeddings.weight'.
    """
    if not view.dialect.rules or view.dialect.name == "keras_layers":
        return False
    tables = [v.name for _, layer, v in of.variables() if layer.name == "Embedding-Token"]
    stored = view.dialect.read_names(view.checkpoint, tables[0]) if tables else []
    prefix = view.dialect.prefixes[0] if view.dialect.prefixes else ""
    return bool(stored) and not (prefix and stored[0].startswith(prefix)) and "/" not in stored[0]


class Scope:
    """The names of a file that belong to a network, even if its description does not know them.

    A name belongs to the network if it begins with the same word as a variable of the network's body, "bert" for
    example. `name in scope` tells it.

    Arguments:
        of: `Network`.
        view: `View` of the checkpoint.

    Example:
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> from b4k3.models.dialects import View
        >>> from b4k3.models.dialects.google import GOOGLE
        >>> from b4k3.models.registry import network
        >>> names = ["bert/embeddings/word_embeddings", "bert/embeddings/task_type_embeddings", "global_step"]
        >>> view = View(open_checkpoint({name: np.zeros((9, 4), "float32") for name in names}), GOOGLE)
        >>> [name in Scope(network("bert"), view) for name in names]
        [True, True, False]
    """

    def __init__(self, of: Network, view: View) -> None:
        body = {v.skeleton for part in of.body for layer in part.layers for v in layer.variables}
        self.outside: Collection[str] = getattr(view.checkpoint, "outside", ())
        self.bare = is_bare(view, of)
        self.segments = {
            skeleton(first_segment(name))
            for name in {skeleton(name): name for name in view.checkpoint.keys()}.values()
            if any(skeleton(canonical) in body for canonical in view.dialect.canonicals(name))
        }

    def __contains__(self, name: str) -> bool:
        return name not in self.outside and (self.bare or skeleton(first_segment(name)) in self.segments)


class Evidence:
    """What is known about a checkpoint apart from its dialect, for `Network.evidence` and `Network.doubt`.

    Arguments:
        view: `View` of the checkpoint.
        config: dict under our names, as the network in question reads it.
        model_type: str or None. The `model_type` of the config.
        asked: bool. Whether the caller named the network.
        place: str or None. The path of the checkpoint; None takes it from the checkpoint.

    Attributes:
        names: set of str. The canonical names of the variables.
        stored: `Checkpoint`. The file with its own names.
        config: dict. The argument.
        model_type: str or None. The argument.
        asked: bool. The argument.
        place: str. The last two parts of the path, in lower case.
        by_google: bool. Whether the names are canonical, so that the file comes from the original project.

    Example:
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> from b4k3.models.dialects import View
        >>> from b4k3.models.dialects.google import GOOGLE
        >>> from b4k3.models.registry import network
        >>> names = ["bert/embeddings/word_embeddings", "bert/embeddings/task_type_embeddings", "global_step"]
        >>> view = View(open_checkpoint({name: np.zeros((9, 4), "float32") for name in names}), GOOGLE)
        >>> found = Evidence(view, {"vocab_size": 9}, None, asked=False)
        >>> found.shape("bert/embeddings/word_embeddings"), found.contradictions(network("bert"))
        ((9, 4), [])
    """

    def __init__(
        self, view: View, config: dict[str, Any], model_type: str | None, asked: bool, place: str | None = None
    ) -> None:
        self._view = view
        self.names = set(view.keys())
        self.stored: Checkpoint = getattr(view.checkpoint, "original", view.checkpoint)
        self.config = config
        self.model_type = model_type
        self.asked = asked
        path = os.path.abspath(view.checkpoint.path) if place is None else place
        self.place = os.sep.join(path.split(os.sep)[-2:]).lower()
        self.by_google = view.dialect.rules is None

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Tell the shape of a variable.

        Arguments:
            name: str. The canonical name.

        Returns:
            tuple of int; None if the file does not have the variable.
        """
        return tuple(self._view.shape(name)) if name in self._view else None

    def contradictions(self, other: Network) -> list[str]:
        """Compare the configuration with the shapes in the file, read as another network.

        Arguments:
            other: `Network`.

        Returns:
            list of str, the keys for which the two have different values.
        """
        return contradictions(self.config, measure(other, self._view))


class Fit:
    """The comparison of the names in a file with the description of a network. The variables of all blocks count once.

    Arguments:
        of: `Network`.
        view: `View` of the checkpoint.
        beside: list of `Network`. Other networks that may have variables in the same file.

    Attributes:
        network: `Network`. The argument `of`.
        view: `View`. The argument.
        matched: int. The number of variables of the body that the file has.
        lacking: list of str. The canonical names of the variables that the body needs and the file does not have.
        unknown: list of str. The names that belong to the network and that its description does not explain.
        has_blocks: bool. Whether the file has any variable of a block.

    Example:
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> from b4k3.models.dialects import View
        >>> from b4k3.models.dialects.google import GOOGLE
        >>> from b4k3.models.registry import network
        >>> names = ["bert/embeddings/word_embeddings", "bert/embeddings/task_type_embeddings", "global_step"]
        >>> view = View(open_checkpoint({name: np.zeros((9, 4), "float32") for name in names}), GOOGLE)
        >>> fit = Fit(network("bert"), view)
        >>> fit.full, fit.matched, fit.unknown, fit.table
        (False, 1, ['bert/embeddings/task_type_embeddings'], 'bert/embeddings/word_embeddings')
    """

    def __init__(self, of: Network, view: View, beside: Sequence[Network] = ()) -> None:
        self.network, self.view = of, view
        known = of.by_skeleton()
        body = {v.skeleton for part in of.body for layer in part.layers for v in layer.variables}
        required = {
            v.skeleton: v.first
            for part in of.body
            for layer in part.layers
            if layer.when is None and not part.optional and not (layer.blocks and layer.blocks.start)
            for v in layer.variables
            if v.when is None
        }
        stored: dict[str, str] = {}
        for name in view.checkpoint.keys():
            stored.setdefault(skeleton(name), name)
        found: set[str] = set()
        rest = []
        for name in stored.values():
            if leftover(name) and view.dialect.canonical(name) is None:
                continue
            canonicals = [skeleton(canonical) for canonical in view.dialect.canonicals(name)]
            mine = [canonical for canonical in canonicals if canonical in known]
            found.update(mine)
            if not mine and not any(c in other.by_skeleton() for other in beside for c in canonicals):
                rest.append(name)
        self.matched = len(found & body)
        of_blocks = {v.skeleton for _, layer, v in of.variables() if layer.blocks is not None}
        self.has_blocks = bool(found & of_blocks)
        self.lacking = sorted(name for kind, name in required.items() if kind not in found and name not in view)
        scope = Scope(of, view)
        self.unknown = [name for name in rest if name in scope and not leftover(name)]

    @property
    def table(self) -> str:
        """Return the name of the token embeddings in the file, or "" if the file does not have them."""
        names = [v.name for _, layer, v in self.network.variables() if layer.name == "Embedding-Token"]
        stored = self.view.dialect.read_names(self.view.checkpoint, names[0]) if names else []
        origin = getattr(self.view.checkpoint, "names", {})
        return origin.get(stored[0], stored[0]) if stored else ""

    @property
    def full(self) -> bool:
        """Tell whether no variable of the body is missing and no name is unexplained."""
        return self.matched > 0 and not self.lacking and not self.unknown

    @property
    def order(self) -> tuple[Any, ...]:
        """Return a sort key, which is greater for a better fit."""
        return (self.full, -len(self.lacking) - len(self.unknown), self.matched)
