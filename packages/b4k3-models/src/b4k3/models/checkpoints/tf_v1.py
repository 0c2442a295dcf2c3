"""TensorFlow's checkpoints, version 1: one sorted table with everything, as `tf.train.Saver` wrote until version 0.12.

Under the empty name lie names, shapes and slices of all variables (SavedTensorSliceMeta), under the key of each slice
its values (SavedSlice with a TensorProto). Files of several shards (`model.ckpt-?????-of-?????`) are not supported.
"""

from __future__ import annotations

import numpy as np

from . import _bundle_format as _format, _dtypes, _slices
from ._files import map_file
from ._proto import BYTES, VARINT, WireError, read_message, read_varints
from ._table import Table, TableError
from .base import Checkpoint, CheckpointError, Entry

_ROOT = {1: ("meta", BYTES, False), 2: ("data", BYTES, False)}
_META = {1: ("variables", BYTES, True)}
_VARIABLE = {
    1: ("name", BYTES, False),
    2: ("shape", BYTES, False),
    3: ("dtype", VARINT, False),
    4: ("slices", BYTES, True),
}
_SLICE = {1: ("name", BYTES, False), 3: ("tensor", BYTES, False)}
_CONTENT = 4  # the field of TensorProto with raw bytes; the others have packed numbers, by dtype:
_FIXED_FIELD = {"float32": 5, "float64": 6, "complex64": 9, "complex128": 12}
_VARINT_FIELD = {
    "int32": 7, "int16": 7, "int8": 7, "uint8": 7, "uint16": 7, "int64": 10, "bool": 11, "float16": 13, "bfloat16": 13,
    "uint32": 16, "uint64": 17,
}  # fmt: skip


class TensorSlices(Checkpoint):
    """A checkpoint of version 1 as a lazy mapping.

    Arguments:
        path: str.
        verify: True reads everything at once, to check it; the checksums of what is read are checked in any case.

    Raises:
        CheckpointError: where the file breaks the format in any way. FileNotFoundError: without the file.
    """

    format = "tf_v1"

    def __init__(self, path, verify="auto"):
        data = map_file(path)
        try:
            self._table = Table(memoryview(data))
            header = self._table.get(b"")
            if header is None:
                raise TableError("the header is missing")
            meta = read_message(read_message(header, _ROOT).get("meta", b""), _META)
            variables = [_read_variable(path, message, data.size) for message in meta.get("variables", ())]
        except (TableError, WireError) as error:
            raise CheckpointError(f"{path}: {error}") from None
        entries, skipped = {}, {}
        for name, entry in variables:
            if name in entries or name in skipped:
                raise CheckpointError(f"{path}: variable {name!r} is there twice")
            (skipped if isinstance(entry, str) else entries)[name] = entry
        super().__init__(path, entries, skipped)
        if verify is True:
            for name in self:
                self[name]

    def _read(self, name, entry):
        if self._table is None:
            raise self._error(name, "cannot be read: the checkpoint is closed")
        try:
            pieces = [self._read_slice(name, entry.dtype, *place) for place in entry.where]
        except (TableError, WireError) as error:
            raise self._error(name, f"is damaged: {error}") from None
        if len(pieces) == 1:
            return pieces[0]
        array = np.empty(entry.shape, dtype=self.dtype(name))
        for (extents, _), piece in zip(entry.where, pieces):
            array[tuple(slice(start, start + length) for start, length in extents)] = piece
        array.flags.writeable = False
        return array

    def _read_slice(self, name, dtype, extents, stored):
        key = name.encode("utf-8")
        value = self._table.get(_format.slice_key(key, stored))
        if value is None:
            raise self._error(name, f"misses the slice {extents}")
        message = read_message(read_message(memoryview(value), _ROOT).get("data", b""), _SLICE)
        if bytes(message.get("name", b"")) != key:
            raise self._error(name, "has a slice of another variable")
        data = _values(message.get("tensor", b""), dtype)
        shape = tuple(length for _, length in extents)
        count = _dtypes.check_shape(shape)
        if data.size != count * _dtypes.ITEM_SIZE[dtype]:
            found = data.size // _dtypes.ITEM_SIZE[dtype]
            raise self._error(name, f"has a slice {extents} with {found} values, expected {count}")
        array = _dtypes.from_bytes(data, shape, dtype)
        if array is None:
            raise self._error(name, "is bool, but has values other than 0 and 1")
        return array

    def close(self):
        self._table = None


def open_(path, verify="auto"):
    return TensorSlices(path, verify)


def _read_variable(path, data, file_size):
    """(name, Entry), or (name, dtype) of one that is not numeric; `where` is a list of (extents, stored extents)."""
    message = read_message(data, _VARIABLE)
    key = bytes(message.get("name", b""))
    try:
        name = key.decode("utf-8")
    except UnicodeDecodeError:
        raise TableError(f"variable {key!r} has a name that is not UTF-8") from None
    number = message.get("dtype", 0)
    if number in _format.OTHER:
        return name, _format.OTHER[number]
    if number not in _format.NUMERIC:
        raise TableError(f"variable {name!r} has the unknown dtype {number}")
    shape = _format.read_shape(message.get("shape", b""))
    count = _dtypes.check_shape(shape)
    if not isinstance(count, str) and count > file_size:
        count = f"has {count} values, more than the file has bytes"
    if isinstance(count, str):
        raise TableError(f"variable {name!r} {count}")
    stored = [_format.read_slice(one) for one in message.get("slices", ())]
    try:
        where = [(_slices.checked_extents(one, shape), one) for one in stored]
        if not where:
            raise _slices.SliceError("has no slices")
        _slices.check_tiling([extents for extents, _ in where], shape)
    except _slices.SliceError as error:
        raise TableError(f"variable {name!r} {error}") from None
    dtype = _format.NUMERIC[number]
    return name, Entry(shape, dtype, count * _dtypes.ITEM_SIZE[dtype], where)


def _values(tensor, dtype):
    """The values of a TensorProto as the bytes of an array, uint8[n]."""
    field = _FIXED_FIELD.get(dtype) or _VARINT_FIELD[dtype]
    message = read_message(tensor, {_CONTENT: ("content", BYTES, False), field: ("values", BYTES, False)})
    if "content" in message or dtype in _FIXED_FIELD:
        data = message.get("content", message.get("values", b""))
        return np.frombuffer(data, dtype=np.uint8) if len(data) else np.empty(0, np.uint8)
    wide = read_varints(message.get("values", b""))
    kind = np.dtype("<u2") if dtype in ("float16", "bfloat16") else _dtypes.stored_numpy_dtype(dtype)
    values = (wide if dtype == "uint64" else wide.view(np.int64)).astype(kind)
    if not np.array_equal(values.astype(np.int64).view(np.uint64), wide):
        raise WireError(f"numbers too large for {dtype}")
    return values.view(np.uint8)
