"""Read TensorFlow's checkpoints of version 1, which `tf.train.Saver` wrote until TensorFlow 0.12.

Such a checkpoint is one sorted table (`_table`) with everything in it:

    ""               SavedTensorSliceMeta: names, dtypes, shapes and slices of all variables
    key of a slice   SavedSlice: the name of the variable and a TensorProto with the values; `slice_key` makes the key

A variable that is not partitioned is one slice. Each value stands in a SavedTensorSlices message. Files of several
shards (`model.ckpt-?????-of-?????`) are not supported.

Specification: `tensorflow/core/util/saved_tensor_slice.proto` and `tensorflow/core/framework/tensor.proto` in
https://github.com/tensorflow/tensorflow
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _bundle_format as _format, _dtypes, _slices
from ._files import map_file
from ._proto import BYTES, VARINT, WireError, read_message, read_varints
from ._table import Table, TableError
from .base import CLOSED, Checkpoint, Entry, damaged, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._proto import Buffer, Fields
    from ._slices import Extents
    from .base import Verify

_ROOT: Fields = {1: ("meta", BYTES, False), 2: ("data", BYTES, False)}
_META: Fields = {1: ("variables", BYTES, True)}
_VARIABLE: Fields = {
    1: ("name", BYTES, False),
    2: ("shape", BYTES, False),
    3: ("dtype", VARINT, False),
    4: ("slices", BYTES, True),
}
_SLICE: Fields = {1: ("name", BYTES, False), 3: ("tensor", BYTES, False)}
_CONTENT = 4  # the field of TensorProto with raw bytes. Without it, another field has packed numbers, by dtype:
_FIXED_FIELD = {"float32": 5, "float64": 6, "complex64": 9, "complex128": 12}
_VARINT_FIELD = {
    "int32": 7, "int16": 7, "int8": 7, "uint8": 7, "uint16": 7, "int64": 10, "bool": 11, "float16": 13, "bfloat16": 13,
    "uint32": 16, "uint64": 17,
}  # fmt: skip


class TensorSlices(Checkpoint):
    """A checkpoint of version 1 as a lazy mapping.

    Arguments:
        path: str.
        verify: True reads all variables at once, to check them. The checksums of what is read are checked in any case.

    Raises:
        CheckpointError: the file breaks the format.
        FileNotFoundError: there is no such file.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> from b4k3.models.checkpoints._table import write_table
        >>> path = os.path.join(tempfile.mkdtemp(), "model.ckpt")
        >>> with open(path, "wb") as file:
        ...     size = file.write(write_table([(b"", b"")]))  # a checkpoint without variables
        >>> open_checkpoint(path).format
        'tf_v1'
    """

    format = "tf_v1"

    def __init__(self, path: str, verify: Verify = "auto") -> None:
        data = map_file(path)
        try:
            self._table: Table | None = Table(memoryview(data))
            header = self._table.get(b"")
            if header is None:
                raise TableError("the header is missing")
            meta = read_message(read_message(header, _ROOT).get("meta", b""), _META)
            variables = [_read_variable(message, data.size) for message in meta.get("variables", ())]
        except (TableError, WireError) as error:
            raise damaged(path, str(error)) from None
        entries: dict[str, Entry] = {}
        skipped: dict[str, str] = {}
        for name, entry in variables:
            if name in entries or name in skipped:
                raise damaged(path, "occurs twice", name)
            if isinstance(entry, str):
                skipped[name] = entry
            else:
                entries[name] = entry
        super().__init__(path, entries, skipped)
        if verify is True:
            self._check_all()

    def _read(self, name: str, entry: Entry) -> NDArray[Any]:
        try:
            pieces = [self._read_slice(name, entry.dtype, *place) for place in entry.where]
        except (TableError, WireError) as error:
            raise damaged(self.path, f"is damaged: {error}", name) from None
        if len(pieces) == 1:
            return pieces[0]
        array = np.empty(entry.shape, dtype=self.dtype(name))
        for (extents, _), piece in zip(entry.where, pieces):
            array[tuple(slice(start, start + length) for start, length in extents)] = piece
        array.flags.writeable = False
        return array

    def _read_slice(self, name: str, dtype: str, extents: Extents, stored: Extents) -> NDArray[Any]:
        """Read one slice, whose key is made from the extents as the file has them."""
        if self._table is None:
            raise self._error(name, CLOSED)
        key = name.encode("utf-8")
        value = self._table.get(_format.slice_key(key, stored))
        if value is None:
            raise damaged(self.path, f"misses the slice {extents}", name)
        message = read_message(read_message(memoryview(value), _ROOT).get("data", b""), _SLICE)
        if bytes(message.get("name", b"")) != key:
            raise damaged(self.path, "has a slice of another variable", name)
        data = _values(message.get("tensor", b""), dtype)
        shape = tuple(length for _, length in extents)
        count, size = _dtypes.check_shape(shape), _dtypes.ITEM_SIZE[dtype]
        if isinstance(count, str) or data.size != count * size:
            message = f"has a slice {extents} with {data.size // size} values, expected {count}"
            raise damaged(self.path, message, name)
        return self._array(name, data, shape, dtype)

    def close(self) -> None:
        """Let go of the file. Arrays that are views of it stay valid."""
        self._table = None


open_ = TensorSlices


def _read_variable(data: Buffer, file_size: int) -> tuple[str, Entry | str]:
    """Read what the header says of one variable.

    Arguments:
        data: bytes or memoryview. The message.
        file_size: int. The number of bytes of the whole file.

    Returns:
        (name, `Entry`), where the `Entry` has as `where` a list of (extents, extents as the file has them); or (name,
        name of the dtype) if the variable is no numeric array.
    """
    message = read_message(data, _VARIABLE)
    key = bytes(message.get("name", b""))
    try:
        name = key.decode("utf-8")
    except UnicodeDecodeError:
        raise TableError(f"variable {shown(key)} has a name that is not UTF-8") from None
    number = message.get("dtype", 0)
    if number in _format.OTHER:
        return name, _format.OTHER[number]
    if number not in _format.NUMERIC:
        raise TableError(f"variable {shown(name)} has the unknown dtype {number}")
    shape = _format.read_shape(message.get("shape", b""))
    count = _dtypes.check_shape(shape)
    if not isinstance(count, str) and count > file_size:
        count = f"has {count} values, more than the file has bytes"
    if isinstance(count, str):
        raise TableError(f"variable {shown(name)} {count}")
    stored = [_format.read_slice(one) for one in message.get("slices", ())]
    try:
        where = [(_slices.checked_extents(one, shape), one) for one in stored]
        if not where:
            raise _slices.SliceError("has no slices")
        _slices.check_tiling([extents for extents, _ in where], shape)
    except _slices.SliceError as error:
        raise TableError(f"variable {shown(name)} {error}") from None
    dtype = _format.NUMERIC[number]
    return name, Entry(shape, dtype, count * _dtypes.ITEM_SIZE[dtype], where)


def _values(tensor: Buffer, dtype: str) -> NDArray[np.uint8]:
    """Read the values of a TensorProto as the bytes of an array, uint8, [n]."""
    field = _FIXED_FIELD.get(dtype) or _VARINT_FIELD[dtype]
    message = read_message(tensor, {_CONTENT: ("content", BYTES, False), field: ("values", BYTES, False)})
    if "content" in message or dtype in _FIXED_FIELD:
        data = message.get("content", message.get("values", b""))
        return np.frombuffer(data, dtype=np.uint8) if len(data) else np.empty(0, np.uint8)
    numbers = read_varints(message.get("values", b""))
    kind = np.dtype("<u2") if dtype in ("float16", "bfloat16") else _dtypes.stored_numpy_dtype(dtype)
    values = (numbers if dtype == "uint64" else numbers.view(np.int64)).astype(kind)
    if not np.array_equal(values.astype(np.int64).view(np.uint64), numbers):
        raise WireError(f"numbers too large for {dtype}")
    return values.view(np.uint8)
