"""Write a mapping of arrays as a checkpoint in any container, one variable in memory at a time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Mapping

from . import _dtypes
from ._plan import Plan
from ._staging import describe_failure
from .base import CheckpointError
from .opening import WRITABLE, container

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def save_checkpoint(
    path: str | os.PathLike[str],
    tensors: Mapping[str, ArrayLike],
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
        tensors: mapping from str to array. It may be lazy, as the result of `open_checkpoint` is: one array is in
            memory at a time. Arrays of bfloat16 (ml_dtypes) are stored as such.
        format: str. 'tf' (a tensor bundle, which `tf.train.load_checkpoint`, `tf.train.Saver` and bert4keras read),
            'safetensors' or 'npz'.
        dtype: str or None. 'float32', 'float16', 'bfloat16' or 'float64': the dtype in which floating variables are
            stored. None keeps theirs. Other variables keep their dtype in any case.
        max_shard_size: int or None. The number of bytes after which a further data file is begun; None writes one file.
            Several files of safetensors have an index, `model.safetensors.index.json`.
        replace: bool. Whether a checkpoint of this name is replaced. False refuses it, even if it appears in the
            meantime.

    Returns:
        str, the path to give to `open_checkpoint`.

    Raises:
        CheckpointError: a name or an array cannot be stored; a finite number is too large for `dtype`; a checkpoint of
            this name is there and `replace` is False; the container does not take the name or the option.
        OSError: the disk is full, or the folder cannot be written.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
        >>> folder = tempfile.mkdtemp()
        >>> prefix = os.path.join(folder, "bert_model.ckpt")
        >>> prefix = save_checkpoint(prefix, {"bert/pooler/dense/bias": np.ones(2, "float32")})
        >>> sorted(os.listdir(folder))
        ['bert_model.ckpt.data-00000-of-00001', 'bert_model.ckpt.index']
        >>> with open_checkpoint(prefix) as checkpoint:
        ...     path = save_checkpoint(os.path.join(folder, "model.safetensors"), checkpoint, "safetensors")
        >>> open_checkpoint(path)["bert/pooler/dense/bias"]
        array([1., 1.], dtype=float32)
    """
    path = os.fspath(path)
    if not isinstance(tensors, Mapping):
        raise TypeError(f"tensors is of type {type(tensors).__name__}, expected a mapping from names to arrays")
    if format not in WRITABLE:
        raise CheckpointError(f"{path}: the format {format!r} cannot be written; choose one of {list(WRITABLE)}")
    if dtype is not None and dtype not in _dtypes.FLOATS:
        raise CheckpointError(f"{path}: dtype is {dtype!r}; choose one of {list(_dtypes.FLOATS)} or None")
    if max_shard_size is not None and max_shard_size < 1:
        raise CheckpointError(f"{path}: max_shard_size is {max_shard_size!r}, expected a positive number")
    if os.path.isdir(path) or not os.path.basename(path):
        raise CheckpointError(f"{path}: is a folder; give the path of the file or prefix to write in it")
    plan = Plan(path, tensors, dtype, replace)
    try:
        return container(format).save(path, plan, max_shard_size)
    except OSError as error:
        raise describe_failure(path, error) from error


def existing_files(path: str, format: str) -> list[str]:
    """List the files that a new checkpoint would replace or remove.

    Arguments:
        path: str. The path of the new checkpoint, as for `save_checkpoint`.
        format: str. Its container, one of `WRITABLE`.

    Returns:
        list of str, the paths of the files that are there.
    """
    return container(format).files(path)
