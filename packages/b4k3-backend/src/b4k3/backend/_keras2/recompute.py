"""Recomputing a layer in the backward pass over TensorFlow, with the random numbers of the forward pass."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading

import tensorflow.compat.v2 as tf

from .flavour import is_standalone, keras
from .layer import TF1, register

custom_gradient = tf.custom_gradient

_RANDOM = ("Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "SpatialDropout1D", "SpatialDropout2D")
_state = threading.local()


@contextlib.contextmanager
def _seeds(source):
    """Inside the block our Dropout takes its seeds from `source()`."""
    before = getattr(_state, "source", None)
    _state.source = source
    try:
        yield
    finally:
        _state.source = before


@register
class Dropout(keras.layers.Dropout):
    """Keras' Dropout, which in a recomputed layer draws the same mask in both passes."""

    def call(self, inputs, training=None):
        source = getattr(_state, "source", None)
        if source is None or not 0.0 < self.rate < 1.0:
            return super().call(inputs, training=training)
        seed = source()  # outside of the branch below: the second pass needs it too

        def dropped():
            kept = tf.random.stateless_uniform(self._noise(inputs), seed) >= self.rate
            return inputs * tf.cast(kept, inputs.dtype) / (1.0 - self.rate)

        return keras.backend.in_train_phase(dropped, inputs, training=training)

    def _noise(self, inputs):
        shape = tf.shape(inputs)
        if self.noise_shape is None:
            return shape
        return [shape[i] if n is None else n for i, n in enumerate(self.noise_shape)]


class _Body(keras.layers.Layer):
    """The call of a layer, once more under the `training` and the autocast of the first time."""

    def __init__(self, owner, function):
        policy = getattr(owner, "dtype_policy", None) or getattr(owner, "_dtype_policy", owner.dtype)
        super().__init__(name="recomputed", dtype=policy)
        self._autocast = False
        self.function = function
        self.built = True

    def call(self, inputs, training=None):
        self.training = training
        return self.function(inputs)


def recompute(call):
    """Decorate the `call` of a layer so that its inner results are computed again for the gradient, not kept."""

    @functools.wraps(call)
    def inner(self, inputs, *args, **kwargs):
        _refuse_foreign_randomness(self)
        flat, seeds = tf.nest.flatten(inputs), []

        def function(xs):
            return call(self, tf.nest.pack_sequence_as(inputs, xs), *args, **kwargs)

        body = None if is_standalone else _Body(self, function)

        def draw():
            seeds.append(tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32))
            return seeds[-1]

        with _seeds(draw):
            outputs = body(flat) if body else function(flat)

        def again(xs):
            with _seeds(functools.partial(next, iter(seeds))):
                result = body(xs, training=body.training) if body else function(xs)
            return tf.nest.flatten(result)

        return _with_gradient(outputs, flat, self.trainable_weights, again)

    inner.__signature__ = inspect.signature(call)  # tf.keras reads the arguments of `call` without following wrappers
    return inner


def _with_gradient(outputs, inputs, weights, again):
    """`outputs`, cut off from what made them, with the gradient of `again(inputs)`."""
    flat = tf.nest.flatten(outputs)
    floats = [x for x in inputs if x.dtype.is_floating]
    results = [x for x in flat if x.dtype.is_floating]

    # The results are arguments too: TensorFlow then finds no variable behind them that it would take for one of ours.
    @tf.custom_gradient
    def attach(*tensors):
        def gradient(*upstream):
            with tf.control_dependencies(upstream):
                new = [tf.identity(x) for x in inputs]
            sources = [x for x in new if x.dtype.is_floating]
            found = _gradients(again, new, sources, weights, upstream)
            dtypes = [x.dtype for x in tensors]
            return [g if g is None else tf.cast(g, d) for g, d in zip(found, dtypes)] + [None] * len(results)

        return [tf.identity(x) for x in tensors[len(floats) + len(weights) :]], gradient

    attached = iter(attach(*floats, *[tf.convert_to_tensor(w) for w in weights], *map(tf.stop_gradient, results)))
    return tf.nest.pack_sequence_as(outputs, [next(attached) if x.dtype.is_floating else x for x in flat])


def _gradients(again, inputs, sources, weights, upstream):
    def floats(xs):
        return [x for x in xs if x.dtype.is_floating]

    if TF1:
        found = tf.compat.v1.gradients(floats(again(inputs)), sources + weights, list(upstream))
    else:
        with tf.GradientTape() as tape:
            tape.watch(sources)
            results = floats(again(inputs))
        found = tape.gradient(results, sources + weights, output_gradients=list(upstream))
    return [g if g is None else tf.convert_to_tensor(g) for g in found]


def _refuse_foreign_randomness(layer):
    for inner in getattr(layer, "_layers", None) or getattr(layer, "_self_tracked_trackables", ()):
        if type(inner).__name__ in _RANDOM and not isinstance(inner, Dropout) and getattr(inner, "rate", 1):
            raise ValueError(
                f"{layer.name}: its {type(inner).__name__} {inner.name!r} would draw another mask when the layer is "
                "recomputed, and the gradients would be wrong. Use b4k3.backend.Dropout, or no recompute_grad."
            )
        if isinstance(inner, keras.layers.Layer):
            _refuse_foreign_randomness(inner)
