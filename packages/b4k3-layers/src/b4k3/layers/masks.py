"""Attention biases that hide what follows, for a Transformer that reads from left to right; and zeros for padding."""

from __future__ import annotations

from typing import Any, Iterable

from b4k3.backend import Layer, Tensor, bias_from_mask, ops, register, sequence_masking


def and_of_masks(masks: Iterable[Tensor | None] | None) -> Tensor | None:
    """Return the AND of several masks.

    Arguments:
        masks: list of masks, bool, [batch, n], or None. A mask that is None counts as all True.

    Returns:
        bool, [batch, n]; None if all masks are None.
    """
    result = None
    for mask in masks or ():
        if mask is not None and mask is not result:  # in a residual connection both tensors have the same mask
            result = mask if result is None else ops.logical_and(result, mask)
    return result


class _AttentionBias(Layer):
    """The base of layers that compute an attention bias from ids."""

    reads_ids = True

    def decode(self, inputs: Tensor, step: Any) -> Tensor | None:
        """Compute the bias of whole prompts; a newer token sees all tokens before it, so it needs no bias.

        Arguments:
            inputs: [batch, n]. The inputs of `call`.
            step: object. Its `positions` is None while the inputs are whole prompts.

        Returns:
            The bias, or None.
        """
        return self.call(inputs) if step.positions is None else None

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """Return None, because a bias has no mask."""
        return None


@register
class LanguageModelMask(_AttentionBias):
    """Compute the attention bias of a language model, in which position i sees the positions up to i.

    Mask in: it is ignored. Mask out: None.

    Example:
        >>> ids = ops.ones((2, 5), "int32")
        >>> bias = LanguageModelMask()(ids)  # [1, 1, 5, 5]
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the bias.

        Arguments:
            inputs: [batch, n]. Any tensor; only its length is read.

        Returns:
            float, [1, 1, n, n].
        """
        i = ops.arange(0, ops.shape(inputs)[1], dtype="int32")  # [n]
        visible = ops.expand_dims(i, 0) <= ops.expand_dims(i, 1)  # [n, n]
        return bias_from_mask(visible, self.compute_dtype)[None, None]  # [1, 1, n, n]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the bias."""
        return (1, 1, input_shape[1], input_shape[1])


@register
class UniLMMask(_AttentionBias):
    """Compute the attention bias of UniLM from segment ids.

    A token of segment 0 sees all of segment 0. A token of segment 1 sees segment 0 and the tokens of segment 1 up to
    itself.

    Mask in: it is ignored. Mask out: None.

    Example:
        >>> segment_ids = ops.convert_to_tensor([[0, 0, 1, 1]])
        >>> bias = UniLMMask()(segment_ids)  # [1, 1, 4, 4]

    Reference: Dong et al., UniLM, https://arxiv.org/abs/1905.03197
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the bias.

        Arguments:
            inputs: int, [batch, n]. The segment ids.

        Returns:
            float, [batch, 1, n, n].
        """
        order = ops.cumsum(ops.cast(inputs, "int32"), axis=1)  # [b, n]
        visible = ops.expand_dims(order, 1) <= ops.expand_dims(order, 2)  # [b, n, n]
        return ops.expand_dims(bias_from_mask(visible, self.compute_dtype), 1)  # [b, 1, n, n]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the bias."""
        return (input_shape[0], 1, input_shape[1], input_shape[1])


@register
class ZeroPadding(Layer):
    """Write zeros where a sequence has no element.

    The mask of the inputs goes in and comes out unchanged. Without a mask nothing is written.

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> x = ZeroPadding()(Embedding(30, 8, mask_zero=True)(ids))  # [batch, n, 8]
    """

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Write zeros at padding.

        Arguments:
            inputs: float, [batch, n, ...]. The sequences.
            mask: bool, [batch, n], or None. True where there is an element.

        Returns:
            float, [batch, n, ...].
        """
        return sequence_masking(inputs, mask)

    def decode(self, inputs: Tensor, step: Any) -> Tensor:
        """Write zeros by the mask of the step.

        Arguments:
            inputs: float, [batch, n, ...]. The newest tokens.
            step: object. It has a `mask` of these tokens.

        Returns:
            float, [batch, n, ...].
        """
        return self.call(inputs, step.mask)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the inputs."""
        return tuple(input_shape)
