"""Read weights in HDF5 (`.weights.h5` of Keras 3, `.h5` of Keras 2) by h5py. The path of a dataset names a variable.

An HDF5 file begins with a superblock, whose signature is "\\x89HDF\\r\\n\\x1a\\n", and is a tree of groups and datasets
with attributes. The library that h5py wraps is written in C and trusts its files more than this package does. So files
are checked before and while it reads: strings of variable length by `_hdf5_heaps`, shapes against the bytes that are
there. Links to other files and external storage are not followed.

Specification: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..git_lfs import MAX_POINTER
from . import _dtypes
from ._files import open_regular, refuse_pointer
from ._hdf5_heaps import check_heaps
from .base import CLOSED, Checkpoint, CheckpointError, Entry, damaged, shown

if TYPE_CHECKING:
    from typing import Dict, Tuple

    import h5py
    from numpy.typing import NDArray

    from .base import Verify

    Listing = Tuple[Dict[str, Entry], Dict[str, str]]  # name -> Entry of each variable; name -> dtype of others

# The exceptions that h5py raises for damaged files.
ERRORS = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)
MAX_ATTRIBUTE = 16 << 20  # bytes
MAX_NAMES = 100000  # of variables
_MAX_RATIO = 1100  # deflate makes data at most 1032 times smaller; a dataset that claims more is not in the file


class Hdf5(Checkpoint):
    """An HDF5 file as a lazy mapping. Its links to other files are not followed.

    Arguments:
        path: str.
        verify: not used, because Keras writes no checksums. Other containers have this argument.

    Raises:
        CheckpointError: the file is damaged, or its data are in other files.
        FileNotFoundError: there is no such file.
        ImportError: h5py is not installed.

    Example:
        >>> import os, tempfile
        >>> import h5py
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> path = os.path.join(tempfile.mkdtemp(), "model.weights.h5")
        >>> with h5py.File(path, "w") as file:
        ...     file["layers/dense/vars/0"] = np.ones((2, 3), "float32")
        >>> with open_checkpoint(path) as checkpoint:
        ...     list(checkpoint), checkpoint.shape("layers/dense/vars/0")
        (['layers/dense/vars/0'], (2, 3))
    """

    format = "h5"

    def __init__(self, path: str, verify: Verify = "auto") -> None:
        self._file: h5py.File | None = open_file(path)
        try:
            entries, skipped = self._list(path, self._file)
        except CheckpointError:
            self._file.close()
            raise
        except ERRORS as error:
            self._file.close()
            raise damaged(path, f"is a damaged HDF5 file: {error}") from None
        super().__init__(path, entries, skipped)

    def _list(self, path: str, file: h5py.File) -> Listing:
        """List the datasets of the file."""
        import h5py

        entries: dict[str, Entry] = {}
        skipped: dict[str, str] = {}

        def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
            """Enter a dataset in one of the lists; groups are passed over."""
            if isinstance(node, h5py.Dataset):
                entry = dataset_entry(path, name, node)
                if isinstance(entry, str):
                    skipped[name] = entry
                else:
                    entries[name] = entry
                if len(entries) + len(skipped) > MAX_NAMES:
                    raise damaged(path, f"has more than {MAX_NAMES:,} datasets")

        file.visititems(visit)
        return entries, skipped

    def _read(self, name: str, entry: Entry) -> NDArray[Any]:
        if self._file is None:
            raise self._error(name, CLOSED)
        try:
            array = entry.where[()]
        except ERRORS + (MemoryError,) as error:
            raise damaged(self.path, f"cannot be read: {error}", name) from None
        array = np.asarray(array)
        if entry.dtype == "bfloat16":
            array = _dtypes.widen_bfloat16(array.view(np.uint16))
        array = array.astype(self.dtype(name), copy=False)
        array.flags.writeable = False
        return array

    def close(self) -> None:
        """Close the file. Arrays that were read stay valid."""
        if self._file is not None:
            self._file.close()
        self._file = None


open_ = Hdf5


def open_file(path: str) -> h5py.File:
    """Open an HDF5 file by h5py, for reading.

    Arguments:
        path: str.

    Returns:
        `h5py.File`.

    Raises:
        CheckpointError: the file is no HDF5 file, or a damaged one.
        FileNotFoundError: there is no such file.
        ImportError: h5py is not installed.
    """
    with open_regular(path) as file:
        head = file.read(MAX_POINTER + 1)
        if len(head) <= MAX_POINTER:
            refuse_pointer(path, head)
        try:
            import h5py
        except ImportError:
            raise ImportError(f"{path}: HDF5 files are read by the package h5py: pip install h5py") from None
        same = f"/dev/fd/{file.fileno()}"  # the file that was examined, even if another one is at the path by now
        name = same if os.path.exists(same) else path
        try:
            return h5py.File(name, "r")
        except ERRORS as error:
            text = str(error).replace(same, path)
            raise damaged(path, f"is no HDF5 file, or a damaged one: {text}") from None


def dataset_entry(path: str, name: str, dataset: h5py.Dataset) -> Entry | str:
    """Describe a dataset without reading it.

    Arguments:
        path: str. The file, for error messages.
        name: str. The variable, for error messages.
        dataset: `h5py.Dataset`.

    Returns:
        `Entry`, whose `where` is the dataset; or str, the name of a dtype that is not numeric.

    Raises:
        CheckpointError: the data are in another file, or are not in the file at all.
    """
    dtype = dataset.dtype.name
    if dataset.dtype.kind == "V" and dataset.dtype.itemsize == 2 and read_text(path, dataset, "dtype") == "bfloat16":
        dtype = "bfloat16"
    if dtype not in _dtypes.ITEM_SIZE or dataset.shape is None:
        return dtype
    count = _dtypes.check_shape(dataset.shape)
    if isinstance(count, str):
        raise damaged(path, count, name)
    size = count * _dtypes.ITEM_SIZE[dtype]
    if dataset.is_virtual or dataset.external:
        message = "lies in another file, which is not opened; copy the data into one file"
        raise CheckpointError(f"{path}: variable {shown(name)} {message}")
    stored = min(dataset.id.get_storage_size(), os.path.getsize(path))
    if size > _MAX_RATIO * stored:
        raise damaged(path, f"of {size} bytes has only {stored} in the file", name)
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
    raise TypeError(f"{type(value).__name__} is not a string")


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
