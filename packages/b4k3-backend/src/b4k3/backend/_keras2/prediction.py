"""The forward pass of a model on TensorFlow, as a function that threads share."""

from __future__ import annotations

import contextlib
import threading

import numpy as np
import tensorflow.compat.v2 as tf

from .._runtime import major_minor
from .._tracing import ByShape
from .flavour import is_standalone, keras
from .sessions import entered, graph_of, session_of

INPUT_ERRORS = (tf.errors.InvalidArgumentError, TypeError, ValueError)
RELAXED = "reduce_retracing" if major_minor(tf.__version__) >= (2, 9) else "experimental_relax_shapes"


@contextlib.contextmanager
def model_scope(model):
    """A context in which layers of the model may be called to make another model, in any thread."""
    if not tf.executing_eagerly():
        with entered(graph_of(model.outputs)):
            yield
        return
    if is_standalone and not hasattr(keras.backend.tensorflow_backend._SYMBOLIC_SCOPE, "value"):
        keras.backend.tensorflow_backend._SYMBOLIC_SCOPE.value = True  # keras 2.3 sets it in the main thread alone
    yield


def is_tensor(x):
    """Whether x is a tensor of the backend that holds values."""
    return hasattr(x, "numpy") and tf.is_tensor(x)


def is_optional(tensor):
    """Whether None may be given for an input."""
    return False


def dtype_and_shape(tensor):
    """(name of the dtype, shape as a list or None if it is unknown) of a symbolic tensor."""
    shape = tf.TensorShape(tensor.shape)
    return tf.as_dtype(tensor.dtype).name, None if shape.rank is None else shape.as_list()


def input_structure(model):
    """The symbolic inputs of a model in the structure in which it takes them."""
    if is_standalone or not tf.executing_eagerly():
        return list(model.inputs)
    structure = getattr(model, "_nested_inputs", None)
    return list(model.inputs) if structure is None else structure


def forward(model, max_shapes):
    """A function from inputs, as the model takes them, to its outputs as numpy arrays."""
    if not tf.executing_eagerly():
        graph = graph_of(model.outputs) or tf.compat.v1.get_default_graph()
        return in_session(model, graph) if model.inputs else one_at_a_time(model, graph)
    if not is_standalone:
        return graph_function(model, max_shapes)
    if not model.inputs:
        return one_at_a_time(model)
    function = keras.backend.function(list(model.inputs), list(model.outputs))
    return lambda x: unwrapped([np.asarray(y) for y in function(x)])


def in_session(model, graph):
    """A model of TensorFlow 1: a part of a graph, which a session runs. Both are those of now, whoever calls."""
    session, inputs = session_of(graph), list(model.inputs)
    with graph.as_default():  # a session does not fetch what it is fed
        outputs = [tf.identity(y) if any(y is x for x in inputs) else y for y in model.outputs]
    return lambda x: unwrapped(session.run(outputs, dict(zip(inputs, x))))


def one_at_a_time(model, graph=None):
    """Keras' own `predict_on_batch`, for models that are no graph yet, under a lock."""
    lock = threading.Lock()
    session = None if graph is None else session_of(graph)

    def run(x):
        with lock, contextlib.ExitStack() as stack:
            if session is not None:
                stack.enter_context(graph.as_default())
                stack.enter_context(session.as_default())
            return model.predict_on_batch(x)

    return run


def graph_function(model, max_shapes):
    """A model of an eager TensorFlow: one function, which TensorFlow traces for few kinds of shapes."""

    def step(x):
        return model.predict_step((x,)) if hasattr(model, "predict_step") else model(x, training=False)

    function = ByShape(lambda: traced, max_shapes)
    traced = tf.function(step, **{RELAXED: True})

    def run(x):
        return tf.nest.map_structure(lambda y: y.numpy(), function(tf.nest.map_structure(as_tensor, x)))

    return run


def as_tensor(x):
    """A tensor; floats of an array in the dtype that Keras would give them."""
    is_float = isinstance(x, np.ndarray) and x.dtype.kind == "f"
    return tf.convert_to_tensor(x.astype(keras.backend.floatx(), copy=False) if is_float else x)


def unwrapped(outputs):
    return outputs[0] if len(outputs) == 1 else outputs
