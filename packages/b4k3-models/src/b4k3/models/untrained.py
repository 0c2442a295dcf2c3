"""Tell whether the heads in a checkpoint were trained. Some files contain them as a training script initialised them.

An example is HIT's RoBERTa-wwm-ext-large, whose masked-language-model head is random: the file loads without an error,
and the head predicts noise.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

# BERT's code initialises matrices with normal values of standard deviation 0.02, and draws values beyond two standard
# deviations (0.04) again. The values that are left have the standard deviation 0.02 · 0.8796.
CUT, DEVIATION = 0.04, 0.02 * 0.8796


def looks_untrained(arrays: Sequence[np.ndarray]) -> bool:
    """Whether arrays look as BERT's code initialises them: truncated normal matrices, and vectors of zeros or ones.

    Arguments:
        arrays: the variables of one head, arrays of any shape.

    Returns:
        bool. False if there is no matrix among the arrays.

    Example:
        >>> import numpy as np
        >>> from b4k3.models.untrained import looks_untrained
        >>> looks_untrained([np.ones((8, 8), dtype="float32"), np.zeros(8, dtype="float32")])
        False
    """
    matrices = [a for a in arrays if a.ndim > 1]
    vectors = [a for a in arrays if a.ndim == 1]
    return bool(matrices) and all(map(is_constant, vectors)) and all(map(is_cut_normal, matrices))


def is_constant(vector: np.ndarray) -> bool:
    """Whether a vector holds only zeros, or only ones."""
    return bool((vector == 0).all() or (vector == 1).all())


def is_cut_normal(matrix: np.ndarray) -> bool:
    """Whether no value is beyond the cut, and the standard deviation is right within four standard errors."""
    matrix = np.asarray(matrix, dtype="float64")
    error = 4 * DEVIATION / (2 * matrix.size) ** 0.5
    return bool(np.abs(matrix).max() <= CUT * (1 + 1e-3) and abs(matrix.std() - DEVIATION) <= error)
