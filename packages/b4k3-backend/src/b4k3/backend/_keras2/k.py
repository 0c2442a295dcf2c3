"""The names of Keras 2's own backend, and the few that it lacks or that mean something else there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import ops
from .flavour import keras

if TYPE_CHECKING:
    from typing import Any, Callable, Sequence

    from ..types import Tensor

_K = keras.backend


def is_tensor(x: Any) -> bool:
    """Return whether x is a tensor or a variable."""
    return ops.is_tensor(x)


def is_keras_tensor(x: Any) -> bool:
    """Return whether x is a symbolic tensor. For what is no tensor it returns False; Keras' own function raises."""
    return ops.is_tensor(x) and hasattr(x, "_keras_history")


def identity(x: Tensor) -> Tensor:
    """Return a copy of a tensor."""
    return ops.copy(x)


def slice(x: Tensor, start: Sequence[int], size: Sequence[int]) -> Tensor:
    """Cut out the block of a size that begins at some indices."""
    return ops.slice(x, start, size)


def symbolic(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function that builds a graph, as keras 2.3.1 wants it; elsewhere return the function as it is.

    Arguments:
        func: function. It builds a part of a graph.

    Returns:
        A function with the same arguments.
    """
    return getattr(_K, "symbolic", lambda f: f)(func)


def __getattr__(name: str) -> Any:
    return getattr(_K, name)


def __dir__() -> list[str]:
    return sorted(set(dir(_K)) | {"identity", "is_keras_tensor", "is_tensor", "slice", "symbolic"})
