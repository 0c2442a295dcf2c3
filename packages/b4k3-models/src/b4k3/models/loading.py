"""From the variables of a checkpoint to the weights of layers, with a report of what fitted."""

from __future__ import annotations

import re
import warnings
from typing import Any, Iterable

import numpy as np

from b4k3 import backend

from .checkpoints import CheckpointError, open_checkpoint
from .dialects import Template, View, written
from .errors import ConfigError
from .leftovers import FIXED_POSITIONS, leftover
from .networks.description import Network, Part, Sizes
from .recognition import Evidence, Scope, hints, recognise
from .registry import dialects, network
from .untrained import looks_untrained

NOT_USED = "not used"
NOT_FLOATS = "biuc"  # numpy's kinds of dtypes: booleans, integers, complex numbers


class LoadReport:
    """What became of every variable of a checkpoint, and of every weight of a model.

    Attributes:
        path: the checkpoint.
        dialect: name of the dialect that its names are in.
        loaded: list of (layer, variable, shape).
        missing: list of (layer, variable, shape of the weight): the file does not have it.
        mismatched: list of (layer, variable, shape in the file, shape of the weight).
        not_floats: list of (layer, variable, dtype in the file): integers, booleans or complex numbers.
        resized: list of (layer, variable, shape in the file, shape of the weight), with `autoresize_weights`.
        unexpected: list of (variable, what it is known as, or None).
        unread: list of those of `unexpected` that belong to the network and that nothing explains.
        initialized: list of (layer, weight) that no checkpoint is asked for, as those of conditional normalisation.
        notes: list of str.
    """

    def __init__(self, path: str, dialect: str) -> None:
        self.path = path
        self.dialect = dialect
        self.loaded: list[tuple[str, str, tuple[int, ...]]] = []
        self.missing: list[tuple[str, str, tuple[int, ...]]] = []
        self.mismatched: list[tuple[str, str, Any, Any]] = []
        self.not_floats: list[tuple[str, str, str]] = []
        self.resized: list[tuple[str, str, Any, Any]] = []
        self.unexpected: list[tuple[str, str | None]] = []
        self.unread: list[str] = []
        self.initialized: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def problems(self) -> list[str]:
        """One line for each variable that is missing, does not fit its weight, or should be read and is not."""
        lines = [f"missing: {name} for {layer} {list(shape)}" for layer, name, shape in self.missing]
        for layer, name, stored, wanted in self.mismatched:
            lines.append(f"shape: {name} is {list(stored)} in the file, {layer} wants {list(wanted)}")
        for layer, name, dtype in self.not_floats:
            lines.append(f"dtype: {name} is {dtype} in the file, {layer} wants floating-point numbers")
        return lines + [f"not read: {name}" for name in self.unread]

    def summary(self) -> str:
        """A table for a person to read."""
        lines = [f"{self.path} ({self.dialect} names): {len(self.loaded)} variables loaded"]
        for layer, name, stored, wanted in self.resized:
            lines.append(f"resized: {name} {list(stored)} -> {list(wanted)} for {layer}")
        lines += self.problems()
        kinds: dict[str, list[str]] = {}
        for name, kind in self.unexpected:
            kinds.setdefault(kind or NOT_USED, []).append(name)
        for kind, names in sorted(kinds.items()):
            shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            lines.append(f"in the file only, {kind}: {len(names)} ({shown})")
        if self.initialized:
            shown = ", ".join(f"{layer} {weight}" for layer, weight in self.initialized)
            lines.append(f"in the model only: {shown}")
        return "\n".join(lines + self.notes)

    __str__ = summary


def open_view(checkpoint: Any, of: Network, partial: bool = False) -> View:
    """Open a checkpoint under canonical names.

    Arguments:
        checkpoint: path, dict from name to array, what `open_checkpoint` returned, or a `View`.
        of: the network that it is for.
        partial: whether it may lack the network's blocks.

    Raises:
        CheckpointError: it has no names of that network.
    """
    if isinstance(checkpoint, View):
        return checkpoint
    if not hasattr(checkpoint, "stored_dtype"):
        checkpoint = open_checkpoint(checkpoint)
    found = recognise(checkpoint, [of], lambda fit: Evidence(fit.view, {}, None, True), partial)
    found.view.said = found.notes
    return found.view


# ------------------------------------------------------------------------------------- what stays in the file


class Unread:
    """Says of the variables that a load leaves in the file what they are.

    Arguments:
        of: `Network` that is loaded.
        view: `View` of the checkpoint.
        sizes: its sizes and arguments, under our names.
        explicit: the keys that the caller gave, None for all.
    """

    def __init__(self, of: Network, view: View, sizes: Sizes, explicit: Iterable[str] | None = None) -> None:
        self.network, self.view, self.sizes = of, view, sizes
        self.explicit = None if explicit is None else set(explicit)
        self.exact = {name for names in of.mapping(sizes).values() for name in names}
        self.beside = [network(name) for name in of.beside]
        self.scope = Scope(of, view)
        # what names look like of which every variable has to be read: the heads that were built
        self.unread_kinds = {part.name for part in of.heads if sizes.get(part.argument)} | {FIXED_POSITIONS}

    def kind(self, name: str) -> str | None:
        """What a variable is that is no part of what was built; None if nothing explains it."""
        canonicals = self.view.dialect.canonicals(name)
        for canonical in canonicals:
            if self.network.find(canonical) is not None and canonical not in self.exact:
                return self._of_network(canonical)
        neighbour = self.neighbour(name)
        if neighbour is not None:
            return f"{neighbour[0].name} of model={neighbour[1].name!r}"
        kind = leftover(name)
        if kind == FIXED_POSITIONS:
            return kind if self._is_constant(name) else None
        return None if kind in self.unread_kinds else kind

    def neighbour(self, name: str) -> tuple[Part, Network] | None:
        """The part and the network that a variable belongs to which lies in the same file."""
        canonicals = self.view.dialect.canonicals(name)
        if any(self.network.find(canonical) is not None and canonical not in self.exact for canonical in canonicals):
            return None
        for other in self.beside:
            entry = next((e for e in map(other.find, canonicals) if e is not None), None)
            if entry is not None:
                return entry[0], other
        return None

    def _of_network(self, canonical: str) -> str | None:
        entry = self.network.find(canonical)
        if entry is None:
            return None
        part, layer, variable = entry
        if part.argument is not None and not self.sizes.get(part.argument):
            return part.name
        if not layer.exists(self.sizes):
            if layer.copies or any(variable.name in other.copies.values() for other in part.layers):
                return f"tied {part.name}"
            for key in layer.needs:
                if self.explicit is None or key in self.explicit:
                    return f"left out by {key}={self.sizes.get(key)}"
            return None
        for _, other, alike in self.network.variables():
            numbers = (
                Template(alike.name).match(canonical) if other.blocks and alike.skeleton == variable.skeleton else None
            )
            for number, key in other.blocks.counts.items() if numbers else ():
                if numbers[number] >= (self.sizes.get(key) or 1):
                    return f"blocks beyond {key}"
        return None

    def _is_constant(self, name: str) -> bool:
        """Whether a stored table holds what the network computes, as far as that is known."""
        for end, values in self.network.constants:
            if name.endswith(end) and values is None:
                return True
            if name.endswith(end):
                stored = np.asarray(self.view.checkpoint[name], dtype="float64")
                return bool(np.abs(stored - values(stored.shape)).max() < 1e-5)
        return False

    def sort(self, names: Iterable[str]) -> tuple[list[tuple[str, str | None]], list[str]]:
        """([(name, what it is)], those that belong to the network and that nothing explains)."""
        found = [(name, self.kind(name)) for name in sorted(names)]
        return found, [name for name, kind in found if kind is None and self.in_scope(name)]

    def in_scope(self, name: str) -> bool:
        """Whether a name is among the network's own."""
        return name in self.scope or (name not in self.scope.outside and leftover(name) in self.unread_kinds)


# ---------------------------------------------------------------------------------------------------- loading


def collect(transformer: Any, view: View, mapping: dict[str, list[str]]) -> tuple[list[Any], LoadReport]:
    """Match layers with variables, and read what matches.

    Arguments:
        transformer: a built `Transformer`.
        view: `View` of the checkpoint.
        mapping: {layer name: [canonical variable names, in the order of the layer's weights]}.

    Returns:
        (list of (weight, array), LoadReport)
    """
    report = LoadReport(view.checkpoint.path, view.dialect.name)
    pairs = []
    view = View(view.checkpoint, view.dialect)  # what was read before this load does not count
    for name, variables in mapping.items():
        weights = list(transformer.layers[name].weights)
        if len(variables) > len(weights):
            report.notes.append(f"{name} has {len(weights)} weights for {len(variables)} variables")
            report.mismatched += [(name, variable, ("?",), ("none",)) for variable in variables[len(weights) :]]
        for weight in weights[len(variables) :]:
            report.initialized.append((name, weight.name))
        for i, (weight, variable) in enumerate(zip(weights, variables)):
            value = read(transformer, view, name, i, variable, tuple(weight.shape), report)
            if value is not None:
                pairs.append((weight, value))
    unread = Unread(transformer.description, view, transformer.sizes, transformer.explicit)
    report.unexpected, report.unread = unread.sort(view.unused())
    return pairs, report


def read(
    transformer: Any, view: View, layer: str, index: int, variable: str, shape: tuple[int, ...], report: LoadReport
) -> np.ndarray | None:
    """The array for one weight, or None; what happened goes into the report."""
    shape = tuple(int(size) for size in shape)
    if variable not in view:
        report.missing.append((layer, variable, shape))
        return None
    value = transformer.load_variable(view, variable)
    if value is None:  # a subclass that leaves a weight alone says so by None
        return None
    if value.dtype.kind in NOT_FLOATS:
        report.not_floats.append((layer, variable, value.dtype.name))
        return None
    if tuple(value.shape) != shape:
        stored = tuple(value.shape)
        if not transformer.autoresize_weights:
            report.mismatched.append((layer, variable, stored, shape))
            return None
        value = transformer.resize_variable(transformer.layers[layer], index, value, shape)
        report.resized.append((layer, variable, stored, shape))
    report.loaded.append((layer, variable, shape))
    return value


def require(report: LoadReport, transformer: Any, view: View) -> None:
    """Raise one error that lists everything that is wrong and says what to do.

    Raises:
        CheckpointError: a variable is missing (unless `ignore_invalid_weights`), of another shape, not of a floating
            dtype, or not read although it belongs to the network (unless `ignore_unread_weights`); or nothing at all
            was loaded.
    """
    of = transformer.description
    missing = [] if transformer.ignore_invalid_weights else report.missing
    unread = [] if transformer.ignore_unread_weights else report.unread
    if not missing and not report.mismatched and not report.not_floats and not unread:
        if report.loaded:
            warn_of_ignored(report, transformer)
            return
        raise CheckpointError(f"{report.path}: no variable of it fits {type(transformer).__name__}; nothing was loaded")
    lines = report.problems()
    shown = [line if len(line) <= 160 else line[:159] + "…" for line in lines[:20]]
    shown += [f"… and {len(lines) - 20} more"] if len(lines) > 20 else []
    advice = lost_parts(of, missing, view)
    model_of_class = [] if of.target is None else hints(view.checkpoint, of)
    advice += [hint for hint in model_of_class if hint not in advice]
    advice += [said for pattern, said in of.relatives if any(re.search(pattern, name) for name in unread)]
    if report.not_floats:
        advice.append(
            "integers in the place of weights are quantised, and what they stand for is not in them: take the file of "
            "the weights in float32, float16 or bfloat16"
        )
    if unread and not missing and not report.mismatched:
        advice.append(
            "the network reads none of these, so that its outputs are not those of the checkpoint; "
            "ignore_unread_weights=True loads the others all the same"
        )
    if not advice:
        advice.append("compare the config with the file, or pass ignore_invalid_weights=True for missing variables")
    raise CheckpointError(
        f"{report.path} does not fit {type(transformer).__name__}; no weight was changed.\n  "
        + "\n  ".join(shown)
        + f"\nWhat to do: {'; '.join(advice)}."
    )


def warn_of_ignored(report: LoadReport, transformer: Any) -> None:
    """Say what a caller insisted on ignoring."""
    for names, said in (
        ([name for _, name, _ in report.missing], "stay as they were initialised"),
        (report.unread, "belong to the network and are not read"),
    ):
        if names:
            shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
            warnings.warn(f"{report.path}: {len(names)} variables {said}: {shown}", stacklevel=5)


def lost_parts(of: Network, missing: list[Any], view: View) -> list[str]:
    """What to do about parts of which the file has nothing."""
    present = {id(entry[1]) for entry in map(of.find, view.keys()) if entry is not None}
    parts = {id(entry[0]) for entry in map(of.find, view.keys()) if entry is not None}
    advice = []
    for _, name, _ in missing:
        entry = of.find(name)
        if entry is None:
            continue
        for said, gone in (
            (entry[0].advice, id(entry[0]) not in parts),
            (entry[1].advice, id(entry[1]) not in present),
        ):
            if said and gone and said not in advice:
                advice.append(said)
    return advice


def load_weights(transformer: Any, checkpoint: Any, mapping: dict[str, list[str]]) -> LoadReport:
    """Load a checkpoint into a built transformer, or change nothing.

    Arguments:
        transformer: a `Transformer`.
        checkpoint: as of `open_view`.
        mapping: as of `collect`.

    Returns:
        LoadReport.

    Raises:
        CheckpointError: see `require`.
    """
    view = open_view(checkpoint, transformer.description, transformer.ignore_invalid_weights)
    pairs, report = collect(transformer, view, mapping)
    report.notes += view.said
    require(report, transformer, view)
    report_untrained(report, pairs, transformer.description)
    backend.assign_weights(pairs)  # here Keras is first asked for
    return report


def report_untrained(report: LoadReport, pairs: list[Any], of: Network) -> None:
    """Note and warn of heads that were loaded and look untrained.

    Arguments:
        report: `LoadReport`.
        pairs: list of (weight, array), in the order of `report.loaded`.
        of: the network.
    """
    for part in of.heads:
        found = []
        for (_, name, _), (_, value) in zip(report.loaded, pairs):
            entry = of.find(name)
            if entry is not None and entry[0] is part and not part.on:
                found.append((name, value))
        if looks_untrained([value for _, value in found]):
            note = (
                f"the {part.name} in {report.path} ({found[0][0]}, …) looks freshly initialised, not trained: what it "
                "predicts is noise"
            )
            report.notes.append(note)
            warnings.warn(note, stacklevel=2)


# ---------------------------------------------------------------------------------------------------- writing


def in_dialect(tensors: dict[str, np.ndarray], name: str | None, of: Network) -> dict[str, np.ndarray]:
    """Arrays under the names of a dialect.

    Arguments:
        tensors: dict from canonical name to array.
        name: of the dialect or its family; None for the canonical names.
        of: the network that they are of.

    Returns:
        dict from name to array.

    Raises:
        ConfigError: no dialect has that name.
        CheckpointError: the dialect has no name for a variable.
    """
    if name is None:
        return tensors
    dialect = dialect_named(name, of)
    renamed, unknown = written(tensors, dialect)
    if unknown:
        shown = ", ".join(unknown[:5])
        raise CheckpointError(
            f"the dialect {dialect.name} has no name for {shown}; write canonical names (dialect=None)"
        )
    return renamed


def dialect_named(name: str, of: Network) -> Any:
    """The Dialect of a name, or that of a family which is made for a network.

    Arguments:
        name: of the dialect or its family.
        of: the network.

    Raises:
        ConfigError: no dialect has that name.
    """
    known = dialects()
    named = [d for d in known if name in (d.name, d.family)]
    if not named:
        families = ", ".join(sorted({d.family for d in known}))
        raise ConfigError(f"dialect={name!r} is not known. Known: {families}.")
    exact = [d for d in named if d.name == name and d.family != name]
    made = [d for d in named if set(of.kin) & set(d.models)]
    return (exact or made or named)[0]
