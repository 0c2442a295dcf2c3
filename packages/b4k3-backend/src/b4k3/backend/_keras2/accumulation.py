"""What the kinds of optimizers of TensorFlow's Keras share: dense gradients, their sums, clipping, one update.

In a graph of TensorFlow 1 nothing orders reads and writes of a variable but control dependencies. So an update reads
first, and assigns when everything is read and computed.
"""

from __future__ import annotations

from typing import Any, Sequence

import tensorflow as tf

from ..types import Tensor
from ..updates import Update

CLIPPING = ("clipnorm", "global_clipnorm", "clipvalue")  # the arguments of optimizers, in the order in which they act
ACCUMULATOR = "accumulator"


class Trained:
    """A variable that an optimizer trains, and what it keeps for it. A class, so that Keras does not look into it.

    Arguments:
        variable: variable of Keras.
        path: str. Its name with the layers that own it.
        slots: {name: variable}. The slots of the rules.
        accumulator: variable, or None. The sum of the gradients of the batches since the last update.
    """

    def __init__(self, variable: Any, path: str, slots: dict[str, Any], accumulator: Any) -> None:
        self.variable = variable
        self.path = path
        self.slots = slots
        self.accumulator = accumulator


class InForce:
    """What an optimizer of Keras shall take for its rate and its iterations in one update.

    Arguments:
        rate: float tensor, [], or None. The rate of the update.
        count: int tensor, []. The number of updates before this one.
    """

    def __init__(self, rate: Tensor | None, count: Tensor) -> None:
        self.rate = rate
        self.count = count


def dtype_of(variable: Any) -> Any:
    """Return the dtype in which a variable is stored, whatever a policy of mixed precision casts it to."""
    return tf.as_dtype(getattr(variable, "true_dtype", None) or variable.dtype).base_dtype


def dense(gradient: Any, variable: Any) -> Tensor:
    """Return the gradient of a variable as a tensor of its shape; slices, which a gather gives, are summed by row."""
    gradient = tf.convert_to_tensor(gradient)
    gradient.set_shape(variable.shape)  # which is lost where the gradients of several devices are summed
    return gradient


def add_gradient(accumulator: Any, gradient: Any) -> Any:
    """Add the gradient of a batch to the sum. Slices are added row by row, which is cheap for an embedding.

    Arguments:
        accumulator: variable. The sum.
        gradient: tensor, or slices. The gradient of its variable.

    Returns:
        The operation; None if it ran at once.
    """
    if isinstance(gradient, tf.IndexedSlices):
        values = tf.cast(gradient.values, accumulator.dtype.base_dtype)
        return tf.raw_ops.ResourceScatterAdd(resource=accumulator.handle, indices=gradient.indices, updates=values)
    return accumulator.assign_add(tf.cast(gradient, accumulator.dtype.base_dtype), read_value=False)


def closes_window(batch: Tensor, steps: int) -> Tensor:
    """Return True if the gradient of this batch is the last one of an update: bool tensor, []."""
    return tf.equal((batch + 1) % steps, 0)


def square_sum(gradient: Tensor) -> Tensor:
    """Return the sum of the squares in float32, from which the norm of all gradients is computed."""
    return tf.reduce_sum(tf.square(tf.cast(gradient, tf.float32)))


def global_norm(square_sums: Sequence[Tensor]) -> Tensor:
    """Return the norm of all gradients from the sums of their squares."""
    return tf.sqrt(tf.add_n(list(square_sums)))


def clipped(gradient: Tensor, limits: dict[str, float], norm: Tensor | None) -> Tensor:
    """Clip the gradient of an update.

    Arguments:
        gradient: float tensor. The mean gradient of a variable.
        limits: {argument of an optimizer: limit}. What is not clipped is not in it.
        norm: float32 tensor, [], or None. The norm of the gradients of all variables, for 'global_clipnorm'.

    Returns:
        float tensor.
    """
    if "clipnorm" in limits:
        gradient = tf.clip_by_norm(gradient, limits["clipnorm"])
    if "global_clipnorm" in limits:
        limit = limits["global_clipnorm"]
        # max(norm, limit) is the norm itself where it is too large; an infinite norm makes NaN, as in Keras
        factor = limit / tf.maximum(norm, limit) + 0.0 * norm
        gradient = gradient * tf.cast(factor, gradient.dtype)
    if "clipvalue" in limits:
        gradient = tf.clip_by_value(gradient, -limits["clipvalue"], limits["clipvalue"])
    return gradient


def mean_of_window(accumulator: Any, steps: int) -> Tensor:
    """Return the mean of the gradients that were added, and begin a new sum after it is read."""
    mean = accumulator.read_value() / steps
    with after([mean]):
        reset = accumulator.assign(tf.zeros_like(mean), read_value=False)
    with after(operations(reset)):
        return tf.identity(mean)


def operations(results: Any) -> list[Any]:
    """Return what control dependencies can name: in an eager call operations are None, and have run already."""
    return [result for result in tf.nest.flatten(results) if result is not None]


def after(results: Sequence[Any]) -> Any:
    """Return a context whose operations wait for others of the same graph. TensorFlow 2.2 fails at other graphs.

    Arguments:
        results: sequence of tensors and operations.

    Returns:
        context manager.
    """
    if tf.executing_eagerly():
        return tf.control_dependencies([])
    graph = tf.compat.v1.get_default_graph()
    return tf.control_dependencies([result for result in results if getattr(result, "graph", None) is graph])


def finish(optimizer: Any, update: Update, variable: Any, slots: dict[str, Any]) -> list[Any]:
    """Run the rules on an update, and assign what they changed once all is read.

    Arguments:
        optimizer: Keras optimizer of ours. Its `transform` runs the rules.
        update: Update. Its slots are the values of `slots`.
        variable: variable. The one that is updated.
        slots: {name: variable}. Its slots.

    Returns:
        list of operations.
    """
    values, by_keras = list(update.slots.values()), update.after
    optimizer.transform(update)
    changed = [(slots[name], value) for name, value in update.changed_slots().items()]
    if update.after is not by_keras:
        changed.append((variable, update.after))
    changed = [(target, tf.cast(value, dtype_of(target))) for target, value in changed]
    with after([update.before, update.gradient, *values, *[value for _, value in changed]]):
        return operations([target.assign(value, read_value=False) for target, value in changed])
