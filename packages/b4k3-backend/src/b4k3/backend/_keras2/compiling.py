"""Running functions on tensors, compiled: what a loop of decoding stands on."""

from __future__ import annotations

import weakref
from typing import Any, Callable, Iterable

import numpy as np
import tensorflow.compat.v2 as tf

from .._tracing import tracing
from ..types import Tensor
from . import ops
from .layer import TF1
from .sessions import entered, graph_of

runs_eagerly = False  # whether `compiled` leaves a function as it is
cache_orders = ((0, 1, 2, 3), (0, 1, 2, 3))  # in which decoding keeps keys and values: batch, n, heads, size


def compiled(function, variables=(), donate=False):
    """Compile a function once for each structure and shapes of its arguments.

    Arguments:
        function: from nests (lists and dicts) of tensors to such a nest. It must not keep a tensor.
        variables: the weights that it reads; TensorFlow sees their newest values without help.
        donate: whether the buffers of the first argument may be reused: use what the function returns instead.

    Returns:
        A function of nests of arrays and tensors.
    """
    return GraphFunction(function, variables) if TF1 else traced_once(tf.function(function, autograph=False))


def traced_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make the first call of a `tf.function` exclusive: TensorFlow 2.2 traces it then, and takes no lock.

    Arguments:
        function: tf.function. It is traced by its first call.

    Returns:
        The same function, which threads may share from its first call on.
    """
    done = []

    def call(*arguments: Any) -> Any:
        """Call the function, under the lock of tracing until one call has ended well."""
        if done:
            return function(*arguments)
        with tracing:
            result = function(*arguments)
            done.append(True)
        return result

    return call


class GraphFunction:
    """Do what `tf.function` does for TensorFlow 1: add the function to a graph once, and run it there by a session.

    Arguments:
        function: function. It takes nests (lists and dicts) of tensors and returns such a nest, as for `compiled`.
        variables: iterable of variables. The weights that the function reads. It is added to their graph, whichever
            thread calls; without variables it is added to the default graph of the thread.
    """

    def __init__(self, function: Callable[..., Any], variables: Iterable[Tensor] = ()):
        self.function = function
        self.graph = graph_of(list(variables))
        self.traces = weakref.WeakKeyDictionary()  # graph -> {key: (placeholders, results)}

    def __call__(self, *arguments: Any) -> Any:
        graph = tf.compat.v1.get_default_graph() if self.graph is None else self.graph
        arrays = [np.asarray(x) for x in tf.nest.flatten(arguments)]
        structure = tf.nest.map_structure(lambda x: 0, arguments)
        key = str(structure), tuple((x.dtype, x.shape) for x in arrays)
        with tracing, entered(graph) as session:
            traces = self.traces.setdefault(graph, {})
            if key not in traces:
                traces[key] = self.trace(structure, arrays)
            feeds, fetches = traces[key]
        return session.run(fetches, dict(zip(feeds, arrays)))

    def trace(self, structure, arrays):
        feeds = [tf.compat.v1.placeholder(x.dtype, x.shape) for x in arrays]
        outputs = self.function(*tf.nest.pack_sequence_as(structure, feeds))
        return feeds, tf.nest.map_structure(tf.identity, outputs)


def while_loop(condition, body, state):
    """`while condition(state): state = body(state)`, within the compiled function.

    Arguments:
        condition: from the state to a bool scalar.
        body: from the state to the next, of the same structure, shapes and dtypes.
        state: a dict of nests of tensors.
    """
    return ops.while_loop(lambda *s: condition(s[0]), lambda *s: (body(s[0]),), (state,))[0]


def write_at(buffer, start, x, axis):
    """Write x into a buffer from `start` on.

    Arguments:
        buffer: tensor.
        start: scalar int.
        x: tensor, of the buffer's shape but for the axis.
        axis: the axis to count along, not negative.

    Returns:
        The buffer: use it instead of the one given.
    """
    starts = [start if i == axis else 0 for i in range(len(buffer.shape))]
    return ops.slice_update(buffer, starts, x)


def call_layer(layer, inputs, **arguments):
    """Call a layer on tensors; without what Keras does around a call, where that changes no number.

    Arguments:
        layer: a layer, which the first call builds.
        inputs: what it takes.
        arguments: of its `call`.
    """
    policy = getattr(layer, "_dtype_policy", None)
    if layer.built and getattr(policy, "compute_dtype", None) == getattr(policy, "variable_dtype", None):
        return layer.call(inputs, **arguments)
    return layer(inputs, **arguments)  # Keras casts inputs and weights
