"""Losses for examples that have several right classes at once."""

from __future__ import annotations

from ._environment import ops, register
from .tables import checked_ids
from .tensors import dtype, logsumexp, upcast
from .types import Tensor


@register
def multilabel_categorical_crossentropy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Compute the cross-entropy of softmax for any number of right classes.

    It is log(1 + Σᵢ yᵢ·exp(-sᵢ)) + log(1 + Σᵢ (1-yᵢ)·exp(sᵢ)) for labels y and scores s. It drives the scores of right
    classes above 0 and the other scores below 0, so `y_pred > 0` is the prediction.

    Arguments:
        y_true: int or float, [..., classes]. 1 for a right class and 0 for another, or a probability between them.
        y_pred: float, [..., classes]. The scores without an activation. A score of -inf takes its class out of the sum.

    Returns:
        float, [...]. One loss for each row of classes; it is float32 if y_pred has half precision.

    Example:
        >>> y_true = ops.convert_to_tensor([[1, 0, 1], [0, 0, 0]])
        >>> loss = multilabel_categorical_crossentropy(y_true, ops.zeros((2, 3)))  # [2]
        >>> [round(float(x), 4) for x in loss]
        [1.7918, 1.3863]

    Reference: Su et al., ZLPR, https://arxiv.org/abs/2208.02955
    """
    scores = upcast(y_pred)
    y_true = ops.cast(y_true, dtype(scores))
    present = scores > float("-inf")
    return _log_one_plus(-scores, y_true, present) + _log_one_plus(scores, 1.0 - y_true, present)


def _log_one_plus(scores: Tensor, weights: Tensor, present: Tensor) -> Tensor:
    """Compute log(1 + Σ weights·exp(scores)) over the classes that are present and have a weight.

    The other classes are replaced before the sum, so that they get no gradient either.
    """
    counted = ops.logical_and(present, weights > 0)
    scores = ops.where(counted, scores, float("-inf"))
    scores = scores + ops.log(ops.where(counted, weights, 1.0))
    return logsumexp(ops.concatenate([scores, ops.zeros_like(scores[..., :1])], axis=-1), axis=-1)


@register
def sparse_multilabel_categorical_crossentropy(y_true: Tensor, y_pred: Tensor, mask_zero: bool = False) -> Tensor:
    """Compute `multilabel_categorical_crossentropy` from the numbers of the right classes.

    Arguments:
        y_true: int or whole float, [..., k]. The numbers of the right classes; a number may occur more than once.
        y_pred: float, [..., classes]. The scores without an activation.
        mask_zero: bool. Whether 0 in y_true is padding and not a class.

    Returns:
        float, [...]. One loss for each row of classes. In a compiled graph, which cannot see values, it is NaN if
        y_true has a number that no class has.

    Raises:
        ValueError: y_true has a number that no class has, and its value can be seen, as in an eager call.

    Example:
        >>> y_true = ops.convert_to_tensor([[2, 1], [2, 0]])
        >>> loss = sparse_multilabel_categorical_crossentropy(y_true, ops.zeros((2, 3)), mask_zero=True)  # [2]
        >>> [round(float(x), 4) for x in loss]
        [1.0986, 1.3863]
    """
    scores = upcast(y_pred)
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
