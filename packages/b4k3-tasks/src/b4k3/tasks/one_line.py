"""Show a task in one line."""

from __future__ import annotations

from typing import Any, Sequence

from b4k3.models.describing import counted, printable

MAX_LABELS = 5
MAX_LINE = 300


def one_line(task: Any, facts: Sequence[str] = ()) -> str:
    """Write what a task is: its class, its network and what else there is to say.

    Arguments:
        task: a task, whose attribute `transformer` is a `Transformer`.
        facts: sequence of str. They follow on the network; empty ones are left out.

    Returns:
        str of one line.

    Example:
        >>> from b4k3.tasks.one_line import one_line
        >>> class Echo:
        ...     transformer = None
        >>> one_line(Echo(), ["2 labels", ""])
        '<Echo: 2 labels>'
    """
    transformer = getattr(task, "transformer", None)
    network = []
    if transformer is not None:
        network = [type(transformer).__name__, counted(transformer.num_hidden_layers, "block")]
    maxlen = getattr(task, "maxlen", None)
    limit = [] if maxlen is None else [f"at most {counted(maxlen, 'token')}"]
    shown = ", ".join(network + [fact for fact in facts if fact] + limit)
    return printable(f"<{type(task).__name__}: {shown}>" if shown else f"<{type(task).__name__}>", MAX_LINE)


def shown_labels(labels: Sequence[str] | None) -> str:
    """Count labels, and name the first ones.

    Arguments:
        labels: sequence of str, or None.

    Returns:
        str. It is empty if there are no labels.

    Example:
        >>> from b4k3.tasks.one_line import shown_labels
        >>> shown_labels(["negative", "positive"])
        '2 labels (negative, positive)'
        >>> shown_labels([str(i) for i in range(9)])
        '9 labels (0, 1, 2, 3, 4, …)'
    """
    if not labels:
        return ""
    names = [name if len(name) <= 30 else name[:29] + "…" for name in map(str, labels[:MAX_LABELS])]
    more = [] if len(labels) <= MAX_LABELS else ["…"]
    return f"{counted(len(labels), 'label')} ({', '.join(names + more)})"
