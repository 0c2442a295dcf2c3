"""Copy initializers, and keep them from drawing random values that nobody will use."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Iterator

_state = threading.local()


def skipping() -> bool:
    """Return True if initializers of this thread must not draw random values now.

    Returns:
        bool. True inside a block of `skip_initialization`.
    """
    return getattr(_state, "skipping", False)


@contextlib.contextmanager
def skip_initialization(skip: bool = True) -> Iterator[None]:
    """Make our random initializers give zeros inside a `with` block.

    It is for weights that a checkpoint will overwrite, for which drawing random values would be wasted work. The
    configs that initializers save do not change.

    Arguments:
        skip: bool. False leaves the initializers as they are.

    Returns:
        A context manager.

    Example:
        >>> with skip_initialization():
        ...     zeros = TruncatedNormal(stddev=0.02)((2, 3))  # [2, 3]
    """
    before = skipping()
    _state.skipping = bool(skip)
    try:
        yield
    finally:
        _state.skipping = before


def copy_initializer(initializer: Any) -> Any:
    """Copy an initializer, so that a second weight gets random values of its own.

    Keras 3, and tf.keras since 2.10, give the same values every time one initializer without a seed is called.

    Arguments:
        initializer: keras.initializers.Initializer. Another callable, which has no config, is returned itself.

    Returns:
        An initializer of the same class and config.

    Example:
        >>> first = keras.initializers.GlorotUniform()
        >>> second = copy_initializer(first)
    """
    if not hasattr(initializer, "get_config"):
        return initializer
    return type(initializer).from_config(initializer.get_config())
