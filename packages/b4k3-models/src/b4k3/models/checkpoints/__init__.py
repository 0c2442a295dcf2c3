"""Checkpoint files without frameworks: tensor bundles of TensorFlow, safetensors, npz, HDF5.

    with open_checkpoint("chinese_L-12_H-768_A-12/bert_model.ckpt") as checkpoint:
        checkpoint.shape("bert/pooler/dense/kernel")  # (768, 768)
        save_checkpoint("model.safetensors", checkpoint, format="safetensors")

Python and numpy only; files are mapped, not read, and what they say is checked before anything is allocated.
"""

from __future__ import annotations

from .base import Checkpoint, CheckpointError
from .opening import FORMATS, WRITABLE, open_checkpoint
from .saving import save_checkpoint

__all__ = ["FORMATS", "WRITABLE", "Checkpoint", "CheckpointError", "open_checkpoint", "save_checkpoint"]
