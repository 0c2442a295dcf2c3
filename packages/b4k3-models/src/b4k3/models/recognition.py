"""Which network a checkpoint is of: by the names of its variables, by what its config says, and by what was asked."""

from __future__ import annotations

import os
import re
from typing import Any, Sequence

from .checkpoints import Checkpoint, CheckpointError
from .checkpoints.kinds import foreign_kind
from .dialects import Dialect, View
from .errors import ConfigError, short
from .leftovers import leftover
from .measuring import contradictions, measure
from .networks.description import Network, skeleton
from .registry import dialects, network, networks
from .renaming import renamings


def first_segment(name: str) -> str:
    """'bert' of 'bert/encoder/…' and of 'bert.encoder.…'."""
    return re.split(r"[/.:]", name, maxsplit=1)[0]


def is_bare(view: View, of: Network) -> bool:
    """Whether nothing stands before the names of a body: then every variable of the file is the network's."""
    if not view.dialect.rules or view.dialect.name == "keras_layers":
        return False
    tables = [v.name for _, layer, v in of.variables() if layer.name == "Embedding-Token"]
    stored = view.dialect.read_names(view.checkpoint, tables[0]) if tables else []
    prefix = view.dialect.prefixes[0] if view.dialect.prefixes else ""
    return bool(stored) and not (prefix and stored[0].startswith(prefix)) and "/" not in stored[0]


class Scope:
    """Which names of a file are a network's own, known to it or not.

    Arguments:
        of: `Network`.
        view: `View` of the checkpoint.
    """

    def __init__(self, of: Network, view: View) -> None:
        body = {v.skeleton for part in of.body for layer in part.layers for v in layer.variables}
        self.outside = getattr(view.checkpoint, "outside", ())
        self.bare = is_bare(view, of)
        self.segments = {
            skeleton(first_segment(name))
            for name in {skeleton(name): name for name in view.checkpoint.keys()}.values()
            if any(skeleton(canonical) in body for canonical in view.dialect.canonicals(name))
        }

    def __contains__(self, name: str) -> bool:
        return name not in self.outside and (self.bare or skeleton(first_segment(name)) in self.segments)


class Evidence:
    """What is known of a checkpoint besides a dialect, for `Network.evidence` and `Network.doubt`.

    Attributes:
        names: set of canonical names; stored: the `Checkpoint` itself.
        config: dict under our names, as the network in question reads it; model_type: what it says, or None.
        place: the names of the checkpoint and of its folder, in lower case.
        asked: whether the network was asked for by its name.
        by_google: whether the names are canonical ones, those of the original project.
    """

    def __init__(
        self, view: View, config: dict[str, Any], model_type: str | None, asked: bool, place: str | None = None
    ) -> None:
        self._view = view
        self.names = set(view.keys())
        self.stored = getattr(view.checkpoint, "original", view.checkpoint)
        self.config = config
        self.model_type = model_type
        self.asked = asked
        path = os.path.abspath(view.checkpoint.path) if place is None else place
        self.place = os.sep.join(path.split(os.sep)[-2:]).lower()
        self.by_google = view.dialect.rules is None

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a variable by its canonical name, None if the file lacks it."""
        return tuple(self._view.shape(name)) if name in self._view else None

    def contradictions(self, other: Network) -> list[str]:
        """The keys on which the configuration and the sizes of a network in the file disagree."""
        return contradictions(self.config, measure(other, self._view))


class Fit:
    """How the names of a file fit a network.

    Attributes:
        matched: number of kinds of variables of the body that the file has.
        lacking: names of those that it lacks and needs.
        unknown: names in the network's own scope that no part of it explains.
        has_blocks: whether there is any variable of a block.
    """

    def __init__(self, of: Network, view: View, beside: Sequence[Network] = ()) -> None:
        self.network, self.view = of, view
        known = of.by_skeleton()
        body = {v.skeleton for part in of.body for layer in part.layers for v in layer.variables}
        required = {
            v.skeleton: v.first
            for part in of.body
            for layer in part.layers
            if layer.when is None and not part.optional
            for v in layer.variables
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
        """The name in the file of the token embeddings."""
        names = [v.name for _, layer, v in self.network.variables() if layer.name == "Embedding-Token"]
        stored = self.view.dialect.read_names(self.view.checkpoint, names[0]) if names else []
        origin = getattr(self.view.checkpoint, "names", {})
        return origin.get(stored[0], stored[0]) if stored else ""

    @property
    def full(self) -> bool:
        """Whether nothing of the body is missing, and nothing unexplained."""
        return self.matched > 0 and not self.lacking and not self.unknown

    @property
    def order(self) -> tuple[Any, ...]:
        return (self.full, -len(self.lacking) - len(self.unknown), self.matched)


class Recognised:
    """The network of a checkpoint. Attributes: network, view, fit, notes (list of str)."""

    def __init__(self, fit: Fit, notes: list[str]) -> None:
        self.network, self.view, self.fit, self.notes = fit.network, fit.view, fit, notes


def has_sign(of: Network, checkpoint: Checkpoint | None) -> bool:
    """Whether the names or the shapes of a checkpoint show that it is of this network and not of a relative."""
    dialect = None if checkpoint is None else recognised_dialect(checkpoint)
    own = None if dialect is None else spoken(of, dialect)
    if own is None:
        return False
    if own.models and own.recognises(set(checkpoint.keys())):
        return True
    fit = Fit(of, View(checkpoint, own))
    return bool(own.models) and fit.full and strength_of(fit) > 0


def asked_network(
    asked: Any, model_type: str | None, checkpoint: Checkpoint | None, where: str, config: dict[str, Any]
) -> Network:
    """The network that `model=` names.

    Arguments:
        asked: a name, a class or a `Network`.
        model_type: what the configuration says, or None.
        checkpoint: `Checkpoint` or None.
        where: what the configuration is from, for messages.
        config: dict, the configuration as it is in the file.

    Raises:
        ConfigError: the name is not known, or the configuration is of another network.
    """
    wanted = network(asked)
    if wanted.unmarked is not None and isinstance(asked, str) and model_type not in wanted.model_types:
        if not (wanted.shows is not None and wanted.shows(config)) and not has_sign(wanted, checkpoint):
            wanted = network(wanted.unmarked)
    if model_type is not None and model_type not in wanted.model_types:
        others = [other.name for other in networks() if model_type in other.model_types]
        fitting = f"model={others[0]!r} fits it" if others else "b4k3 does not have that network"
        raise ConfigError(
            f"{where}: model_type={short(model_type)} is another network than model={wanted.name!r}: {fitting}. "
            f"If the file is wrong, insist with model_type={wanted.model_types[-1]!r}"
        )
    return wanted


def of_model_type(model_type: Any, where: str) -> list[Network]:
    """The networks that a `model_type` may mean. Raises: ConfigError: it means none that b4k3 has."""
    found = [other for other in networks() if model_type in other.model_types]
    if not found:
        known = sorted({name for other in networks() for name in other.model_types})
        raise ConfigError(
            f"{where}: model_type={short(model_type)} is a network that b4k3 does not have. It has "
            f"{', '.join(known)}. If the file is of one of these under another name, insist with model= and "
            "model_type= of that one"
        )
    return found


def recognised_dialect(checkpoint: Checkpoint) -> Dialect | None:
    """The first dialect that recognises the names of a checkpoint, or None."""
    names = set(checkpoint.keys())
    return next((dialect for dialect in dialects() if dialect.recognises(names)), None)


def spoken(of: Network, dialect: Dialect) -> Dialect | None:
    """The dialect of the same family that is made for a network; None if the family has none for it."""
    family = [other for other in dialects() if other.family == dialect.family]
    if not any(other.models for other in family):
        return dialect.for_network(of)
    made = [other for other in family if set(of.kin) & set(other.models)]
    return made[0] if made else None


def sample(names: Any, count: int = 5) -> str:
    """The first names, for messages."""
    shown = [name if len(name) < 120 else name[:119] + "…" for name in sorted(names)[:count]]
    return ", ".join(shown) + ", …"


def fits(checkpoint: Checkpoint, pool: Sequence[Network], dialect: Dialect | None) -> list[Fit]:
    """How each network fits, as far as the dialect has names for it."""
    found = []
    for candidate in pool if dialect is not None else ():
        own = spoken(candidate, dialect)
        if own is not None:
            beside = [network(name) for name in candidate.beside]
            found.append(Fit(candidate, View(checkpoint, own), beside))
    return found


def best(found: list[Fit], evidence: Any, where: str) -> Fit | None:
    """The fit that is the best, by names and then by other evidence.

    Arguments:
        found: list of `Fit`, in the order of the registry.
        evidence: function from a `Fit` to its `Evidence`.
        where: for messages.

    Raises:
        ConfigError: nothing tells two networks apart.
    """
    found = [fit for fit in found if not is_half_of(fit, found)]
    full = [fit for fit in found if fit.full]
    if not full:
        found = [fit for fit in found if fit.matched]
        return max(found, key=lambda fit: fit.order) if found else None
    strength = {id(fit): fit.network.evidence(evidence(fit)) if fit.network.evidence else 0.0 for fit in full}
    full.sort(key=lambda fit: (strength[id(fit)], fit.matched), reverse=True)
    first = full[0]
    for other in full[1:]:
        alike = strength[id(other)] == strength[id(first)] and other.matched == first.matched
        if alike and first.network.evidence and other.network.evidence:
            names = sorted((first.network.name, other.network.name))
            raise ConfigError(
                f"{where}: model='auto' cannot tell {names[0]!r} from {names[1]!r}, whose variables have the same "
                f"names and shapes: say model={names[0]!r} or model={names[1]!r}"
            )
    return first


def is_half_of(fit: Fit, others: Sequence[Fit]) -> bool:
    """Whether a file has more of another network that all parts of this one belong to: it is not this half alone."""
    parts = {part.name for part in fit.network.body}
    return any(
        other.network.name in fit.network.beside
        and other.matched > fit.matched
        and parts < {part.name for part in other.network.body}
        for other in others
    )


def recognise(checkpoint: Checkpoint, pool: Sequence[Network], evidence: Any, partial: bool = False) -> Recognised:
    """The network of a checkpoint.

    Arguments:
        checkpoint: `Checkpoint`.
        pool: the networks that come into question: the one that was asked for, or those that the config may mean.
        evidence: function from a `Fit` to its `Evidence`.
        partial: whether a file may do that has nothing of the network's blocks.

    Returns:
        `Recognised`: the network that fits best; what it lacks is said when it is loaded. Where the names are a
        project's own but for a prefix, its view has those of the project.

    Raises:
        CheckpointError: no names of any such network are in the file.
        ConfigError: they are those of two networks.
    """
    dialect = recognised_dialect(checkpoint)
    where = checkpoint.path
    if not len(checkpoint):
        raise CheckpointError(f"{where}: there is no variable in it")
    found = best(fits(checkpoint, pool, dialect), evidence, where)
    if found is not None and found.full:
        return Recognised(found, [])
    renamed = [] if fits_another(checkpoint, pool, dialect) else every_renaming(checkpoint, pool)
    tables = {fit.table for fit, _ in renamed}
    if len(tables) > 1:
        raise CheckpointError(
            f"{where}: several networks are in it, whose token embeddings are {', '.join(sorted(tables)[:4])}: give a "
            "dict of the arrays of one of them"
        )
    if renamed:
        fit = best([fit for fit, _ in renamed], evidence, where)
        return Recognised(fit, [said for other, said in renamed if other is fit])
    if found is not None and (found.has_blocks or partial):
        return Recognised(found, [])
    raise CheckpointError(nothing_fits(checkpoint, pool, dialect))


def fits_another(checkpoint: Checkpoint, pool: Sequence[Network], dialect: Dialect | None) -> bool:
    """Whether the names are those of a network that does not come into question: then they are no prefixed ones."""
    others = [other for other in networks() if other not in pool]
    return any(fit.full for fit in fits(checkpoint, others, dialect))


def every_renaming(checkpoint: Checkpoint, pool: Sequence[Network]) -> list[tuple[Fit, str]]:
    """[(fit, what was done)] of each way of renaming by which all of a network fits, for each dialect made for it."""
    found = []
    words = {first_segment(v.name) for other in networks() for _, _, v in other.variables()}
    words |= {first_segment(prefix) for dialect in dialects() for prefix in dialect.prefixes if prefix}
    for candidate in pool:
        for dialect in dialects():
            if dialect.models and not set(candidate.kin) & set(dialect.models):
                continue
            if dialect.for_network(candidate) is not dialect:
                continue
            for said, other in renamings(checkpoint, candidate, dialect, words):
                for fit in fits(other, [candidate], recognised_dialect(other)):
                    before = [earlier.table for earlier, _ in found if earlier.network is candidate]
                    if fit.full and fit.table not in before:
                        found.append((fit, said))
    return found


def nothing_fits(checkpoint: Checkpoint, pool: Sequence[Network], dialect: Dialect | None) -> str:
    """A message that shows names of both sides, and says what to do."""
    foreign = foreign_kind(checkpoint.keys())
    theirs = f"The file has {sample(checkpoint.keys())}"
    if foreign is not None:
        return f"{checkpoint.path} does not fit: it is {foreign[0]}. {theirs}. What to do: {foreign[1]}"
    wanted = pool[0]
    names = {variable.first for _, _, variable in wanted.variables()}
    what = f"model={wanted.name!r}" if len(pool) == 1 else "any network that b4k3 has"
    problem = f"{checkpoint.path} does not fit {what}"
    if dialect is None:
        problem = (
            f"{checkpoint.path}: no dialect knows its variables ({sample(checkpoint.keys())}); it does not fit {what}"
        )
    advice = hints(checkpoint, wanted) or [
        "if these are the variables of a network that b4k3 has, register a Dialect for their names, or give a dict of "
        "arrays under the names that it expects"
    ]
    return f"{problem}; no weight was changed. {theirs}; {wanted.name} has {sample(names)}. What to do: {advice[0]}"


def hints(checkpoint: Checkpoint, wanted: Network) -> list[str]:
    """Sentences about the networks that would fit a file better, derived from its names."""
    found = fits(checkpoint, networks(), recognised_dialect(checkpoint))
    full = [fit for fit in found if fit.full and fit.network.name != wanted.name]
    if not full:
        ranked = [fit for fit in found if fit.matched > len(fit.unknown)]
        ranked.sort(key=lambda fit: len(fit.unknown) - fit.matched)
        own = next((fit for fit in found if fit.network.name == wanted.name), None)
        full = [fit for fit in ranked[:1] if own is None or own.matched < fit.matched]
    if not full or any(fit.network.name == wanted.name and fit.full for fit in found):
        return []
    strength = {id(fit): strength_of(fit) for fit in full}
    full = [fit for fit in full if strength[id(fit)] == max(strength.values())]
    most = max(fit.matched for fit in full)
    full = [fit for fit in full if fit.matched == most]
    names = " or ".join(repr(fit.network.name) for fit in full[:3])
    sizes = measure(full[0].network, full[0].view)
    also = "".join(f", {key}=0" for key in full[0].network.absent if sizes.get(key) == 0)
    return [f"the file looks like {full[0].network.what}: build it with model={names}{also}"]


def strength_of(fit: Fit) -> float:
    """What else than names speaks for the network of a fit, where no configuration is known."""
    of = fit.network
    return of.evidence(Evidence(fit.view, {}, None, False)) if of.evidence is not None else 0.0
