"""Sequences of different lengths into one array; truncation."""

from __future__ import annotations

import numpy as np

from b4k3.tokenizers.base import truncated


def is_one_of(x, ys):
    """Whether x is, as an object, one of ys."""
    return any(x is y for y in ys)


def to_array(*args):
    """NumPy arrays of the arguments.

    Returns:
        one array for one argument, else a list of arrays.
    """
    arrays = [np.array(arg) for arg in args]
    return arrays[0] if len(arrays) == 1 else arrays


def sequence_padding(inputs, length=None, value=0, seq_dims=1, mode="post"):
    """Fill sequences up, or cut them, to one length.

    Arguments:
        inputs: list of sequences, or of arrays that agree in the dimensions after the first seq_dims.
        length: the length, or one for each of the seq_dims dimensions; by default that of the longest. What is longer
            loses its end.
        value: what to fill with.
        seq_dims: how many leading dimensions of each sequence are filled up; GlobalPointer's labels have 3.
        mode: 'post' fills at the end, 'pre' at the start.

    Returns:
        Array [len(inputs), *length, ...], of a dtype that holds all sequences.

    Raises:
        ValueError: the sequences do not agree in shape, or their dtype cannot hold value.
    """
    if mode not in ("post", "pre"):
        raise ValueError("mode=%r, expected 'post' or 'pre'" % (mode,))
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


def _common_shape(arrays, length, seq_dims):
    """(the lengths of the padded dimensions, the shape behind them), two tuples."""
    shapes = {array.shape[seq_dims:] for array in arrays}
    if len(shapes) > 1 or any(array.ndim < seq_dims for array in arrays):
        found = sorted({array.shape for array in arrays})
        raise ValueError("cannot pad %d dimension(s) of sequences of the shapes %s" % (seq_dims, found[:10]))
    if length is None:
        lengths = [max((array.shape[i] for array in arrays), default=0) for i in range(seq_dims)]
    else:
        lengths = [int(n) for n in np.ravel(length)]
    if len(lengths) != seq_dims:
        raise ValueError("length=%r has %d number(s), expected seq_dims=%d" % (length, len(lengths), seq_dims))
    return tuple(lengths), (shapes.pop() if shapes else ())


def _dtype_with(value, arrays):
    if not arrays:
        return np.asarray(value).dtype
    dtype = np.result_type(*{array.dtype for array in arrays})
    if dtype.kind == "O":
        raise ValueError("a sequence is ragged or holds objects, expected numbers")
    if dtype.kind in "iub" and dtype.type(0) + value not in np.asarray([value]).astype(dtype):
        raise ValueError("sequences of %s cannot be filled up with %r" % (dtype, value))
    return dtype


def truncate_sequences(maxlen, indices, *sequences):
    """Shorten sequences until their lengths add up to at most maxlen.

    The result is that of taking an element out of the longest sequence again and again, but in one step.

    Arguments:
        maxlen: int.
        indices: which element of a sequence is taken out each time: an int, or one for each sequence that is not empty.
        sequences: lists; not changed.

    Returns:
        list of new lists, one for each sequence; the empty ones too, unlike bert4keras.

    Raises:
        ValueError: a sequence has nothing left at its index.
    """
    return truncated(maxlen, indices, *sequences)
