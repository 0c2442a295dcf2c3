"""The forward pass of a model, as a function that threads share.

Keras' own `predict` keeps the weights of a model in an attribute while it runs, on JAX, and gives their buffers away:
two threads, or an exception, and the model is dead. Here weights are arguments of what is compiled.
"""

from __future__ import annotations

import contextlib

import keras

from .._tracing import ByShape, tracing

BACKEND = keras.config.backend()

if BACKEND == "jax":
    import jax

    INPUT_ERRORS = (TypeError, ValueError)  # what shapes that do not go together give, in tracing
elif BACKEND == "tensorflow":
    import tensorflow as tf

    INPUT_ERRORS = (tf.errors.InvalidArgumentError, TypeError, ValueError)
elif BACKEND == "torch":
    import torch

    INPUT_ERRORS = (RuntimeError, TypeError, ValueError)
else:
    INPUT_ERRORS = (TypeError, ValueError)


def model_scope(model):
    """A context in which layers of the model may be called to make another model: none is needed here."""
    return contextlib.nullcontext()


def is_tensor(x):
    """Whether x is a tensor of the backend."""
    return keras.ops.is_tensor(x)


def is_optional(tensor):
    """Whether None may be given for an input."""
    return bool(getattr(getattr(tensor, "_keras_history", [None])[0], "optional", False))


def dtype_and_shape(tensor):
    """(name of the dtype, shape as a list) of a symbolic tensor."""
    return keras.backend.standardize_dtype(tensor.dtype), list(tensor.shape)


def input_structure(model):
    """The symbolic inputs of a model in the structure in which it takes them."""
    functional = getattr(model, "_functional", None) or model  # the one inside a Sequential
    structure = getattr(functional, "_inputs_struct", None)
    return list(model.inputs) if structure is None else structure


def forward(model, max_shapes):
    """A function from inputs, as the model takes them, to its outputs as numpy arrays."""
    build = {"jax": jitted, "tensorflow": graph_function, "torch": without_gradients}.get(BACKEND, eager)
    run = build(model, max_shapes)

    def forward(x):
        if not model.built:
            with tracing:
                if not model.built:
                    model(x, training=False)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, run(x))

    return forward


def jitted(model, max_shapes):
    own = type(model).predict_step is not keras.Model.predict_step  # which does not run alone in Keras 3.5
    training = {"training": False} if getattr(model, "_call_has_training_arg", True) else {}

    def step(trainable, others, x):
        if own:
            return model.predict_step((trainable, others), (x,))[0]
        return model.stateless_call(trainable, others, x, **training)[0]

    def make():
        trainable, others = model.trainable_variables, model.non_trainable_variables
        run = jax.jit(lambda *arguments: step(*arguments)) if model.jit_compile and not model.run_eagerly else step
        return lambda x: run([value_of(v, model) for v in trainable], [value_of(v, model) for v in others], x)

    return ByShape(make, max_shapes)


def value_of(variable, model):
    """The value of a variable, which Keras' own functions take away while they run and leave away when they fail."""
    value = getattr(variable, "_value", variable)
    if value is None or (isinstance(value, jax.Array) and value.is_deleted()):
        raise RuntimeError(
            f"{model.name} has no value of {variable.path} now: Keras' own fit, evaluate or predict runs with it in "
            "another thread, or failed with it. Wait for fit; predict with this function alone; load the weights again"
        )
    return variable.value


def graph_function(model, max_shapes):
    @tf.autograph.experimental.do_not_convert
    def step(x):
        return model.predict_step((x,))

    if model.run_eagerly:
        return step
    function = tf.function(step, reduce_retracing=True, jit_compile=True if model.jit_compile else None)
    return ByShape(lambda: function, max_shapes)


def without_gradients(model, max_shapes):
    def step(x):
        with torch.no_grad():  # of this thread alone
            return model.predict_step((x,))

    return step


def eager(model, max_shapes):
    return lambda x: model.predict_step((x,))
