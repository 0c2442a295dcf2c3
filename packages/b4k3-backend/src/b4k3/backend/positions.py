"""Sinusoidal tables and rotary positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._environment import fused, keras, ops, register
from .tensors import align, dtype
from .types import Tensor


def sinusoidal_embeddings(pos: Tensor, dim: int, base: float = 10000, frequencies: Any = None) -> Tensor:
    """Compute sin(p·w₀), cos(p·w₀), sin(p·w₁), … for each position p, with wᵢ = base^(-2i/dim).

    Arguments:
        pos: int or float, [...]. The positions.
        dim: int. The number of features, which must be even.
        base: float. The longest wavelength is 2π·base.
        frequencies: array of float, [dim / 2], or None. The frequencies wᵢ; None computes them from the base.

    Returns:
        float32, [..., dim]. Even features are sines, and odd ones cosines.

    Raises:
        ValueError: `dim` is odd.

    Example:
        >>> table = sinusoidal_embeddings(ops.arange(4), 8)  # [4, 8]

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762
    """
    if dim % 2:
        raise ValueError(f"sinusoidal_embeddings: dim must be even, found {dim}.")
    if frequencies is None:
        frequencies = np.power(float(base), -2.0 * np.arange(dim // 2) / dim)  # [dim / 2]
    frequencies = ops.convert_to_tensor(np.asarray(frequencies, dtype="float32"))
    angles = ops.expand_dims(ops.cast(pos, "float32"), -1) * frequencies  # [..., dim / 2]
    pairs = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)  # [..., dim / 2, 2]
    return ops.reshape(pairs, tuple(ops.shape(angles)[:-1]) + (dim,))  # [..., dim]


@register
class Sinusoidal(keras.initializers.Initializer):
    """Initialize a table [positions, dim] so that row p is `sinusoidal_embeddings(p, dim)`.

    Example:
        >>> table = Sinusoidal()((16, 8))  # [16, 8]

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762
    """

    def __call__(self, shape: tuple[int, ...], dtype: Any = None, **kwargs: Any) -> Any:
        count, dim = shape
        frequencies = np.power(10000.0, -2.0 * np.arange(dim // 2) / dim)  # [dim / 2]
        angles = np.arange(count)[:, None] * frequencies  # [positions, dim / 2]
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(count, dim)
        name = getattr(dtype, "name", dtype) or "float32"  # dtype is a str, or a DType of TensorFlow
        if name in ("float16", "float32", "float64"):
            return table.astype(name)  # keras 2.3 on TensorFlow 2 cannot make a variable of a tensor of the graph
        return ops.cast(ops.convert_to_tensor(table.astype("float32")), name)

    def get_config(self) -> dict[str, Any]:
        """Return an empty config, because this initializer has no arguments."""
        return {}


def apply_rotary_position_embeddings(sinusoidal: Tensor, *tensors: Tensor, interleaved: bool = True) -> Any:
    """Rotate pairs of features by angles that grow with the position.

    Arguments:
        sinusoidal: float, [1 or batch, n, d]. The output of `sinusoidal_embeddings`.
        tensors: float, [batch, n, ..., d]. One or more tensors to rotate, such as queries and keys. Their numbers of
            heads may differ.
        interleaved: bool. True pairs the features 2i and 2i + 1, as RoFormer does; False pairs i and i + d / 2, as
            GPT-NeoX, Llama and ModernBERT do.

    Returns:
        The rotated tensor, or a list of them if there are several, each of the shape and dtype that it had.

    Raises:
        ValueError: no tensor, or tensors of different numbers of axes.

    Example:
        >>> angles = sinusoidal_embeddings(ops.arange(4)[None], 8)  # [1, 4, 8]
        >>> query = apply_rotary_position_embeddings(angles, ops.ones((2, 4, 3, 8)))  # [2, 4, 3, 8]

    Reference: Su et al., RoFormer, https://arxiv.org/abs/2104.09864
    """
    if not tensors or len({len(t.shape) for t in tensors}) > 1:
        raise ValueError("apply_rotary_position_embeddings: give one or more tensors of the same number of axes.")
    if not interleaved:
        turned = [fused.rotated_halves(sinusoidal, t) for t in tensors]  # [b, n, h, d] or None
        if all(t is not None for t in turned):
            return turned[0] if len(turned) == 1 else turned
    ndim = len(tensors[0].shape)
    sinusoidal = align(sinusoidal, [0, 1, -1], ndim)  # [b, n, 1…, d]
    sin, cos = sinusoidal[..., 0::2], sinusoidal[..., 1::2]  # [b, n, 1…, d / 2]
    rotate = _rotate_neighbours if interleaved else _rotate_halves
    rotated = [rotate(t, ops.cast(sin, dtype(t)), ops.cast(cos, dtype(t))) for t in tensors]  # [b, n, …, d]
    return rotated[0] if len(rotated) == 1 else rotated


def _rotate_neighbours(tensor: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
    """Rotate each pair of neighbouring features of one tensor."""
    even, odd = tensor[..., 0::2], tensor[..., 1::2]  # [b, n, …, d / 2]
    pairs = ops.stack([even * cos - odd * sin, odd * cos + even * sin], axis=-1)  # [b, n, …, d / 2, 2]
    shape, size = ops.shape(tensor), getattr(tensor.shape[-1], "value", tensor.shape[-1])  # TensorFlow 1 has objects
    return ops.reshape(pairs, tuple(shape[:-1]) + (shape[-1] if size is None else size,))  # [b, n, …, d]


def _rotate_halves(tensor: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
    """Rotate each pair of a feature in the first half of one tensor and its partner in the second half."""
    half = ops.shape(tensor)[-1] // 2
    first, second = tensor[..., :half], tensor[..., half:]  # [b, n, …, d / 2]
    return ops.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)  # [b, n, …, d]
