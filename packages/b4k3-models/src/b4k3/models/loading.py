"""From the variables of a checkpoint to the weights of layers, with a report of what fitted."""

from __future__ import annotations

import re

from b4k3 import backend

from .checkpoints import CheckpointError, open_checkpoint
from .config import ConfigError
from .detect import advice
from .dialects import View, written
from .heads import report_untrained
from .registry import dialects

# Variables that publishers left in their files and that no model needs.
KNOWN_LEFTOVERS = (
    (re.compile(r"(^|/)(adam_[mv]|AdamWeightDecayOptimizer.*|lamb_[mv]|Adam(_\d+)?)$"), "optimizer slot"),
    (re.compile(r"(/adafactor|[/_]slot)_(v[rc]?|m)$"), "optimizer slot"),
    (re.compile(r"(^|/)(adam|AdamWeightDecay|lamb)[^/]*/", re.I), "optimizer slot"),
    (re.compile(r"(^|/)(global_step|good_steps|loss_scale|beta[12]_power)$"), "training state"),
    (re.compile(r"(^|[./])pooler[./]"), "pooler"),
    (re.compile(r"^cls[./]seq_relationship"), "NSP head"),
    (re.compile(r"^cls[./]predictions"), "MLM head"),
    (re.compile(r"^generator"), "generator"),
    (re.compile(r"^discriminator_predictions"), "discriminator head"),
    (re.compile(r"position_ids$"), "position ids"),
    (re.compile(r"(relative_positions_encoding|embed_positions)[./]"), "fixed positions"),
    (re.compile(r"^(cls\.)?(predictions|generator_lm_head)\.(decoder\.)?(weight|bias)$"), "tied MLM head"),
    (re.compile(r"^((en|de)coder\.embed_tokens|lm_head)\.weight$"), "tied embeddings"),
    (re.compile(r"\.attn\.(masked_)?bias$"), "fixed causal mask"),
    (re.compile(r"EncDecAttention\.relative_attention_bias\.weight$"), "unused position bias"),
    (re.compile(r"^encoder[./](block[_.]|(final_layer|rms)_norm)"), "encoder"),
    (re.compile(r"^decoder[./](block[_.]|logits[./]|(final_layer|rms)_norm)"), "decoder"),
)

# What a missing variable belongs to, and how to do without.
HEADS = (
    (re.compile(r"^cls/predictions"), "the file has no MLM head (cls/predictions): build with with_mlm=False"),
    (re.compile(r"/pooler/"), "the file has no pooler: build with with_pool=False and with_nsp=False"),
    (
        re.compile(r"^cls/seq_relationship"),
        "the file has no NSP head (cls/seq_relationship): build with with_nsp=False",
    ),
    (
        re.compile(r"/token_type_embeddings$"),
        "the file has no segment embeddings: build with segment_vocab_size=0, or, if segments are ids of tokens, with "
        "shared_segment_embeddings=True",
    ),
)


class LoadReport:
    """What became of every variable of a checkpoint, and of every weight of a model.

    Attributes:
        path: the checkpoint.
        dialect: name of the dialect that its names are in.
        loaded: list of (layer, variable, shape).
        missing: list of (layer, variable, shape of the weight): the file does not have it.
        mismatched: list of (layer, variable, shape in the file, shape of the weight).
        resized: list of (layer, variable, shape in the file, shape of the weight), with `autoresize_weights`.
        unexpected: list of (variable, what it is known as, or None).
        initialized: list of (layer, weight) that no checkpoint is asked for, as those of conditional normalisation.
        notes: list of str.
    """

    def __init__(self, path, dialect):
        self.path = path
        self.dialect = dialect
        self.loaded = []
        self.missing = []
        self.mismatched = []
        self.resized = []
        self.unexpected = []
        self.initialized = []
        self.notes = []

    def problems(self):
        """One line for each missing or mismatched variable."""
        lines = ["missing: %s for %s %s" % (name, layer, list(shape)) for layer, name, shape in self.missing]
        for layer, name, stored, wanted in self.mismatched:
            lines.append("shape: %s is %s in the file, %s wants %s" % (name, list(stored), layer, list(wanted)))
        return lines

    def summary(self):
        """A table for a person to read."""
        lines = ["%s (%s names): %d variables loaded" % (self.path, self.dialect, len(self.loaded))]
        for layer, name, stored, wanted in self.resized:
            lines.append("resized: %s %s -> %s for %s" % (name, list(stored), list(wanted), layer))
        lines += self.problems()
        kinds = {}
        for name, kind in self.unexpected:
            kinds.setdefault(kind or "not used", []).append(name)
        for kind, names in sorted(kinds.items()):
            shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            lines.append("in the file only, %s: %d (%s)" % (kind, len(names), shown))
        if self.initialized:
            lines.append("in the model only: %s" % ", ".join("%s %s" % pair for pair in self.initialized))
        return "\n".join(lines + self.notes)

    __str__ = summary


def open_view(checkpoint, model=None):
    """Open a checkpoint under canonical names.

    Arguments:
        checkpoint: path, dict from name to array, or what `open_checkpoint` returned.
        model: the architecture that it is for, by its `model=`: of a family of dialects the one that is made for it.

    Raises:
        CheckpointError: no registered dialect knows its names.
    """
    if isinstance(checkpoint, View):
        return checkpoint
    if not hasattr(checkpoint, "stored_dtype"):
        checkpoint = open_checkpoint(checkpoint)
    names = set(checkpoint.keys())
    known = dialects()
    for dialect in known:
        if dialect.recognises(names):
            return View(checkpoint, member(known, dialect, model))
    shown = ", ".join(sorted(names)[:5])
    raise CheckpointError("%s: no dialect knows its variables (%s, …)" % (checkpoint.path, shown))


def member(known, dialect, model):
    """The dialect for a model in the family of another, or that other one."""
    family = [d for d in known if d.family == dialect.family and model in d.models]
    return family[0] if family and model not in dialect.models else dialect


def collect(transformer, view, mapping):
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
    for name, variables in mapping.items():
        weights = list(transformer.layers[name].weights)
        if len(variables) > len(weights):
            report.notes.append("%s has %d weights for %d variables" % (name, len(weights), len(variables)))
            report.mismatched += [(name, variable, ("?",), ("none",)) for variable in variables[len(weights) :]]
        for weight in weights[len(variables) :]:
            report.initialized.append((name, weight.name))
        for i, (weight, variable) in enumerate(zip(weights, variables)):
            value = read(transformer, view, name, i, variable, tuple(weight.shape), report)
            if value is not None:
                pairs.append((weight, value))
    report.unexpected = [(name, leftover(name)) for name in sorted(view.unused())]
    return pairs, report


def read(transformer, view, layer, index, variable, shape, report):
    """The array for one weight, or None; what happened goes into the report."""
    shape = tuple(int(size) for size in shape)
    if variable not in view:
        report.missing.append((layer, variable, shape))
        return None
    value = transformer.load_variable(view, variable)
    if value is None:  # a subclass that leaves a weight alone says so by None
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


def leftover(name):
    for pattern, kind in KNOWN_LEFTOVERS:
        if pattern.search(name):
            return kind
    return None


def require(report, transformer, view):
    """Raise one error that lists everything that is wrong and says what to do.

    Raises:
        CheckpointError: a variable is missing (unless `ignore_invalid_weights`) or of another shape.
    """
    missing = [] if transformer.ignore_invalid_weights else report.missing
    if not missing and not report.mismatched:
        return
    lines = report.problems()
    shown = lines[:20] + (["… and %d more" % (len(lines) - 20)] if len(lines) > 20 else [])
    hints = []
    for pattern, hint in HEADS:
        lost = [name for _, name, _ in missing if pattern.search(name)]
        if lost and not any(pattern.search(name) for name in view.keys()):
            hints.append(hint)
    hints += advice(open_view(view.checkpoint), transformer)
    if not hints:
        hints.append("compare the config with the file, or pass ignore_invalid_weights=True for missing variables")
    raise CheckpointError(
        "%s does not fit %s; no weight was changed.\n  %s\nWhat to do: %s."
        % (report.path, type(transformer).__name__, "\n  ".join(shown), "; ".join(hints))
    )


def load_weights(transformer, checkpoint, mapping):
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
    view = open_view(checkpoint, transformer.model_key)
    pairs, report = collect(transformer, view, mapping)
    require(report, transformer, view)
    report_untrained(report, pairs)
    backend.assign_weights(pairs)  # here Keras is first asked for
    return report


def in_dialect(tensors, name, model):
    """Arrays under the names of a dialect.

    Arguments:
        tensors: dict from canonical name to array.
        name: of the dialect or its family; None for the canonical names.
        model: the architecture that they are of, by its `model=`.

    Returns:
        dict from name to array.

    Raises:
        ConfigError: no dialect has that name.
        CheckpointError: the dialect has no name for a variable.
    """
    if name is None:
        return tensors
    dialect = dialect_named(name, model)
    renamed, unknown = written(tensors, dialect)
    if unknown:
        raise CheckpointError(
            "the dialect %s has no name for %s; write canonical names (dialect=None)"
            % (dialect.name, ", ".join(unknown[:5]))
        )
    return renamed


def dialect_named(name, model):
    """The Dialect of a name, or that of a family which is made for a model.

    Arguments:
        name: of the dialect or its family.
        model: the architecture, by its `model=`.

    Raises:
        ConfigError: no dialect has that name.
    """
    known = dialects()
    named = [d for d in known if name in (d.name, d.family)]
    if not named:
        raise ConfigError("dialect=%r is not known. Known: %s." % (name, ", ".join(sorted({d.family for d in known}))))
    exact = [d for d in named if d.name == name and d.family != name]
    return exact[0] if exact else member(known, named[0], model)
