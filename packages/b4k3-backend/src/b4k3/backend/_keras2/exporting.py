"""Keras 2 writes no graphs for other programs; Keras 3 does."""

from __future__ import annotations

from typing import Any

from .._missing import BackendError


def write_graph(format: str, *arguments: Any, **options: Any) -> None:
    """Refuse to write a graph.

    Arguments:
        format: str. The format that was asked for.
        arguments: further arguments, which nobody reads.
        options: further options, which nobody reads.

    Raises:
        BackendError: always.
    """
    raise BackendError(
        f"{format!r} is written by Keras 3 only; save the weights with `save_weights_as_checkpoint`, and export in an "
        "environment with Keras 3: pip install 'b4k3[torch]' or 'b4k3[tensorflow]'"
    )
