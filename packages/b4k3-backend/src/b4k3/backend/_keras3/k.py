"""The names of Keras 2's backend, with their arguments and meaning, over Keras 3."""

from __future__ import annotations

import builtins
import math
import operator
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from . import sizes
from .drawing import (  # noqa: F401 (a part of K)
    dropout,
    random_bernoulli,
    random_binomial,
    random_normal,
    random_uniform,
    truncated_normal,
)
from .rnn import rnn  # noqa: F401 (a part of K)
from .sizes import (
    Sizes,
    as_sizes,
    as_tensor,
    counting,
    fold,
    is_number,
    is_traced,
    larger,
    map_sizes,
    same_dtype,
    smaller,
)

if TYPE_CHECKING:  # names at run time would become names of K
    from typing import Any, Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from ..types import Tensor

GUIDE = "The migration guide of b4k3 shows what to write instead on Keras 3."


def _missing(name: str, instead: str) -> Callable[..., Any]:
    """Make a function in the place of one that cannot exist on Keras 3; called, it says what to write instead."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"K.{name} does not exist on Keras 3: {instead} {GUIDE}")

    refuse.__name__ = name
    return refuse


gradients = _missing("gradients", "take gradients with tf.GradientTape, jax.grad or torch.autograd.")
function = _missing("function", "make a keras.Model of the tensors and call it, or its predict_on_batch.")
placeholder = _missing("placeholder", "use keras.Input.")
get_session = _missing("get_session", "there are no sessions.")
set_session = _missing("set_session", "there are no sessions.")
set_learning_phase = _missing("set_learning_phase", "pass training=True or False to the call of the model.")


# --- settings -------------------------------------------------------------------------------------------------------

backend = keras.config.backend
epsilon = keras.config.epsilon
set_epsilon = keras.config.set_epsilon
floatx = keras.config.floatx
set_floatx = keras.config.set_floatx
image_data_format = keras.config.image_data_format
set_image_data_format = keras.config.set_image_data_format
clear_session = keras.utils.clear_session
name_scope = keras.name_scope


def symbolic(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function as it is, because Keras 3 builds no graphs of its own.

    Arguments:
        func: function. Any function.

    Returns:
        The same function.
    """
    return func


# --- values ---------------------------------------------------------------------------------------------------------


def variable(value: ArrayLike, dtype: str | None = None, name: str | None = None, constraint: Any = None) -> Tensor:
    """Make a variable. Its dtype is floatx unless another is given; a constraint is ignored."""
    return keras.Variable(np.asarray(value, dtype or floatx()), dtype=dtype or floatx(), name=name)


def constant(
    value: Any, dtype: str | None = None, shape: Sequence[Any] | None = None, name: str | None = None
) -> Tensor:
    """Make a tensor of a value, which is broadcast if a shape is given."""
    x = ops.convert_to_tensor(value, dtype=dtype or floatx())
    return x if shape is None else ops.broadcast_to(x, shape)


def zeros(shape: Sequence[Any], dtype: str | None = None, name: str | None = None) -> Tensor:
    """Make a variable of zeros, as Keras 2 does; inside a function that is traced, a tensor."""
    return _filled(ops.zeros(shape, dtype=dtype or floatx()), name)


def ones(shape: Sequence[Any], dtype: str | None = None, name: str | None = None) -> Tensor:
    """Make a variable of ones, as Keras 2 does; inside a function that is traced, a tensor."""
    return _filled(ops.ones(shape, dtype=dtype or floatx()), name)


def eye(size: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Make a variable with ones on its diagonal, as Keras 2 does; inside a function that is traced, a tensor."""
    rows, columns = size if isinstance(size, (list, tuple)) else (size, size)
    return _filled(ops.eye(rows, columns, dtype=dtype or floatx()), name)


def _filled(x: Tensor, name: str | None) -> Tensor:
    """Make a variable of a tensor, or return the tensor if a variable could not outlive the function that is traced."""
    return x if is_traced(x) else keras.Variable(x, dtype=ops.dtype(x), name=name)


def zeros_like(x: Tensor, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Return zeros of the shape of x, and of its dtype unless another is given."""
    return ops.zeros_like(x, dtype=dtype)


def ones_like(x: Tensor, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Return ones of the shape of x, and of its dtype unless another is given."""
    return ops.ones_like(x, dtype=dtype)


def eval(x: Tensor) -> NDArray[Any]:
    """Return the values of a tensor or a variable as an array."""
    return ops.convert_to_numpy(x)


get_value = eval


def batch_get_value(tensors: Sequence[Tensor]) -> list[NDArray[Any]]:
    """Return the values of several variables, one array for each."""
    return [get_value(x) for x in tensors]


def set_value(x: Tensor, value: ArrayLike) -> None:
    """Write an array into a variable."""
    x.assign(ops.convert_to_tensor(np.asarray(value), dtype=x.dtype))


def batch_set_value(tuples: Iterable[tuple[Tensor, ArrayLike]]) -> None:
    """Write arrays into variables; each pair is a variable and its array."""
    for x, value in tuples:
        set_value(x, value)


def update(x: Tensor, new_x: Tensor) -> Any:
    """Write a tensor into a variable. As in Keras 2 on TensorFlow 2, it happens at once."""
    return x.assign(new_x)


def update_add(x: Tensor, increment: Tensor) -> Any:
    """Add to a variable."""
    return x.assign(x + increment)


def update_sub(x: Tensor, decrement: Tensor) -> Any:
    """Subtract from a variable."""
    return x.assign(x - decrement)


def moving_average_update(x: Tensor, value: Tensor, momentum: float) -> Any:
    """Move a variable towards a value: x becomes x * momentum + value * (1 - momentum)."""
    return x.assign(x * momentum + value * (1.0 - momentum))


def count_params(x: Tensor) -> int:
    """Return the number of elements."""
    return int(np.prod(x.shape))


def is_keras_tensor(x: Any) -> bool:
    """Return whether x is a symbolic tensor, as in a model that is being built."""
    return isinstance(x, keras.KerasTensor)


def is_tensor(x: Any) -> bool:
    """Return whether x is a tensor or a variable."""
    return isinstance(x, keras.Variable) or ops.is_tensor(x)


def is_sparse(tensor: Any) -> bool:
    """Return False, because K has no sparse tensors on Keras 3."""
    return False


identity = ops.copy
stop_gradient = ops.stop_gradient


# --- shapes ---------------------------------------------------------------------------------------------------------


def int_shape(x: Any) -> tuple[int | None, ...] | None:
    """Return the shape as a tuple, with None for sizes that are not known; None if x has no shape."""
    return tuple(x.shape) if hasattr(x, "shape") else None


def ndim(x: Tensor) -> int:
    """Return the number of axes."""
    return len(x.shape)


def cast(x: Any, dtype: str) -> Any:
    """Cast a tensor; a number and the sizes of `shape` stay numbers, so that a shape can be made of them."""
    if isinstance(x, Sizes) or is_number(x):
        numbers = map_sizes(lambda n: _cast_number(n, dtype) if is_number(n) else ops.cast(n, dtype), x)
        return numbers if isinstance(x, Sizes) else numbers[0]
    return ops.cast(as_tensor(x), dtype)


def _cast_number(n: Any, dtype: str) -> Any:
    """Cast a number to a dtype; a symbolic size of JAX stays what it is."""
    return np.asarray(n, dtype).item() if isinstance(n, (int, float, np.generic)) else n


def cast_to_floatx(x: Any) -> Any:
    """Cast to the dtype of floats that Keras is set to. What is no tensor becomes an array, as in Keras 2."""
    return ops.cast(x, floatx()) if is_tensor(x) else np.asarray(x, floatx())


def shape(x: Any) -> Sizes:
    """Return the sizes of a tensor, as ints wherever they are known, also while a function is traced."""
    return Sizes((len(x),)) if isinstance(x, Sizes) else Sizes(ops.shape(as_tensor(x)))


def size(x: Tensor, name: str | None = None) -> Tensor:
    """Return the number of elements, as a tensor."""
    return ops.size(x)


def batch_flatten(x: Tensor) -> Tensor:
    """Merge all axes but the first."""
    return ops.reshape(x, (ops.shape(x)[0], int(np.prod(x.shape[1:]))) if None not in x.shape[1:] else (x.shape[0], -1))


def expand_dims(x: Tensor, axis: int = -1) -> Tensor:
    """Insert an axis of size 1."""
    return ops.expand_dims(x, axis)


def squeeze(x: Tensor, axis: int) -> Tensor:
    """Remove an axis of size 1."""
    return ops.squeeze(x, axis)


def permute_dimensions(x: Tensor, pattern: Sequence[int]) -> Tensor:
    """Return x with its axes in another order."""
    return ops.transpose(x, pattern)


def transpose(x: Tensor) -> Tensor:
    """Return x with its axes in reverse order."""
    return ops.transpose(x)


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Any:
    """Join tensors along an axis that they have, or shapes into a longer shape."""
    parts = [as_sizes(x) for x in tensors]
    if None not in parts:
        return Sizes(n for part in parts for n in part)
    return ops.concatenate(same_dtype(tensors), axis)


def stack(x: Any, axis: int = 0) -> Any:
    """Join tensors along a new axis, or make a shape of sizes."""
    sizes = as_sizes(x)
    return ops.stack(same_dtype(x), axis) if sizes is None else sizes


def reverse(x: Tensor, axes: int | Sequence[int]) -> Tensor:
    """Reverse the order of the elements along axes."""
    return ops.flip(x, axes)


def tile(x: Tensor, n: Any) -> Tensor:
    """Repeat the whole tensor along its axes."""
    n = (
        [n[i] for i in range(n.shape[0])] if is_tensor(n) and ndim(n) else n
    )  # TensorFlow asks for the values of a tensor
    return ops.tile(x, n)


def repeat(x: Tensor, n: int) -> Tensor:
    """Repeat vectors along a new axis: [batch, d] becomes [batch, n, d]."""
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x: Tensor, rep: int, axis: int) -> Tensor:
    """Repeat each element along an axis."""
    return ops.repeat(x, rep, axis=axis)


def temporal_padding(x: Tensor, padding: Sequence[int] = (1, 1)) -> Tensor:
    """Add zeros before and after a sequence, [batch, n, d]."""
    return ops.pad(x, ((0, 0), tuple(padding), (0, 0)))


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: str = "int32") -> Tensor:
    """Return the numbers from `start` up to `stop`, which is not among them."""
    return ops.arange(start, stop, step, dtype=dtype)


def slice(x: Tensor, start: Sequence[int], size: Sequence[int]) -> Tensor:
    """Cut out the block of a size that begins at some indices; the size -1 goes to the end."""
    return x[tuple(builtins.slice(s, None if n == -1 else s + n) for s, n in zip(start, size))]


def gather(reference: Tensor, indices: Tensor) -> Tensor:
    """Pick rows by their indices."""
    return ops.take(reference, ops.cast(indices, "int32"), axis=0)


def one_hot(indices: Tensor, num_classes: Any) -> Tensor:
    """Return vectors of zeros with a one at the index."""
    return ops.one_hot(ops.cast(indices, "int32"), num_classes)


# --- arithmetic -----------------------------------------------------------------------------------------------------

abs = counting(ops.abs, builtins.abs)
cos = counting(ops.cos)
equal = counting(ops.equal)
exp = counting(ops.exp)
greater = counting(ops.greater)
greater_equal = counting(ops.greater_equal)
less = counting(ops.less)
less_equal = counting(ops.less_equal)
log = counting(ops.log)
maximum = counting(ops.maximum, larger)
minimum = counting(ops.minimum, smaller)
not_equal = counting(ops.not_equal)
pow = counting(ops.power)
round = counting(ops.round, builtins.round)
sign = counting(ops.sign)
sin = counting(ops.sin)
square = counting(ops.square, lambda x: x * x)
sqrt = counting(
    lambda x: ops.sqrt(ops.maximum(x, 0)), lambda x: math.sqrt(builtins.max(x, 0))
)  # of negative numbers it is 0


def clip(x: Tensor, min_value: Any, max_value: Any) -> Tensor:
    """Limit elements; None is no limit."""
    return ops.clip(x, -np.inf if min_value is None else min_value, np.inf if max_value is None else max_value)


def _reduction(op: Callable[..., Tensor], python: Callable[..., Any] | None = None, *start: Any) -> Callable[..., Any]:
    """Make a reduction over axes.

    With `python`, which does the same for two numbers, it reduces the sizes of `shape` to a number. `start` is the
    result if there are no sizes.
    """

    def reduce(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
        sizes = as_sizes(x) if python and axis in (None, 0, -1) and not keepdims else None
        return op(as_tensor(x), axis=axis, keepdims=keepdims) if sizes is None else fold(python, sizes, *start)

    return reduce


all = _reduction(ops.all)
any = _reduction(ops.any)
max = _reduction(ops.max, maximum)
mean = _reduction(ops.mean)
min = _reduction(ops.min, minimum)
prod = _reduction(ops.prod, operator.mul, 1)
std = _reduction(ops.std)
sum = _reduction(ops.sum, operator.add, 0)
var = _reduction(ops.var)


def argmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return the index of the largest element along an axis."""
    return ops.argmax(x, axis)


def argmin(x: Tensor, axis: int = -1) -> Tensor:
    """Return the index of the smallest element along an axis."""
    return ops.argmin(x, axis)


def cumsum(x: Tensor, axis: int = 0) -> Tensor:
    """Return the running sum along an axis."""
    return ops.cumsum(x, axis)


def cumprod(x: Tensor, axis: int = 0) -> Tensor:
    """Return the running product along an axis."""
    return ops.cumprod(x, axis)


dot = ops.dot


def batch_dot(x: Tensor, y: Tensor, axes: int | Sequence[int] | None = None) -> Tensor:
    """Return the products of x and y for each element of the batch, summed over one axis of each.

    The result has at least two axes: products of vectors are [batch, 1].
    """
    n, m = len(x.shape), len(y.shape)
    if axes is None:
        axes = (n - 1, m - 1 if m == 2 else m - 2)
    axes = (axes, axes) if isinstance(axes, int) else axes
    i, j = axes[0] % n, axes[1] % m
    left, right = "acdefgh"[:n], "amnopqr"[:m]
    right = right.replace(right[j], left[i])
    out = left.replace(left[i], "") + right[1:].replace(left[i], "")
    result = ops.einsum(f"{left},{right}->{out}", x, y)
    return ops.expand_dims(result, -1) if len(out) == 1 else result


# --- networks -------------------------------------------------------------------------------------------------------


def relu(x: Tensor, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """Return x above the threshold, at most `max_value`, and alpha * (x - threshold) below it."""
    return keras.activations.relu(x, negative_slope=alpha, max_value=max_value, threshold=threshold)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """Return x where it is positive, and alpha * (exp(x) - 1) elsewhere."""
    return ops.elu(x, alpha)


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return exp(x) divided by its sum over an axis."""
    return ops.softmax(x, axis)


def hard_sigmoid(x: Tensor) -> Tensor:
    """Return 0.2 * x + 0.5 between 0 and 1, as Keras 2 does; Keras 3's own has another slope."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


sigmoid = ops.sigmoid
softplus = ops.softplus
softsign = ops.softsign
tanh = ops.tanh


def l2_normalize(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """Divide x by its Euclidean norm."""
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))


def bias_add(x: Tensor, bias: Tensor, data_format: str | None = None) -> Tensor:
    """Add a bias to the last axis. `data_format` has no effect."""
    return x + bias


def in_top_k(predictions: Tensor, targets: Tensor, k: int) -> Tensor:
    """Return for each row whether the score of the target is one of the k largest."""
    return ops.in_top_k(targets, predictions, k)


def categorical_crossentropy(target: Tensor, output: Tensor, from_logits: bool = False, axis: int = -1) -> Tensor:
    """Return the cross-entropy of a distribution over classes."""
    return ops.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(
    target: Tensor, output: Tensor, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """Return the cross-entropy of the number of the right class."""
    target = (
        ops.reshape(ops.cast(target, "int32"), ops.shape(output)[:-1]) if axis in (-1, ndim(output) - 1) else target
    )
    return ops.sparse_categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def binary_crossentropy(target: Tensor, output: Tensor, from_logits: bool = False) -> Tensor:
    """Return the cross-entropy of each probability on its own."""
    return ops.binary_crossentropy(target, output, from_logits=from_logits)


# --- control --------------------------------------------------------------------------------------------------------


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """Choose by a scalar, or row by row by a condition of fewer axes; the expressions may be functions."""
    if is_number(condition):
        chosen = then_expression if condition else else_expression
        return chosen() if callable(chosen) else chosen
    if not len(condition.shape):
        branches = [e if callable(e) else (lambda e=e: e) for e in (then_expression, else_expression)]
        return ops.cond(ops.cast(condition, "bool"), *branches)
    x, y = [e() if callable(e) else e for e in (then_expression, else_expression)]
    condition = ops.cast(condition, "bool")
    for _ in range(len(x.shape) - len(condition.shape)):
        condition = ops.expand_dims(condition, -1)
    return ops.where(condition, x, y)


class Training(keras.layers.Layer):
    """A layer that notes what `training` is inside of the layer that calls it."""

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Note the value, and return the inputs."""
        self.value = training
        return inputs


def learning_phase() -> int:
    """Return 1 inside a layer that is called in training, and 0 elsewhere.

    Keras 3.5 on JAX tells this only to layers that declare the argument `training`.
    """
    layer = Training()
    layer(ops.zeros((1, 1)))
    return int(bool(layer.value))


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Return x in training and `alt` otherwise; each may be a function that returns it."""
    chosen = x if (learning_phase() if training is None else training) else alt
    return chosen() if callable(chosen) else chosen


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Return `alt` in training and x otherwise; each may be a function that returns it."""
    return in_train_phase(alt, x, training)


def map_fn(fn: Callable[[Any], Any], elems: Any, name: str | None = None, dtype: str | None = None) -> Any:
    """Call a function for each row, and stack the results. `name` and `dtype` have no effect."""
    return ops.map(fn, elems)


# --- random numbers -------------------------------------------------------------------------------------------------


def random_uniform_variable(
    shape: Sequence[Any],
    low: float,
    high: float,
    dtype: str | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> Tensor:
    """Make a variable of numbers that are uniform between two limits."""
    return variable(random_uniform(shape, low, high, dtype, seed), dtype, name)


def random_normal_variable(
    shape: Sequence[Any],
    mean: float,
    scale: float,
    dtype: str | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> Tensor:
    """Make a variable of numbers from a normal distribution."""
    return variable(random_normal(shape, mean, scale, dtype, seed), dtype, name)


def __dir__() -> list[str]:
    """Return the names of K, without the helpers that this module has beside them."""
    return sorted(set(globals()) - set(vars(sizes)) - {"Training"})
