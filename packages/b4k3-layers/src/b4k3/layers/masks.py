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
        """Compute the bias of whole prompts or of several new tokens; a single one sees all before it without a bias.

        Arguments:
            inputs: [batch, n]. The inputs of `call`.
            step: object. Its `positions` is None while the inputs are whole prompts, and its `past` is the number of
                keys before several new tokens, or None if there is one new token.

        Returns:
            float, [1 or batch, 1, n, n] for whole prompts, [1 or batch, 1, n, m] for several new tokens; or None.
        """
        if step.positions is None:
            return self.call(inputs)
        if step.past is None:
            return None
        return ops.pad(self.call(inputs), [(0, 0), (0, 0), (0, 0), (step.past, 0)])  # all that is cached is seen

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """Return None, because a bias has no mask."""
        return None


@register
class LanguageModelMask(_AttentionBias):
    """Compute the attention bias of a language model, in which position i sees the positions up to i.

    Mask in: it is ignored. Mask out: None.

    Arguments:
        window: int, or None. How many positions a position sees, itself included; None for all that it may see.

    Example:
        >>> ids = ops.ones((2, 5), "int32")
        >>> bias = LanguageModelMask()(ids)  # [1, 1, 5, 5]
        >>> local = LanguageModelMask(window=3)(ids)  # [1, 1, 5, 5]

    Reference: for the window Beltagy et al., Longformer, https://arxiv.org/abs/2004.05150
    """

    def __init__(self, window: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window = window

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the bias.

        Arguments:
            inputs: [batch, n]. Any tensor; only its length is read.

        Returns:
            float, [1, 1, n, n].
        """
        i = ops.arange(0, ops.shape(inputs)[1], dtype="int32")  # [n]
        visible = ops.expand_dims(i, 0) <= ops.expand_dims(i, 1)  # [n, n]
        if self.window is not None:
            visible = ops.logical_and(visible, ops.expand_dims(i, 1) - ops.expand_dims(i, 0) < self.window)  # [n, n]
        return bias_from_mask(visible, self.compute_dtype)[None, None]  # [1, 1, n, n]

    def decode(self, inputs: Tensor, step: Any) -> Tensor | None:
        """Compute the bias of whole prompts or of new tokens, which see all tokens before them, or within the window.

        Arguments:
            inputs: [batch, n]. The inputs of `call`.
            step: object. Its `positions` is None while the inputs are whole prompts; else they and `key_positions`
                tell where the new tokens and the keys are.

        Returns:
            float, [1, 1, n, n] for whole prompts, [1 or batch, 1, n, m] for new tokens; None if they see all keys.
        """
        bias = super().decode(inputs, step)
        if step.positions is None or self.window is None:
            return bias
        keys = step.key_positions  # [1 or b, m]
        if bias is None and keys.shape[1] is not None and keys.shape[1] <= self.window:
            return None
        near = step.positions[:, :, None] - keys[:, None, :] < self.window  # [b, n, m]
        local = bias_from_mask(near, self.compute_dtype)[:, None]  # [b, 1, n, m]
        return local if bias is None else ops.minimum(bias, local)  # [b, 1, n, m]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(window=self.window)
        return config

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
