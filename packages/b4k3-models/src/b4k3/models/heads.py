"""Whether the heads in a checkpoint were trained: some files hold them as a training script initialised them.

Of HIT's RoBERTa-wwm-ext-large, for instance, the MLM head is random: the file loads, and predicts noise.
"""

from __future__ import annotations

import re
import warnings

import numpy as np

HEADS = (
    (re.compile(r"^(cls/predictions|generator_predictions)/"), "MLM head"),
    (re.compile(r"^cls/seq_relationship/"), "NSP head"),
    (re.compile(r"/pooler/"), "pooler"),
    (re.compile(r"^discriminator_predictions/"), "discriminator head"),
)
# the initializer of BERT's code and its descendants: normal values of 0.02, cut at two of them
CUT, DEVIATION = 0.04, 0.02 * 0.8796


def looks_fresh(arrays):
    """Whether arrays look as BERT's code initialises them: matrices of small cut normal values, vectors of 0 or 1.

    Arguments:
        arrays: the variables of one head.
    """
    matrices = [a for a in arrays if a.ndim > 1]
    vectors = [a for a in arrays if a.ndim == 1]
    return bool(matrices) and all(map(is_constant, vectors)) and all(map(is_cut_normal, matrices))


def is_constant(vector):
    return bool((vector == 0).all() or (vector == 1).all())


def is_cut_normal(matrix):
    """Whether no value is beyond the cut, and the standard deviation is right within four of its own errors."""
    matrix = np.asarray(matrix, dtype="float64")
    error = 4 * DEVIATION / (2 * matrix.size) ** 0.5
    return bool(np.abs(matrix).max() <= CUT * (1 + 1e-3) and abs(matrix.std() - DEVIATION) <= error)


def report_untrained(report, pairs):
    """Note and warn of heads that were loaded and look untrained.

    Arguments:
        report: `LoadReport`.
        pairs: list of (weight, array), in the order of `report.loaded`.
    """
    for pattern, head in HEADS:
        found = [(name, value) for (_, name, _), (_, value) in zip(report.loaded, pairs) if pattern.search(name)]
        if looks_fresh([value for _, value in found]):
            note = "the %s in %s (%s, …) looks freshly initialised, not trained: what it predicts is noise" % (
                head,
                report.path,
                found[0][0],
            )
            report.notes.append(note)
            warnings.warn(note, stacklevel=2)
