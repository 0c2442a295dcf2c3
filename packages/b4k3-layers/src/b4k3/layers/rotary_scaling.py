"""The frequencies of rotary positions, and how models are made to read longer texts than they were trained with.

Feature pair i of a head of size d turns by the angle p · base^(-2i/d) at position p. For d = 8 and base 10000 the pairs
turn by 1, 0.1, 0.01 and 0.001 for each position, and one turn takes 6, 63, 628 and 6283 positions. Beyond the
length of training the slow pairs meet angles that the model has never seen. The scalings divide frequencies by a
factor:

    linear     all of them
    llama3     those that turn less than once in the length of training, and those in between by a part of the factor
    yarn       the same with other limits; sines and cosines are also multiplied by a number above 1
    dynamic    none up to the length of training; `RotaryPositionEmbedding` refuses longer sequences, in which the
               angles of the first tokens would depend on how many tokens follow
"""

from __future__ import annotations

import math
from typing import Any, Mapping

import numpy as np


def rotary_frequencies(size: int, base: float, scaling: Mapping[str, Any] | None = None) -> tuple[np.ndarray, float]:
    """Compute the frequencies of the feature pairs of a head, and the factor on the sines and cosines.

    The keys of `scaling` have the names that `rope_parameters` has in Hugging Face transformers:

    - rope_type: "default", "linear", "llama3", "yarn", or "dynamic", whose frequencies are the default ones up to
      max_position_embeddings;
    - factor, for all types but "default": what frequencies are divided by;
    - original_max_position_embeddings, for "llama3" and "yarn": the length of training;
    - low_freq_factor and high_freq_factor, for "llama3": pairs that turn less often than the first number in the length
      of training are divided by the whole factor, pairs that turn more often than the second one are not divided;
    - beta_slow and beta_fast, for "yarn": the same two numbers, 1 and 32 unless they are given; truncate, which is true
      unless it is given, rounds the limits to whole pairs;
    - attention_factor, for "yarn": the factor on the sines and cosines. Without it mscale and mscale_all_dim, or
      the factor alone, determine it.

    Arguments:
        size: int. The size of a head's queries and keys, which must be even.
        base: float. The base of the frequencies, which is called theta elsewhere.
        scaling: dict, or None for no scaling.

    Returns:
        The frequencies, float64 [size / 2], and the factor.

    Raises:
        ValueError: the rope_type is unknown.

    Example:
        >>> frequencies, factor = rotary_frequencies(8, 10000.0, {"rope_type": "linear", "factor": 2.0})
        >>> frequencies.tolist(), factor
        ([0.5, 0.05, 0.005, 0.0005], 1.0)

    Reference: for llama3 https://arxiv.org/abs/2407.21783; for yarn Peng et al., YaRN, https://arxiv.org/abs/2309.00071
    """
    frequencies = float(base) ** (-np.arange(0, size, 2) / size)  # [size / 2]
    kind = "default" if scaling is None else scaling.get("rope_type", "default")
    if scaling is None or kind in ("default", "dynamic"):
        return frequencies, 1.0
    if kind == "linear":
        return frequencies / scaling["factor"], 1.0
    if kind == "llama3":
        return _llama3(frequencies, scaling), 1.0
    if kind == "yarn":
        return _yarn(frequencies, float(base), scaling), _yarn_factor(scaling)
    raise ValueError(f"rope_type={kind!r}, expected default, linear, dynamic, llama3 or yarn")


def _llama3(frequencies: np.ndarray, scaling: Mapping[str, Any]) -> np.ndarray:
    """Divide the frequencies of slow pairs; between two limits the divided and the given one are mixed."""
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * frequencies / (2 * math.pi)  # in the length of training
    kept = np.clip((turns - low) / (high - low), 0, 1)  # the share of the given frequency
    return frequencies * (kept + (1 - kept) / scaling["factor"])


def _yarn(frequencies: np.ndarray, base: float, scaling: Mapping[str, Any]) -> np.ndarray:
    """Divide the frequencies of slow pairs; between two limits, which are indices of pairs, the two are mixed."""
    count = len(frequencies)
    size, length = 2 * count, scaling["original_max_position_embeddings"]

    def pair_with(turns: float) -> float:
        """Return the index of the pair that turns so often in the length of training."""
        return size * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(base))

    low, high = pair_with(scaling.get("beta_fast") or 32), pair_with(scaling.get("beta_slow") or 1)
    if scaling.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, size - 1)
    divided = np.clip((np.arange(count) - low) / ((high - low) or 0.001), 0, 1)  # the share of the divided frequency
    return frequencies * (1 - divided + divided / scaling["factor"])


def _yarn_factor(scaling: Mapping[str, Any]) -> float:
    """Return the factor on the sines and cosines."""
    given = scaling.get("attention_factor")
    if given is not None:
        return float(given)

    def growth(weight: float) -> float:
        """Return how much the scores shall grow with the factor."""
        return 0.1 * weight * math.log(scaling["factor"]) + 1.0 if scaling["factor"] > 1 else 1.0

    numerator, denominator = scaling.get("mscale"), scaling.get("mscale_all_dim")
    return growth(numerator) / growth(denominator) if numerator and denominator else growth(1.0)


__all__ = ["rotary_frequencies"]
