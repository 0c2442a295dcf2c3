"""Running functions on tensors, compiled: what a loop of decoding stands on."""

from __future__ import annotations

import numpy as np
import tensorflow.compat.v2 as tf

from . import ops
from .flavour import keras
from .layer import TF1

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
    return GraphFunction(function) if TF1 else tf.function(function, autograph=False)


class GraphFunction:
    """`tf.function` for TensorFlow 1: a part of the session's graph with placeholders, run on arrays."""

    def __init__(self, function):
        self.function = function
        self.graph = None
        self.traces = {}

    def __call__(self, *arguments):
        arrays = [np.asarray(x) for x in tf.nest.flatten(arguments)]
        session = tf.compat.v1.keras.backend.get_session() if keras is tf.keras else keras.backend.get_session()
        if session.graph is not self.graph:  # the session was cleared
            self.graph, self.traces = session.graph, {}
        structure = tf.nest.map_structure(lambda x: 0, arguments)
        key = str(structure), tuple((x.dtype, x.shape) for x in arrays)
        if key not in self.traces:
            self.traces[key] = self.trace(structure, arrays)
        feeds, fetches = self.traces[key]
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
