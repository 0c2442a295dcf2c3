"""Losses over pairs of rows, for R-Drop and for sentence embeddings, as functions for `compile(loss=…)`.

Rows 2i and 2i + 1 of a batch are a pair in all of them, so a batch of three pairs is

    row      0   1   2   3   4   5
    partner  1   0   3   2   5   4

An odd number of rows is refused. Shuffle pairs, not rows, and choose an even batch size.
"""

from __future__ import annotations

from b4k3.backend import Tensor, assert_at_most, checked_ids, logsumexp, ops, register, upcast

SMALLEST = 1e-7  # of a probability whose logarithm is taken, as in Keras


@register
def rdrop_loss(y_true: Tensor, y_pred: Tensor, alpha: float = 4.0, from_logits: bool = False) -> Tensor:
    """Compute the cross-entropy, and how much two runs of one example differ because of dropout.

    Each example stands twice in the batch, in rows 2i and 2i + 1. The loss of a row is its cross-entropy plus alpha / 4
    times KL(p, q) + KL(q, p) of the two distributions of its example.

    Arguments:
        y_true: int or whole float, [batch, ...] or [batch, ..., 1]. The numbers of the right classes.
        y_pred: float, [batch, ..., classes]. Probabilities.
        alpha: float. The weight of the difference.
        from_logits: bool. Whether y_pred are scores before the softmax.

    Returns:
        float, [batch, ...]. One loss for each distribution; it is float32 if y_pred has half precision. In a compiled
        graph, which cannot see values, it is NaN where y_true is no class.

    Raises:
        ValueError: the number of rows is odd, or y_true has a number that is no class and its value can be seen.

    Example:
        >>> y_pred = ops.convert_to_tensor([[0.5, 0.5], [0.8, 0.2]])
        >>> loss = rdrop_loss(ops.convert_to_tensor([0, 0]), y_pred)  # [2]
        >>> [round(float(x), 4) for x in loss]
        [1.109, 0.639]

    Reference: Liang et al., R-Drop, https://arxiv.org/abs/2106.14448
    """
    scores = _paired(upcast(y_pred), "rdrop_loss")
    logs = ops.log_softmax(scores, axis=-1) if from_logits else ops.log(ops.clip(scores, SMALLEST, 1.0))
    classes = int(scores.shape[-1])
    labels, known = checked_ids(ops.reshape(y_true, ops.shape(scores)[:-1]), "rdrop_loss: y_true", 0, classes - 1)
    crossentropy = -ops.sum(logs * ops.one_hot(labels, classes, dtype=str(ops.dtype(logs))), axis=-1)
    if known is not None:
        crossentropy = ops.where(known, crossentropy, float("nan"))
    other = _partners(logs)
    # KL(p, q) + KL(q, p) = Σ (p - q)(log p - log q), the same for both rows.
    return crossentropy + alpha / 4 * ops.sum((ops.exp(logs) - ops.exp(other)) * (logs - other), axis=-1)


@register
def simcse_loss(y_true: Tensor, y_pred: Tensor, temperature: float = 0.05) -> Tensor:
    """Compute the cross-entropy of finding the partner of each row among all other rows, by the cosine.

    For unsupervised SimCSE both rows of a pair are the same sentence, and only dropout tells them apart.

    Arguments:
        y_true: Any, [batch, ...]. It is not read. Keras asks for it; zeros will do.
        y_pred: float, [batch, d]. The vectors, of any length.
        temperature: float. What cosines are divided by.

    Returns:
        float, [batch]. One loss for each row; it is float32 if y_pred has half precision.

    Raises:
        ValueError: the number of rows is odd.

    Example:
        >>> loss = simcse_loss(ops.zeros((4, 1)), ops.convert_to_tensor(np.eye(4)[[0, 0, 1, 1]]))  # [4]
        >>> [round(float(x), 4) for x in simcse_loss(None, ops.ones((4, 8)))]
        [1.0986, 1.0986, 1.0986, 1.0986]

    Reference: Gao et al., SimCSE, https://arxiv.org/abs/2104.08821
    """
    vectors = _normalized(_paired(y_pred, "simcse_loss"))
    similarities = ops.matmul(vectors, ops.transpose(vectors)) / temperature
    rows = ops.arange(ops.shape(vectors)[0])
    others = ops.where(ops.equal(rows[:, None], rows[None, :]), float("-inf"), similarities)
    return logsumexp(others, axis=-1) - ops.sum(vectors * _partners(vectors), axis=-1) / temperature


@register
def multiple_negatives_ranking_loss(y_true: Tensor, y_pred: Tensor, scale: float = 20.0) -> Tensor:
    """Compute the cross-entropy of finding the answer of each question among the answers of the batch, by the cosine.

    Row 2i is the question, row 2i + 1 its answer; the answers of the other questions are the negative examples.

    Arguments:
        y_true: Any, [batch, ...]. It is not read. Keras asks for it; zeros will do.
        y_pred: float, [batch, d]. The vectors, of any length.
        scale: float. What cosines are multiplied by.

    Returns:
        float, [batch]. The loss of each pair, in both of its rows; it is float32 if y_pred has half precision.

    Raises:
        ValueError: the number of rows is odd.

    Example:
        >>> loss = multiple_negatives_ranking_loss(None, ops.ones((4, 8)))  # [4]
        >>> [round(float(x), 4) for x in loss]
        [0.6931, 0.6931, 0.6931, 0.6931]

    Reference: Henderson et al., Efficient Natural Language Response Suggestion, https://arxiv.org/abs/1705.00652
    """
    pairs = _pairs(_normalized(_paired(y_pred, "multiple_negatives_ranking_loss")))  # [pairs, 2, d]
    questions, answers = pairs[:, 0], pairs[:, 1]
    similarities = ops.matmul(questions, ops.transpose(answers)) * scale  # [pairs, pairs]
    losses = logsumexp(similarities, axis=-1) - ops.sum(questions * answers, axis=-1) * scale
    return ops.reshape(ops.stack([losses, losses], axis=1), (-1,))


@register
def cosent_loss(y_true: Tensor, y_pred: Tensor, scale: float = 20.0) -> Tensor:
    """Compute how far the order of the cosines of pairs is from the order of their labels.

    It is log(1 + Σ exp(scale · (cos j - cos i))). The sum is over all i and j for which pair i has a larger label than
    pair j.

    Arguments:
        y_true: int or float, [batch] or [batch, 1]. How near the two rows of a pair are to each other: 0 and 1, or any
            numbers with an order. The label of row 2i is read, and the label of row 2i + 1 is not.
        y_pred: float, [batch, d]. The vectors, of any length.
        scale: float. What cosines are multiplied by.

    Returns:
        float, [batch]. The loss of the whole batch, in every row; it is float32 if y_pred has half precision.

    Raises:
        ValueError: the number of rows is odd.

    Example:
        >>> vectors = ops.convert_to_tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> loss = cosent_loss(ops.convert_to_tensor([0, 0, 1, 1]), vectors)  # [4]
        >>> round(float(loss[0]), 4)
        20.0

    Reference: Su, https://kexue.fm/archives/8847
    """
    pairs = _pairs(_normalized(_paired(y_pred, "cosent_loss")))  # [pairs, 2, d]
    cosines = ops.sum(pairs[:, 0] * pairs[:, 1], axis=-1) * scale  # [pairs]
    labels = ops.reshape(_paired(ops.reshape(y_true, (-1,)), "cosent_loss"), (-1, 2))[:, 0]
    wrong = cosines[None, :] - cosines[:, None]  # [i, j]: cos j - cos i
    terms = ops.where(ops.greater(labels[:, None], labels[None, :]), wrong, float("-inf"))
    terms = ops.reshape(terms, (-1,))
    loss = logsumexp(ops.concatenate([terms, ops.zeros_like(cosines[:1])], axis=0), axis=0)
    return loss + ops.zeros_like(ops.reshape(pairs[:, :, 0], (-1,)))


def _paired(x: Tensor, owner: str) -> Tensor:
    """Return x, whose rows are pairs, or fail with a message that begins with the name of the loss."""
    rows = ops.shape(x)[0]
    message = f"{owner}: rows 2i and 2i + 1 of a batch are a pair, but the number of rows is odd"
    if isinstance(rows, int):
        message += f": {rows}. Choose an even batch size, and an even number of rows"
    return x if rows is None else assert_at_most(x, rows % 2, 0, message)


def _pairs(x: Tensor) -> Tensor:
    """Return the rows of x in pairs: [batch, d] becomes [pairs, 2, d]."""
    return ops.reshape(x, (-1, 2, int(x.shape[-1])))


def _partners(x: Tensor) -> Tensor:
    """Return x with the two rows of each pair in the place of each other."""
    shape = ops.shape(x)
    pairs = ops.reshape(x, (-1, 2) + tuple(shape[1:]))
    return ops.reshape(ops.stack([pairs[:, 1], pairs[:, 0]], axis=1), shape)


def _normalized(x: Tensor) -> Tensor:
    """Return the rows of x with length 1 in at least float32; rows of zeros stay zeros."""
    x = upcast(x)
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=-1, keepdims=True), 1e-12))
