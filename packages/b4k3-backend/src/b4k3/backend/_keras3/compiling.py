"""Compile functions of tensors where the framework can, and the loop, the buffers and the layer calls of decoding."""

from __future__ import annotations

import functools
import threading
from typing import Any, Callable, Iterable

import keras
from keras import ops

from ..types import Tensor
from .distribution import everywhere
from .same_rows import need_same_rows

BACKEND = keras.config.backend()
runs_eagerly = BACKEND not in ("jax", "tensorflow")  # True if `compiled` does not compile

# The order in which decoding keeps the axes of keys, and of values: batch 0, n 1, heads 2, size 3. Products of XLA read
# keys [batch, heads, size, n] and values [batch, heads, n, size] without a copy. In another order XLA would transpose
# all of them for each token. Attention of torch reads [batch, heads, n, size] fastest: what a head reads is then one
# piece of memory.
CACHE_ORDERS = {"jax": ((0, 2, 3, 1), (0, 2, 1, 3)), "torch": ((0, 2, 1, 3), (0, 2, 1, 3))}
cache_orders = CACHE_ORDERS.get(BACKEND, ((0, 1, 2, 3), (0, 1, 2, 3)))

if BACKEND == "jax":
    import jax
elif BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "torch":
    import torch


def compiled(function: Callable[..., Any], variables: Iterable[Any] = (), donate: bool = False) -> Callable[..., Any]:
    """Compile a function once for each structure and shapes of its arguments.

    Arguments:
        function: function. It takes nests (lists and dicts) of tensors and returns such a nest. It must not keep a
            tensor.
        variables: iterable of variables. The weights that the function reads. JAX gets them as arguments in each call,
            so that it sees their newest values.
        donate: bool. True lets JAX reuse the memory of the first argument, which must not be used afterwards.

    Returns:
        A function of nests of arrays and tensors. It has no gradient where `runs_eagerly` is True.

    Example:
        >>> double = compiled(lambda state: {"x": state["x"] * 2})
        >>> y = double({"x": ops.ones((2, 3))})["x"]  # [2, 3]
    """
    if BACKEND == "jax":
        return jitted(function, list(variables), donate)
    if BACKEND == "tensorflow":
        return tf.function(function, autograph=False)
    return with_cached_lookups(torch.inference_mode()(function)) if BACKEND == "torch" else function


class Lookups(threading.local):
    """The results of `found_once` in this thread: {(function, id of its argument): (result, argument)}, or None."""

    cache: dict[Any, Any] | None = None


lookups = Lookups()


def with_cached_lookups(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that lookups per layer (weights, dtype policy) are cached while it runs.

    This is safe because neither changes while a function computes without gradients. Each call begins with an empty
    cache, so that it sees the newest weights.

    Arguments:
        function: function. Its calls may be nested, and threads may share it.

    Returns:
        A function of the same arguments and result.
    """

    @functools.wraps(function)
    def run(*arguments: Any) -> Any:
        """Call the function with a cache of its own."""
        before, lookups.cache = lookups.cache, {}
        try:
            return function(*arguments)
        finally:
            lookups.cache = before

    return run


def found_once(find: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Decorate a lookup that Keras would repeat for every token, so that a compiled function does it once for each x.

    Arguments:
        find: function of a layer or a variable.

    Returns:
        A function of the same argument and result.
    """

    @functools.wraps(find)
    def found(x: Any) -> Any:
        """Look up the result in the cache, if there is one."""
        cache = lookups.cache
        if cache is None:
            return find(x)
        key = find, id(x)
        try:
            return cache[key][0]
        except KeyError:
            cache[key] = find(x), x  # the cache keeps x alive, so that no other object gets its id
            return cache[key][0]

    return found


def jitted(function: Callable[..., Any], variables: list[Any], donate: bool) -> Callable[..., Any]:
    """Compile a function by JAX, with the values of the variables as its first argument. See `compiled`."""

    whole = everywhere(variables)  # if several processes have the weights, each gets all results

    @functools.partial(jax.jit, donate_argnums=1 if donate else (), out_shardings=whole)
    def run(weights: list[Tensor], first: Any, *arguments: Any) -> Any:
        """Call the function with variables that have these values."""
        with keras.StatelessScope(state_mapping=list(zip(variables, weights))):
            return function(first, *arguments)

    def called(first: Any, *arguments: Any) -> Any:
        """Run the function."""
        result = run([v.value for v in variables], first, *arguments)
        if whole is not None:
            need_same_rows()
        return result

    return called


def while_loop(
    condition: Callable[[dict[str, Any]], Any], body: Callable[[dict[str, Any]], dict[str, Any]], state: dict[str, Any]
) -> dict[str, Any]:
    """Run `while condition(state): state = body(state)`: compiled, or in Python where `runs_eagerly` is True.

    Arguments:
        condition: function. From the state to a bool scalar.
        body: function. From the state to the next state, of the same structure, shapes and dtypes.
        state: dict of nests of tensors. The first state.

    Returns:
        dict. The first state for which the condition is False.

    Example:
        >>> state = while_loop(lambda s: s["n"] < 8, lambda s: {"n": s["n"] * 2}, {"n": ops.ones((), "int32")})
        >>> int(state["n"])
        8
    """
    if BACKEND == "jax":
        return squeezed_while_loop(condition, body, state)
    if not runs_eagerly:
        return ops.while_loop(lambda *s: condition(s[0]), lambda *s: (body(s[0]),), (state,))[0]
    while condition(state):
        state = body(state)
    return state


def squeezed_while_loop(
    condition: Callable[[dict[str, Any]], Any], body: Callable[[dict[str, Any]], dict[str, Any]], state: dict[str, Any]
) -> dict[str, Any]:
    """Run a loop of JAX that carries tensors [1, a, b, c] as [a, b, c].

    XLA drops the axis of size 1 when it multiplies batches of matrices. If the loop carried the buffer with that axis,
    XLA would copy the whole buffer several times in each round. The shape alone differs, so no number does.

    Arguments:
        condition: function. See `while_loop`.
        body: function. See `while_loop`.
        state: dict. See `while_loop`.

    Returns:
        dict. The last state, in the shapes of the first one.
    """
    leaves, structure = jax.tree.flatten(state)
    shapes = [x.shape for x in leaves]

    def carried(state: dict[str, Any]) -> list[Tensor]:
        """Return the tensors as the loop carries them."""
        return [squeezed(x) for x in jax.tree.leaves(state)]

    def restored(leaves: list[Tensor]) -> dict[str, Any]:
        """Return the state that carried tensors stand for."""
        return jax.tree.unflatten(structure, [x.reshape(shape) for x, shape in zip(leaves, shapes)])

    return restored(
        jax.lax.while_loop(
            lambda leaves: condition(restored(leaves)),
            lambda leaves: carried(body(restored(leaves))),
            carried(state),
        )
    )


def squeezed(x: Tensor) -> Tensor:
    """Return a tensor [1, a, b, c] as [a, b, c], and every other tensor itself."""
    return x[0] if x.ndim > 3 and x.shape[0] == 1 else x


def write_at(buffer: Tensor, start: Any, x: Tensor, axis: int) -> Tensor:
    """Write x into a buffer from `start` on. On torch the buffer itself is changed.

    Arguments:
        buffer: [..., n, ...]. The buffer. Use the result in its place.
        start: int, or int tensor, []. The place in the axis. It must be an int where `runs_eagerly` is True.
        x: [..., k, ...]. The values, of the buffer's shape but for the axis.
        axis: int. The axis of size n, not negative.

    Returns:
        [..., n, ...]. The buffer with the values, in its own dtype.

    Example:
        >>> buffer = write_at(ops.zeros((2, 5)), 3, ops.ones((2, 1)), axis=1)  # [2, 5]
    """
    if runs_eagerly:
        buffer[(slice(None),) * axis + (slice(start, start + x.shape[axis]),)] = x
        return buffer
    x, shape = ops.cast(x, buffer.dtype), buffer.shape
    squeeze = BACKEND == "jax" and axis > 1  # `while_loop` carries the buffer in this shape
    if squeeze:
        buffer, x = squeezed(buffer), squeezed(x)
        axis -= len(shape) - len(buffer.shape)
    starts = [start if i == axis else 0 for i in range(len(buffer.shape))]
    buffer = ops.slice_update(buffer, starts, x)
    return buffer.reshape(shape) if squeeze else buffer


def call_layer(layer: Any, inputs: Any, **arguments: Any) -> Any:
    """Call a layer that is built; skip what Keras does around a call if that changes no number.

    Arguments:
        layer: Keras layer, which is built.
        inputs: tensor, or nest of tensors. The inputs.
        arguments: the other arguments of the layer's `call`.

    Returns:
        What the layer returns.

    Example:
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> y = call_layer(layer, ops.ones((2, 4)))  # [2, 8]
    """
    if lookups.cache is None:
        return (layer.call if is_plain(layer) else layer)(inputs, **arguments)
    return bound_call_of(layer)(inputs, **arguments)


@found_once
def bound_call_of(layer: Any) -> Callable[..., Any]:
    """Return a function that computes a layer without gradients.

    A layer that is called for every token can have a method `bound_call`, which looks up its weights once and returns
    a function of the arguments of `call`. The function is used until the compiled function that asked for it ends.

    Arguments:
        layer: Keras layer, which is built.

    Returns:
        What the method returned, or the layer's own `call`. If Keras does more than `call`, the layer itself.
    """
    if not is_plain(layer):
        return layer
    return layer.bound_call() if owner(layer, "bound_call") is owner(layer, "call") else layer.call


def owner(layer: Any, method: str) -> type | None:
    """Return the class that defines a method of a layer: a subclass with another `call` must not be bound as before."""
    return next((c for c in type(layer).__mro__ if method in vars(c)), None)


@found_once
def is_plain(layer: Any) -> bool:
    """Return True if Keras neither casts inputs and weights nor replaces `call` by a quantised one.

    On the numpy backend the answer is False, because Keras casts bfloat16 there.
    """
    return layer.compute_dtype == layer.variable_dtype and layer.quantization_mode is None and BACKEND != "numpy"
