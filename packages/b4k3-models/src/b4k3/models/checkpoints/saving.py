"""`save_checkpoint`: any mapping of arrays into any container, one variable in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _dtypes
from ._staging import describe_failure
from .base import CheckpointError
from .opening import WRITABLE, container


class Spec:
    """A variable to write: name, dtype as it will be stored, shape, size in bytes."""

    __slots__ = ("name", "dtype", "shape", "size")

    def __init__(self, name, dtype, shape):
        self.name, self.dtype, self.shape = name, dtype, tuple(int(dim) for dim in shape)
        self.size = int(np.prod(self.shape, dtype=np.int64)) * _dtypes.ITEM_SIZE[dtype]


class Plan:
    """What to write: `specs`, and the bytes of each by `data(spec)`.

    Arguments: path, str, for messages; tensors, mapping: name -> array; dtype, name or None; replace, whether files
    that are there may be replaced.
    """

    def __init__(self, path, tensors, dtype=None, replace=True):
        self.path, self._tensors, self._dtype, self.replace = path, tensors, dtype, replace
        self.specs = [self._spec(name) for name in tensors]

    def _spec(self, name):
        if not isinstance(name, str) or not name or "\0" in name:
            raise CheckpointError(f"{self.path}: the name {name!r} is not a non-empty str without NUL")
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            raise CheckpointError(f"{self.path}: the name {name!r} cannot be written in UTF-8") from None
        if hasattr(self._tensors, "shape") and hasattr(self._tensors, "dtype"):
            shape, dtype = self._tensors.shape(name), self._tensors.dtype(name).name
        else:
            array = np.asarray(self._tensors[name])
            shape, dtype = array.shape, array.dtype.name
        if dtype not in _dtypes.ITEM_SIZE:
            raise CheckpointError(f"{self.path}: variable {name!r} has dtype {dtype}, which is not numeric")
        if self._dtype and dtype in _dtypes.FLOATS:
            dtype = self._dtype
        return Spec(name, dtype, shape)

    def data(self, spec):
        """The bytes of a variable, uint8[spec.size]."""
        try:
            dtype, array = _dtypes.to_bytes(self._tensors[spec.name], self._dtype)
        except CheckpointError:
            raise
        except ValueError as error:
            raise CheckpointError(f"{self.path}: variable {spec.name!r} {error}") from None
        if (dtype, array.shape) != (spec.dtype, spec.shape):
            expected = f"{spec.dtype}{list(spec.shape)}"
            found = f"{dtype}{list(array.shape)}"
            message = f"changed while it was written: {found}, expected {expected}"
            raise CheckpointError(f"{self.path}: variable {spec.name!r} {message}")
        return array.reshape(-1).view(np.uint8)

    def shards(self, max_size, key):
        """The specs, sorted by key, in lists of at most max_size bytes each; a larger variable is a list of its own."""
        shards, room = [[]], max_size
        for spec in sorted(self.specs, key=key):
            if max_size is not None and spec.size > room and shards[-1]:
                shards.append([])
                room = max_size
            shards[-1].append(spec)
            room = None if max_size is None else room - spec.size
        return shards


def save_checkpoint(
    path: Any,
    tensors: Mapping[str, Any],
    format: str = "tf",
    dtype: str | None = None,
    max_shard_size: int | None = None,
    replace: bool = True,
) -> str:
    """Write a checkpoint, whole or not at all.

    The files get temporary names and are renamed when all of them are on the disk. A crash at any moment leaves either
    the old checkpoint or the new one. If several processes write under one name, the last one wins. To make that
    true for tensor bundles, whose parts cannot be renamed together, a bundle that replaces another of the same number
    of data files has one more, empty data file. The files of the checkpoint that is replaced are removed. After an
    error, a full disk for instance, everything is as it was.

    Arguments:
        path: str or path. For 'tf' the prefix (`…/bert_model.ckpt`), for the others the file (`…/model.safetensors`).
        tensors: mapping: str -> array. It may be lazy, as the result of `open_checkpoint` is: one array is in memory at
            a time. Arrays of bfloat16 (ml_dtypes) are stored as such.
        format: 'tf' (tensor bundle; read by `tf.train.load_checkpoint`, `tf.train.Saver` and bert4keras), 'safetensors'
            or 'npz'.
        dtype: None, or 'float32', 'float16', 'bfloat16', 'float64': what floating variables are stored as. Other
            variables keep their dtype.
        max_shard_size: None, or the number of bytes from which on a further data file is begun. Sharded safetensors
            have an index, `model.safetensors.index.json`.
        replace: whether a checkpoint of this name is replaced. False refuses it, even if it appears in the meantime.

    Returns:
        str, the path to give to `open_checkpoint`.

    Raises:
        CheckpointError: a name or an array that cannot be stored, a finite number too large for dtype, a checkpoint
            that is there without replace. OSError: the disk is full, the folder cannot be written.
    """
    path = os.fspath(path)
    if not isinstance(tensors, Mapping):
        raise TypeError(f"tensors is a mapping of names to arrays, not {type(tensors).__name__}")
    if format not in WRITABLE:
        raise CheckpointError(f"{path}: the format {format!r} cannot be written; choose one of {list(WRITABLE)}")
    if dtype is not None and dtype not in _dtypes.FLOATS:
        raise CheckpointError(f"{path}: dtype {dtype!r}; choose one of {list(_dtypes.FLOATS)} or None")
    if max_shard_size is not None and max_shard_size < 1:
        raise CheckpointError(f"{path}: max_shard_size is {max_shard_size!r}, expected a positive number")
    if os.path.isdir(path) or not os.path.basename(path):
        raise CheckpointError(f"{path}: is a folder; name the file or prefix to write in it")
    plan = Plan(path, tensors, dtype, replace)
    try:
        return container(format).save(path, plan, max_shard_size)
    except OSError as error:
        raise describe_failure(path, error) from error


def existing_files(path: str, format: str) -> list[str]:
    """The paths of the files that a checkpoint of this name and format replaces or removes."""
    return container(format).files(path)
