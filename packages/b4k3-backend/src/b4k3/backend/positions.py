"""Sinusoidal tables and rotary positions."""

from __future__ import annotations

import numpy as np

from ._row import keras, ops, register
from .tensors import align, dtype


def sinusoidal_embeddings(pos, dim, base=10000):
    """sin(p·w₀), cos(p·w₀), sin(p·w₁), … with wᵢ = base^(-2i/dim).

    Arguments:
        pos: [...], positions, integers or floats.
        dim: even number of features.
        base: the longest wavelength is 2π·base.

    Returns:
        Float32 [..., dim], even features sines and odd ones cosines.

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762
    """
    if dim % 2:
        raise ValueError(f"sinusoidal_embeddings: dim must be even, found {dim}.")
    frequencies = np.power(float(base), -2.0 * np.arange(dim // 2) / dim).astype("float32")
    angles = ops.cast(pos, "float32")[..., None] * ops.convert_to_tensor(frequencies)  # [..., dim / 2]
    pairs = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)  # [..., dim / 2, 2]
    return ops.reshape(pairs, tuple(ops.shape(angles)[:-1]) + (dim,))


@register
class Sinusoidal(keras.initializers.Initializer):
    """Initializer of a table [positions, dim] whose row p is `sinusoidal_embeddings(p, dim)`."""

    def __call__(self, shape, dtype=None, **kwargs):
        count, dim = shape
        frequencies = np.power(10000.0, -2.0 * np.arange(dim // 2) / dim)
        angles = np.arange(count)[:, None] * frequencies
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(count, dim)
        name = getattr(dtype, "name", dtype) or "float32"  # a str, or a DType of TensorFlow
        if name in ("float16", "float32", "float64"):
            return table.astype(name)  # keras 2.3 on TensorFlow 2 makes no variable of a tensor of the graph
        return ops.cast(ops.convert_to_tensor(table.astype("float32")), name)

    def get_config(self):
        return {}


def apply_rotary_position_embeddings(sinusoidal, *tensors):
    """Turn neighbouring pairs of features by angles that grow with the position.

    Arguments:
        sinusoidal: [batch or 1, n, d], from `sinusoidal_embeddings`.
        tensors: each float [batch, n, ..., d], such as queries and keys.

    Returns:
        The turned tensor, or the list of them when there are several; shapes and dtypes as they were.

    Raises:
        ValueError: no tensor, or tensors of different numbers of axes.

    Reference: Su et al., RoFormer, https://arxiv.org/abs/2104.09864
    """
    if not tensors or len({len(t.shape) for t in tensors}) > 1:
        raise ValueError("apply_rotary_position_embeddings: give one or more tensors of the same number of axes.")
    ndim = len(tensors[0].shape)
    sinusoidal = align(sinusoidal, [0, 1, -1], ndim)
    sin, cos = sinusoidal[..., 0::2], sinusoidal[..., 1::2]  # [b, n, 1…, d / 2]
    turned = [_turn(t, ops.cast(sin, dtype(t)), ops.cast(cos, dtype(t))) for t in tensors]
    return turned[0] if len(turned) == 1 else turned


def _turn(tensor, sin, cos):
    even, odd = tensor[..., 0::2], tensor[..., 1::2]
    pairs = ops.stack([even * cos - odd * sin, odd * cos + even * sin], axis=-1)  # [b, n, …, d / 2, 2]
    return ops.reshape(pairs, ops.shape(tensor))
