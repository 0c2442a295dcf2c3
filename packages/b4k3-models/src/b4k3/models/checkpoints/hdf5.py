"""Weights in HDF5 (`.weights.h5` of Keras 3, `.h5` of Keras 2), by h5py. A variable's name is its dataset's path."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..git_lfs import MAX_POINTER
from . import _dtypes
from ._files import open_regular, refuse_pointer
from ._hdf5_heaps import check_heaps
from .base import Checkpoint, CheckpointError, Entry

# what h5py raises for damaged files
ERRORS = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)
MAX_ATTRIBUTE = 16 << 20  # bytes
MAX_NAMES = 100000  # of variables
_MAX_RATIO = 1100  # deflate shrinks at most 1032 times; data that claim more are not there


class Hdf5(Checkpoint):
    """An HDF5 file as a lazy mapping. Its links to other files are not followed. The format has no checksums to verify.

    Raises:
        ImportError: without h5py. CheckpointError: a damaged file, data in other files. FileNotFoundError: no file.
    """

    format = "h5"

    def __init__(self, path, verify="auto"):
        self._file = open_file(path)
        try:
            entries, skipped = self._list(path, self._file)
        except CheckpointError:
            self._file.close()
            raise
        except ERRORS as error:
            self._file.close()
            raise CheckpointError(f"{path}: is a damaged HDF5 file: {error}") from None
        super().__init__(path, entries, skipped)

    def _list(self, path, file):
        """(entries, skipped), each a dict: name -> Entry or dtype."""
        import h5py

        entries, skipped = {}, {}

        def visit(name, node):
            if isinstance(node, h5py.Dataset):
                entry = dataset_entry(path, name, node)
                (skipped if isinstance(entry, str) else entries)[name] = entry
                if len(entries) + len(skipped) > MAX_NAMES:
                    raise CheckpointError(f"{path}: more than {MAX_NAMES} datasets")

        file.visititems(visit)
        return entries, skipped

    def _read(self, name, entry):
        if self._file is None:
            raise self._error(name, "cannot be read: the checkpoint is closed")
        try:
            array = entry.where[()]
        except ERRORS + (MemoryError,) as error:
            raise self._error(name, f"cannot be read: {error}") from None
        array = np.asarray(array)
        if entry.dtype == "bfloat16":
            array = _dtypes.widen_bfloat16(array.view(np.uint16))
        array = array.astype(self.dtype(name), copy=False)
        array.flags.writeable = False
        return array

    def close(self):
        if self._file is not None:
            self._file.close()
        self._file = None


def open_(path, verify="auto"):
    return Hdf5(path, verify)


def open_file(path: str):
    """An HDF5 file, opened by h5py to be read.

    Raises:
        ImportError: without h5py. CheckpointError: no HDF5 file, or a damaged one. FileNotFoundError: no file.
    """
    with open_regular(path) as file:
        head = file.read(MAX_POINTER + 1)
        if len(head) <= MAX_POINTER:
            refuse_pointer(path, head)
        try:
            import h5py
        except ImportError:
            raise ImportError(f"{path}: HDF5 files are read with the package h5py; install it") from None
        same = f"/dev/fd/{file.fileno()}"  # this very file, whatever lies at the path by now
        name = same if os.path.exists(same) else path
        try:
            return h5py.File(name, "r")
        except ERRORS as error:
            text = str(error).replace(same, path)
            raise CheckpointError(f"{path}: is no HDF5 file, or a damaged one: {text}") from None


def dataset_entry(path: str, name: str, dataset) -> Entry | str:
    """The Entry of a dataset, or the name of a dtype that is not numeric."""
    dtype = dataset.dtype.name
    if dataset.dtype.kind == "V" and dataset.dtype.itemsize == 2 and read_text(path, dataset, "dtype") == "bfloat16":
        dtype = "bfloat16"
    if dtype not in _dtypes.ITEM_SIZE or dataset.shape is None:
        return dtype
    count = _dtypes.check_shape(dataset.shape)
    if isinstance(count, str):
        raise CheckpointError(f"{path}: variable {name!r} {count}")
    size = count * _dtypes.ITEM_SIZE[dtype]
    if dataset.is_virtual or dataset.external:
        raise CheckpointError(f"{path}: variable {name!r} lies in another file")
    stored = min(dataset.id.get_storage_size(), os.path.getsize(path))
    if size > _MAX_RATIO * stored:
        message = f"of {size} bytes has only {stored} in the file"
        raise CheckpointError(f"{path}: variable {name!r} {message}")
    return Entry(tuple(dataset.shape), dtype, size, dataset)


def decode(value: Any) -> str:
    """Return a string of HDF5 as str.

    Arguments:
        value: bytes or str.

    Returns:
        str.

    Raises:
        TypeError: the value is neither.
        UnicodeDecodeError: the bytes are not UTF-8.
    """
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return value
    raise TypeError(f"{type(value).__name__} is no string")


def read_text(path: str, node: Any, name: str) -> str | None:
    """Read the string of an attribute.

    Arguments:
        path: str. The file, which is looked through before a string of variable length is read.
        node: dataset or group of h5py.
        name: str. The name of the attribute.

    Returns:
        str; None if there is no such attribute, or if it is no string of a sensible size.
    """
    try:
        if name not in node.attrs:
            return None
        attribute = node.attrs.get_id(name)
        if attribute.shape != () or attribute.dtype.kind not in "SO" or attribute.get_storage_size() > MAX_ATTRIBUTE:
            return None
        if attribute.dtype.kind == "O":
            check_heaps(path)
        return decode(node.attrs[name])
    except ERRORS:
        return None
