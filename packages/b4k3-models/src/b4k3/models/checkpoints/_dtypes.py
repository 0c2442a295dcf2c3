"""Names, sizes and bytes of the dtypes that checkpoints hold. A dtype is named as numpy and TensorFlow name it."""

from __future__ import annotations

import numpy as np

ITEM_SIZE = {
    "float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, "complex64": 8, "complex128": 16, "bool": 1,
    "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8,
}  # fmt: skip
FLOATS = ("float16", "bfloat16", "float32", "float64")
MAX_RANK = 32  # numpy's limit before version 2
MAX_ELEMENTS = 1 << 48


def numpy_dtype(name):
    """The native numpy dtype in which a stored dtype is handed out."""
    return np.dtype("float32" if name == "bfloat16" else name)


def stored_numpy_dtype(name):
    """The little-endian numpy dtype that has the bytes of a stored dtype; uint16 for bfloat16."""
    return np.dtype("uint16" if name == "bfloat16" else name).newbyteorder("<")


def widen_bfloat16(bits):
    """uint16[...] of bfloat16 bit patterns -> float32[...], exactly."""
    wide = np.zeros(bits.shape, dtype=np.uint32)
    np.left_shift(bits, 16, out=wide, dtype=np.uint32, casting="unsafe")
    return wide.view(np.float32)


def narrow_bfloat16(array):
    """float[...] -> uint16[...] of bfloat16 bit patterns, rounded to nearest even; not-a-number stays so."""
    bits = np.array(array, dtype=np.float32, ndmin=1, order="C").view(np.uint32)
    rounded = ((bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))) >> 16).astype(np.uint16)
    nan = (bits & 0x7FFFFFFF) > 0x7F800000
    return np.where(nan, (bits >> 16).astype(np.uint16) | np.uint16(0x40), rounded).reshape(np.shape(array))


def check_shape(shape):
    """The number of elements of a shape, or a str that says what is wrong with it."""
    if len(shape) > MAX_RANK:
        return f"has {len(shape)} dimensions; at most {MAX_RANK} can be read"
    count = 1
    for dim in shape:
        if dim < 0:
            return f"has a negative dimension: {list(shape)}"
        count *= max(dim, 1)  # a zero elsewhere must not hide a dimension that is out of range
        if count > MAX_ELEMENTS:
            return f"has a shape out of range: {list(shape)}"
    return 0 if 0 in shape else count


def from_bytes(data, shape, dtype):
    """An array of the stored bytes: a read-only view where they are aligned and need no widening, else a copy.

    Arguments: data, uint8[n] of a read-only buffer, n = elements × item size; shape, tuple of int; dtype, name.
    Returns None for a bool array with bytes other than 0 and 1, which numpy must not be given.
    """
    if dtype == "bool" and data.size and data.max() > 1:
        return None
    kind = stored_numpy_dtype(dtype)
    if data.size == 0:
        array = np.empty(shape, dtype=numpy_dtype(dtype))
    else:
        if data.ctypes.data % kind.alignment:
            data = data.copy()
        array = data.view(kind).reshape(shape)
        if dtype == "bfloat16":
            array = widen_bfloat16(array)
    array.flags.writeable = False
    return array


def to_bytes(array, dtype=None):
    """(stored dtype name, C-contiguous little-endian array) to write, converted to dtype if that is given.

    Only floating arrays are converted, integers and booleans keep their dtype. Raises ValueError with the reason where
    an array is not numeric or a finite number does not fit into the dtype asked for.
    """
    array = np.asarray(array)
    name = array.dtype.name
    if name not in ITEM_SIZE:
        raise ValueError(f"has dtype {array.dtype}, which is not numeric")
    if dtype is not None and dtype != name and name in FLOATS:
        if name == "bfloat16":
            array = widen_bfloat16(np.ascontiguousarray(array).view(np.uint16).reshape(array.shape))
        narrow = _converted(array, dtype)
        name = dtype
    elif name == "bfloat16":
        narrow = np.asarray(array, order="C").view(np.uint16)
    else:
        narrow = array
    return name, np.asarray(narrow, dtype=stored_numpy_dtype(name), order="C")


def _converted(array, dtype):
    if dtype == "bfloat16":
        narrow = narrow_bfloat16(array)
        infinite = (narrow & 0x7FFF) == 0x7F80
    else:
        with np.errstate(over="ignore"):
            narrow = array.astype(dtype)
        infinite = np.isinf(narrow)
    if infinite.any() and not np.array_equal(infinite, np.isinf(array)):
        raise ValueError(f"holds numbers too large for {dtype}")
    return narrow
