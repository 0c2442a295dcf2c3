"""A switch that leaves weights at zero which a checkpoint is going to fill: drawing them first would be wasted work."""

from __future__ import annotations

import contextlib
import threading

_state = threading.local()


def skipping():
    """Whether initializers of this thread shall not draw."""
    return getattr(_state, "skipping", False)


@contextlib.contextmanager
def skip_initialization(skip=True):
    """Inside the block, our random initializers give zeros. What they save in a config is not touched."""
    before = skipping()
    _state.skipping = bool(skip)
    try:
        yield
    finally:
        _state.skipping = before
