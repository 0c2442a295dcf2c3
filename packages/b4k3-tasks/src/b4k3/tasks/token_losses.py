"""Losses of heads that read each token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import Layer, logsumexp, multilabel_categorical_crossentropy, ops, register, upcast

if TYPE_CHECKING:
    from b4k3.backend import Tensor

IGNORED = -1  # the target of tokens that do not count: special tokens and padding
EXCLUDED, INCLUDED, FIRST, LAST, BOTH = range(5)  # what a token is to the two pointers


@register
class MaskRemoval(Layer):
    """Give the inputs back without the mask of Keras, which would be applied to the losses below once more.

    Mask in: [batch, n], or None. Mask out: None.

    Example:
        >>> from b4k3.tasks.token_losses import MaskRemoval
        >>> tuple(MaskRemoval()(np.ones((2, 3, 4), "float32")).shape)
        (2, 3, 4)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the inputs.

        Arguments:
            inputs: float, [batch, n, d].
            mask: bool, [batch, n], or None. It is not used.

        Returns:
            float, [batch, n, d].
        """
        return inputs + 0  # a new tensor: Keras keeps the mask as an attribute of the old one

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """Return None: no mask goes on."""
        return None

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the inputs."""
        return tuple(input_shape)


def token_crossentropy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Compute the mean cross-entropy over all tokens of a batch that count.

    Arguments:
        y_true: int, [batch, n]. The numbers of the labels; -1 at tokens that do not count.
        y_pred: float, [batch, n, labels]. Logits.

    Returns:
        float32, []. The loss.

    Example:
        >>> from b4k3.tasks.token_losses import token_crossentropy
        >>> round(float(token_crossentropy(np.array([[0, -1]]), np.zeros((1, 2, 2), "float32"))), 2)
        0.69
    """
    labels, counts = _read(y_true, y_pred)
    logits = upcast(y_pred)
    chosen = ops.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]  # [batch, n]
    return _mean(logsumexp(logits, axis=-1) - chosen, counts)


def token_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Compute how many of the tokens that count have the right label.

    Arguments:
        y_true: int, [batch, n]. The numbers of the labels; -1 at tokens that do not count.
        y_pred: float, [batch, n, labels]. Logits.

    Returns:
        float32, [].

    Example:
        >>> from b4k3.tasks.token_losses import token_accuracy
        >>> float(token_accuracy(np.array([[0, -1]]), np.zeros((1, 2, 2), "float32")))
        1.0
    """
    labels, counts = _read(y_true, y_pred)
    right = ops.equal(ops.cast(ops.argmax(y_pred, axis=-1), "int32"), labels)
    return _mean(ops.cast(right, "float32"), counts)


def span_crossentropy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Compute the loss of a GlobalPointer: each label classifies all spans, and several may be right.

    Arguments:
        y_true: [batch, labels, n, n]. 1 for the spans of each label, 0 for others.
        y_pred: float, [batch, labels, n, n]. Logits, -inf where there can be no span.

    Returns:
        float, []. The sum over the labels, and the mean over the batch.

    Example:
        >>> from b4k3.tasks.token_losses import span_crossentropy
        >>> round(float(span_crossentropy(np.zeros((1, 2, 1, 1)), np.zeros((1, 2, 1, 1)))), 2)  # 2 log 2
        1.39

    Reference: Su et al., Global Pointer, https://arxiv.org/abs/2208.03054
    """
    shape = ops.shape(y_pred)
    y_true, y_pred = (ops.reshape(y, (-1, shape[1], shape[2] * shape[3])) for y in (y_true, y_pred))
    return ops.mean(ops.sum(multilabel_categorical_crossentropy(y_true, y_pred), axis=1))


def pointer_crossentropy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Compute the loss of two pointers: to the first token of an answer, and to its last one.

    Arguments:
        y_true: int, [batch, n]. What each token is: `EXCLUDED`, `INCLUDED`, `FIRST`, `LAST` or `BOTH`. Tokens that are
            excluded take no part in the cross-entropy.
        y_pred: float, [batch, n, 2]. Logits.

    Returns:
        float32, []. The mean of both cross-entropies.

    Example:
        >>> from b4k3.tasks.token_losses import BOTH, INCLUDED, pointer_crossentropy
        >>> round(float(pointer_crossentropy(np.array([[BOTH, INCLUDED, 0]]), np.zeros((1, 3, 2), "float32"))), 2)
        0.69
    """
    kinds = ops.cast(y_true, "int32")[..., None]  # [batch, n, 1]
    both = ops.equal(kinds, BOTH)
    first, last = (ops.cast(ops.logical_or(both, ops.equal(kinds, kind)), "float32") for kind in (FIRST, LAST))
    targets = ops.concatenate([first, last], axis=-1)  # [batch, n, 2]
    logits = upcast(y_pred)
    logits = ops.where(kinds > EXCLUDED, logits, ops.full_like(logits, -1e4))
    return ops.mean(logsumexp(logits, axis=1) - ops.sum(logits * targets, axis=1))


def _read(y_true: Tensor, y_pred: Tensor) -> tuple[Any, Any]:
    """Return labels int32 [batch, n], 0 where none counts, and which ones count, float32 [batch, n]."""
    labels = ops.cast(ops.reshape(y_true, ops.shape(y_pred)[:-1]), "int32")
    counts = labels >= 0
    return ops.where(counts, labels, ops.zeros_like(labels)), ops.cast(counts, "float32")


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    """Return the mean of the values that count."""
    return ops.sum(values * counts) / ops.maximum(ops.sum(counts), 1.0)
