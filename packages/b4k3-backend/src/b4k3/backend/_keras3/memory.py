"""Memory that XLA takes over without a copy."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

ALIGNMENT = 64  # XLA takes over memory without a copy if its address is a multiple of this many bytes
PRIVATE: Any = (
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
)  # not on Windows
OWN_MAPPING = 1 << 16  # arrays of this many bytes are mapped alone, so that freeing them gives the memory back


def untouched_zeros(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Make an array of zeros whose memory the operating system has not mapped yet.

    Arguments:
        shape: tuple of int. The shape.
        dtype: str. The dtype; "bfloat16" on JAX alone, which brings this dtype of numpy.

    Returns:
        The array, whose address XLA takes over without a copy.
    """
    if dtype == "bfloat16":
        import jax

        return untouched_zeros(shape, "uint16").view(jax.numpy.dtype(dtype))
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size < OWN_MAPPING:
        memory: Any = np.zeros(size + ALIGNMENT, dtype="uint8")
        start = -memory.ctypes.data % ALIGNMENT
        memory = memory[start : start + size]
    else:  # malloc would take memory that was used before, and fill it with zeros
        memory = mmap.mmap(-1, size, **PRIVATE)  # begins at a page
    return np.frombuffer(memory, dtype=dtype).reshape(shape)
