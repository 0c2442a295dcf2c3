"""Products without copies. TensorFlow has no fused kernels on the CPU: there the description in ops is used."""

from __future__ import annotations

import tensorflow as tf


def fused_attention(query, key, value, mask_bias, mask, bias, scale, dropout, training):
    return None


def fused_layer_normalization(x, gamma, beta, epsilon, zero_mean):
    return None


ONE_CORE_A_ROW = tuple(map(int, tf.__version__.split(".")[:2])) < (2, 9)
BLOCKS = 4


def matrix_product(x, y, transpose_b=False):
    """The product of two matrices. Before version 2.9 TensorFlow leaves a single row to one core, but not four of them.

    Arguments:
        x: float [n, d].
        y: float [d, m], or with `transpose_b` [m, d].

    Returns:
        [n, m].
    """
    rows, columns = y.shape.as_list()
    if not ONE_CORE_A_ROW or x.shape.as_list()[0] != 1 or rows % BLOCKS:
        return tf.matmul(x, y, transpose_b=transpose_b)
    blocks = tf.reshape(y, [BLOCKS, rows // BLOCKS, columns])
    if transpose_b:
        return tf.reshape(tf.matmul(blocks, tf.tile(tf.reshape(x, [1, columns, 1]), [BLOCKS, 1, 1])), [1, rows])
    return tf.reduce_sum(tf.matmul(tf.reshape(x, [BLOCKS, 1, rows // BLOCKS]), blocks), 0)


def matmul_transposed(x, y):
    """x · yᵀ over the last two axes, without a transposed copy of y.

    Arguments:
        x: float [..., n, d].
        y: float [m, d], as the table of a tied head, or [..., m, d] as x.

    Returns:
        [..., n, m].
    """
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    shape, rows = x.shape.as_list(), y.shape.as_list()
    if len(rows) > 2:
        return tf.matmul(x, y, transpose_b=True)
    z = matrix_product(tf.reshape(x, [-1, shape[-1]]), y, transpose_b=True)
    z = tf.reshape(z, tf.concat([tf.shape(x)[:-1], [rows[0]]], 0))
    z.set_shape(shape[:-1] + [rows[0]])
    return z
