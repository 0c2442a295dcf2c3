"""The names of Keras 2's backend over Keras 3, with their old arguments and meaning."""

from __future__ import annotations

import builtins
import math
import operator

import keras
import numpy as np
from keras import ops

from .drawing import (  # noqa: F401 (a part of K)
    dropout,
    random_bernoulli,
    random_binomial,
    random_normal,
    random_uniform,
    truncated_normal,
)
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

GUIDE = "The migration guide of b4k3 shows what to write instead on Keras 3."


def _missing(name, instead):
    def refuse(*args, **kwargs):
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


def symbolic(func):
    """Keras 3 has one mode: the function is returned as it is."""
    return func


# --- values ---------------------------------------------------------------------------------------------------------


def variable(value, dtype=None, name=None, constraint=None):
    return keras.Variable(np.asarray(value, dtype or floatx()), dtype=dtype or floatx(), name=name)


def constant(value, dtype=None, shape=None, name=None):
    x = ops.convert_to_tensor(value, dtype=dtype or floatx())
    return x if shape is None else ops.broadcast_to(x, shape)


def zeros(shape, dtype=None, name=None):
    """A variable, as on Keras 2; a tensor inside a function that is traced."""
    return _filled(ops.zeros(shape, dtype=dtype or floatx()), name)


def ones(shape, dtype=None, name=None):
    """A variable, as on Keras 2; a tensor inside a function that is traced."""
    return _filled(ops.ones(shape, dtype=dtype or floatx()), name)


def eye(size, dtype=None, name=None):
    """A variable, as on Keras 2; a tensor inside a function that is traced."""
    rows, columns = size if isinstance(size, (list, tuple)) else (size, size)
    return _filled(ops.eye(rows, columns, dtype=dtype or floatx()), name)


def _filled(x, name):
    """A variable of a tensor's value, or the tensor itself where a variable could not outlive the trace."""
    return x if is_traced(x) else keras.Variable(x, dtype=ops.dtype(x), name=name)


def zeros_like(x, dtype=None, name=None):
    return ops.zeros_like(x, dtype=dtype)


def ones_like(x, dtype=None, name=None):
    return ops.ones_like(x, dtype=dtype)


def eval(x):
    return ops.convert_to_numpy(x)


get_value = eval


def batch_get_value(tensors):
    return [get_value(x) for x in tensors]


def set_value(x, value):
    x.assign(ops.convert_to_tensor(np.asarray(value), dtype=x.dtype))


def batch_set_value(tuples):
    for x, value in tuples:
        set_value(x, value)


def update(x, new_x):
    return x.assign(new_x)


def update_add(x, increment):
    return x.assign(x + increment)


def update_sub(x, decrement):
    return x.assign(x - decrement)


def moving_average_update(x, value, momentum):
    return x.assign(x * momentum + value * (1.0 - momentum))


def count_params(x):
    return int(np.prod(x.shape))


def is_keras_tensor(x):
    return isinstance(x, keras.KerasTensor)


def is_tensor(x):
    return isinstance(x, keras.Variable) or ops.is_tensor(x)


def is_sparse(tensor):
    return False


identity = ops.copy
stop_gradient = ops.stop_gradient


# --- shapes ---------------------------------------------------------------------------------------------------------


def int_shape(x):
    return tuple(x.shape) if hasattr(x, "shape") else None


def ndim(x):
    return len(x.shape)


def cast(x, dtype):
    """A number stays a number, so that it can be a size."""
    if isinstance(x, Sizes) or is_number(x):
        numbers = map_sizes(lambda n: _cast_number(n, dtype) if is_number(n) else ops.cast(n, dtype), x)
        return numbers if isinstance(x, Sizes) else numbers[0]
    return ops.cast(as_tensor(x), dtype)


def _cast_number(n, dtype):
    """A number in a dtype; a symbolic size of JAX stays what it is."""
    return np.asarray(n, dtype).item() if isinstance(n, (int, float, np.generic)) else n


def cast_to_floatx(x):
    return ops.cast(x, floatx()) if is_tensor(x) else np.asarray(x, floatx())


def shape(x):
    """`Sizes`: ints wherever they are known, while a function is traced too."""
    return Sizes((len(x),)) if isinstance(x, Sizes) else Sizes(ops.shape(as_tensor(x)))


def size(x, name=None):
    return ops.size(x)


def batch_flatten(x):
    return ops.reshape(x, (ops.shape(x)[0], int(np.prod(x.shape[1:]))) if None not in x.shape[1:] else (x.shape[0], -1))


def expand_dims(x, axis=-1):
    return ops.expand_dims(x, axis)


def squeeze(x, axis):
    return ops.squeeze(x, axis)


def permute_dimensions(x, pattern):
    return ops.transpose(x, pattern)


def transpose(x):
    return ops.transpose(x)


def concatenate(tensors, axis=-1):
    parts = [as_sizes(x) for x in tensors]
    if None not in parts:
        return Sizes(n for part in parts for n in part)
    return ops.concatenate(same_dtype(tensors), axis)


def stack(x, axis=0):
    sizes = as_sizes(x)
    return ops.stack(same_dtype(x), axis) if sizes is None else sizes


def reverse(x, axes):
    return ops.flip(x, axes)


def tile(x, n):
    n = [n[i] for i in range(n.shape[0])] if is_tensor(n) and ndim(n) else n  # TensorFlow's would ask its values
    return ops.tile(x, n)


def repeat(x, n):
    """[batch, d] to [batch, n, d]."""
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x, rep, axis):
    return ops.repeat(x, rep, axis=axis)


def temporal_padding(x, padding=(1, 1)):
    return ops.pad(x, ((0, 0), tuple(padding), (0, 0)))


def arange(start, stop=None, step=1, dtype="int32"):
    return ops.arange(start, stop, step, dtype=dtype)


def slice(x, start, size):
    return x[tuple(builtins.slice(s, None if n == -1 else s + n) for s, n in zip(start, size))]


def gather(reference, indices):
    return ops.take(reference, ops.cast(indices, "int32"), axis=0)


def one_hot(indices, num_classes):
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
sqrt = counting(lambda x: ops.sqrt(ops.maximum(x, 0)), lambda x: math.sqrt(builtins.max(x, 0)))  # 0 of negative numbers


def clip(x, min_value, max_value):
    return ops.clip(x, -np.inf if min_value is None else min_value, np.inf if max_value is None else max_value)


def _reduction(op, python=None, *start):
    """A reduction; with `python`, the same for two numbers, it counts with sizes. `start`: of no sizes."""

    def reduce(x, axis=None, keepdims=False):
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


def argmax(x, axis=-1):
    return ops.argmax(x, axis)


def argmin(x, axis=-1):
    return ops.argmin(x, axis)


def cumsum(x, axis=0):
    return ops.cumsum(x, axis)


def cumprod(x, axis=0):
    return ops.cumprod(x, axis)


dot = ops.dot


def batch_dot(x, y, axes=None):
    """The product of x and y in each row of the batch, summed over one axis of each; at least two axes are left."""
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


def relu(x, alpha=0.0, max_value=None, threshold=0.0):
    return keras.activations.relu(x, negative_slope=alpha, max_value=max_value, threshold=threshold)


def elu(x, alpha=1.0):
    return ops.elu(x, alpha)


def softmax(x, axis=-1):
    return ops.softmax(x, axis)


def hard_sigmoid(x):
    """Keras 2's: 0.2·x + 0.5 between 0 and 1 (Keras 3 has another slope)."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


sigmoid = ops.sigmoid
softplus = ops.softplus
softsign = ops.softsign
tanh = ops.tanh


def l2_normalize(x, axis=None):
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))


def bias_add(x, bias, data_format=None):
    return x + bias


def in_top_k(predictions, targets, k):
    return ops.in_top_k(targets, predictions, k)


def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    return ops.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    target = (
        ops.reshape(ops.cast(target, "int32"), ops.shape(output)[:-1]) if axis in (-1, ndim(output) - 1) else target
    )
    return ops.sparse_categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def binary_crossentropy(target, output, from_logits=False):
    return ops.binary_crossentropy(target, output, from_logits=from_logits)


# --- control --------------------------------------------------------------------------------------------------------


def switch(condition, then_expression, else_expression):
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
    """A layer that notes what `training` is inside the layer that calls it."""

    def call(self, inputs, training=False):
        self.value = training
        return inputs


def learning_phase():
    """1 inside a layer that is called in training, else 0. Keras 3.5 on JAX tells only layers that declare it."""
    layer = Training()
    layer(ops.zeros((1, 1)))
    return int(bool(layer.value))


def in_train_phase(x, alt, training=None):
    chosen = x if (learning_phase() if training is None else training) else alt
    return chosen() if callable(chosen) else chosen


def in_test_phase(x, alt, training=None):
    return in_train_phase(alt, x, training)


def map_fn(fn, elems, name=None, dtype=None):
    return ops.map(fn, elems)


def rnn(
    step_function,
    inputs,
    initial_states,
    go_backwards=False,
    mask=None,
    constants=None,
    unroll=False,
    input_length=None,
):
    """Run a step over axis 1: `step_function(input, states + constants)` gives (output, states).

    Returns:
        (last output, outputs [batch, time, ...], states). Where the mask is false, output and states are kept.
    """
    constants = list(constants or [])
    steps = ops.moveaxis(inputs, 1, 0)
    masks = ops.ones(ops.shape(steps)[:2], "bool") if mask is None else ops.transpose(ops.cast(mask, "bool"))
    first, _ = step_function(steps[0], list(initial_states) + constants)

    def keep(seen, new, old):
        return ops.where(ops.reshape(seen, ops.shape(seen)[:1] + (1,) * (len(new.shape) - 1)), new, old)

    def step(carry, x):
        before, states = carry
        value, seen = x
        output, new = step_function(value, list(states) + constants)
        if mask is not None:
            output = keep(seen, output, before)
            new = [keep(seen, n, o) for n, o in zip(new, states)]
        carry = (output, list(new))
        return carry, carry  # on TensorFlow ops.scan wants results like the carry

    carry = (ops.zeros_like(first), list(initial_states))
    (last, states), (outputs, _) = ops.scan(step, carry, (steps, masks), reverse=go_backwards)
    outputs = ops.moveaxis(ops.flip(outputs, 0) if go_backwards else outputs, 0, 1)
    return last, outputs, states


# --- random numbers -------------------------------------------------------------------------------------------------


def random_uniform_variable(shape, low, high, dtype=None, name=None, seed=None):
    return variable(random_uniform(shape, low, high, dtype, seed), dtype, name)


def random_normal_variable(shape, mean, scale, dtype=None, name=None, seed=None):
    return variable(random_normal(shape, mean, scale, dtype, seed), dtype, name)
