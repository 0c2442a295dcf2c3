"""Layer normalisation: one description in ops, and the framework's fused kernel where there is one."""

from __future__ import annotations

from ._row import fused_layer_normalization, ops


def layer_normalization(x, gamma=None, beta=None, epsilon=1e-12, zero_mean=True, unit_variance=True):
    """(x - mean) / sqrt(variance + epsilon) · gamma + beta over the last axis, computed in float32.

    Arguments:
        x: float [..., d].
        gamma, beta: tensors that broadcast to x, or None for 1 and 0.
        epsilon: added to the variance.
        zero_mean: whether the mean is subtracted. Without it this is RMS normalisation, https://arxiv.org/abs/1910.07467
        unit_variance: whether to divide by the standard deviation.

    Returns:
        Shape and dtype of x.

    Reference: Ba et al., Layer Normalization, https://arxiv.org/abs/1607.06450
    """
    if unit_variance:
        out = fused_layer_normalization(x, gamma, beta, epsilon, zero_mean)
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
