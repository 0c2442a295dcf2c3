"""Graphs and sessions of TensorFlow 1, where Keras keeps a session for each thread.

A thread that asks Keras for its session gets a new one, without the weights. So the session of a graph is noted when
the thread that owns it asks, and other threads get that one.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import Any, Iterator, Sequence

import tensorflow.compat.v2 as tf

from ..types import Tensor
from .flavour import keras

_sessions = weakref.WeakValueDictionary()  # id of a graph -> the session that holds its weights
_owners = weakref.WeakKeyDictionary()  # session -> the thread that Keras gave it to


def graph_of(tensors: Sequence[Tensor] | None) -> Any:
    """Return the graph that tensors are a part of.

    Arguments:
        tensors: sequence of symbolic tensors or variables of one graph, or None.

    Returns:
        tf.Graph; None if there are no tensors, or where TensorFlow is eager.
    """
    return None if tf.executing_eagerly() or not tensors else tensors[0].graph


def session_of(graph: Any) -> Any:
    """Return the session that holds the weights of a graph, whichever thread asks.

    Arguments:
        graph: tf.Graph. The graph of a model.

    Returns:
        tf.compat.v1.Session.

    Raises:
        RuntimeError: this thread has none, and none was noted.
    """
    session = tf.compat.v1.get_default_session()
    if session is not None and session.graph is graph:
        return session
    noted, here = _sessions.get(id(graph)), threading.get_ident()
    noted = noted if noted is not None and noted.graph is graph else None
    if tf.compat.v1.get_default_graph() is graph and (noted is None or _owners.get(noted) == here):
        session = keras_session()  # it is asked again, because the user may have set another one
        _sessions[id(graph)], _owners[session] = session, here
        return session
    if noted is None:
        raise RuntimeError(
            "this thread does not know the TensorFlow session of the model: make the Predictor, or call generate once, "
            "in the thread that built the model"
        )
    return noted


@contextlib.contextmanager
def entered(graph: Any) -> Iterator[Any]:
    """Enter a context in which a graph and its session are the default ones.

    Arguments:
        graph: tf.Graph. The graph of a model.

    Yields:
        tf.compat.v1.Session. The session of the graph.

    Raises:
        RuntimeError: this thread has no session of the graph, and none was noted.
    """
    with session_of(graph).as_default() as session, session.graph.as_default():
        yield session


def keras_session() -> Any:
    """Return the session that Keras keeps for this thread. Keras has initialised all variables in it."""
    backend = tf.compat.v1.keras.backend if keras is tf.keras else keras.backend
    return backend.get_session()
