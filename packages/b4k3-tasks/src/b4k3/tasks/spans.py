"""Spans of a text, and what to do where spans of several windows overlap."""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple, Sequence

from b4k3.models import ConfigError


class Span(NamedTuple):
    """A part of a text.

    Attributes:
        start: int. The index of its first character.
        end: int. The index after its last character.
        label: str. What it is.
        score: float. How sure the model is, from 0 to 1.
        text: str. Its characters.

    Example:
        >>> from b4k3.tasks import Span
        >>> span = Span(1, 4, "LOC", 0.9, "上海市")
        >>> "在上海市"[span.start : span.end] == span.text
        True
    """

    start: int
    end: int
    label: str
    score: float = 1.0
    text: str = ""


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """Choose among spans that overlap, as the windows of a long text find them: the longer one, or else the surer one.

    A span is compared with the one that was chosen last. For example, a window that ends within "上海市" finds "上海",
    and the next window finds "上海市", which is kept.

    Arguments:
        spans: iterable of `Span`.

    Returns:
        list of `Span`, by their starts.

    Example:
        >>> from b4k3.tasks.spans import Span, without_overlaps
        >>> without_overlaps([Span(1, 3, "LOC", 0.9, "上海"), Span(1, 4, "LOC", 0.7, "上海市")])
        [Span(start=1, end=4, label='LOC', score=0.7, text='上海市')]

    Reference: the pipeline "token-classification" of https://github.com/huggingface/transformers
    """
    chosen: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        last = chosen[-1] if chosen else None
        if last is None or not last.start <= span.start < last.end:
            chosen.append(span)
        elif (span.end - span.start, span.score) > (last.end - last.start, last.score):
            chosen[-1] = span
    return chosen


def without_repetitions(spans: Iterable[Span]) -> list[Span]:
    """Keep each span once, with its best score, if several windows of a long text find it. Others may overlap.

    Arguments:
        spans: iterable of `Span`.

    Returns:
        list of `Span`, by start, end and label.

    Example:
        >>> from b4k3.tasks.spans import Span, without_repetitions
        >>> [span.score for span in without_repetitions([Span(1, 3, "LOC", 0.9), Span(1, 3, "LOC", 0.7)])]
        [0.9]
    """
    best: dict[tuple[int, int, str], Span] = {}
    for span in spans:
        key = span[:3]
        if key not in best or span.score > best[key].score:
            best[key] = span
    return [best[key] for key in sorted(best)]


def checked_spans(spans: Iterable[Any], texts: Sequence[str], what: str = "spans") -> list[list[Span]]:
    """Check the spans that a user gives for training.

    Arguments:
        spans: iterable of lists. The spans of each text: `Span`, or (start, end, label).
        texts: list of str.
        what: str. The name of the argument, for the message.

    Returns:
        list of lists of `Span`.

    Raises:
        ConfigError: there is not one list for each text, or a span has another form or lies outside its text.

    Example:
        >>> from b4k3.tasks.spans import checked_spans
        >>> checked_spans([[(1, 3, "LOC")]], ["在上海"])
        [[Span(start=1, end=3, label='LOC', score=1.0, text='上海')]]
    """
    if isinstance(spans, (str, bytes)) or not hasattr(spans, "__iter__"):
        raise ConfigError(f"{what}: expected a list of lists, one for each text, got {type(spans).__name__}")
    listed = list(spans)
    for i, row in enumerate(listed):
        if isinstance(row, (str, bytes)) or not hasattr(row, "__iter__"):
            raise ConfigError(f"{what}[{i}]: expected a list of spans, got {type(row).__name__}")
    if len(listed) != len(texts):
        raise ConfigError(f"{what}: expected {len(texts)}, one for each text, got {len(listed)}")
    return [[_checked(span, text, f"{what}[{i}]") for span in row] for i, (row, text) in enumerate(zip(listed, texts))]


def _checked(span: Any, text: str, where: str) -> Span:
    """Return a span that a user gives."""
    if not isinstance(span, (tuple, list)) or len(span) < 3 or not isinstance(span[2], str):
        raise ConfigError(f"{where} has {span!r:.80}, expected (start, end, label)")
    start, end, label = span[:3]
    if not all(hasattr(x, "__index__") for x in (start, end)) or not 0 <= start < end <= len(text):
        raise ConfigError(f"{where} has {span!r:.80}, expected 0 <= start < end <= {len(text)}, the length of the text")
    return Span(int(start), int(end), label, text=text[start:end])
