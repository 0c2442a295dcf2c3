"""Layers that turn a sequence into one vector."""

from __future__ import annotations

from b4k3.backend import Layer, Tensor, ops, register, sequence_masking


class _Pooling(Layer):
    """The base of layers that remove the axis of the positions."""

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """Return None, because a vector has no mask."""
        return None

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the vectors."""
        return (input_shape[0],) + tuple(input_shape[2:])


@register
class GlobalAveragePooling1D(_Pooling):
    """Compute the mean over the tokens that are not padding.

    Mask in: bool, [batch, n], or None. Mask out: None.

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> x = Embedding(30, 8, mask_zero=True)(ids)
        >>> y = GlobalAveragePooling1D()(x)  # [batch, 8]
    """

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute the mean.

        Arguments:
            inputs: float, [batch, n, d]. The vectors of the tokens.
            mask: bool, [batch, n], or None. False at padding.

        Returns:
            float, [batch, d].
        """
        if mask is None:
            return ops.mean(inputs, axis=1)
        weights = ops.expand_dims(ops.cast(mask, "float32"), -1)  # [b, n, 1]; float16 cannot count beyond 2048
        total = ops.sum(ops.cast(inputs, "float32") * weights, axis=1)  # [b, d]
        return ops.cast(total / ops.maximum(ops.sum(weights, axis=1), 1.0), inputs.dtype)  # [b, d]


@register
class GlobalMaxPooling1D(_Pooling):
    """Compute the maximum over the tokens that are not padding.

    Mask in: bool, [batch, n], or None. Mask out: None.

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> x = Embedding(30, 8, mask_zero=True)(ids)
        >>> y = GlobalMaxPooling1D()(x)  # [batch, 8]
    """

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute the maximum.

        Arguments:
            inputs: float, [batch, n, d]. The vectors of the tokens.
            mask: bool, [batch, n], or None. False at padding.

        Returns:
            float, [batch, d].
        """
        return ops.max(sequence_masking(inputs, mask, "-inf", 1), axis=1)


@register
class FirstToken(_Pooling):
    """Pick the vector of the first token.

    Mask in: it is ignored. Mask out: None.

    Example:
        >>> y = FirstToken()(keras.Input((None, 8)))  # [batch, 8]
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Pick the first vector.

        Arguments:
            inputs: float, [batch, n, d]. The vectors of the tokens.

        Returns:
            float, [batch, d].
        """
        return inputs[:, 0]
