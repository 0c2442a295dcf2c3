"""What initializers have in common on every row: how to copy them, and a switch that keeps them from drawing."""

from __future__ import annotations

import contextlib
import threading

_state = threading.local()


def skipping():
    """Whether initializers of this thread shall not draw."""
    return getattr(_state, "skipping", False)


@contextlib.contextmanager
def skip_initialization(skip=True):
    """Inside the block, our random initializers give zeros. What they save in a config is not touched.

    For weights that a checkpoint is going to fill: drawing them first would be wasted work.
    """
    before = skipping()
    _state.skipping = bool(skip)
    try:
        yield
    finally:
        _state.skipping = before


def copy_initializer(initializer):
    """A copy of an initializer, for each weight beyond the first that is to have values of its own.

    One unseeded object of Keras 3 or of tf.keras from 2.10 on gives the same values whenever it is called.

    Arguments:
        initializer: one of Keras' initializers; any other callable is returned as it is.
    """
    if not hasattr(initializer, "get_config"):
        return initializer
    return type(initializer).from_config(initializer.get_config())
