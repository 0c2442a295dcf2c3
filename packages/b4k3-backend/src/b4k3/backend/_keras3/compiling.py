"""Running functions on tensors, compiled where the framework can: what a loop of decoding stands on."""

from __future__ import annotations

import functools
import threading

import keras
from keras import ops

BACKEND = keras.config.backend()
runs_eagerly = BACKEND not in ("jax", "tensorflow")  # whether `compiled` leaves a function as it is

# The order of the axes batch, n, heads, size (0 to 3) in which decoding keeps keys and values: XLA's products take them
# as they lie, of keys a transposed matrix for each head; it would turn all of them around for each token.
cache_orders = ((0, 2, 3, 1), (0, 2, 1, 3)) if BACKEND == "jax" else ((0, 1, 2, 3), (0, 1, 2, 3))

if BACKEND == "jax":
    import jax
elif BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "torch":
    import torch


def compiled(function, variables=(), donate=False):
    """Compile a function once for each structure and shapes of its arguments.

    Arguments:
        function: from nests (lists and dicts) of tensors to such a nest. It must not keep a tensor.
        variables: the weights that it reads: they are passed in, so that it sees their newest values.
        donate: whether the buffers of the first argument may be reused: use what the function returns instead.

    Returns:
        A function of nests of arrays and tensors. Where `runs_eagerly`, it only computes without gradients.
    """
    if BACKEND == "jax":
        return jitted(function, list(variables), donate)
    if BACKEND == "tensorflow":
        return tf.function(function, autograph=False)
    return remembering(torch.inference_mode()(function)) if BACKEND == "torch" else function


class Running(threading.local):
    """What this thread has found out since a function that computes without gradients began."""

    memory = None


running = Running()


def remembering(function):
    """The function, while which runs no layer gets other weights or another dtype policy."""

    @functools.wraps(function)
    def run(*arguments):
        before, running.memory = running.memory, {}
        try:
            return function(*arguments)
        finally:
            running.memory = before

    return run


def found_once(find):
    """Decorator of a function of a layer or a variable, which Keras would look up again for every token."""

    @functools.wraps(find)
    def found(x):
        memory = running.memory
        if memory is None:
            return find(x)
        key = find, id(x)
        if key not in memory:
            memory[key] = find(x), x  # while x is there, nothing else has its id
        return memory[key][0]

    return found


def jitted(function, variables, donate):
    @functools.partial(jax.jit, donate_argnums=1 if donate else ())
    def run(weights, first, *arguments):
        with keras.StatelessScope(state_mapping=list(zip(variables, weights))):
            return function(first, *arguments)

    return lambda first, *arguments: run([v.value for v in variables], first, *arguments)


def while_loop(condition, body, state):
    """`while condition(state): state = body(state)`, within the compiled function or, where `runs_eagerly`, in Python.

    Arguments:
        condition: from the state to a bool scalar.
        body: from the state to the next, of the same structure, shapes and dtypes.
        state: a dict of nests of tensors.
    """
    if BACKEND == "jax":
        return squeezed_while_loop(condition, body, state)
    if not runs_eagerly:
        return ops.while_loop(lambda *s: condition(s[0]), lambda *s: (body(s[0]),), (state,))[0]
    while condition(state):
        state = body(state)
    return state


def squeezed_while_loop(condition, body, state):
    """The loop with tensors [1, a, b, c] carried as [a, b, c], as XLA's products of batches of matrices read them.

    A buffer that is carried in another shape than it is read in would be copied, several times, in each round.
    """
    leaves, structure = jax.tree.flatten(state)
    shapes = [x.shape for x in leaves]

    def carried(state):
        return [squeezed(x) for x in jax.tree.leaves(state)]

    def restored(leaves):
        return jax.tree.unflatten(structure, [x.reshape(shape) for x, shape in zip(leaves, shapes)])

    def go_on(leaves):
        return condition(restored(leaves))

    def one_round(leaves):
        return carried(body(restored(leaves)))

    return restored(jax.lax.while_loop(go_on, one_round, carried(state)))


def squeezed(x):
    """[1, a, b, c] to [a, b, c], others as they are."""
    return x[0] if x.ndim > 3 and x.shape[0] == 1 else x


def write_at(buffer, start, x, axis):
    """Write x into a buffer from `start` on; the buffer itself is changed where the framework allows that.

    Arguments:
        buffer: tensor.
        start: scalar int; a Python int where `runs_eagerly`.
        x: tensor, of the buffer's shape but for the axis.
        axis: the axis to count along, not negative.

    Returns:
        The buffer: use it instead of the one given.
    """
    if runs_eagerly:
        buffer[(slice(None),) * axis + (slice(start, start + x.shape[axis]),)] = x
        return buffer
    x, shape = ops.cast(x, buffer.dtype), buffer.shape
    squeeze = BACKEND == "jax" and axis > 1  # to the shape that `while_loop` carries
    if squeeze:
        buffer, x = squeezed(buffer), squeezed(x)
        axis -= len(shape) - len(buffer.shape)
    starts = [start if i == axis else 0 for i in range(len(buffer.shape))]
    buffer = ops.slice_update(buffer, starts, x)
    return buffer.reshape(shape) if squeeze else buffer


def call_layer(layer, inputs, **arguments):
    """Call a built layer on tensors; without what Keras does around a call, where that changes no number.

    Arguments:
        layer: a layer that was built before.
        inputs: what it takes.
        arguments: of its `call`.
    """
    return (layer.call if is_plain(layer) else layer)(inputs, **arguments)


@found_once
def is_plain(layer):
    """Whether Keras neither casts inputs and weights, numpy's bfloat16 among them, nor takes another `call`."""
    return layer.compute_dtype == layer.variable_dtype and layer.quantization_mode is None and BACKEND != "numpy"
