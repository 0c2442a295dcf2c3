"""Whether this thread writes a graph for other programs, so that layers take forms which those programs know.

onnxruntime fuses an attention only if it finds it spelled out: the product of queries and keys, its scale, the mask
that is added, the softmax. It does not look into one operation of torch that stands for all of these.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Iterator


class _Scope(threading.local):
    """What this thread does."""

    exporting = False


_scope = _Scope()


def exporting() -> bool:
    """Return whether this thread writes a graph for other programs.

    Returns:
        bool.
    """
    return _scope.exporting


@contextlib.contextmanager
def export_scope() -> Iterator[None]:
    """Let layers take the forms that other programs know, in this thread.

    Returns:
        A context manager.
    """
    before, _scope.exporting = _scope.exporting, True
    try:
        yield
    finally:
        _scope.exporting = before
