"""Load the variables of a checkpoint into the weights of layers, and report what fitted and what did not.

`load_weights` goes these steps: `open_view` finds the dialect of the file, `collect` matches the weights of each layer
with variables and reads them, `require` raises one error for everything that is wrong, and only then the weights are
changed. `Unread` explains the variables that stay in the file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Iterable, Mapping

import numpy as np

from b4k3 import backend

from .checkpoints import CheckpointError, open_checkpoint
from .describing import DescribedReport
from .dialects import Template, View, written
from .errors import ConfigError, warn_caller
from .fitting import Evidence, Scope
from .leftovers import FIXED_POSITIONS, leftover
from .networks.description import Network, Part, Sizes
from .recognition import hints, recognise
from .registry import dialects, network
from .untrained import looks_untrained

if TYPE_CHECKING:
    from .dialects import Dialect
    from .transformer import Transformer

NOT_USED = "not used"
NOT_FLOATS = "biuc"  # the `kind` of numpy's dtypes of booleans, signed and unsigned integers, and complex numbers


class LoadReport(DescribedReport):
    """What happened to every variable of a checkpoint and to every weight of a model while loading.

    Arguments:
        path: str. The path of the checkpoint.
        dialect: str. The name of the dialect of its names.

    Attributes:
        path: str. The argument.
        dialect: str. The argument.
        loaded: list of (layer, variable, shape). The weights that were loaded.
        missing: list of (layer, variable, shape of the weight). The file does not have the variable.
        mismatched: list of (layer, variable, shape in the file, shape of the weight). The two shapes differ.
        not_floats: list of (layer, variable, dtype in the file). The file has integers, booleans or complex numbers.
        resized: list of (layer, variable, shape in the file, shape of the weight), with `autoresize_weights`.
        unexpected: list of (variable, what it is, or None). The variables that were not read.
        unread: list of str. The unexpected variables that belong to the network and that nothing explains.
        initialized: list of (layer, weight). The weights that no checkpoint has, as in conditional normalisation.
        notes: list of str. Further remarks.

    Example:
        >>> from b4k3.models import build_transformer_model
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> bert = build_transformer_model(config, return_keras_model=False)
        >>> report = bert.load_weights_from_checkpoint(bert.checkpoint_variables())
        >>> len(report.loaded), report.missing
        (37, [])
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
        """List the problems.

        Returns:
            list of str, one line for each variable that is missing, does not fit, or was not read.
        """
        lines = [f"missing: {name} for {layer} {list(shape)}" for layer, name, shape in self.missing]
        for layer, name, stored, wanted in self.mismatched:
            lines.append(f"shape: {name} is {list(stored)} in the file, {layer} wants {list(wanted)}")
        for layer, name, dtype in self.not_floats:
            lines.append(f"dtype: {name} is {dtype} in the file, {layer} wants floating-point numbers")
        return lines + [f"not read: {name}" for name in self.unread]

    def summary(self) -> str:
        """Write the report as text, for people to read.

        Returns:
            str of several lines.
        """
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
        checkpoint: path, dict from name to array, what `open_checkpoint` returned, or a `View`, which is returned.
        of: `Network` that it is loaded into.
        partial: bool. Whether a file without any variable of the network's blocks is accepted.

    Returns:
        `View`.

    Raises:
        CheckpointError: the file has no names of this network.
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
    """Explain the variables that loading leaves in the file.

    Arguments:
        of: `Network` that is loaded.
        view: `View` of the checkpoint.
        sizes: dict. The sizes and arguments of the model under our names.
        explicit: the keys that the caller gave; None means all keys of `sizes`.

    Example:
        >>> from b4k3.models.networks.bert import BERT
        >>> names = ["bert/embeddings/word_embeddings", "cls/seq_relationship/output_bias", "global_step"]
        >>> view = open_view({name: np.zeros((20, 8)) for name in names}, BERT, partial=True)
        >>> sizes = {"vocab_size": 20, "num_hidden_layers": 1, "max_position": 4, "segment_vocab_size": 2}
        >>> unread = Unread(BERT, view, sizes)
        >>> unread.kind("cls/seq_relationship/output_bias")
        'NSP head'
        >>> unread.kind("global_step")
    """

    def __init__(self, of: Network, view: View, sizes: Sizes, explicit: Iterable[str] | None = None) -> None:
        self.network, self.view, self.sizes = of, view, sizes
        self.explicit = None if explicit is None else set(explicit)
        self.exact = {name for names in of.mapping(sizes).values() for name in names}
        self.beside = [network(name) for name in of.beside]
        self.scope = Scope(of, view)
        # Every variable of a head that was built has to be read: a name that looks like one explains nothing.
        built = {part.name for part in of.heads if part.argument and sizes.get(part.argument)}
        self.unread_kinds = built | {FIXED_POSITIONS}

    def kind(self, name: str) -> str | None:
        """Say what a variable is that no built layer reads.

        Arguments:
            name: str. The name in the file.

        Returns:
            str, "NSP head" for example; None if nothing explains the variable.
        """
        canonicals = self.view.dialect.canonicals(name)
        for canonical in canonicals:
            if self.network.find(canonical) is not None and canonical not in self.exact:
                return self._of_network(canonical)
        neighbour = self.neighbour(name)
        if neighbour is not None:
            return f"{neighbour[0].name} of model={neighbour[1].name!r}"
        kind = next(filter(None, map(leftover, [name] + canonicals)), None)
        if kind == FIXED_POSITIONS:
            return kind if self._is_constant(name) else None
        if kind is not None:
            return None if kind in self.unread_kinds else kind
        heads = (entry[0] for entry in map(self.network.find, canonicals) if entry is not None)
        return next((part.name for part in heads if part.argument and not self.sizes.get(part.argument)), None)

    def neighbour(self, name: str) -> tuple[Part, Network] | None:
        """Find the other network in the same file that a variable belongs to.

        Arguments:
            name: str. The name in the file.

        Returns:
            (`Part`, `Network`) that the variable belongs to; None if there is none.
        """
        canonicals = self.view.dialect.canonicals(name)
        if any(self.network.find(canonical) is not None and canonical not in self.exact for canonical in canonicals):
            return None
        for other in self.beside:
            entry = next((e for e in map(other.find, canonicals) if e is not None), None)
            if entry is not None:
                return entry[0], other
        return None

    def _of_network(self, canonical: str) -> str | None:
        """Say why a variable of the network itself was not read; None if nothing explains it."""
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
            return layer.spare
        for _, other, alike in self.network.variables():
            if other.blocks is None or alike.skeleton != variable.skeleton:
                continue
            numbers = Template(alike.name).match(canonical) or {}
            for number, key in other.blocks.counts.items() if numbers else ():
                if numbers[number] >= (self.sizes.get(key) or 1):
                    return f"blocks beyond {key}"
        return None

    def _is_constant(self, name: str) -> bool:
        """Return whether a stored table has the values that the network computes itself, so that nothing is lost."""
        for end, values in self.network.constants:
            if not name.endswith(end):
                continue
            if values is None:
                return True
            stored = np.asarray(self.view.checkpoint[name], dtype="float64")
            return bool(np.abs(stored - values(stored.shape)).max() < 1e-5)
        return False

    def sort(self, names: Iterable[str]) -> tuple[list[tuple[str, str | None]], list[str]]:
        """Explain all variables that no built layer reads.

        Arguments:
            names: the names in the file.

        Returns:
            The list of (name, what it is, or None), and the list of the names that belong to the network and that
            nothing explains.
        """
        found = [(name, self.kind(name)) for name in sorted(names)]
        return found, [name for name, kind in found if kind is None and self.in_scope(name)]

    def in_scope(self, name: str) -> bool:
        """Find out whether a variable belongs to the network.

        Arguments:
            name: str. The name in the file.

        Returns:
            bool.
        """
        return name in self.scope or (name not in self.scope.outside and leftover(name) in self.unread_kinds)


# ---------------------------------------------------------------------------------------------------- loading


def collect(
    transformer: Transformer, view: View, mapping: Mapping[str, list[str]]
) -> tuple[list[tuple[Any, Any]], LoadReport]:
    """Match the weights of layers with variables, and read the variables that match.

    Arguments:
        transformer: a built `Transformer`.
        view: `View` of the checkpoint.
        mapping: dict from layer name to canonical variable names, in the order of the layer's weights.

    Returns:
        The list of (weight, array) to assign, and the `LoadReport`.
    """
    report = LoadReport(view.checkpoint.path, view.dialect.name)
    pairs = []
    view = View(view.checkpoint, view.dialect)  # a new one, so that variables read before this load do not count
    for name, variables in mapping.items():
        weights = backend.base_weights(transformer.layers[name])
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
    transformer: Transformer,
    view: View,
    layer: str,
    index: int,
    variable: str,
    shape: tuple[int, ...],
    report: LoadReport,
) -> np.ndarray | ReadAgain | None:
    """Read the array for one weight, and write into the report what happened.

    Arguments:
        transformer: a built `Transformer`.
        view: `View` of the checkpoint.
        layer: str. The name of the layer.
        index: int. The number of the weight in the layer.
        variable: str. The canonical name of the variable.
        shape: tuple of int. The shape of the weight.
        report: `LoadReport`, which is changed.

    Returns:
        Array of that shape, or `ReadAgain`; None leaves the weight as it is.
    """
    shape = tuple(int(size) for size in shape)
    if variable not in view:
        report.missing.append((layer, variable, shape))
        return None
    value = transformer.load_variable(view, variable)
    if value is None:  # the `load_variable` of a subclass returns None to leave a weight as it is
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
    report.loaded.append((layer, variable, shape))
    return ReadAgain(transformer, view, variable) if is_widened(view, variable) else value


def is_widened(view: View, variable: str) -> bool:
    """Tell whether reading a variable makes a copy larger than its bytes in the file, which bfloat16 needs.

    Arguments:
        view: `View` of the checkpoint.
        variable: str. The canonical name of a variable that the file has.

    Returns:
        bool.
    """
    names = view.dialect.read_names(view.checkpoint, variable)
    return all(view.checkpoint.stored_dtype(name) == "bfloat16" for name in names)


class ReadAgain:
    """The array of a variable, which is read once more when its weight is assigned.

    All variables are read and checked before any weight is changed. Variables in float32 or float16 are views of the
    mapped file. Those in bfloat16 become float32, and all of them together would be a second copy of the model.

    Arguments:
        transformer: a built `Transformer`.
        view: `View` of the checkpoint.
        variable: str. The canonical name of the variable.

    Example:
        >>> from b4k3.models import build_transformer_model
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> bert = build_transformer_model(config, return_keras_model=False)
        >>> view = open_view(bert.checkpoint_variables(), bert.description)
        >>> np.asarray(ReadAgain(bert, view, "bert/embeddings/word_embeddings")).shape
        (20, 16)
    """

    def __init__(self, transformer: Transformer, view: View, variable: str) -> None:
        self.transformer, self.view, self.variable = transformer, view, variable

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.transformer.load_variable(self.view, self.variable), dtype=dtype)


def require(report: LoadReport, transformer: Transformer, view: View) -> None:
    """Raise one error that lists everything that is wrong and says what to do.

    Arguments:
        report: `LoadReport`.
        transformer: a built `Transformer`.
        view: `View` of the checkpoint.

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
    wrong = unread + [name for _, name, _ in missing]
    advice += [said for pattern, said in of.relatives if any(re.search(pattern, name) for name in wrong)]
    if report.not_floats:
        advice.append(
            "integers in the place of weights are quantised, and b4k3 cannot turn them back: take the file that has "
            "the weights in float32, float16 or bfloat16"
        )
    if unread and not missing and not report.mismatched:
        advice.append(
            "the network reads none of these, so its outputs would differ from the publisher's; "
            "ignore_unread_weights=True loads the other variables all the same"
        )
    if not advice:
        advice.append("compare the config with the file, or pass ignore_invalid_weights=True for missing variables")
    raise CheckpointError(
        f"{report.path} does not fit {type(transformer).__name__}; no weight was changed.\n  "
        + "\n  ".join(shown)
        + f"\nWhat to do: {'; '.join(advice)}."
    )


def warn_of_ignored(report: LoadReport, transformer: Transformer) -> None:
    """Warn of the problems that the caller has chosen to ignore.

    Arguments:
        report: `LoadReport`.
        transformer: a built `Transformer`.
    """
    for names, said in (
        ([name for _, name, _ in report.missing], "stay as they were initialised"),
        (report.unread, "belong to the network and are not read"),
    ):
        if names:
            shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
            warn_caller(f"{report.path}: {len(names)} variables {said}: {shown}")


def lost_parts(of: Network, missing: list[Any], view: View) -> list[str]:
    """Advise what to do about parts and layers that a file lacks entirely.

    Arguments:
        of: `Network` that is loaded.
        missing: list of (layer, variable, shape). The variables that the file does not have.
        view: `View` of the checkpoint.

    Returns:
        list of str.
    """
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


def load_weights(transformer: Transformer, checkpoint: Any, mapping: Mapping[str, list[str]]) -> LoadReport:
    """Load a checkpoint into a built transformer, or change nothing.

    Arguments:
        transformer: a built `Transformer`.
        checkpoint: path, dict from name to array, what `open_checkpoint` returned, or a `View`.
        mapping: dict from layer name to canonical variable names, in the order of the layer's weights.

    Returns:
        `LoadReport`.

    Raises:
        CheckpointError: the checkpoint does not fit; `require` says when.
    """
    view = open_view(checkpoint, transformer.description, transformer.ignore_invalid_weights)
    pairs, report = collect(transformer, view, mapping)
    report.notes += view.said
    require(report, transformer, view)
    report_untrained(report, pairs, transformer.description)
    arrays = ((weight, np.asarray(value)) for weight, value in pairs)
    backend.assign_weights(arrays)  # the first line of this module that needs Keras
    return report


def report_untrained(report: LoadReport, pairs: list[Any], of: Network) -> None:
    """Warn of heads that were loaded and look untrained, and write it into the report.

    Arguments:
        report: `LoadReport`, which is changed.
        pairs: list of (weight, array), in the order of `report.loaded`.
        of: `Network` that is loaded.
    """
    for part in of.heads:
        found = []
        for (_, name, _), (_, value) in zip(report.loaded, pairs):
            entry = of.find(name)
            if entry is not None and entry[0] is part and not part.on:
                found.append((name, np.asarray(value)))
        if looks_untrained([value for _, value in found]):
            note = (
                f"the {part.name} in {report.path} ({found[0][0]}, …) looks freshly initialised, not trained: what it "
                "predicts is noise"
            )
            report.notes.append(note)
            warn_caller(note)


# ---------------------------------------------------------------------------------------------------- writing


def in_dialect(tensors: dict[str, np.ndarray], name: str | None, of: Network) -> dict[str, np.ndarray]:
    """Translate arrays to the names of a dialect.

    Arguments:
        tensors: dict from canonical name to array.
        name: str or None. The name of the dialect or of its family; None leaves the canonical names.
        of: `Network` that the arrays belong to.

    Returns:
        dict from name to array.

    Raises:
        ConfigError: no dialect has this name.
        CheckpointError: the dialect has no name for a variable.
    """
    if name is None and not of.stacks:
        return tensors
    dialect = dialect_named(name or "google", of)
    renamed, unknown = written(tensors, dialect)
    if unknown:
        shown = ", ".join(unknown[:5])
        raise CheckpointError(
            f"the dialect {dialect.name} has no name for {shown}; write canonical names (dialect=None)"
        )
    return renamed


def dialect_named(name: str, of: Network) -> Dialect:
    """Find a dialect by its name, or by the name of its family.

    Arguments:
        name: str. The name of the dialect or of its family.
        of: `Network`. In a family the dialect made for this network is chosen.

    Returns:
        `Dialect`.

    Raises:
        ConfigError: no dialect has this name.
    """
    known = dialects()
    named = [d for d in known if name in (d.name, d.family)]
    if not named:
        families = ", ".join(sorted({d.family for d in known}))
        raise ConfigError(f"dialect={name!r} is not known. Known: {families}.")
    exact = [d for d in named if d.name == name and d.family != name]
    made = [d for d in named if set(of.kin) & set(d.models)]
    return (exact or made or named)[0].for_network(of)
