"""Losses for several right answers at once."""

from __future__ import annotations

from ._environment import ops, register
from .tables import checked_ids
from .tensors import dtype, logsumexp, wide


@register
def multilabel_categorical_crossentropy(y_true, y_pred):
    """log(1 + Σᵢ yᵢ·exp(-sᵢ)) + log(1 + Σᵢ (1-yᵢ)·exp(sᵢ)): softmax cross-entropy for any number of right classes.

    It wants the scores of right classes above 0 and those of the others below; predict by `y_pred > 0`.

    Arguments:
        y_true: [..., classes], 0 or 1, or a probability between them.
        y_pred: float [..., classes], scores without an activation. A score of -inf takes the class out of the sum.

    Returns:
        Float [...]: one loss for each row of classes; float32 where y_pred has half precision.

    Reference: Su et al., ZLPR, https://arxiv.org/abs/2208.02955
    """
    scores = wide(y_pred)
    y_true = ops.cast(y_true, dtype(scores))
    present = scores > float("-inf")
    return _log_one_plus(-scores, y_true, present) + _log_one_plus(scores, 1.0 - y_true, present)


def _log_one_plus(scores, weights, present):
    """log(1 + Σ weights·exp(scores)) over what is present and has a weight; the rest gets no gradient either."""
    counted = ops.logical_and(present, weights > 0)
    scores = ops.where(counted, scores, float("-inf"))
    scores = scores + ops.log(ops.where(counted, weights, 1.0))
    return logsumexp(ops.concatenate([scores, ops.zeros_like(scores[..., :1])], axis=-1), axis=-1)


@register
def sparse_multilabel_categorical_crossentropy(y_true, y_pred, mask_zero=False):
    """`multilabel_categorical_crossentropy` where the right classes are given by their numbers.

    Arguments:
        y_true: [..., k], the numbers of right classes, integers or whole floats; a number may occur more than once.
        y_pred: float [..., classes], as above.
        mask_zero: whether class 0 is no class but the padding of y_true.

    Returns:
        Float [...]; in a compiled graph NaN where y_true names a class that there is not.

    Raises:
        ValueError: y_true names a class that there is not, in an eager call.
    """
    scores = wide(y_pred)
    classes = ops.shape(scores)[-1]
    flat = ops.reshape(scores, (-1, classes))
    labels, known = checked_ids(y_true, "sparse_multilabel_categorical_crossentropy: y_true", 0, classes - 1)
    labels = ops.reshape(labels, (-1, ops.shape(labels)[-1]))
    rows = ops.arange(ops.shape(labels)[0], dtype="int32")[:, None] + ops.zeros_like(labels)
    cells = ops.stack([ops.reshape(rows, (-1,)), ops.reshape(labels, (-1,))], axis=-1)  # [rows * k, 2]
    marked = ops.scatter_update(ops.zeros_like(flat), cells, ops.ones_like(cells[:, 0], dtype=dtype(flat)))
    if mask_zero:
        flat = ops.where(ops.equal(ops.arange(classes), 0), float("-inf"), flat)
    loss = ops.reshape(multilabel_categorical_crossentropy(marked, flat), ops.shape(scores)[:-1])
    return loss if known is None else ops.where(ops.all(known, axis=-1), loss, float("nan"))
