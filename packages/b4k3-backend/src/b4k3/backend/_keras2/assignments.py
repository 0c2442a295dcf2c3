"""What an optimizer of keras 2.3 wants to assign, as values.

    updates = [K.update(m, m_new), K.update_add(iterations, 1), (w, w_new)]
    assigned("SGD", updates, new_ops)   [(m, m_new), (iterations, iterations + 1), (w, w_new)]

TensorFlow runs an operation only if something asks for it. Nobody asks for the operations of `K.update`: their
inputs are taken, changed, and assigned by other operations. So all that is read is read before anything is assigned.
"""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple, Sequence

import tensorflow as tf

from ..types import Tensor

# type of an operation -> what it does with the value of the variable and its other input; None: it takes the input
_KINDS: dict[str, Any] = {
    "Assign": None,
    "AssignAdd": tf.add,
    "AssignSub": tf.subtract,
    "AssignVariableOp": None,
    "AssignAddVariableOp": tf.add,
    "AssignSubVariableOp": tf.subtract,
}


class Assignment(NamedTuple):
    """A variable, as the tensor that operations know it by, and its new value."""

    target: Tensor
    value: Tensor


def target_of(variable: Any) -> Tensor:
    """Return the tensor that operations know a variable by: its handle, or its reference in code of TensorFlow 1."""
    return variable.handle if hasattr(variable, "handle") else variable.op.outputs[0]


def read(target: Tensor, dtype: Any) -> Tensor:
    """Return the value of a variable before all assignments that depend on it."""
    if target.dtype == tf.resource:
        return tf.raw_ops.ReadVariableOp(resource=target, dtype=dtype)
    return tf.identity(target) + tf.zeros((), dtype)  # a copy: a reference shows what is assigned later


def value_of(variable: Any) -> Tensor:
    """Return the value of a variable before all assignments that depend on it, with its shape."""
    value = read(target_of(variable), variable.dtype.base_dtype)
    value.set_shape(variable.shape)
    return value


def assign(assignment: Assignment) -> Any:
    """Return the operation that assigns."""
    target, value = assignment
    if target.dtype == tf.resource:
        return tf.raw_ops.AssignVariableOp(resource=target, value=value)
    return tf.compat.v1.assign(target, value).op


def assigned(name: str, updates: Iterable[Any], new_operations: Iterable[Any]) -> list[Assignment]:
    """Return what the updates of an optimizer assign, without running them.

    Arguments:
        name: str. The name of the optimizer, for messages.
        updates: iterable of what `K.update` and its kind return, and of pairs (variable, value).
        new_operations: iterable of operations, those that were made together with the updates.

    Returns:
        list of Assignment.

    Raises:
        TypeError: an update is something else, or computes from a variable that was assigned before.
    """
    result = []
    for update in updates:
        if isinstance(update, tuple):
            variable, value = update
            result.append(Assignment(target_of(variable), tf.convert_to_tensor(value)))
            continue
        operation = getattr(update, "op", update)
        kind = getattr(operation, "type", type(update).__name__)
        if kind not in _KINDS:
            raise TypeError(
                f"{name} cannot be extended: its get_updates returns an operation {kind!r}. With keras 2.3 it may "
                "return what K.update, K.update_add and K.update_sub give, and pairs (variable, value). Extend an "
                "optimizer of keras.optimizers or b4k3.optimizers instead."
            )
        target, value = getattr(update, "handle", operation.inputs[0]), operation.inputs[1]
        change = _KINDS[kind]
        result.append(Assignment(target, change(read(target, value.dtype), value) if change else value))
    _refuse_values_of_assigned(name, [value for _, value in result], new_operations)
    return result


def _refuse_values_of_assigned(name: str, values: Sequence[Tensor], operations: Iterable[Any]) -> None:
    """Refuse values that depend on an assignment: running them would assign a variable behind our back."""
    names = {operation.name for operation in operations}
    todo, seen = [value.op for value in values], set()
    while todo:
        operation = todo.pop()
        if operation.name in seen or operation.name not in names:
            continue
        seen.add(operation.name)
        if operation.type in _KINDS:
            raise TypeError(
                f"{name} cannot be extended: its get_updates computes from a variable that it has assigned before "
                f"({operation.name}). Extend an optimizer of keras.optimizers or b4k3.optimizers instead."
            )
        todo += [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)
