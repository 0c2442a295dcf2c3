"""Recognise the network of a checkpoint by the names of its variables, by its config and by the caller's wish.

For example, a file has the variables 'bert/embeddings/word_embeddings', 'bert/encoder/layer_0/…' and so on. Their
dialect is 'google'. The names are compared with the description of every network that comes into question: BERT
explains all of them and lacks none, so the file fits BERT. RoFormer has no table of positions, so it leaves one name
unexplained. If several networks fit, other evidence decides: the sizes in the config, the name of the folder, the
number of rows of a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, Sequence

from .checkpoints import Checkpoint, CheckpointError
from .checkpoints.kinds import foreign_kind
from .dialects import Dialect, View
from .errors import ConfigError, short
from .fitting import Evidence, Fit, first_segment
from .measuring import measure
from .networks.description import Network
from .registry import dialects, network, networks
from .renaming import renamings

if TYPE_CHECKING:
    FindEvidence = Callable[[Fit], Evidence]


class Recognised:
    """The network that `recognise` found, and how it read the names in the file.

    Arguments:
        fit: `Fit` of the network that was found.
        notes: list of str. Sentences for the report on how the names were read.

    Attributes:
        network: `Network` that was found.
        view: `View` of the checkpoint under canonical names.
        fit: `Fit`. The argument.
        notes: list of str. The argument.

    Example:
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> from b4k3.models.dialects import View
        >>> from b4k3.models.dialects.google import GOOGLE
        >>> from b4k3.models.registry import network
        >>> names = ["bert/embeddings/word_embeddings", "bert/embeddings/task_type_embeddings", "global_step"]
        >>> view = View(open_checkpoint({name: np.zeros((9, 4), "float32") for name in names}), GOOGLE)
        >>> found = Recognised(Fit(network("bert"), view), [])
        >>> found.network, "bert/embeddings/word_embeddings" in found.view
        (<Network bert>, True)
    """

    def __init__(self, fit: Fit, notes: list[str]) -> None:
        self.network, self.view, self.fit, self.notes = fit.network, fit.view, fit, notes


def has_sign(of: Network, checkpoint: Checkpoint | None) -> bool:
    """Tell whether the names or the shapes in a checkpoint show that it is of this network and not of a similar one.

    Arguments:
        of: `Network`.
        checkpoint: `Checkpoint` or None.

    Returns:
        bool. For example, a prefix 'roberta.' shows that a file is of RoBERTa and not of BERT.
    """
    dialect = None if checkpoint is None else recognised_dialect(checkpoint)
    own = None if dialect is None else spoken(of, dialect)
    if own is None or checkpoint is None:
        return False
    if own.models and own.recognises(set(checkpoint.keys())):
        return True
    fit = Fit(of, View(checkpoint, own))
    return bool(own.models) and fit.full and strength_of(fit) > 0


def asked_network(
    asked: Any, model_type: str | None, checkpoint: Checkpoint | None, where: str, config: dict[str, Any]
) -> Network:
    """Find the network that `model=` names.

    Arguments:
        asked: str, class or `Network`. The value of `model=`.
        model_type: str or None. The `model_type` of the configuration.
        checkpoint: `Checkpoint` or None.
        where: str. The source of the configuration, for error messages.
        config: dict. The configuration as it is in the file.

    Returns:
        `Network`. A name that means another network for files without a certain sign, as "roberta" does, gives that
        network if neither the configuration nor the checkpoint shows the sign.

    Raises:
        ConfigError: the name is unknown, or the configuration is of another network.
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
    """Find the networks that a `model_type` may mean.

    Arguments:
        model_type: str. The `model_type` of a configuration.
        where: str. The source of the configuration, for error messages.

    Returns:
        list of `Network`.

    Raises:
        ConfigError: b4k3 has no network with this model_type.
    """
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
    """Find the first dialect that recognises the names of a checkpoint.

    Arguments:
        checkpoint: `Checkpoint`.

    Returns:
        `Dialect`, or None.
    """
    names = set(checkpoint.keys())
    return next((dialect for dialect in dialects() if dialect.recognises(names)), None)


def spoken(of: Network, dialect: Dialect) -> Dialect | None:
    """Find the dialect of the same family that is made for a network.

    Arguments:
        of: `Network`.
        dialect: `Dialect`, any one of the family.

    Returns:
        `Dialect`; None if the family has none for this network.
    """
    family = [other for other in dialects() if other.family == dialect.family]
    if not any(other.models for other in family):
        return dialect.for_network(of)
    made = [other for other in family if set(of.kin) & set(other.models)]
    return made[0] if made else None


def sample(names: Iterable[str], count: int = 5) -> str:
    """Join the first names in alphabetical order, for an error message.

    Arguments:
        names: str, any number of them.
        count: int. How many are shown.

    Returns:
        str.
    """
    shown = [name if len(name) < 120 else name[:119] + "…" for name in sorted(names)[:count]]
    return ", ".join(shown) + ", …"


def fits(checkpoint: Checkpoint, pool: Sequence[Network], dialect: Dialect | None) -> list[Fit]:
    """Compare the names in a checkpoint with several networks.

    Arguments:
        checkpoint: `Checkpoint`.
        pool: list of `Network`.
        dialect: `Dialect` of the names in the file; None if no dialect recognises them.

    Returns:
        list of `Fit`, one for each network that the dialect has names for.
    """
    found: list[Fit] = []
    if dialect is None:
        return found
    for candidate in pool:
        own = spoken(candidate, dialect)
        if own is not None:
            beside = [network(name) for name in candidate.beside]
            found.append(Fit(candidate, View(checkpoint, own), beside))
    return found


def best(found: list[Fit], evidence: FindEvidence, where: str) -> Fit | None:
    """Choose the best fit, by the names and then by other evidence.

    Arguments:
        found: list of `Fit`, in the order of the registry. Of two equally good ones the first is chosen.
        evidence: function from a `Fit` to its `Evidence`.
        where: str. The path of the checkpoint, for error messages.

    Returns:
        `Fit`; None if no network has anything in common with the file.

    Raises:
        ConfigError: two networks explain the file equally well, and evidence should decide between them but does not.
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
    """Tell whether a network is only one half of a network that the file has, as the encoder of a whole T5 is.

    Arguments:
        fit: `Fit` of the network.
        others: list of `Fit`. The fits of all networks.

    Returns:
        bool.
    """
    parts = {part.name for part in fit.network.body}
    return any(
        other.network.name in fit.network.beside
        and other.matched > fit.matched
        and parts < {part.name for part in other.network.body}
        for other in others
    )


def recognise(
    checkpoint: Checkpoint, pool: Sequence[Network], evidence: FindEvidence, partial: bool = False
) -> Recognised:
    """Find the network of a checkpoint.

    Arguments:
        checkpoint: `Checkpoint`.
        pool: list of `Network`. The networks that come into question: the one that was asked for, or all that the
            config may mean.
        evidence: function from a `Fit` to its `Evidence`.
        partial: bool. Whether a file without any variable of the network's blocks is accepted.

    Returns:
        `Recognised` with the network that fits best. If the file has the names of a known project after another
        prefix, its view has the names without this prefix. Missing variables are no error here; loading reports them.

    Raises:
        CheckpointError: the file has no name of any of these networks, or it contains several networks.
        ConfigError: two networks explain the file equally well.
    """
    dialect = recognised_dialect(checkpoint)
    where = checkpoint.path
    if not len(checkpoint):
        raise CheckpointError(f"{where}: there is no variable in it; give the checkpoint of a network")
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
    fit = best([fit for fit, _ in renamed], evidence, where)
    if fit is not None:
        return Recognised(fit, [said for other, said in renamed if other is fit])
    if found is not None and (found.has_blocks or partial):
        return Recognised(found, [])
    raise CheckpointError(nothing_fits(checkpoint, pool, dialect))


def fits_another(checkpoint: Checkpoint, pool: Sequence[Network], dialect: Dialect | None) -> bool:
    """Tell whether a network that does not come into question fits the file. Then the names need no other prefix.

    Arguments:
        checkpoint: `Checkpoint`.
        pool: list of `Network`. The networks that come into question.
        dialect: `Dialect` of the names in the file; None if no dialect recognises them.

    Returns:
        bool.
    """
    others = [other for other in networks() if other not in pool]
    return any(fit.full for fit in fits(checkpoint, others, dialect))


def every_renaming(checkpoint: Checkpoint, pool: Sequence[Network]) -> list[tuple[Fit, str]]:
    """Find every way to read the names in a file as the names of a whole network after another prefix.

    Arguments:
        checkpoint: `Checkpoint`.
        pool: list of `Network`. The networks that come into question.

    Returns:
        list of (`Fit` of the renamed checkpoint, a sentence that tells how the names were read).
    """
    found: list[tuple[Fit, str]] = []
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
    """Write the error message for a file that fits no network. It shows names of both sides and says what to do.

    Arguments:
        checkpoint: `Checkpoint`.
        pool: list of `Network`. The networks that come into question.
        dialect: `Dialect` of the names in the file; None if no dialect recognises them.

    Returns:
        str.
    """
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
    """Find the networks that fit a file better than the wanted one, by the names in the file.

    Arguments:
        checkpoint: `Checkpoint`.
        wanted: `Network` that was asked for.

    Returns:
        list of str: one sentence that tells how to build the better network, or nothing.
    """
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
    """Rate the evidence for the network of a fit apart from the names, without a configuration.

    Arguments:
        fit: `Fit`.

    Returns:
        float, the greater the more speaks for the network. See `Network.evidence`.
    """
    of = fit.network
    return of.evidence(Evidence(fit.view, {}, None, False)) if of.evidence is not None else 0.0
