"""Random numbers for K, which wants neither a generator nor a layer to keep it."""

from __future__ import annotations

import collections
import random

import keras
import numpy as np
from keras import ops

from .sizes import is_traced

draws = collections.Counter()  # how many streams were begun with each seed that was given
generators = {}

if keras.config.backend() == "jax":
    import jax
    from jax.experimental import io_callback


def random_uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    dtype = dtype or keras.config.floatx()
    draw = keras.random.uniform if "float" in dtype else keras.random.randint
    return draw(tuple(shape), minval, maxval, dtype=dtype, seed=fresh_seed(seed))


def random_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    dtype = dtype or keras.config.floatx()
    return keras.random.normal(tuple(shape), mean, stddev, dtype=dtype, seed=fresh_seed(seed))


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    dtype = dtype or keras.config.floatx()
    return keras.random.truncated_normal(tuple(shape), mean, stddev, dtype=dtype, seed=fresh_seed(seed))


def random_bernoulli(shape, p=0.0, dtype=None, seed=None):
    return ops.cast(keras.random.uniform(tuple(shape), seed=fresh_seed(seed)) < p, dtype or keras.config.floatx())


random_binomial = random_bernoulli


def dropout(x, level, noise_shape=None, seed=None):
    return keras.random.dropout(x, level, noise_shape=noise_shape, seed=fresh_seed(seed))


def fresh_seed(seed):
    """What `keras.random` takes as seed so that each run draws other numbers, as with Keras 2.

    JAX runs a function once to trace it, and what it draws then would be drawn again in each step. So the seed is
    asked of the host while the compiled function runs: a stream of numbers for each place in the traced function.

    Arguments:
        seed: int, or None for the stream that `keras.utils.set_random_seed` begins.
    """
    if keras.config.backend() == "jax" and is_traced(ops.zeros(())):
        return seed_of_host(seed)
    if seed is None:
        return None
    if seed not in generators:
        generators[seed] = keras.random.SeedGenerator(seed)
    return generators[seed]


def seed_of_host(seed):
    """A uint32 tensor [2] of JAX that has other numbers each time the compiled function runs."""
    if seed is None:
        begin = [random.randrange(2**31)]  # as Keras takes the seeds of its layers
    else:
        draws[seed] += 1
        begin = [seed % 2**64, draws[seed]]
    stream = np.random.default_rng(np.random.SeedSequence(begin))

    def draw():
        return stream.integers(2**32, size=2, dtype=np.uint32)

    return io_callback(draw, jax.ShapeDtypeStruct((2,), np.uint32))
