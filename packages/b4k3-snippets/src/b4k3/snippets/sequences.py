"""Make one array of sequences of different lengths, and shorten sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Sequence

import numpy as np

from b4k3.tokenizers.base import truncated

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def is_one_of(x: Any, ys: Iterable[Any]) -> bool:
    """Return whether an object is one of several. Equal objects are not enough.

    Arguments:
        x: Any. The object.
        ys: iterable of objects.

    Returns:
        bool.

    Example:
        >>> from b4k3.snippets import is_one_of
        >>> x = []
        >>> is_one_of(x, [1, x]), is_one_of(x, [1, []])
        (True, False)
    """
    return any(x is y for y in ys)


def to_array(*args: ArrayLike) -> Any:
    """Make NumPy arrays of the arguments.

    Arguments:
        args: numbers, lists or arrays.

    Returns:
        One array for one argument, and a list of arrays for several.

    Example:
        >>> from b4k3.snippets import to_array
        >>> token_ids, segment_ids = to_array([[101, 102]], [[0, 0]])
        >>> token_ids.shape
        (1, 2)
    """
    arrays = [np.array(arg) for arg in args]
    return arrays[0] if len(arrays) == 1 else arrays


def sequence_padding(
    inputs: Iterable[ArrayLike],
    length: int | Sequence[int] | None = None,
    value: float = 0,
    seq_dims: int = 1,
    mode: str = "post",
) -> NDArray[Any]:
    """Fill sequences up, or cut them, to one length.

    Arguments:
        inputs: list of sequences or arrays. They must agree in the axes after the first `seq_dims`.
        length: int, sequence of int, or None. The length, or one for each of the `seq_dims` axes; None means the length
            of the longest sequence. A longer sequence loses its end.
        value: number. What is filled in.
        seq_dims: int. The number of leading axes of each sequence that are filled up; the labels of GlobalPointer
            have 3.
        mode: str. 'post' fills at the end, 'pre' at the start.

    Returns:
        array, [len(inputs), *length, ...], of a dtype that holds all sequences.

    Raises:
        ValueError: the sequences do not agree in shape, or their dtype cannot hold `value`.

    Example:
        >>> from b4k3.snippets import sequence_padding
        >>> sequence_padding([[101, 7, 102], [101, 102]]).tolist()
        [[101, 7, 102], [101, 102, 0]]

    Reference: the function of the same name in bert4keras, https://github.com/bojone/bert4keras
    """
    if mode not in ("post", "pre"):
        raise ValueError(f"mode={mode!r}, expected 'post' or 'pre'")
    arrays = [np.asarray(x) for x in inputs]
    shaped = [array for array in arrays if array.shape != (0,)]  # an empty list does not tell its rank or dtype
    lengths, rest = _common_shape(shaped, length, seq_dims)
    outputs = np.full((len(arrays),) + lengths + rest, value, dtype=_dtype_with(value, shaped))
    for row, array in zip(outputs, arrays):
        sizes = [min(n, size) for n, size in zip(lengths, array.shape)]
        starts = [0] * seq_dims if mode == "post" else [n - size for n, size in zip(lengths, sizes)]
        if array.size:
            row[tuple(slice(i, i + n) for i, n in zip(starts, sizes))] = array[tuple(slice(n) for n in sizes)]
    return outputs


def _common_shape(
    arrays: list[NDArray[Any]], length: int | Sequence[int] | None, seq_dims: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the lengths of the axes that are filled up, and the shape after them."""
    shapes = {array.shape[seq_dims:] for array in arrays}
    if len(shapes) > 1 or any(array.ndim < seq_dims for array in arrays):
        found = sorted({array.shape for array in arrays})
        raise ValueError(f"cannot pad {seq_dims} dimension(s) of sequences of the shapes {found[:10]}")
    if length is None:
        lengths = [max((array.shape[i] for array in arrays), default=0) for i in range(seq_dims)]
    else:
        lengths = [int(n) for n in np.ravel(length)]
    if len(lengths) != seq_dims:
        raise ValueError(f"length={length!r} has {len(lengths)} number(s), expected seq_dims={seq_dims}")
    return tuple(lengths), (shapes.pop() if shapes else ())


def _dtype_with(value: float, arrays: list[NDArray[Any]]) -> np.dtype[Any]:
    """Return a dtype that holds all arrays; raise ValueError if it does not hold the value."""
    if not arrays:
        return np.asarray(value).dtype
    dtype = np.result_type(*{array.dtype for array in arrays})
    if dtype.kind == "O":
        raise ValueError("a sequence is ragged or holds objects, expected numbers")
    if dtype.kind in "iub" and dtype.type(0) + value not in np.asarray([value]).astype(dtype):
        raise ValueError(f"sequences of {dtype} cannot be filled up with {value!r}")
    return dtype


def truncate_sequences(maxlen: int, indices: int | Sequence[int], *sequences: Sequence[Any]) -> list[list[Any]]:
    """Shorten sequences until their lengths add up to at most maxlen.

    The result is the same as if an element were taken out of the longest sequence again and again, but it is computed
    in one step.

    Arguments:
        maxlen: int. The greatest sum of the lengths.
        indices: int, or sequence of int. The index of the element that is taken out each time: one for all, or one for
            each sequence that is not empty.
        sequences: lists. They are not changed.

    Returns:
        list of new lists, one for each sequence. Unlike in bert4keras it has a list for an empty sequence too.

    Raises:
        ValueError: a sequence has nothing left at its index.

    Example:
        >>> from b4k3.snippets import truncate_sequences
        >>> truncate_sequences(5, -1, ["a", "b", "c", "d"], ["x", "y"])
        [['a', 'b', 'c'], ['x', 'y']]

    Reference: the function of the same name in bert4keras, https://github.com/bojone/bert4keras
    """
    return truncated(maxlen, indices, *sequences)
