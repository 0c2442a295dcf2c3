"""Tensors, dtypes, shapes, indexing and control flow: the part of keras.ops that everything else stands on."""

from __future__ import annotations

import builtins
import functools
from typing import TYPE_CHECKING

import numpy as np
import tensorflow.compat.v2 as tf

from ..flavour import keras

if TYPE_CHECKING:  # names at run time would become operations of b4k3.backend.ops
    from typing import Any, Callable, Sequence

    from numpy.typing import NDArray

    from ...types import Tensor

    Shape = Sequence[Any]  # ints and int tensors


def _floatx() -> str:
    """Return the dtype of floats that Keras is set to."""
    return keras.backend.floatx()


# --- dtypes ---------------------------------------------------------------------------------------------------------


def _kind(x: Any) -> int:
    """Return 0 for booleans, 1 for integers and 2 for floats: the order of promotion."""
    dtype = _dtype_of(x)
    if dtype == tf.bool:
        return 0
    return 1 if dtype.is_integer else 2


def _dtype_of(x: Any) -> tf.DType:
    """Return the dtype of a tensor, an array or a number, as a `tf.DType`."""
    if isinstance(x, (bool, int, float)):
        return tf.as_dtype(np.dtype(type(x)))
    return tf.as_dtype(x.dtype if hasattr(x, "dtype") else tf.convert_to_tensor(x).dtype).base_dtype


def _is_weak(x: Any) -> bool:
    """Return whether x takes the dtype of the tensors it meets, as Python numbers and numpy's float64 do."""
    return not hasattr(x, "dtype") or (not is_tensor(x) and _dtype_of(x) == tf.float64)


def _common_dtype(*xs: Any) -> tf.DType:
    """Return the dtype that keras.ops gives the result of an operation on these operands."""
    kind = builtins.max(_kind(x) for x in xs)
    dtypes = [_dtype_of(x) for x in xs if not _is_weak(x) and _kind(x) == kind]
    if not dtypes:
        return tf.as_dtype(("bool", "int32", _floatx())[kind])
    return functools.reduce(_wider, dtypes)


def _wider(a: tf.DType, b: tf.DType) -> tf.DType:
    """Return the smallest dtype that holds the values of both dtypes, which are of one kind."""
    if a == b:
        return a
    if tf.bfloat16 in (a, b):  # numpy does not know bfloat16; only float32 holds both it and float16
        other = b if a == tf.bfloat16 else a
        return tf.float32 if other == tf.float16 else other
    dtype = np.promote_types(a.as_numpy_dtype, b.as_numpy_dtype)
    return tf.float32 if a.is_integer and dtype.kind == "f" else tf.as_dtype(dtype)


def _common(*xs: Any) -> list[Tensor]:
    """Return the operands as tensors of one dtype."""
    dtype = _common_dtype(*xs)
    return [convert_to_tensor(x, dtype) for x in xs]


def _float(x: Any) -> Tensor:
    """Return x as a tensor of floats; integers and booleans become floatx."""
    x = convert_to_tensor(x)
    return x if x.dtype.is_floating else tf.cast(x, _floatx())


def convert_to_tensor(
    x: Any, dtype: str | tf.DType | None = None, sparse: bool | None = None, ragged: bool | None = None
) -> Tensor:
    """Make a tensor of numbers or an array, and cast it if a dtype is given."""
    if sparse or ragged:
        raise ValueError("convert_to_tensor: Keras 2 has no sparse or ragged tensors here; pass a dense tensor")
    return tf.convert_to_tensor(x) if dtype is None else tf.cast(x, dtype)


def convert_to_numpy(x: Any) -> NDArray[Any]:
    """Return the values of a tensor, or of a variable, as an array that is a copy."""
    if not is_tensor(x):
        return np.array(x)
    if type(x).__name__ == "EagerTensor":
        return np.array(x.numpy())  # np.array(x) fails in TF 2.2 where x is bfloat16
    return keras.backend.eval(x)  # a variable, or a tensor of a graph


def array(x: Any, dtype: str | tf.DType | None = None) -> Tensor:
    """Make a tensor, as `convert_to_tensor` does."""
    return convert_to_tensor(x, dtype)


def is_tensor(x: Any) -> bool:
    """Return whether x is a tensor or a variable of TensorFlow."""
    return isinstance(x, tf.Variable) or tf.is_tensor(x)


def cast(x: Tensor, dtype: str | tf.DType) -> Tensor:
    """Cast a tensor to a dtype."""
    return tf.cast(x, dtype)


def dtype(x: Any) -> str:
    """Return the name of the dtype of a tensor or a variable.

    Arguments:
        x: tensor, variable, array or number. Its dtype is asked for.

    Returns:
        str, such as 'float32'.
    """
    return _dtype_of(x).name


def copy(x: Tensor) -> Tensor:
    """Return a copy of a tensor."""
    return tf.identity(x)


def stop_gradient(variable: Tensor) -> Tensor:
    """Return a tensor of the same values, which no gradient passes."""
    return tf.stop_gradient(variable)


# --- shapes ---------------------------------------------------------------------------------------------------------


def shape(x: Any) -> tuple[Any, ...]:
    """Return the shape as a tuple: sizes that are known as ints, the others as int32 tensors without axes."""
    x = x if is_tensor(x) else tf.convert_to_tensor(x)
    static = x.shape.as_list()
    if None not in static:
        return tuple(static)
    dynamic = tf.shape(x)
    return tuple(dynamic[i] if n is None else n for i, n in enumerate(static))


def ndim(x: Any) -> int:
    """Return the number of axes."""
    return _ndim(convert_to_tensor(x))


def _ndim(x: Tensor) -> int:
    return len(x.shape)


def _axis(axis: int, ndim: int) -> int:
    """Return the axis counted from the front, also if it was counted from the end."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis {axis} is out of range for a tensor of {ndim} axes")
    return axis % ndim


# --- slices ---------------------------------------------------------------------------------------------------------


def slice(inputs: Tensor, start_indices: Shape, shape: Shape) -> Tensor:
    """Cut out the block of a shape that begins at some indices."""
    return tf.slice(inputs, _index_vector(start_indices), _index_vector(shape))


def _index_vector(values: Any) -> Tensor:
    """Return indices or sizes as one int32 tensor. Some of them may be tensors already."""
    if is_tensor(values):
        return tf.cast(values, tf.int32)
    return tf.stack([tf.cast(v, tf.int32) for v in values])


def slice_update(inputs: Tensor, start_indices: Shape, updates: Tensor) -> Tensor:
    """Return the inputs with a block, which begins at some indices, replaced."""
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


def scatter(indices: Tensor, values: Tensor, shape: Shape) -> Tensor:
    """Return zeros of a shape with values written at indices; values at the same index are added."""
    return tf.scatter_nd(indices, values, shape)


def scatter_update(inputs: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """Return the inputs with updates written at indices."""
    inputs = convert_to_tensor(inputs)
    return tf.tensor_scatter_nd_update(inputs, indices, convert_to_tensor(updates, inputs.dtype))


# --- control flow ---------------------------------------------------------------------------------------------------


def cond(pred: Tensor, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """Call one of two functions, by a boolean."""
    return tf.cond(tf.cast(pred, tf.bool), true_fn, false_fn)


def switch(index: Tensor, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Call the function with the number `index`; an index outside of the list means its nearest end."""
    index = tf.clip_by_value(tf.cast(index, tf.int32), 0, len(branches) - 1)
    return tf.switch_case(index, [lambda branch=branch: branch(*operands) for branch in branches])


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """Run a loop while a condition holds.

    Arguments:
        cond: function. It takes the variables of the loop, and returns a bool scalar.
        body: function. It takes the variables of the loop, and returns them for the next round.
        loop_vars: tensor, or tuple or list of tensors. The variables of the loop, as they are in the first round.
        maximum_iterations: int, or None. The loop ends after this number of rounds at the latest.

    Returns:
        The variables after the last round: a tuple, or one tensor if `loop_vars` is one.
    """
    if isinstance(loop_vars, (list, tuple)):
        step, test, state = lambda *args: tuple(body(*args)), cond, tuple(loop_vars)
        return tf.while_loop(test, step, state, maximum_iterations=maximum_iterations)
    (result,) = tf.while_loop(cond, lambda x: (body(x),), (loop_vars,), maximum_iterations=maximum_iterations)
    return result


def fori_loop(lower: Tensor, upper: Tensor, body_fun: Callable[..., Any], init_val: Any) -> Any:
    """Call a function for each integer from `lower` to `upper` - 1, each time with what it returned before."""
    upper = tf.cast(upper, tf.int32)
    result = tf.while_loop(
        lambda i, _: i < upper, lambda i, value: (i + 1, body_fun(i, value)), (tf.cast(lower, tf.int32), init_val)
    )
    return result[1]


def map(f: Callable[..., Any], xs: Any) -> Any:
    """Call a function for each row of a tensor, and stack the results."""
    return scan(lambda carry, x: (carry, f(x)), tf.zeros([]), xs)[1]


def scan(
    f: Callable[..., Any], init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, unroll: Any = 1
) -> tuple[Any, Any]:
    """Call `f(carry, row)` for each row, and return the last carry and the stacked results.

    The axis must not be empty, because the first step tells the structure of the results. `unroll` has no effect.
    """
    n = shape(tf.nest.flatten(xs)[0])[0] if xs is not None else length

    def element(i: Any) -> tuple[Any, Any]:
        i = n - 1 - i if reverse else i
        return i, (None if xs is None else tf.nest.map_structure(lambda x: x[i], xs))

    i, x = element(0)
    carry, y = f(init, x)
    arrays = [tf.TensorArray(v.dtype, size=n, element_shape=v.shape).write(i, v) for v in _tensors(y)]

    def step(i: Tensor, carry: Any, arrays: list[Any]) -> tuple[Tensor, Any, list[Any]]:
        j, x = element(i)
        carry, y = f(carry, x)
        return i + 1, carry, [array.write(j, v) for array, v in zip(arrays, _tensors(y))]

    _, carry, arrays = tf.while_loop(lambda i, *_: i < n, step, (tf.constant(1), carry, arrays))
    return carry, tf.nest.pack_sequence_as(y, [array.stack() for array in arrays])


def _tensors(structure: Any) -> list[Tensor]:
    """Return the tensors in a structure of lists, tuples and dicts."""
    return [convert_to_tensor(v) for v in tf.nest.flatten(structure)]


def vectorized_map(function: Callable[..., Any], elements: Tensor) -> Any:
    """Call a function for all rows at once, and stack the results."""
    return tf.vectorized_map(function, elements)
