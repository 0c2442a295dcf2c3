"""Layer normalisation: one description in ops, and the framework's fused kernel where there is one."""

from __future__ import annotations

from ._environment import fused, ops
from .types import Tensor


def layer_normalization(
    x: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-12,
    zero_mean: bool = True,
    unit_variance: bool = True,
) -> Tensor:
    """Compute (x - mean) / sqrt(variance + epsilon) · gamma + beta over the last axis, in float32.

    Arguments:
        x: float, [..., d]. The features to normalise.
        gamma: float, broadcast to [..., d], or None. The factor; None means 1.
        beta: float, broadcast to [..., d], or None. The offset; None means 0.
        epsilon: float. It is added to the variance.
        zero_mean: bool. False leaves the mean in x, which is RMS normalisation, https://arxiv.org/abs/1910.07467
        unit_variance: bool. False leaves out the division by the standard deviation.

    Returns:
        float, [..., d], of the dtype of x.

    Example:
        >>> y = layer_normalization(ops.ones((2, 4, 8)))  # [2, 4, 8]

    Reference: Ba et al., Layer Normalization, https://arxiv.org/abs/1607.06450
    """
    if unit_variance:
        out = fused.fused_layer_normalization(x, gamma, beta, epsilon, zero_mean)
        if out is not None:
            return out
    y = ops.cast(x, "float32")
    if zero_mean:
        y = y - ops.mean(y, axis=-1, keepdims=True)
    if unit_variance:
        y = y * ops.rsqrt(ops.mean(ops.square(y), axis=-1, keepdims=True) + epsilon)
    if gamma is not None:
        y = y * ops.cast(gamma, "float32")
    if beta is not None:
        y = y + ops.cast(beta, "float32")
    return ops.cast(y, x.dtype)
