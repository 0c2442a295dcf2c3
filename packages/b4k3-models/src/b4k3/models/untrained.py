"""Tell whether the heads in a checkpoint were trained. Some files contain them as a training script initialised them.

An example is HIT's RoBERTa-wwm-ext-large, whose masked-language-model head is random: the file loads without an error,
and the head predicts noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# BERT's code initialises matrices with normal values of standard deviation 0.02, and draws a value beyond two standard
# deviations (0.04) again. The standard deviation of the result is 0.02 · 0.8796.
CUT, DEVIATION = 0.04, 0.02 * 0.8796


def looks_untrained(arrays: Sequence[NDArray[Any]]) -> bool:
    """Tell whether arrays look as BERT's code initialises them: truncated normal matrices, vectors of zeros or ones.

    Arguments:
        arrays: list of arrays of any shape, the variables of one head.

    Returns:
        bool. False if there is no matrix among the arrays.

    Example:
        >>> import numpy as np
        >>> from b4k3.models.untrained import looks_untrained
        >>> kernel = np.random.default_rng(0).normal(0, 0.02, 100000)
        >>> kernel = kernel[abs(kernel) < 0.04]  # as BERT's code draws it
        >>> bias = np.zeros(8, dtype="float32")
        >>> looks_untrained([kernel[:80000].reshape(-1, 8), bias]), looks_untrained([np.ones((8, 8)), bias])
        (True, False)
    """
    matrices = [a for a in arrays if a.ndim > 1]
    vectors = [a for a in arrays if a.ndim == 1]
    return bool(matrices) and all(map(is_constant, vectors)) and all(map(is_cut_normal, matrices))


def is_constant(vector: NDArray[Any]) -> bool:
    """Tell whether a vector has only zeros, or only ones.

    Arguments:
        vector: [n].

    Returns:
        bool.
    """
    return bool((vector == 0).all() or (vector == 1).all())


def is_cut_normal(matrix: NDArray[Any]) -> bool:
    """Tell whether a matrix looks like a truncated normal one.

    No value may be beyond the cut, and the standard deviation must be right within four standard errors. The standard
    error of the standard deviation of n values is the deviation divided by the root of 2n.

    Arguments:
        matrix: [m, n].

    Returns:
        bool.
    """
    matrix = np.asarray(matrix, dtype="float64")
    error = 4 * DEVIATION / (2 * matrix.size) ** 0.5
    return bool(np.abs(matrix).max() <= CUT * (1 + 1e-3) and abs(matrix.std() - DEVIATION) <= error)
