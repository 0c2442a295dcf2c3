"""Matrix products without copies. TensorFlow has no fused kernels on the CPU, so attention is computed by ops there.

Before version 2.9 TensorFlow computes the product of a single row with a matrix on one core. Two spellings as a batch
of four products use four cores. For a row x of 8 features and a kernel y of shape [8, units]:

    x · y = x[0:2] · y[0:2] + x[2:4] · y[2:4] + x[4:6] · y[4:6] + x[6:8] · y[6:8]

This is exact because a product of a row with a matrix is a sum over the features. It is only added up in another order,
so that results differ by rounding at most. For a transposed table y of shape [8, d], each of the 8 results is the
product of x with one row of y:

    x · yᵀ = [x · y[0:2]ᵀ, x · y[2:4]ᵀ, x · y[4:6]ᵀ, x · y[6:8]ᵀ]

Here no sum is split. Both need a number of rows of y that four divides; other matrices take the ordinary product.
"""

from __future__ import annotations

from typing import Any, Callable, Sequence

import tensorflow as tf

from .._runtime import major_minor
from ..types import Tensor
from .ops import cast as cast, logical_not, maximum

ONE_CORE_A_ROW = major_minor(tf.__version__) < (2, 9)
BLOCKS = 4
TORCH_GELUS: dict[Callable[[Tensor], Tensor], str] = {}  # Keras 3 on torch reads what is entered here


def is_torch_tensor(x: Any) -> bool:
    """Return False, because every tensor is TensorFlow's."""
    return False


def one_where_false(x: Tensor) -> Tensor:
    """Return 1 where x is False or 0, and 0 elsewhere, as float32. The arguments are explained in `_keras3`."""
    return cast(logical_not(x), "float32")


def at_least(x: Tensor, least: float) -> Tensor:
    """Return max(x, least). The arguments are explained in `_keras3`."""
    return maximum(x, least)


def attention_dtype(query: Tensor, value: Tensor, dropout: Any, training: Any) -> None:
    """Return None, because TensorFlow has no function of attention. The arguments are explained in `_keras3`."""


def fused_layer_normalization(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, epsilon: float, zero_mean: bool
) -> None:
    """Return None, because TensorFlow has no fused kernel of it.

    Arguments:
        x: float, [..., d]. The features.
        gamma: float, [d], or None. The factor.
        beta: float, [d], or None. The offset.
        epsilon: float. It is added to the variance.
        zero_mean: bool. False means RMS normalisation.
    """


def bound_normalization(gamma: Any, beta: Any, epsilon: float, zero_mean: bool) -> None:
    """Return None, because TensorFlow has no fused kernel of it.

    Arguments:
        gamma: variable of [d], or None. The factor.
        beta: variable of [d], or None. The offset.
        epsilon: float. It is added to the variance.
        zero_mean: bool. False means RMS normalisation.
    """


def matrix_product(x: Tensor, y: Tensor, transpose_b: bool = False) -> Tensor:
    """Multiply two matrices, on four cores if the first has a single row.

    Arguments:
        x: float, [n, d]. The rows.
        y: float, [d, m], or [m, d] with `transpose_b`. The matrix.
        transpose_b: bool. True multiplies by yᵀ.

    Returns:
        float, [n, m].
    """
    rows, columns = y.shape.as_list()
    if not ONE_CORE_A_ROW or x.shape.as_list()[0] != 1 or rows % BLOCKS:
        return tf.matmul(x, y, transpose_b=transpose_b)
    blocks = tf.reshape(y, [BLOCKS, rows // BLOCKS, columns])
    if transpose_b:
        return tf.reshape(tf.matmul(blocks, tf.tile(tf.reshape(x, [1, columns, 1]), [BLOCKS, 1, 1])), [1, rows])
    return tf.reduce_sum(tf.matmul(tf.reshape(x, [BLOCKS, 1, rows // BLOCKS]), blocks), 0)


def matmul_transposed(x: Tensor, y: Tensor) -> Tensor:
    """Compute x · yᵀ over the last two axes, without a transposed copy of y.

    Arguments:
        x: float, [..., n, d]. The rows.
        y: float, [m, d], such as the table of a tied head, or [..., m, d]. The matrix, or one for each matrix of x.

    Returns:
        float, [..., n, m].
    """
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    shape, rows = x.shape.as_list(), y.shape.as_list()
    if len(rows) > 2:
        return tf.matmul(x, y, transpose_b=True)
    z = matrix_product(tf.reshape(x, [-1, shape[-1]]), y, transpose_b=True)  # [... · n, m]
    z = tf.reshape(z, tf.concat([tf.shape(x)[:-1], [rows[0]]], 0))  # [..., n, m]
    z.set_shape(shape[:-1] + [rows[0]])
    return z


def with_axes(x: Tensor, places: Sequence[int], ndim: int) -> Tensor:
    """Return a tensor with further axes of size 1. The arguments are explained in `_keras3`."""
    return x[tuple(None if i in places else slice(None) for i in range(ndim))]


def scaled_scores(query: Tensor, key: Tensor, scale: float) -> Tensor:
    """Compute query · keyᵀ · scale. The arguments are explained in `_keras3`."""
    return matmul_transposed(query * scale, key)


def rows_at(table: Tensor, ids: Tensor) -> Tensor:
    """Return rows of a table by ids that are known to be inside it.

    Arguments:
        table: float, [rows, d]. The table.
        ids: int32, [...]. The numbers of the rows.

    Returns:
        float, [..., d].
    """
    return tf.gather(table, ids)


def positions_at(x: Tensor, places: Tensor) -> Tensor:
    """Pick the same positions of every example; they are known to be inside.

    Arguments:
        x: [batch, n, ...]. The examples.
        places: int32, [...]. The numbers of the positions.

    Returns:
        [batch, ..., ...].
    """
    return tf.gather(x, places, axis=1)


def rotated_halves(sinusoidal: Tensor, x: Tensor) -> None:
    """Return None, because TensorFlow has no shorter way than the operations of `ops`.

    Arguments:
        sinusoidal: float, [1 or batch, n, d]. The sines and cosines.
        x: float, [batch, n, heads, d]. Queries or keys.

    Returns:
        None.
    """
    return None
