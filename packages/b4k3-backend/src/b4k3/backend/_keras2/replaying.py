"""Run a network again with another value of one weight, on Keras 2, which has no scope for that.

A layer of ours reads its weight by `weight_value`. While a network is replayed, that is the other value; in a graph the
losses that our layers add are collected; and their metrics are not counted again.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Iterator

from ..types import Tensor


class Replay:
    """What is known while a network runs again.

    Arguments:
        variable: variable. The weight.
        value: tensor. What is read in its place.
    """

    def __init__(self, variable: Any, value: Tensor) -> None:
        self.variable, self.value = variable, value
        self.losses: list[Tensor] = []
        self.was_read = False


class _Current(threading.local):
    """The replay that this thread is in, or None."""

    replay: Replay | None = None


_current = _Current()


def current_replay() -> Replay | None:
    """Return the replay that this thread is in, or None."""
    return _current.replay


@contextlib.contextmanager
def replaying(variable: Any, value: Tensor) -> Iterator[Replay]:
    """Make layers read another value in the place of a variable inside a `with` block.

    Arguments:
        variable: variable. The weight.
        value: tensor. What is read in its place.

    Yields:
        Replay. The losses that layers add.
    """
    before, _current.replay = _current.replay, Replay(variable, value)
    try:
        yield _current.replay
    finally:
        _current.replay = before


def weight_value(variable: Any) -> Any:
    """Return what a layer computes with in the place of a variable: the variable, or the value of a replay.

    Arguments:
        variable: variable of Keras. A weight of a layer.

    Returns:
        The variable, or a tensor of its shape.
    """
    replay = _current.replay
    if replay is None or replay.variable is not variable:
        return variable
    replay.was_read = True
    return replay.value
