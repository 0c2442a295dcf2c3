"""Products of float32 matrices by oneDNN, on processors where torch's own way leaves half of the vector unit unused."""

from __future__ import annotations

import functools
import platform

import keras

from ..types import Tensor
from .export_scope import exporting

BACKEND = keras.config.backend()

if BACKEND == "torch":
    import torch

    PLAIN_TENSORS = (torch.Tensor, torch.nn.Parameter)  # and no subclass, such as a tensor that devices share

LEAST_ROWS = 4  # with fewer rows reading the matrix takes the time, and MKL reads a kernel [d, units] as fast


def by_onednn(x: Tensor, transposed: Tensor, bias: Tensor | None, least_rows: int = LEAST_ROWS) -> Tensor | None:
    """Compute x · transposedᵀ + bias by oneDNN, in float32 and without gradients, where this is faster.

    Arguments:
        x: float, [..., d]. The features, a tensor of torch.
        transposed: float, [units, d]. The matrix.
        bias: float, [units], or None. The bias.
        least_rows: int. With fewer rows oneDNN is no faster.

    Returns:
        float32, [..., units]; None if torch's own way is as fast, or oneDNN cannot do it.
    """
    if not onednn_is_faster() or torch.is_grad_enabled() or exporting() or x.numel() < least_rows * x.shape[-1]:
        return None
    for tensor in (x, transposed):
        if type(tensor) not in PLAIN_TENSORS or tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            return None
    return torch.ops.mkldnn._linear_pointwise(x, transposed, bias, "none", [], "")


@functools.lru_cache(maxsize=None)
def onednn_is_faster() -> bool:
    """Return True if oneDNN multiplies float32 matrices faster than MKL, which is what torch asks for products.

    MKL leaves half of the vector unit unused on processors that are not Intel's: on an AMD EPYC with AVX-512 MKL 2024.0
    computes 110 GFLOPS in one thread, and oneDNN, which asks the processor what it can do, 250.

    Returns:
        bool. It is True for torch on AMD processors with AVX-512.
    """
    if BACKEND != "torch" or not (torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()):
        return False
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return "AuthenticAMD" in file.read(1024)
    except OSError:  # not Linux
        return "AuthenticAMD" in platform.processor()
