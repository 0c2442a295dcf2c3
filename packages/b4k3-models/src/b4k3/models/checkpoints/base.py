"""What every container offers: a lazy, read-only mapping from variable names to arrays."""

from __future__ import annotations

import difflib
from collections import OrderedDict
from collections.abc import Mapping

import numpy as np

from ..errors import shorten
from . import _dtypes


class CheckpointError(ValueError):
    """A checkpoint that cannot be trusted, read or written. The message names the file and the variable.

    The message has at most 2,000 characters; a longer one is cut in the middle.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(shorten(str(message)))


class Checkpoint(Mapping):
    """A lazy, read-only mapping: variable name -> numpy array. Made by `open_checkpoint`.

    Opening reads names, shapes and places only; `checkpoint[name]` reads that variable and no other. Where the bytes
    allow it the array is a read-only view of the file, which stays mapped as long as such an array lives. A file
    that is open must not be cut short in place; replacing it by another, as `save_checkpoint` does, is safe.

    Attributes:
        path: str, the file or prefix, as error messages name it.
        format: str, the container: 'tf', 'tf_v1', 'safetensors', 'npz', 'h5', 'keras_h5' or 'dict'.
        skipped: dict, name -> stored dtype of entries that are no numeric arrays (strings, resources …).
    """

    format = None

    def __init__(self, path, entries, skipped=None):
        self.path = path
        self.skipped = dict(skipped or {})
        self._entries = OrderedDict(entries)  # name -> object with .shape, .dtype (as stored) and .size in bytes

    def _read(self, name, entry):
        """The array of one entry; the container's own part."""
        raise NotImplementedError

    def _entry(self, name):
        if name in self._entries:
            return self._entries[name]
        if name in self.skipped:
            raise self._error(name, f"is a {self.skipped[name]} entry, which is not a numeric array")
        near = difflib.get_close_matches(str(name), list(self._entries), n=3, cutoff=0.5)
        hint = "the nearest names are " + ", ".join(map(repr, near)) if near else "no name is near it"
        raise self._error(name, f"is not among the {len(self)} variables; {hint}")

    def _error(self, name, message):
        return CheckpointError(f"{self.path}: variable {name!r} {message}")

    def __getitem__(self, name):
        return self._read(name, self._entry(name))

    def __iter__(self):
        return iter(self._entries)

    def __len__(self):
        return len(self._entries)

    def __contains__(self, name):
        return name in self._entries

    __eq__ = object.__eq__  # a Mapping would read and compare all arrays
    __hash__ = object.__hash__

    def get(self, name, default=None):
        """The array of name, or default where there is none."""
        return self[name] if name in self else default

    def shape(self, name):
        """The shape of a variable, a tuple of int, without reading it."""
        return self._entry(name).shape

    def dtype(self, name):
        """The numpy dtype of `self[name]`: the stored one, but float32 for bfloat16."""
        return _dtypes.numpy_dtype(self._entry(name).dtype)

    def stored_dtype(self, name):
        """The name of the dtype in the file: 'float32', 'bfloat16', 'int64' …"""
        return self._entry(name).dtype

    def nbytes(self, name):
        """How many bytes the variable has in the file."""
        return self._entry(name).size

    def close(self):
        """Lets go of the file. Arrays that are views of it stay valid."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __repr__(self):
        return f"<{self.format} checkpoint {self.path}: {len(self)} variables>"


class Entry:
    """Shape (tuple of int), dtype (name as stored), size in bytes of a variable, and where its container finds it."""

    __slots__ = ("shape", "dtype", "size", "where")

    def __init__(self, shape, dtype, size, where=None):
        self.shape, self.dtype, self.size, self.where = shape, dtype, size, where


class ArrayCheckpoint(Checkpoint):
    """A plain mapping, name -> array, as a checkpoint. The arrays are handed out as read-only views."""

    format = "dict"

    def __init__(self, arrays):
        entries = []
        for name, value in arrays.items():
            if not isinstance(name, str):
                raise CheckpointError(f"<dict>: the name {name!r} is not a str")
            array = np.asarray(value)
            dtype = array.dtype.name
            if dtype not in _dtypes.ITEM_SIZE:
                raise CheckpointError(f"<dict>: variable {name!r} has dtype {array.dtype}, which is not numeric")
            entries.append((name, Entry(array.shape, dtype, array.nbytes, array)))
        super().__init__("<dict>", entries)

    def _read(self, name, entry):
        array = entry.where
        if entry.dtype == "bfloat16":
            array = _dtypes.widen_bfloat16(array.view(np.uint16))
        array = array.view()
        array.flags.writeable = False
        return array
