"""Show a network or a load report as a short text, and in a notebook as a small table.

Both are made of the same facts: a title, and rows of a label and a text. For example:

    BERT
      network      12 blocks, 12 heads, hidden_size 768, intermediate_size 3072, vocab_size 21128
      parameters   101,677,056, all trainable, float32
      checkpoint   chinese_L-12_H-768_A-12/bert_model.ckpt (google names)
      loaded       complete: 197 variables
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, List, Sequence, Tuple

import numpy as np

from b4k3 import backend

from .errors import shorten

if TYPE_CHECKING:
    from .loading import LoadReport

    Facts = Tuple[str, List[Tuple[str, str]]]  # the title, and rows of (label, text)

MAX_ROWS = 20  # with its title a text fits on one screen
MAX_TEXT = 160
_SIZES = ("hidden_size", "intermediate_size", "vocab_size", "max_position")
_CELL = "text-align:left;vertical-align:top;padding:1px 10px 1px 0;border:none;white-space:normal"


class Described:
    """The base of what shows itself by facts. A subclass says them in `_facts`.

    Example:
        >>> class Point(Described):
        ...     def _facts(self):
        ...         return "Point", [("x", "1"), ("y", "a < b")]
        >>> Point()
        Point
          x   1
          y   a < b
        >>> "a &lt; b" in Point()._repr_html_()
        True
    """

    def _facts(self) -> Facts:
        """Return the title and the rows."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return as_text(self._facts())

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        return as_html(self._facts())


def as_text(facts: Facts) -> str:
    """Write facts as lines.

    Arguments:
        facts: (title, list of (label, text)).

    Returns:
        str. At most 21 lines, of at most 160 characters after the label.
    """
    title, rows = _checked(facts)
    width = max([len(label) for label, _ in rows] + [0]) + 3
    return "\n".join([title] + [f"  {label.ljust(width)}{text}" for label, text in rows])


def as_html(facts: Facts) -> str:
    """Write facts as a table of HTML. It has no colour of its own, so that it can be read on any background.

    Arguments:
        facts: (title, list of (label, text)).

    Returns:
        str. All texts are escaped, and nothing is loaded from elsewhere.
    """
    title, rows = _checked(facts)
    lines = [
        f'<tr><th scope="row" style="{_CELL};font-weight:normal;opacity:0.7">{html.escape(label)}</th>'
        f'<td style="{_CELL}">{html.escape(text)}</td></tr>'
        for label, text in rows
    ]
    caption = f'<caption style="text-align:left;font-weight:bold;color:inherit">{html.escape(title)}</caption>'
    return f'<table style="border:none;border-collapse:collapse;color:inherit">{caption}{"".join(lines)}</table>'


def _checked(facts: Facts) -> Facts:
    """Cut what is too long, and escape what a terminal would not print."""
    title, rows = facts
    shown = [(label, printable(text)) for label, text in rows]
    if len(shown) > MAX_ROWS:
        left_out = ("…", f"{len(shown) - MAX_ROWS + 1} more")
        shown = shown[: MAX_ROWS - 1] + [left_out]
    return printable(title), shown


def printable(text: str, limit: int = MAX_TEXT) -> str:
    """Escape control characters, which file names may have, and cut a text that is too long in the middle.

    Arguments:
        text: str.
        limit: int. The largest number of characters.

    Returns:
        str of one line.

    Example:
        >>> printable("a\\nb")
        'a\\\\nb'
    """
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return shorten(escaped, limit)


# ------------------------------------------------------------------------------------------------- a load report


def verdict(report: LoadReport) -> str:
    """Say in one line whether a checkpoint filled all weights of a model.

    Arguments:
        report: `LoadReport`.

    Returns:
        str. It begins with "complete" if the file has all weights, and otherwise with "incomplete".
    """
    wrong = [
        f"{len(names)} {what}"
        for names, what in (
            (report.missing, "missing"),
            (report.mismatched, "of another shape"),
            (report.not_floats, "without floating-point numbers"),
            (report.unread, "not read"),
        )
        if names
    ]
    if not wrong and report.initialized:
        wrong = [f"only the model has {_first([f'{layer} {weight}' for layer, weight in report.initialized])}"]
    loaded = counted(len(report.loaded), "variable")
    return "; ".join([f"incomplete: {loaded}", *wrong]) if wrong or not report.loaded else f"complete: {loaded}"


def facts_of_report(report: LoadReport) -> Facts:
    """Collect the facts about what happened to the variables of a checkpoint.

    Arguments:
        report: `LoadReport`.

    Returns:
        (title, list of (label, text)).
    """
    rows = [("file", report.path), ("names", report.dialect), ("loaded", verdict(report))]
    rows += [("problem", line) for line in report.problems()]
    rows += [("resized", f"{name} {list(a)} -> {list(b)} for {layer}") for layer, name, a, b in report.resized]
    kinds: dict[str, list[str]] = {}
    for name, kind in report.unexpected:
        kinds.setdefault(kind or "not used", []).append(name)
    rows += [("file only", f"{kind}: {_first(names)}") for kind, names in sorted(kinds.items())]
    return "LoadReport", rows + [("note", note) for note in report.notes]


def _first(names: Sequence[str]) -> str:
    """Count names, and say the first one."""
    return f"{len(names)} ({names[0]}, …)" if len(names) > 1 else names[0]


class DescribedReport(Described):
    """The part of `LoadReport` that shows it.

    Example:
        >>> from b4k3.models import LoadReport
        >>> LoadReport("bert_model.ckpt", "google")
        LoadReport
          file     bert_model.ckpt
          names    google
          loaded   incomplete: 0 variables
    """

    def _facts(self) -> Facts:
        report: Any = self
        return facts_of_report(report)


# ------------------------------------------------------------------------------------------------------ a network


class DescribedNetwork(Described):
    """The part of `Transformer` that shows it.

    Example:
        >>> from b4k3.models import BERT
        >>> BERT(vocab_size=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24)
        BERT
          network   2 blocks, 2 heads, hidden_size 16, intermediate_size 24, vocab_size 20, max_position 512
          model     not built yet
    """

    def _facts(self) -> Facts:
        transformer: Any = self
        return facts_of_network(transformer)


def facts_of_network(transformer: Any) -> Facts:
    """Collect the facts about a network: its sizes, parameters, heads and checkpoint.

    Arguments:
        transformer: `Transformer`.

    Returns:
        (title, list of (label, text)).
    """
    title = type(transformer).__name__
    if not hasattr(transformer, "built"):  # the last attribute that its constructor sets
        return title, [("network", "not initialised yet")]
    rows = [("network", _network(transformer))]
    if not transformer.built:
        return title, rows + [("model", "not built yet")]
    rows.append(("parameters", _parameters(transformer.model)))
    heads = transformer.description.heads
    names = [part.name for part in heads if getattr(transformer, part.argument or "", False)]
    rows += [("heads", ", ".join(names) or "none")] if heads else []
    names_of_inputs = {id(x): name for name, x in transformer.layers.items()}
    rows.append(("inputs", ", ".join(names_of_inputs.get(id(x)) or _shape(x) for x in transformer.inputs)))
    rows.append(("outputs", ", ".join(map(_shape, transformer.outputs))))
    report = transformer.load_report
    if report is None:
        return title, rows + [("checkpoint", "none: the weights are as they were initialised")]
    return title, rows + [("checkpoint", f"{report.path} ({report.dialect} names)"), ("loaded", verdict(report))]


def _network(transformer: Any) -> str:
    """Say how large a network is."""
    blocks = str(transformer.num_hidden_layers)
    decoder = getattr(transformer, "num_decoder_layers", None)
    if decoder is not None and decoder != transformer.num_hidden_layers:
        blocks += f" + {decoder}"
    counts = [counted(blocks, "block"), counted(transformer.num_attention_heads, "head")]
    sizes = [(key, getattr(transformer, key, None)) for key in _SIZES]
    return ", ".join(counts + [f"{key} {size}" for key, size in sizes if size])


def counted(count: object, what: str) -> str:
    """Write a count with its noun.

    Arguments:
        count: int, or str that is no number.
        what: str. The noun.

    Returns:
        str.

    Example:
        >>> counted(1, "block"), counted(2, "block")
        ('1 block', '2 blocks')
    """
    return f"{count} {what}{'' if str(count) == '1' else 's'}"


def _parameters(model: Any) -> str:
    """Count the parameters of a Keras model, and say how many are trainable."""
    weights = list({id(weight): weight for weight in model.weights}.values())
    trained = {id(weight) for weight in model.trainable_weights}
    total = sum(map(_count, weights))
    trainable = sum(_count(weight) for weight in weights if id(weight) in trained)
    dtypes = ", ".join(sorted({str(backend.dtype(weight)) for weight in weights}))
    return f"{total:,}, {'all' if trainable == total else f'{trainable:,}'} trainable, {dtypes}"


def _count(weight: Any) -> int:
    """Count the numbers of a weight."""
    return int(np.prod([int(size) for size in weight.shape], dtype="int64"))


def _shape(x: Any) -> str:
    """Write the shape of a symbolic tensor, [batch, n, 768] for example."""
    sizes = [getattr(size, "value", size) for size in x.shape]  # TensorFlow 1 has objects there
    letters = iter(["batch", "n", "m"])
    return f"[{', '.join(next(letters, '?') if size is None else str(size) for size in sizes)}]"
