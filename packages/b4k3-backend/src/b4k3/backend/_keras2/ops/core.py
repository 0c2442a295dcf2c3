"""Tensors, dtypes, shapes, indexing and control flow: the part of keras.ops that everything else stands on."""

from __future__ import annotations

import builtins
import functools

import numpy as np
import tensorflow.compat.v2 as tf

from ..flavour import keras


def _floatx():
    return keras.backend.floatx()


# --- dtypes ---------------------------------------------------------------------------------------------------------


def _kind(x):
    """0 bool, 1 integer, 2 float: the order of promotion."""
    dtype = _dtype_of(x)
    if dtype == tf.bool:
        return 0
    return 1 if dtype.is_integer else 2


def _dtype_of(x):
    if isinstance(x, (bool, int, float)):
        return tf.as_dtype(np.dtype(type(x)))
    return tf.as_dtype(x.dtype if hasattr(x, "dtype") else tf.convert_to_tensor(x).dtype).base_dtype


def _is_weak(x):
    """Python numbers, lists of them and numpy float64 follow the tensors they meet."""
    return not hasattr(x, "dtype") or (not is_tensor(x) and _dtype_of(x) == tf.float64)


def _common_dtype(*xs):
    """The dtype keras.ops gives the result of a binary op."""
    kind = builtins.max(_kind(x) for x in xs)
    dtypes = [_dtype_of(x) for x in xs if not _is_weak(x) and _kind(x) == kind]
    if not dtypes:
        return tf.as_dtype(("bool", "int32", _floatx())[kind])
    return functools.reduce(_wider, dtypes)


def _wider(a, b):
    if a == b:
        return a
    if tf.bfloat16 in (a, b):  # numpy does not know it; neither it nor float16 holds the other
        other = b if a == tf.bfloat16 else a
        return tf.float32 if other == tf.float16 else other
    dtype = np.promote_types(a.as_numpy_dtype, b.as_numpy_dtype)
    return tf.float32 if a.is_integer and dtype.kind == "f" else tf.as_dtype(dtype)


def _common(*xs):
    """The operands as tensors of one dtype."""
    dtype = _common_dtype(*xs)
    return [convert_to_tensor(x, dtype) for x in xs]


def _float(x):
    """`x` as a tensor of floats; integers and booleans become floatx."""
    x = convert_to_tensor(x)
    return x if x.dtype.is_floating else tf.cast(x, _floatx())


def convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    if sparse or ragged:
        raise ValueError("Sparse and ragged tensors do not exist on the Keras 2 rows; pass a dense tensor.")
    return tf.convert_to_tensor(x) if dtype is None else tf.cast(x, dtype)


def convert_to_numpy(x):
    if not is_tensor(x):
        return np.array(x)
    if type(x).__name__ == "EagerTensor":
        return np.array(x.numpy())  # np.array(x) fails in TF 2.2 where x is bfloat16
    return keras.backend.eval(x)  # a variable, or a tensor of a graph


def array(x, dtype=None):
    return convert_to_tensor(x, dtype)


def is_tensor(x):
    return isinstance(x, tf.Variable) or tf.is_tensor(x)


def cast(x, dtype):
    return tf.cast(x, dtype)


def dtype(x):
    return _dtype_of(x).name


def copy(x):
    return tf.identity(x)


def stop_gradient(variable):
    return tf.stop_gradient(variable)


# --- shapes ---------------------------------------------------------------------------------------------------------


def shape(x):
    """A tuple: static sizes as ints, the others as scalar int32 tensors."""
    x = x if is_tensor(x) else tf.convert_to_tensor(x)
    static = x.shape.as_list()
    if None not in static:
        return tuple(static)
    dynamic = tf.shape(x)
    return tuple(dynamic[i] if n is None else n for i, n in enumerate(static))


def ndim(x):
    return _ndim(convert_to_tensor(x))


def _ndim(x):
    return len(x.shape)


def _axis(axis, ndim):
    """A non-negative axis."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis {axis} is out of range for a tensor of {ndim} axes")
    return axis % ndim


# --- slices ---------------------------------------------------------------------------------------------------------


def slice(inputs, start_indices, shape):
    return tf.slice(inputs, _index_vector(start_indices), _index_vector(shape))


def _index_vector(values):
    if is_tensor(values):
        return tf.cast(values, tf.int32)
    return tf.stack([tf.cast(v, tf.int32) for v in values])


def slice_update(inputs, start_indices, updates):
    inputs = convert_to_tensor(inputs)
    updates = convert_to_tensor(updates, inputs.dtype)
    starts = tf.unstack(_index_vector(start_indices), num=_ndim(inputs))
    sizes = shape(updates)
    # Trailing axes that are replaced whole need no indices: the cache of a decoder scatters rows, not numbers.
    axes = _ndim(inputs)
    while axes > 1 and isinstance(sizes[axes - 1], int) and sizes[axes - 1] == inputs.shape.as_list()[axes - 1]:
        axes -= 1
    grid = tf.meshgrid(*[start + tf.range(size) for start, size in zip(starts[:axes], sizes)], indexing="ij")
    return tf.tensor_scatter_nd_update(inputs, tf.stack(grid, axis=-1), updates)


def scatter(indices, values, shape):
    return tf.scatter_nd(indices, values, shape)


def scatter_update(inputs, indices, updates):
    inputs = convert_to_tensor(inputs)
    return tf.tensor_scatter_nd_update(inputs, indices, convert_to_tensor(updates, inputs.dtype))


# --- control flow ---------------------------------------------------------------------------------------------------


def cond(pred, true_fn, false_fn):
    return tf.cond(tf.cast(pred, tf.bool), true_fn, false_fn)


def switch(index, branches, *operands):
    index = tf.clip_by_value(tf.cast(index, tf.int32), 0, len(branches) - 1)
    return tf.switch_case(index, [lambda branch=branch: branch(*operands) for branch in branches])


def while_loop(cond, body, loop_vars, maximum_iterations=None):
    if isinstance(loop_vars, (list, tuple)):
        step, test, state = lambda *args: tuple(body(*args)), cond, tuple(loop_vars)
        return tf.while_loop(test, step, state, maximum_iterations=maximum_iterations)
    (result,) = tf.while_loop(cond, lambda x: (body(x),), (loop_vars,), maximum_iterations=maximum_iterations)
    return result


def fori_loop(lower, upper, body_fun, init_val):
    upper = tf.cast(upper, tf.int32)
    result = tf.while_loop(
        lambda i, _: i < upper, lambda i, value: (i + 1, body_fun(i, value)), (tf.cast(lower, tf.int32), init_val)
    )
    return result[1]


def map(f, xs):
    return scan(lambda carry, x: (carry, f(x)), tf.zeros([]), xs)[1]


def scan(f, init, xs=None, length=None, reverse=False, unroll=1):
    """As keras.ops.scan; the scanned axis must not be empty: its first step tells the structure of the result."""
    n = shape(tf.nest.flatten(xs)[0])[0] if xs is not None else length

    def element(i):
        i = n - 1 - i if reverse else i
        return i, (None if xs is None else tf.nest.map_structure(lambda x: x[i], xs))

    i, x = element(0)
    carry, y = f(init, x)
    arrays = [tf.TensorArray(v.dtype, size=n, element_shape=v.shape).write(i, v) for v in _tensors(y)]

    def step(i, carry, arrays):
        j, x = element(i)
        carry, y = f(carry, x)
        return i + 1, carry, [array.write(j, v) for array, v in zip(arrays, _tensors(y))]

    _, carry, arrays = tf.while_loop(lambda i, *_: i < n, step, (tf.constant(1), carry, arrays))
    return carry, tf.nest.pack_sequence_as(y, [array.stack() for array in arrays])


def _tensors(structure):
    return [convert_to_tensor(v) for v in tf.nest.flatten(structure)]


def vectorized_map(function, elements):
    return tf.vectorized_map(function, elements)
