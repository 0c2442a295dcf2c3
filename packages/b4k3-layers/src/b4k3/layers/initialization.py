"""Initializers of particular networks."""

from __future__ import annotations

from b4k3.backend import TruncatedNormal, keras, register


@register
class DeepTruncatedNormal(keras.initializers.Initializer):
    """Truncated normal values that are the smaller the deeper a network is.

    Their standard deviation before the cut is 1.13684723 / sqrt(width) · depth ** (-1 / order), where the width is the
    first axis, or the second where the first one counts tokens (more than 10000) or segments (fewer than 10).

    Arguments:
        depth: number of blocks.
        order: 2 where a block has two residual connections of its own, 3 for gated attention units.

    Reference: RoFormerV2, https://github.com/ZhuiyiTechnology/roformer-v2, https://spaces.ac.cn/archives/8998
    """

    def __init__(self, depth, order=2):
        self.depth = depth
        self.order = order

    def __call__(self, shape, dtype=None, order=None, gain=1.0, **kwargs):
        """Arguments: shape of two axes; dtype; order instead of the initializer's own; gain, a factor."""
        width = shape[1] if shape[0] > 10000 or shape[0] < 10 else shape[0]
        stddev = gain * 1.13684723 / float(width) ** 0.5 * float(self.depth) ** (-1.0 / (order or self.order))
        return TruncatedNormal(stddev=stddev)(shape, dtype=dtype)

    def get_config(self):
        return {"depth": self.depth, "order": self.order}
