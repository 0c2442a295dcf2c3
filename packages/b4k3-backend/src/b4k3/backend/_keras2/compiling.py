"""Compile functions of tensors, and the loop, the buffers and the layer calls of decoding."""

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

runs_eagerly = False  # True if `compiled` does not compile

# The order in which decoding keeps the axes of keys, and of values: batch 0, n 1, heads 2, size 3.
cache_orders = ((0, 1, 2, 3), (0, 1, 2, 3))


def compiled(function: Callable[..., Any], variables: Iterable[Any] = (), donate: bool = False) -> Callable[..., Any]:
    """Compile a function once for each structure and shapes of its arguments.

    Arguments:
        function: function. It takes nests (lists and dicts) of tensors and returns such a nest. It must not keep a
            tensor.
        variables: iterable of variables. The weights that the function reads. TensorFlow sees their newest values.
        donate: bool. It changes nothing on TensorFlow, which reuses no memory of arguments.

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

    Attributes:
        permanent: bool. True, as TensorFlow cannot remove a function from its graph: to drop this one frees nothing.
    """

    permanent = True

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

    def trace(self, structure: Any, arrays: list[Any]) -> tuple[list[Any], Any]:
        """Add the function to the default graph.

        Arguments:
            structure: nest. The structure of the arguments.
            arrays: list of arrays. The arguments; their dtypes and shapes are read.

        Returns:
            A pair: the placeholders of the arguments, and a nest of the results.
        """
        feeds = [tf.compat.v1.placeholder(x.dtype, x.shape) for x in arrays]
        outputs = self.function(*tf.nest.pack_sequence_as(structure, feeds))
        return feeds, tf.nest.map_structure(tf.identity, outputs)


def while_loop(
    condition: Callable[[dict[str, Any]], Any], body: Callable[[dict[str, Any]], dict[str, Any]], state: dict[str, Any]
) -> dict[str, Any]:
    """Run `while condition(state): state = body(state)` within the compiled function.

    Arguments:
        condition: function. From the state to a bool scalar.
        body: function. From the state to the next state, of the same structure, shapes and dtypes.
        state: dict of nests of tensors. The first state.

    Returns:
        dict. The first state for which the condition is False.
    """
    return ops.while_loop(lambda *s: condition(s[0]), lambda *s: (body(s[0]),), (state,))[0]


def write_at(buffer: Tensor, start: Any, x: Tensor, axis: int) -> Tensor:
    """Return a buffer with x written into it from `start` on.

    Arguments:
        buffer: [..., n, ...]. The buffer. Use the result in its place.
        start: int, or int tensor, []. The place in the axis.
        x: [..., k, ...]. The values, of the buffer's shape but for the axis.
        axis: int. The axis of size n, not negative.

    Returns:
        [..., n, ...]. The buffer with the values.
    """
    starts = [start if i == axis else 0 for i in range(len(buffer.shape))]
    return ops.slice_update(buffer, starts, x)


def call_layer(layer: Any, inputs: Any, **arguments: Any) -> Any:
    """Call a layer; skip what Keras does around a call if that changes no number.

    Arguments:
        layer: Keras layer. The first call builds it.
        inputs: tensor, or nest of tensors. The inputs.
        arguments: the other arguments of the layer's `call`.

    Returns:
        What the layer returns.
    """
    policy = getattr(layer, "_dtype_policy", None)
    if layer.built and getattr(policy, "compute_dtype", None) == getattr(policy, "variable_dtype", None):
        return layer.call(inputs, **arguments)
    return layer(inputs, **arguments)  # Keras casts inputs and weights
