"""Pictures of a training and of answers: curves, confusion matrices, similarities. They need matplotlib.

Every function returns a `matplotlib.figure.Figure`. It belongs to no window, so it works without a screen: a notebook
shows it, and `figure.savefig("curves.png")` writes it. With pyplot, give `figure=plt.figure()` and call `plt.show()`.
"""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any, Hashable, Iterable, Mapping, NamedTuple, Sequence

import numpy as np

from b4k3.models import ConfigError

from .plot_fonts import families_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

MAX_NAME = 30  # longer names and texts are cut
SHORT = 5  # names up to this length stand upright below their columns
MAX_CELLS = 20  # in larger matrices no numbers are written into the cells


class Confusion(NamedTuple):
    """How often each label was predicted for each label.

    Attributes:
        matrix: int64 array, [n, n]. Row i, column j: how many texts with the label i were predicted to be j.
        names: list of the labels, in the order of rows and columns.

    Example:
        >>> from b4k3.tasks import confusion_matrix
        >>> confusion_matrix(["no", "yes", "yes"], ["no", "no", "yes"]).names
        ['no', 'yes']
    """

    matrix: NDArray[np.int64]
    names: list[Any]


def confusion_matrix(
    labels: Iterable[Hashable], predictions: Iterable[Hashable], names: Iterable[Hashable] | None = None
) -> Confusion:
    """Count how often each label was predicted for each label. This needs no matplotlib.

    Arguments:
        labels: iterable of str or int. The right labels.
        predictions: iterable of str or int, as many. What was predicted.
        names: iterable of str or int, or None. The labels in the order of rows and columns, such as
            `classifier.labels`. None takes those that occur, sorted.

    Returns:
        `Confusion`: the int64 array, [n, n], and the list of the n labels.

    Raises:
        ConfigError: there are not as many labels as predictions, a label is not among the names, or it is a list.

    Example:
        >>> from b4k3.tasks import confusion_matrix
        >>> confusion_matrix(["no", "yes", "yes"], ["no", "no", "yes"]).matrix
        array([[1, 0],
               [1, 1]])
    """
    right, predicted = _labels(labels, "labels"), _labels(predictions, "predictions")
    if len(right) != len(predicted):
        raise ConfigError(f"{len(right)} labels and {len(predicted)} predictions; there must be as many of both")
    if names is None:
        order = sorted(set(right) | set(predicted), key=lambda label: (isinstance(label, str), label))
    else:
        order = _labels(names, "names")
    places = {label: i for i, label in enumerate(order)}
    if len(places) < len(order):
        raise ConfigError(f"names has a label twice: {order}")
    for what, found in (("labels", right), ("predictions", predicted)):
        unknown = sorted({repr(label) for label in found if label not in places})
        if unknown:
            raise ConfigError(f"{what} has {', '.join(unknown[:5])}, which names does not have: {order}")
    matrix = np.zeros((len(order), len(order)), dtype="int64")
    rows, columns = ([places[label] for label in found] for found in (right, predicted))
    np.add.at(matrix, (np.array(rows, dtype="int64"), np.array(columns, dtype="int64")), 1)
    return Confusion(matrix, order)


def _labels(labels: Any, what: str, kinds: tuple[type, ...] = (str, int)) -> list[Any]:
    """Return labels as a list of str and int; raise ConfigError if there is anything else."""
    expected = " or ".join(kind.__name__ for kind in kinds)
    if isinstance(labels, (str, bytes)) or not hasattr(labels, "__iter__"):
        raise ConfigError(f"{what}: expected a list of {expected}, got {type(labels).__name__}")
    listed = [label.item() if isinstance(label, np.generic) else label for label in labels]
    for i, label in enumerate(listed):
        if not isinstance(label, kinds):
            raise ConfigError(f"{what}[{i}] is {type(label).__name__}, expected {expected}")
    return listed


# ----------------------------------------------------------------------------------------------------- pictures


def plot_confusion(
    labels: Iterable[Hashable],
    predictions: Iterable[Hashable],
    names: Iterable[Hashable] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw a confusion matrix. Colours show the share of each right label, and the cells have the counts.

    Arguments:
        labels: iterable of str or int. The right labels.
        predictions: iterable of str or int, as many. What was predicted.
        names: iterable of str or int, or None. The labels in the order of rows and columns, such as
            `classifier.labels`. None takes those that occur, sorted.
        figure: matplotlib Figure or None. The figure to draw on, `plt.figure()` for example. None makes one.

    Returns:
        The Figure.

    Raises:
        ConfigError: as `confusion_matrix` says.
        ImportError: matplotlib is not installed.
    """
    matrix, order = confusion_matrix(labels, predictions, names)
    if not order:
        raise ConfigError("there are no labels to draw")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure = _figure(figure, _size(len(order), len(order)))
    axes = _heat_map(figure, shares, (0.0, 1.0), matrix, "d", order, order)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
    return figure


def plot_similarity(
    texts: Sequence[str], matrix: Any, columns: Sequence[str] | None = None, figure: Figure | None = None
) -> Figure:
    """Draw how alike texts are.

    Arguments:
        texts: sequence of str. The texts of the rows.
        matrix: float array, [n, m]. What `TextEncoder.similarity` returns.
        columns: sequence of str, or None. The texts of the columns; None takes the rows again.
        figure: matplotlib Figure or None. The figure to draw on, `plt.figure()` for example. None makes one.

    Returns:
        The Figure.

    Raises:
        ConfigError: the matrix has another shape, or something in it is not a number.
        ImportError: matplotlib is not installed.
    """
    rows = _labels(texts, "texts", (str,))
    below = rows if columns is None else _labels(columns, "columns", (str,))
    values = np.asarray(matrix, dtype="float32")
    if not rows or not below:
        raise ConfigError("there are no texts to draw")
    if values.shape != (len(rows), len(below)):
        raise ConfigError(f"matrix is {list(values.shape)}, expected [{len(rows)}, {len(below)}] for these texts")
    if not np.isfinite(values).all():
        raise ConfigError("matrix has a NaN or an infinity, which has no colour")
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    high = 1.0 if low >= -1.001 and high <= 1.001 else high  # cosines
    figure = _figure(figure, _size(len(rows), len(below)))
    _heat_map(figure, values, (low, high), values, ".2f", rows, below)
    return figure


def plot_history(history: Any, figure: Figure | None = None) -> Figure:
    """Draw the curves of a training: one picture for each metric, with the curve of the validation data beside it.

    Arguments:
        history: the History that `fit` returns, or its dict from the name of a metric to one number for each epoch.
        figure: matplotlib Figure or None. The figure to draw on, `plt.figure()` for example. None makes one.

    Returns:
        The Figure, with one Axes for each metric.

    Raises:
        ConfigError: this is no history, or nothing was trained yet.
        ImportError: matplotlib is not installed.
    """
    curves = getattr(history, "history", history)
    if not isinstance(curves, Mapping) or not all(np.ndim(values) == 1 for values in curves.values()):
        raise ConfigError(f"history is {type(history).__name__}, expected what fit returned, or its dict `history`")
    if not any(len(values) for values in curves.values()):
        raise ConfigError("history has no epochs: call fit with epochs=1 or more")
    metrics = list(dict.fromkeys(name[4:] if name[4:] in curves and name[:4] == "val_" else name for name in curves))
    figure = _figure(figure, (5.0 * len(metrics), 3.6))
    families = families_for(metrics)
    epochs = max(map(len, curves.values()))
    for i, metric in enumerate(metrics):
        axes = figure.add_subplot(1, len(metrics), i + 1)
        for name, label in ((metric, "training"), ("val_" + metric, "validation")):
            values = curves.get(name, ())
            if len(values):
                every = epochs // len(values)  # Keras validates every so many epochs
                axes.plot(range(every, epochs + 1, every)[: len(values)], values, "o-", markersize=4, label=label)
        axes.set_title(metric, fontfamily=families, parse_math=False)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if "val_" + metric in curves:
            axes.legend()
    return figure


# ------------------------------------------------------------------------------------------------------ helpers


def _figure(figure: Figure | None, size: tuple[float, float]) -> Figure:
    """Return the given figure, or a new one of so many inches that no window shows."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise ImportError('pictures need matplotlib: pip install "b4k3-tasks[plot]"', name=error.name) from None
    if figure is None:
        return _picture_class(Figure)(figsize=size, layout="constrained")
    if hasattr(figure, "set_layout_engine") and figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")  # which leaves room for long names
    return figure


@functools.lru_cache(maxsize=None)
def _picture_class(figure: Any) -> Any:
    """Make the class of a figure that a notebook shows although pyplot does not know it."""

    class Picture(figure):  # type: ignore[misc]
        """A figure with the picture that a notebook shows."""

        def _repr_png_(self) -> bytes:
            data = io.BytesIO()
            self.savefig(data, format="png", bbox_inches="tight")
            return data.getvalue()

    return Picture


def _size(rows: int, columns: int) -> tuple[float, float]:
    """Return the width and height of a heat map, in inches."""
    return min(3.5 + 0.6 * columns, 16.0), min(2.5 + 0.5 * rows, 14.0)


def _heat_map(
    figure: Figure,
    colours: NDArray[Any],
    limits: tuple[float, float],
    numbers: NDArray[Any],
    form: str,
    rows: Sequence[Any],
    columns: Sequence[Any],
) -> Any:
    """Draw a matrix as colours, with its numbers in the cells if there is room. Return the axes."""
    rows, columns = list(map(_name, rows)), list(map(_name, columns))
    style = {"fontfamily": families_for(rows + columns), "parse_math": False}
    axes = figure.add_subplot()
    image = axes.imshow(colours, vmin=limits[0], vmax=limits[1], cmap="viridis", aspect="auto")
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, columns)) > SHORT else {}
    axes.set_xticks(range(len(columns)), labels=columns, **slanted, **style)
    axes.set_yticks(range(len(rows)), labels=rows, **style)
    figure.colorbar(image, ax=axes)
    if max(len(rows), len(columns)) <= MAX_CELLS:
        for (i, j), number in np.ndenumerate(numbers):
            red, green, blue, _ = image.to_rgba(colours[i, j])
            colour = "black" if 0.3 * red + 0.6 * green + 0.1 * blue > 0.5 else "white"
            axes.text(j, i, format(number, form), ha="center", va="center", color=colour)
    return axes


def _name(text: Any) -> str:
    """Return a text as it stands beside a row: in one line, without control characters, and not too long."""
    one = "".join(c for c in " ".join(str(text).split()) if c.isprintable())
    return one if len(one) <= MAX_NAME else one[: MAX_NAME - 1] + "…"
