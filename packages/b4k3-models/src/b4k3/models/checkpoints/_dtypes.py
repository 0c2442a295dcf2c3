"""Convert the dtypes in checkpoints to numpy's and back. A dtype has the name that numpy and TensorFlow give it.

numpy has no bfloat16. A bfloat16 is the upper half of a float32, so it is stored as a bit pattern of uint16 and given
out as float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

ITEM_SIZE = {
    "float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, "complex64": 8, "complex128": 16, "bool": 1,
    "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8,
}  # fmt: skip
FLOATS = ("float16", "bfloat16", "float32", "float64")
NOT_NUMERIC = "which is not numeric; give an array of numbers or booleans"
MAX_RANK = 32  # numpy's limit before version 2
MAX_ELEMENTS = 1 << 48


def numpy_dtype(name: str) -> np.dtype[Any]:
    """Return the numpy dtype of the array that a user gets for a stored dtype."""
    return np.dtype("float32" if name == "bfloat16" else name)


def stored_numpy_dtype(name: str) -> np.dtype[Any]:
    """Return the little-endian numpy dtype with the bytes of a stored dtype; uint16 for bfloat16."""
    return np.dtype("uint16" if name == "bfloat16" else name).newbyteorder("<")


def widen_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Convert bfloat16 bit patterns to float32. This is exact: the pattern is the upper half of the float32."""
    wide = np.zeros(bits.shape, dtype=np.uint32)
    np.left_shift(bits, 16, out=wide, dtype=np.uint32, casting="unsafe")
    return wide.view(np.float32)


def narrow_bfloat16(array: ArrayLike) -> NDArray[np.uint16]:
    """Round floats to bfloat16, to nearest, ties to even. Returns bit patterns.

    Adding 0x7FFF, and the lowest bit that stays, carries into the upper half exactly if the lower half is more than one
    half of a step, or is one half and the upper half is odd. A NaN could turn into infinity by this, so its bits are
    taken as they are, with the bit set that keeps it a NaN.

    Example:
        >>> import numpy as np
        >>> from b4k3.models.checkpoints._dtypes import narrow_bfloat16, widen_bfloat16
        >>> float(widen_bfloat16(narrow_bfloat16(np.float32(3.14159))))
        3.140625
    """
    bits = np.array(array, dtype=np.float32, ndmin=1, order="C").view(np.uint32)
    rounded = ((bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))) >> 16).astype(np.uint16)
    nan = (bits & 0x7FFFFFFF) > 0x7F800000
    return np.where(nan, (bits >> 16).astype(np.uint16) | np.uint16(0x40), rounded).reshape(np.shape(array))


def check_shape(shape: Sequence[int]) -> int | str:
    """Count the elements of a shape from a file.

    Arguments:
        shape: list of int.

    Returns:
        int, the number of elements; or str, what is wrong with the shape, to follow the name of the variable.
    """
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


def from_bytes(data: NDArray[np.uint8], shape: Sequence[int], dtype: str) -> NDArray[Any] | None:
    """Make an array of stored bytes: a read-only view if they are aligned and not bfloat16, else a copy.

    Arguments:
        data: uint8, [number of elements * item size]. A read-only buffer, for instance a part of a mapped file.
        shape: tuple of int.
        dtype: str. The name of the stored dtype.

    Returns:
        array of the shape; None if the dtype is bool and a byte is neither 0 nor 1, which is undefined in numpy.
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


def from_strided(
    data: NDArray[np.uint8], shape: Sequence[int], strides: Sequence[int], dtype: str, big: bool = False
) -> NDArray[Any] | None:
    """Make an array of stored elements that need not follow each other: a read-only view if that is possible.

    Arguments:
        data: uint8, [n]. A read-only buffer that begins with the first element and holds all of them; the caller has
            checked that.
        shape: tuple of int.
        strides: tuple of int. The steps along each axis, in bytes; none is negative.
        dtype: str. The name of the stored dtype.
        big: bool. Whether the bytes of each element are in the order of a big-endian machine.

    Returns:
        array of the shape; None if the dtype is bool and a byte is neither 0 nor 1.

    Example:
        >>> from b4k3.models.checkpoints._dtypes import from_strided
        >>> from_strided(np.arange(6, dtype="uint8"), (3, 2), (1, 3), "uint8").tolist()
        [[0, 3], [1, 4], [2, 5]]
    """
    kind = np.dtype("uint8") if dtype == "bool" else stored_numpy_dtype(dtype)
    array: NDArray[Any] = np.empty(shape, dtype=kind)
    if array.size:
        kind = kind.newbyteorder(">") if big else kind
        array = np.ndarray(shape, kind, np.ascontiguousarray(data), 0, strides)
        if big or not array.flags.aligned:
            array = array.astype(kind.newbyteorder("<"))
    if dtype == "bool":
        if array.size and array.max() > 1:
            return None
        array = array.view(np.bool_)
    elif dtype == "bfloat16":
        array = widen_bfloat16(array)
    array.flags.writeable = False
    return array


def to_bytes(array: ArrayLike, dtype: str | None = None) -> tuple[str, NDArray[Any]]:
    """Make the array whose bytes are written.

    Arguments:
        array: array of any dtype; bfloat16 of ml_dtypes is known too.
        dtype: str or None. The dtype in which floating arrays are stored; None keeps theirs. Integers, booleans and
            complex numbers are never converted.

    Returns:
        (name of the stored dtype, C-contiguous little-endian array).

    Raises:
        ValueError: the array is not numeric, or a finite number is too large for the dtype. The text has no file and
            no variable: the caller adds them.
    """
    array = np.asarray(array)
    name = array.dtype.name
    if name not in ITEM_SIZE:
        raise ValueError(f"has dtype {array.dtype}, {NOT_NUMERIC}")
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


def _converted(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Convert floats, and refuse to turn finite numbers into infinity."""
    if dtype == "bfloat16":
        narrow = narrow_bfloat16(array)
        infinite = (narrow & 0x7FFF) == 0x7F80
    else:
        with np.errstate(over="ignore"):
            narrow = array.astype(dtype)
        infinite = np.isinf(narrow)
    if infinite.any() and not np.array_equal(infinite, np.isinf(array)):
        raise ValueError(f"holds numbers too large for {dtype}; choose a wider dtype, or None to keep its own")
    return narrow
