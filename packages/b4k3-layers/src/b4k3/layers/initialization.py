"""Initializers of particular networks."""

from __future__ import annotations

from typing import Any

from b4k3.backend import Tensor, TruncatedNormal, keras, register


@register
class DeepTruncatedNormal(keras.initializers.Initializer):
    """Draw truncated normal values that are smaller in a deeper network.

    Before the cut the standard deviation is 1.13684723 / sqrt(width) · depth ** (-1 / order). The width is the size of
    the first axis, or of the second one if the first counts tokens (more than 10000) or segments (fewer than 10).

    Arguments:
        depth: int. The number of blocks.
        order: int. 2 if a block has two residual connections, 3 for gated attention units.

    Example:
        >>> kernel = DeepTruncatedNormal(depth=12)((64, 16))  # [64, 16]

    Reference: RoFormerV2, https://github.com/ZhuiyiTechnology/roformer-v2, https://spaces.ac.cn/archives/8998
    """

    def __init__(self, depth: int, order: int = 2) -> None:
        self.depth = depth
        self.order = order

    def __call__(
        self, shape: Any, dtype: Any = None, order: int | None = None, gain: float = 1.0, **kwargs: Any
    ) -> Tensor:
        """Draw the values.

        Arguments:
            shape: tuple of two ints. The shape of the weight.
            dtype: str, or None for Keras' default. The dtype.
            order: int, or None. It replaces the order of the initializer.
            gain: float. The standard deviation is multiplied by it.

        Returns:
            float, of the given shape.
        """
        width = shape[1] if shape[0] > 10000 or shape[0] < 10 else shape[0]
        stddev = gain * 1.13684723 / float(width) ** 0.5 * float(self.depth) ** (-1.0 / (order or self.order))
        return TruncatedNormal(stddev=stddev)(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this initializer again."""
        return {"depth": self.depth, "order": self.order}
