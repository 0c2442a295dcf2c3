"""Layers that take an axis away: a sequence becomes one vector, a vector of one number becomes the number."""

from __future__ import annotations

from typing import Any, Sequence

from b4k3.backend import Layer, Tensor, ops, register, sequence_masking

POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


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


@register
class SequencePooling(_Pooling):
    """Turn the vectors of the tokens into one vector by a mode of sentence-transformers, or by several.

    The modes count the tokens that are not padding, on whichever side the padding is: "cls" takes the first token and
    "lasttoken" the last one; "max" and "mean" take the maximum and the mean; "mean_sqrt_len_tokens" divides the sum by
    the square root of the number of tokens; "weightedmean" gives the first token the weight 1, the second one 2, and
    so on. The vectors of several modes are joined in the order of the modes.

    Mask in: bool, [batch, n], or None. Mask out: None.

    Arguments:
        modes: str or sequence of str, from `POOLING_MODES`.

    Raises:
        ValueError: a mode is not one of these, or there is none.

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> x = Embedding(30, 8, mask_zero=True)(ids)
        >>> y = SequencePooling(["cls", "mean"])(x)  # [batch, 16]

    Reference: Reimers and Gurevych, Sentence-BERT, https://arxiv.org/abs/1908.10084; Muennighoff, SGPT (weightedmean),
        https://arxiv.org/abs/2202.08904
    """

    def __init__(self, modes: str | Sequence[str] = "mean", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.modes = [modes] if isinstance(modes, str) else list(modes)
        for mode in self.modes or [None]:
            if mode not in POOLING_MODES:
                raise ValueError(f"modes={modes!r}: expected one or more of {', '.join(POOLING_MODES)}")

    def call(self, inputs: Tensor | list[Tensor], mask: Tensor | list[Tensor | None] | None = None) -> Tensor:
        """Compute the vectors.

        Arguments:
            inputs: float, [batch, n, d]: the vectors of the tokens; or the list of these and of int, [batch, 1]: how
                many tokens of a prompt, at the beginning of each row, are left out.
            mask: bool, [batch, n], or None. False at padding. For two inputs, the list of this mask and None.

        Returns:
            float, [batch, d * len(modes)].
        """
        x, skipped = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)  # [b, n, d]
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask  # [b, n]
        real = ops.ones_like(x[..., 0], dtype="bool") if mask is None else ops.cast(mask, "bool")  # [b, n]
        places = ops.cumsum(ops.cast(real, "int32"), axis=1)  # [b, n]; 1 at the first token
        kept = real if skipped is None else ops.logical_and(real, places > ops.cast(skipped, "int32"))  # [b, n]
        vectors = [self._pool(mode, x, kept, places) for mode in self.modes]  # [b, d] each
        return ops.cast(vectors[0] if len(vectors) == 1 else ops.concatenate(vectors, axis=-1), x.dtype)

    @staticmethod
    def _pool(mode: str, x: Tensor, kept: Tensor, places: Tensor) -> Tensor:
        """Compute the vectors of one mode, [b, d], in float32; `places` counts the tokens of each row from 1."""
        if mode == "max":
            return ops.cast(ops.max(sequence_masking(x, kept, "-inf", 1), axis=1), "float32")
        weights = ops.cast(kept, "float32")  # [b, n]
        if mode == "weightedmean":
            weights = weights * ops.cast(places, "float32")
        if mode in ("cls", "lasttoken"):
            counted = ops.cumsum(weights, axis=1)  # [b, n]
            wanted = 1.0 if mode == "cls" else counted[:, -1:]
            weights = weights * ops.cast(ops.equal(counted, wanted), "float32")
        total = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1e-9)  # [b, 1]
        if mode == "mean_sqrt_len_tokens":
            total = ops.sqrt(total)
        weights = ops.expand_dims(weights / total, -1)  # [b, n, 1]
        return ops.sum(weights * ops.cast(x, "float32"), axis=1)  # [b, d]; no matmul, which a GPU may round

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of the vectors."""
        shape = input_shape[0] if isinstance(input_shape[0], (list, tuple)) else input_shape
        return (shape[0], None if shape[-1] is None else shape[-1] * len(self.modes))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the layer anew."""
        return dict(super().get_config(), modes=self.modes)


@register
class Squeeze(Layer):
    """Drop the last axis, which has the size 1, as behind a Dense layer with one unit.

    Mask in: it is ignored. Mask out: None, because losses take the last axis for one of classes and not of positions.

    Example:
        >>> y = Squeeze()(keras.Input((None, 1)))  # [batch, n]
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Drop the last axis.

        Arguments:
            inputs: float, [..., 1].

        Returns:
            float, [...].
        """
        return inputs[..., 0]

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """Return None."""
        return None

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape without its last axis."""
        return tuple(input_shape[:-1])
