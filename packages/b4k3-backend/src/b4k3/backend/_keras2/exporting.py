"""Keras 2 writes no graphs for other programs; Keras 3 does."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Mapping, Sequence

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


@contextlib.contextmanager
def keras_export(format: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Iterator[None]:
    """Let Keras' own `export` do what it does.

    Arguments:
        format: str. Nobody reads it.
        inputs: list of tensors. Nobody reads it.
        options: dict. Nobody reads it.

    Returns:
        A context manager.
    """
    yield
