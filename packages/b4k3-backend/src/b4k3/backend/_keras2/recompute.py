"""Recompute a layer in the backward pass on TensorFlow, with the random numbers of the forward pass.

Our Dropout draws its masks by `tf.random.stateless_uniform`, whose result depends on nothing but a seed. A layer with
two Dropouts, for example, is called like this:

    first run:   draw() gives the seeds s1 and s2, which are kept: seeds = [s1, s2]
    second run:  iter(seeds) gives s1 and s2 in the same order, so both masks are the same again
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from typing import Any, Callable, Iterator

import tensorflow.compat.v2 as tf

from ..types import Tensor
from .flavour import is_standalone, keras
from .layer import TF1, register

custom_gradient = tf.custom_gradient

_RANDOM = ("Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "SpatialDropout1D", "SpatialDropout2D")
_state = threading.local()


@contextlib.contextmanager
def _seeds(source: Callable[[], Tensor]) -> Iterator[None]:
    """Make our Dropout take its seeds from `source()` inside a `with` block."""
    before = getattr(_state, "source", None)
    _state.source = source
    try:
        yield
    finally:
        _state.source = before


@register
class Dropout(keras.layers.Dropout):
    """Apply Keras' Dropout, which draws the same mask in both passes if it is in a recomputed layer.

    The arguments are the same as for `keras.layers.Dropout`. The mask of the inputs goes in and comes out unchanged.

    Example:
        >>> y = Dropout(0.1)(keras.Input((4,)))  # [batch, 4]
    """

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Drop elements of the inputs in training.

        Arguments:
            inputs: float, [...]. The features.
            training: bool, or None. Keras' flag of a call.

        Returns:
            float, of the shape and dtype of the inputs.
        """
        source = getattr(_state, "source", None)
        if source is None or not 0.0 < self.rate < 1.0:
            return super().call(inputs, training=training)
        seed = source()  # it is drawn outside of the branch below, because the second pass needs it too

        def dropped() -> Tensor:
            """Drop elements by the seed."""
            kept = tf.random.stateless_uniform(self._noise(inputs), seed) >= self.rate
            return inputs * tf.cast(kept, inputs.dtype) / (1.0 - self.rate)

        return keras.backend.in_train_phase(dropped, inputs, training=training)

    def _noise(self, inputs: Tensor) -> Any:
        """Return the shape of the mask."""
        shape = tf.shape(inputs)
        if self.noise_shape is None:
            return shape
        return [shape[i] if n is None else n for i, n in enumerate(self.noise_shape)]


class _Body(keras.layers.Layer):
    """Call a function under the dtype policy, without autocast, and with the `training` of the layer that owns it."""

    def __init__(self, owner: Any, function: Callable[[Any], Any]) -> None:
        policy = getattr(owner, "dtype_policy", None) or getattr(owner, "_dtype_policy", owner.dtype)
        super().__init__(name="recomputed", dtype=policy)
        self._autocast = False
        self.function = function
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Call the function, and keep `training` for the second run."""
        self.training = training
        return self.function(inputs)


def recompute(call: Callable[..., Any]) -> Any:
    """Decorate the `call` of a layer so that its inner results are computed again for the gradient, not kept.

    Arguments:
        call: method. A `call(self, inputs, …)`.

    Returns:
        A method with the same signature.
    """

    @functools.wraps(call)
    def inner(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the layer, and attach a gradient that calls it again."""
        _refuse_foreign_randomness(self)
        flat, seeds = tf.nest.flatten(inputs), []

        def function(xs: list[Tensor]) -> Any:
            """Call the layer on a flat list of inputs."""
            return call(self, tf.nest.pack_sequence_as(inputs, xs), *args, **kwargs)

        body: Any = None if is_standalone else _Body(self, function)

        def draw() -> Tensor:
            """Draw a seed, and keep it for the second run."""
            seeds.append(tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32))
            return seeds[-1]

        with _seeds(draw):
            outputs = body(flat) if body else function(flat)

        def again(xs: list[Tensor]) -> list[Tensor]:
            """Call the layer a second time, with the seeds of the first time."""
            with _seeds(functools.partial(next, iter(seeds))):
                result = body(xs, training=body.training) if body else function(xs)
            return tf.nest.flatten(result)

        return _with_gradient(outputs, flat, self.trainable_weights, again)

    inner.__signature__ = inspect.signature(call)  # tf.keras reads the arguments of `call` without following wrappers
    return inner


def _with_gradient(
    outputs: Any, inputs: list[Tensor], weights: list[Any], again: Callable[[list[Tensor]], list[Tensor]]
) -> Any:
    """Return the outputs, cut off from what made them, with the gradient of `again(inputs)`."""
    flat = tf.nest.flatten(outputs)
    floats = [x for x in inputs if x.dtype.is_floating]
    results = [x for x in flat if x.dtype.is_floating]

    # The results are arguments too. Otherwise TensorFlow would find variables behind them, and take them for ours.
    @tf.custom_gradient
    def attach(*tensors: Tensor) -> Any:
        """Return the results, and the function that computes their gradient."""

        def gradient(*upstream: Tensor) -> list[Tensor | None]:
            """Compute the gradient of each argument."""
            with tf.control_dependencies(upstream):
                new = [tf.identity(x) for x in inputs]
            sources = [x for x in new if x.dtype.is_floating]
            found = _gradients(again, new, sources, weights, upstream)
            dtypes = [x.dtype for x in tensors]
            return [g if g is None else tf.cast(g, d) for g, d in zip(found, dtypes)] + [None] * len(results)

        return [tf.identity(x) for x in tensors[len(floats) + len(weights) :]], gradient

    attached = iter(attach(*floats, *[tf.convert_to_tensor(w) for w in weights], *map(tf.stop_gradient, results)))
    return tf.nest.pack_sequence_as(outputs, [next(attached) if x.dtype.is_floating else x for x in flat])


def _gradients(
    again: Callable[[list[Tensor]], list[Tensor]],
    inputs: list[Tensor],
    sources: list[Tensor],
    weights: list[Any],
    upstream: tuple[Tensor, ...],
) -> list[Tensor | None]:
    """Call the layer again, and differentiate the result by the inputs and weights."""

    def floats(xs: list[Tensor]) -> list[Tensor]:
        """Return the tensors that have a gradient."""
        return [x for x in xs if x.dtype.is_floating]

    if TF1:
        found = tf.compat.v1.gradients(floats(again(inputs)), sources + weights, list(upstream))
    else:
        with tf.GradientTape() as tape:
            tape.watch(sources)
            results = floats(again(inputs))
        found = tape.gradient(results, sources + weights, output_gradients=list(upstream))
    return [g if g is None else tf.convert_to_tensor(g) for g in found]


def _refuse_foreign_randomness(layer: Any) -> None:
    """Raise ValueError if a layer inside this one would draw other random numbers in the second pass."""
    for inner in getattr(layer, "_layers", None) or getattr(layer, "_self_tracked_trackables", ()):
        if type(inner).__name__ in _RANDOM and not isinstance(inner, Dropout) and getattr(inner, "rate", 1):
            raise ValueError(
                f"{layer.name}: its {type(inner).__name__} {inner.name!r} would draw another mask when the layer is "
                "recomputed, and the gradients would be wrong. Use b4k3.backend.Dropout, or no recompute_grad."
            )
        if isinstance(inner, keras.layers.Layer):
            _refuse_foreign_randomness(inner)
