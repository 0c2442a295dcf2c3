"""Random numbers for K, which wants neither a generator nor a layer to keep it."""

from __future__ import annotations

import collections
import random
import threading
from typing import Any, Sequence

import keras
import numpy as np
from keras import ops

from ..types import Tensor
from .sizes import is_traced

draws = collections.Counter()  # how many streams were begun with each seed that was given
generators = {}  # seed that was given -> its generator
_lock = threading.Lock()  # held while one of these tables is changed; without it two threads may get one stream

if keras.config.backend() == "jax":
    import jax
    from jax.experimental import io_callback


def random_uniform(
    shape: Sequence[int], minval: float = 0.0, maxval: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Tensor:
    """Draw numbers that are uniform between two limits.

    Arguments:
        shape: sequence of int. The shape of the result.
        minval: float. The lower limit, which may be drawn.
        maxval: float. The upper limit, which is not drawn.
        dtype: str, or None. The dtype of the result; None is `keras.config.floatx()`. With an integer dtype, integers
            are drawn.
        seed: int, or None. The seed, which `fresh_seed` explains.

    Returns:
        [*shape]. The numbers.
    """
    dtype = dtype or keras.config.floatx()
    draw = keras.random.uniform if "float" in dtype else keras.random.randint
    return draw(tuple(shape), minval, maxval, dtype=dtype, seed=fresh_seed(seed))


def random_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Tensor:
    """Draw numbers from a normal distribution.

    Arguments:
        shape: sequence of int. The shape of the result.
        mean: float. The mean of the distribution.
        stddev: float. Its standard deviation.
        dtype: str, or None. The dtype of the result; None is `keras.config.floatx()`.
        seed: int, or None. The seed, which `fresh_seed` explains.

    Returns:
        float, [*shape]. The numbers.
    """
    dtype = dtype or keras.config.floatx()
    return keras.random.normal(tuple(shape), mean, stddev, dtype=dtype, seed=fresh_seed(seed))


def truncated_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Tensor:
    """Draw numbers from a normal distribution without its tails beyond two standard deviations.

    Arguments:
        shape: sequence of int. The shape of the result.
        mean: float. The mean of the distribution.
        stddev: float. Its standard deviation before the tails are cut off.
        dtype: str, or None. The dtype of the result; None is `keras.config.floatx()`.
        seed: int, or None. The seed, which `fresh_seed` explains.

    Returns:
        float, [*shape]. The numbers.
    """
    dtype = dtype or keras.config.floatx()
    return keras.random.truncated_normal(tuple(shape), mean, stddev, dtype=dtype, seed=fresh_seed(seed))


def random_bernoulli(shape: Sequence[int], p: float = 0.0, dtype: str | None = None, seed: int | None = None) -> Tensor:
    """Draw ones with a probability, and zeros otherwise.

    Arguments:
        shape: sequence of int. The shape of the result.
        p: float. The probability of a one.
        dtype: str, or None. The dtype of the result; None is `keras.config.floatx()`.
        seed: int, or None. The seed, which `fresh_seed` explains.

    Returns:
        [*shape]. Zeros and ones.
    """
    return ops.cast(keras.random.uniform(tuple(shape), seed=fresh_seed(seed)) < p, dtype or keras.config.floatx())


random_binomial = random_bernoulli


def dropout(x: Tensor, level: float, noise_shape: Sequence[int] | None = None, seed: int | None = None) -> Tensor:
    """Set numbers to zero at random, and scale the others so that the expectation stays.

    Arguments:
        x: float, [...]. The numbers.
        level: float. The probability of a zero.
        noise_shape: sequence of int, or None. The shape of what is drawn, which is broadcast to x; None is the shape
            of x.
        seed: int, or None. The seed, which `fresh_seed` explains.

    Returns:
        float, [...]. The shape and dtype are the same as for x.
    """
    return keras.random.dropout(x, level, noise_shape=noise_shape, seed=fresh_seed(seed))


def fresh_seed(seed: int | None) -> Any:
    """Return what `keras.random` takes as its seed, so that each run draws other numbers, as with Keras 2.

    JAX runs a function once to trace it, and what it draws then would be drawn again in each step. So the seed is
    asked of the host while the compiled function runs: a stream of numbers for each place in the traced function.

    Arguments:
        seed: int, or None. Each int begins a stream of its own. None is the stream that
            `keras.utils.set_random_seed` begins.

    Returns:
        uint32 tensor, [2], in a function that JAX traces; elsewhere a `keras.random.SeedGenerator`, or None.
    """
    if keras.config.backend() == "jax" and is_traced(ops.zeros(())):
        return seed_of_host(seed)
    return None if seed is None else generator_of(seed)


def generator_of(seed: int) -> keras.random.SeedGenerator:
    """Return the generator of a seed, which is made the first time."""
    with _lock:
        if seed not in generators:
            generators[seed] = keras.random.SeedGenerator(seed)
        return generators[seed]


def seed_of_host(seed: int | None) -> Tensor:
    """Return a seed for JAX that has other numbers each time the compiled function runs.

    Arguments:
        seed: int, or None. Where the stream of numbers begins; None takes the start from Python's `random`.

    Returns:
        uint32, [2].
    """
    stream = np.random.default_rng(np.random.SeedSequence(begin_of_stream(seed)))

    def draw() -> np.ndarray:
        """Draw the next two numbers of the stream."""
        return stream.integers(2**32, size=2, dtype=np.uint32)

    return io_callback(draw, jax.ShapeDtypeStruct((2,), np.uint32))


def begin_of_stream(seed: int | None) -> list[int]:
    """Return the numbers that a new stream of the host begins with; for one seed they are others each time."""
    if seed is None:
        return [random.randrange(2**31)]  # Keras takes the seeds of its layers in the same way
    with _lock:
        draws[seed] += 1
        return [seed % 2**64, draws[seed]]
