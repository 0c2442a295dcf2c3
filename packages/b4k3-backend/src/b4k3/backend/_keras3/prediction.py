"""The forward pass of a model, as a function that threads share.

Keras' own `predict` keeps the weights of a model in an attribute while it runs, on JAX, and gives their buffers away:
two threads, or an exception, leave the model without weights. Here weights are arguments of the compiled function.
"""

from __future__ import annotations

import contextlib
from typing import Any, Callable, ContextManager

import keras

from .._tracing import ByShape, tracing
from ..types import Tensor
from .direct import direct_pass
from .distribution import everywhere
from .lora import lora_version
from .same_rows import need_same_rows

BACKEND = keras.config.backend()

if BACKEND == "jax":
    import jax

    INPUT_ERRORS = (TypeError, ValueError)  # tracing raises these for shapes that do not go together
elif BACKEND == "tensorflow":
    import tensorflow as tf

    INPUT_ERRORS = (tf.errors.InvalidArgumentError, TypeError, ValueError)
elif BACKEND == "torch":
    import torch

    INPUT_ERRORS = (RuntimeError, TypeError, ValueError)
else:
    INPUT_ERRORS = (TypeError, ValueError)


def most_tokens() -> int | None:
    """Return the number of tokens from which on a larger batch takes an encoder longer for each token; None without.

    Measured for MiniLM in one thread: JAX takes 210 µs for each of 512 tokens, 260 for each of 4096; torch does not.
    """
    return 1024 if BACKEND == "jax" and jax.default_backend() == "cpu" else None


def model_scope(model: Any) -> ContextManager[None]:
    """Return a context in which layers of the model may be called to make another model, in any thread.

    Keras 3 needs no such context. On TensorFlow 1 it enters the graph and the session of the model.

    Arguments:
        model: keras.Model. The model that has the layers.

    Returns:
        A context that does nothing.
    """
    return contextlib.nullcontext()


def is_tensor(x: Any) -> bool:
    """Return whether x is a tensor of the backend."""
    return keras.ops.is_tensor(x)


def is_optional(tensor: Tensor) -> bool:
    """Return whether None may be given for an input."""
    return bool(getattr(getattr(tensor, "_keras_history", [None])[0], "optional", False))


def dtype_and_shape(tensor: Tensor) -> tuple[str, list[int | None]]:
    """Return the name of the dtype and the shape of a symbolic tensor."""
    return keras.backend.standardize_dtype(tensor.dtype), list(tensor.shape)


def input_structure(model: Any) -> Any:
    """Return the symbolic inputs of a model in the structure in which it takes them: a list, tuple or dict, or one."""
    functional = getattr(model, "_functional", None) or model  # a Sequential has a functional model inside
    structure = getattr(functional, "_inputs_struct", None)
    return list(model.inputs) if structure is None else structure


def forward(model: Any, max_shapes: int) -> Callable[[Any], Any]:
    """Make the function that runs a model.

    Arguments:
        model: keras.Model. The model.
        max_shapes: int. The number of shapes of inputs for which a compiled form is kept.

    Returns:
        A function from inputs, as the model takes them, to its outputs as numpy arrays. Threads may share it.
    """
    build = {"jax": jitted, "tensorflow": graph_function, "torch": without_gradients}.get(BACKEND, eager)
    made = [(lora_version(), build(model, max_shapes))]

    def forward(x: Any) -> Any:
        """Run the model. One thread builds it first if no thread has."""
        if not model.built:
            with tracing:
                if not model.built:
                    model(x, training=False)
        version, run = made[0]
        if version != lora_version():  # the model may have other weights now
            version, run = made[0] = lora_version(), build(model, max_shapes)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, run(x))

    return forward


def jitted(model: Any, max_shapes: int) -> Callable[[Any], Any]:
    """Make the function of a model on JAX. What is compiled takes the weights as arguments.

    Arguments:
        model: keras.Model. A model that is built when the function is called.
        max_shapes: int. The number of shapes of inputs for which a compiled form is kept.

    Returns:
        A function from inputs, as the model takes them, to its outputs as tensors.
    """
    own = type(model).predict_step is not keras.Model.predict_step  # Keras 3.5 cannot call its own method alone
    training = {"training": False} if getattr(model, "_call_has_training_arg", True) else {}

    def step(trainable: list[Tensor], others: list[Tensor], x: Any) -> Any:
        """Run the model with these values of its weights; a `predict_step` of the model's own class goes first."""
        if own:
            return model.predict_step((trainable, others), (x,))[0]
        return model.stateless_call(trainable, others, x, **training)[0]

    def make() -> Callable[[Any], Any]:
        """Make a function of the inputs that reads the newest values of the weights each time it is called."""
        trainable, others = model.trainable_variables, model.non_trainable_variables
        whole = everywhere(model.variables)  # if several processes have the weights, each gets all outputs
        compiles = model.jit_compile and not model.run_eagerly
        run = jax.jit(lambda *arguments: step(*arguments), out_shardings=whole) if compiles else step

        def outputs(x: Any) -> Any:
            """Run the step."""
            found = run([value_of(v, model) for v in trainable], [value_of(v, model) for v in others], x)
            if whole is not None:
                need_same_rows()
            return found

        return outputs

    return ByShape(make, max_shapes)


def value_of(variable: Any, model: Any) -> Tensor:
    """Return the value of a variable.

    Keras' own functions take the value away while they run, and do not put it back when they fail.

    Arguments:
        variable: keras.Variable. A weight of the model.
        model: keras.Model. The model, whose name is in the message.

    Returns:
        The tensor that the variable holds.

    Raises:
        RuntimeError: the variable has no value now.
    """
    value = getattr(variable, "_value", variable)
    if value is None or (isinstance(value, jax.Array) and value.is_deleted()):
        raise RuntimeError(
            f"{model.name} has no value of {variable.path} now: Keras' own fit, evaluate or predict runs with it in "
            "another thread, or failed with it. Wait for fit; predict with this function alone; load the weights again"
        )
    return variable.value


def graph_function(model: Any, max_shapes: int) -> Callable[[Any], Any]:
    """Make the function of a model on TensorFlow: one `tf.function`, or none if the model runs eagerly.

    Arguments:
        model: keras.Model. The model.
        max_shapes: int. The number of shapes of inputs that are remembered as traced.

    Returns:
        A function from inputs, as the model takes them, to its outputs as tensors.
    """

    @tf.autograph.experimental.do_not_convert
    def step(x: Any) -> Any:
        """Run the model by its `predict_step`."""
        return model.predict_step((x,))

    if model.run_eagerly:
        return step
    function = tf.function(step, reduce_retracing=True, jit_compile=True if model.jit_compile else None)
    return ByShape(lambda: function, max_shapes)


def without_gradients(model: Any, max_shapes: int) -> Callable[[Any], Any]:
    """Make the function of a model on torch, which records no gradients.

    Arguments:
        model: keras.Model. The model.
        max_shapes: int. It has no effect, because nothing is compiled.

    Returns:
        A function from inputs, as the model takes them, to its outputs as tensors.
    """
    direct = direct_pass(model)
    if direct is not None:
        return direct

    def step(x: Any) -> Any:
        """Run the model by its `predict_step` without gradients."""
        with torch.no_grad():  # of this thread alone
            return model.predict_step((x,))

    return step


def eager(model: Any, max_shapes: int) -> Callable[[Any], Any]:
    """Make the function of a model on any other backend, which calls its `predict_step`.

    Arguments:
        model: keras.Model. The model.
        max_shapes: int. It has no effect, because nothing is compiled.

    Returns:
        A function from inputs, as the model takes them, to its outputs as tensors.
    """
    return lambda x: model.predict_step((x,))
