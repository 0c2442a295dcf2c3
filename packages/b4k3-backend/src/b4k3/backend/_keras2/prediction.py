"""The forward pass of a model on TensorFlow, as a function that threads share."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable, Iterator

import numpy as np
import tensorflow.compat.v2 as tf

from .._runtime import major_minor
from .._tracing import ByShape
from ..types import Tensor
from .flavour import is_standalone, keras
from .sessions import entered, graph_of, session_of

INPUT_ERRORS = (tf.errors.InvalidArgumentError, TypeError, ValueError)
RELAXED = "reduce_retracing" if major_minor(tf.__version__) >= (2, 9) else "experimental_relax_shapes"


def most_tokens() -> int | None:
    """Return None: a larger batch takes TensorFlow no longer for each token."""
    return None


@contextlib.contextmanager
def model_scope(model: Any) -> Iterator[None]:
    """Enter a context in which layers of the model may be called to make another model, in any thread.

    Arguments:
        model: keras.Model. The model that has the layers.

    Yields:
        None.

    Raises:
        RuntimeError: this thread does not know the TensorFlow 1 session of the model.
    """
    if not tf.executing_eagerly():
        with entered(graph_of(model.outputs)):
            yield
        return
    if is_standalone and not hasattr(keras.backend.tensorflow_backend._SYMBOLIC_SCOPE, "value"):
        keras.backend.tensorflow_backend._SYMBOLIC_SCOPE.value = True  # keras 2.3 sets it in the main thread alone
    yield


def is_tensor(x: Any) -> bool:
    """Return whether x is a tensor of TensorFlow that holds values."""
    return hasattr(x, "numpy") and tf.is_tensor(x)


def is_optional(tensor: Tensor) -> bool:
    """Return whether None may be given for an input: Keras 2 has no optional inputs."""
    return False


def dtype_and_shape(tensor: Tensor) -> tuple[str, list[int | None] | None]:
    """Return dtype and shape of a symbolic tensor.

    Arguments:
        tensor: symbolic tensor. An input of a model.

    Returns:
        The name of the dtype, and the shape as a list, or None if not even the number of axes is known.
    """
    shape = tf.TensorShape(tensor.shape)
    return tf.as_dtype(tensor.dtype).name, None if shape.rank is None else shape.as_list()


def input_structure(model: Any) -> Any:
    """Return the symbolic inputs of a model in the structure in which it takes them: a list, tuple or dict, or one."""
    if is_standalone or not tf.executing_eagerly():
        return list(model.inputs)
    structure = getattr(model, "_nested_inputs", None)
    return list(model.inputs) if structure is None else structure


def forward(model: Any, max_shapes: int) -> Callable[[Any], Any]:
    """Make the function that runs a model.

    Arguments:
        model: keras.Model. The model.
        max_shapes: int. The number of shapes of inputs for which a compiled form is kept.

    Returns:
        A function from inputs, as the model takes them, to its outputs as numpy arrays. Threads may share it.

    Raises:
        RuntimeError: this thread does not know the TensorFlow 1 session of the model.
    """
    if not tf.executing_eagerly():
        graph = graph_of(model.outputs) or tf.compat.v1.get_default_graph()
        return in_session(model, graph) if model.inputs else one_at_a_time(model, graph)
    if not is_standalone:
        return graph_function(model, max_shapes)
    if not model.inputs:
        return one_at_a_time(model)
    function = keras.backend.function(list(model.inputs), list(model.outputs))
    return lambda x: unwrapped([np.asarray(y) for y in function(x)])


def in_session(model: Any, graph: Any) -> Callable[[Any], Any]:
    """Make the function of a model of TensorFlow 1, which is a part of a graph that a session runs.

    The graph and the session are chosen now, so every thread that calls the function uses the same ones.

    Arguments:
        model: keras.Model. A model with symbolic inputs.
        graph: tf.Graph. The graph that the model is a part of.

    Returns:
        A function from a list of arrays, one for each input, to the outputs as numpy arrays.
    """
    session, inputs = session_of(graph), list(model.inputs)
    with graph.as_default():  # a session cannot fetch a tensor that it is fed
        outputs = [tf.identity(y) if any(y is x for x in inputs) else y for y in model.outputs]
    return lambda x: unwrapped(session.run(outputs, dict(zip(inputs, x))))


def one_at_a_time(model: Any, graph: Any = None) -> Callable[[Any], Any]:
    """Make a function that calls Keras' own `predict_on_batch` under a lock, for models that are no graph yet.

    Arguments:
        model: keras.Model. A model without symbolic inputs, such as a subclass.
        graph: tf.Graph, or None where TensorFlow is eager. The graph that the model will be a part of.

    Returns:
        A function from inputs, as the model takes them, to its outputs as numpy arrays.
    """
    lock = threading.Lock()
    session = None if graph is None else session_of(graph)

    def run(x: Any) -> Any:
        """Run the model in its session while no other thread runs it."""
        with lock, contextlib.ExitStack() as stack:
            if session is not None:
                stack.enter_context(graph.as_default())
                stack.enter_context(session.as_default())
            return model.predict_on_batch(x)

    return run


def graph_function(model: Any, max_shapes: int) -> Callable[[Any], Any]:
    """Make the function of a model of an eager TensorFlow: one `tf.function`, traced for few kinds of shapes.

    Arguments:
        model: keras.Model. The model.
        max_shapes: int. The number of shapes of inputs that are remembered as traced.

    Returns:
        A function from inputs, as the model takes them, to its outputs as numpy arrays.
    """

    def step(x: Any) -> Any:
        """Run the model on tensors; before version 2.2 TensorFlow has no `predict_step`."""
        return model.predict_step((x,)) if hasattr(model, "predict_step") else model(x, training=False)

    function = ByShape(lambda: traced, max_shapes)
    traced = tf.function(step, **{RELAXED: True})

    def run(x: Any) -> Any:
        """Run the traced function on arrays."""
        return tf.nest.map_structure(lambda y: y.numpy(), function(tf.nest.map_structure(as_tensor, x)))

    return run


def as_tensor(x: Any) -> Tensor:
    """Return x as a tensor. The floats of an array get the dtype that Keras would give them."""
    is_float = isinstance(x, np.ndarray) and x.dtype.kind == "f"
    return tf.convert_to_tensor(x.astype(keras.backend.floatx(), copy=False) if is_float else x)


def unwrapped(outputs: list[np.ndarray]) -> Any:
    """Return the only output of a list of one, and a longer list as it is, as Keras does."""
    return outputs[0] if len(outputs) == 1 else outputs
