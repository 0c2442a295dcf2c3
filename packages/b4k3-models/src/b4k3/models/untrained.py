"""Whether the heads in a checkpoint were trained: some files hold them as a training script initialised them.

Of HIT's RoBERTa-wwm-ext-large, for instance, the MLM head is random: the file loads, and predicts noise.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

# the initializer of BERT's code and its descendants: normal values of 0.02, cut at two of them
CUT, DEVIATION = 0.04, 0.02 * 0.8796


def looks_untrained(arrays: Sequence[np.ndarray]) -> bool:
    """Whether arrays look as BERT's code initialises them: matrices of small cut normal values, vectors of 0 or 1.

    Arguments:
        arrays: the variables of one head.
    """
    matrices = [a for a in arrays if a.ndim > 1]
    vectors = [a for a in arrays if a.ndim == 1]
    return bool(matrices) and all(map(is_constant, vectors)) and all(map(is_cut_normal, matrices))


def is_constant(vector: np.ndarray) -> bool:
    """Whether a vector holds only 0, or only 1."""
    return bool((vector == 0).all() or (vector == 1).all())


def is_cut_normal(matrix: np.ndarray) -> bool:
    """Whether no value is beyond the cut, and the standard deviation is right within four of its own errors."""
    matrix = np.asarray(matrix, dtype="float64")
    error = 4 * DEVIATION / (2 * matrix.size) ** 0.5
    return bool(np.abs(matrix).max() <= CUT * (1 + 1e-3) and abs(matrix.std() - DEVIATION) <= error)
