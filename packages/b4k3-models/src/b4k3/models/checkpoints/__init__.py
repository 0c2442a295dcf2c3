"""Read and write checkpoint files without a framework: TensorFlow's, safetensors, PyTorch's, npz, HDF5.

    with open_checkpoint("chinese_L-12_H-768_A-12/bert_model.ckpt") as checkpoint:
        checkpoint.shape("bert/pooler/dense/kernel")  # (768, 768)
        save_checkpoint("model.safetensors", checkpoint, format="safetensors")

This package needs Python and numpy, and h5py for HDF5. It maps files into memory, reads a variable when it is asked
for, and checks what a file says before it allocates memory for it.
"""

from __future__ import annotations

from .base import Checkpoint, CheckpointError
from .opening import FORMATS, WRITABLE, open_checkpoint
from .saving import save_checkpoint

__all__ = ["FORMATS", "WRITABLE", "Checkpoint", "CheckpointError", "open_checkpoint", "save_checkpoint"]
