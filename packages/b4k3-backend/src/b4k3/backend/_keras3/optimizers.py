"""How an optimizer of Keras 3 runs the rules of `b4k3.optimizers`.

    class WarmSGD(Extensible, UpdateMixin, keras.optimizers.SGD): ...      Keras updates, then the extensions act
    class Adam(Extensible, Optimizer): ...                                 the rule is ours

Keras accumulates gradients, clips them, scales the loss, and saves the state.
"""

from __future__ import annotations

from typing import Any, Sequence

import keras
from keras import ops

from ..types import Tensor
from ..updates import Slot, Update, UpdateRules
from . import fused_adam
from .layer import weight_path

BACKEND = keras.config.backend()


class UpdateMixin(UpdateRules):
    """Let a subclass say what becomes of each variable; it stands before an optimizer of Keras among the bases.

    A subclass has `variable_slots`, `update_rate` and `transform` (see `b4k3.optimizers`).

    Arguments:
        args: the positional arguments of the optimizer of Keras.
        accumulation_steps: int. One update takes the mean gradient of so many batches.
        kwargs: the other arguments of the optimizer of Keras, and `decay`, which Keras 3 has no more: the rate is
            divided by 1 + decay * batches.

    Example:
        >>> class Doubled(UpdateMixin, keras.optimizers.SGD):
        ...     def variable_slots(self, path, shape):
        ...         return {}
        ...     def update_rate(self, rate, batch, count):
        ...         return rate
        ...     def transform(self, update):
        ...         update.after = update.before + 2 * (update.after - update.before)
    """

    keras_updates = True  # False: the optimizer of Keras has no rule of its own

    def __init__(self, *args: Any, accumulation_steps: int = 1, **kwargs: Any) -> None:
        if accumulation_steps > 1:
            kwargs["gradient_accumulation_steps"] = accumulation_steps
        decay = float(kwargs.pop("decay", None) or 0.0)
        super().__init__(*args, **kwargs)
        self.decay = decay

    def build(self, variables: Sequence[Any]) -> None:
        """Make the slots, and keep the paths: TensorFlow hands `update_step` variables that do not know theirs."""
        if self.built:
            return
        if BACKEND == "tensorflow":
            refuse_accumulation(self)
        super().build(variables)
        self._paths = tuple(weight_path(v) for v in variables)
        slots = []
        for variable, path in zip(variables, self._paths):
            wanted = {} if replaced_by_gradient(variable) else self.variable_slots(path, tuple(variable.shape))
            slots.append(tuple((name, self._add_slot(variable, path, name, slot)) for name, slot in wanted.items()))
        self._slots = tuple(slots)

    def _add_slot(self, variable: Any, path: str, name: str, slot: Slot) -> Any:
        """Make a slot of zeros where the variable is."""
        dtype = slot.dtype or variable.dtype
        if tuple(slot.shape) == tuple(variable.shape) and dtype == variable.dtype:
            return self.add_variable_from_reference(variable, name=name)
        arguments = dict(
            shape=tuple(slot.shape), dtype=dtype, initializer="zeros", name=f"{path}_{name}".replace("/", "_")
        )
        if BACKEND != "tensorflow":
            return self.add_variable(**arguments)
        with self._distribution_strategy.extended.colocate_vars_with(variable.value):
            return self.add_variable(**arguments)

    def variables_with_slots(self) -> list[tuple[Any, dict[str, Any]]]:
        """Return each trained variable with its slots, {name: variable}; none before the first update."""
        if not self.built:
            return []
        return [(variable, dict(slots)) for variable, slots in zip(self._trainable_variables, self._slots) if slots]

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Leave the argument `weight_decay` of Keras to `update_step`, where the rate of the update is known."""

    if BACKEND == "torch":

        def _backend_update_step(
            self, grads: Sequence[Tensor], trainable_variables: Sequence[Any], rate: Tensor
        ) -> None:
            """Update all variables: by torch's own kernels for Adam if that is all, else one after the other."""
            import torch

            with torch.no_grad():
                if not self._update_by_fused_adam(grads, trainable_variables, rate):
                    super()._backend_update_step(grads, trainable_variables, rate)

    def _update_by_fused_adam(self, gradients: Sequence[Tensor], variables: Sequence[Any], rate: Tensor) -> bool:
        """Update all variables by `fused_adam.update`, and return True; return False if a variable needs more."""
        indices = [self._get_variable_index(variable) for variable in variables]
        kinds = [self.fused_adam(self._paths[index]) for index in indices]
        if None in kinds:
            return False
        groups: dict[Any, list[Any]] = {}
        for index, kind, variable, gradient in zip(indices, kinds, variables, gradients):
            slots = dict(self._slots[index])
            tensors = (variable.value, gradient, slots["m"].value, slots["v"].value)
            groups.setdefault(kind, []).append(tensors)
        if not all(fused_adam.usable(tensors) for group in groups.values() for tensors in group):
            return False
        rate = self._rate_in_force(rate)
        for kind, group in groups.items():
            fused_adam.update(kind, group, rate, self.iterations)
        return True

    def _rate_in_force(self, learning_rate: Tensor) -> Tensor:
        """Return the rate of this update."""
        rate = ops.convert_to_tensor(learning_rate)
        if self.decay:
            rate = rate / (1.0 + self.decay * ops.cast(self._iterations, rate.dtype))
        return self.update_rate(rate, ops.convert_to_tensor(self._iterations), ops.convert_to_tensor(self.iterations))

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Update one variable and its slots."""
        index = self._get_variable_index(variable)
        rate = ops.cast(self._rate_in_force(learning_rate), variable.dtype)
        gradient = ops.cast(dense(gradient), variable.dtype)
        before = value_of(variable)
        after = None
        if self.keras_updates:
            before = ops.copy(before)
            if self.weight_decay is not None and self._use_weight_decay(self._trainable_variables[index]):
                self.assign(variable, before - before * ops.cast(self.weight_decay, variable.dtype) * rate)
            super().update_step(gradient, variable, rate)
            after = value_of(variable)
        slots = dict(self._slots[index])
        values = {name: value_of(slot) for name, slot in slots.items()}
        count = ops.convert_to_tensor(self.iterations)
        update = Update(self._paths[index], before, gradient, rate, count, values, after)
        self.transform(update)
        for name, value in update.changed_slots().items():
            self.assign(slots[name], value)
        if update.after is not after:
            self.assign(variable, update.after)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which the optimizer can be made again."""
        config = super().get_config()
        return {**config, "decay": self.decay} if self.decay else config


class Optimizer(UpdateMixin, keras.optimizers.Optimizer):
    """The base of optimizers whose rule is ours.

    Arguments:
        args: the positional arguments of `keras.optimizers.Optimizer`.
        kwargs: its other arguments.

    Raises:
        TypeError: `weight_decay` is given: it belongs to an extension.

    Example:
        >>> class SignDescent(Optimizer):
        ...     def variable_slots(self, path, shape):
        ...         return {}
        ...     def update_rate(self, rate, batch, count):
        ...         return rate
        ...     def transform(self, update):
        ...         update.after = update.before - update.rate * ops.sign(update.gradient)
    """

    keras_updates = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("weight_decay"):
            raise TypeError(
                f"{type(self).__name__} has no argument 'weight_decay': extend_with_weight_decay makes a class with "
                "weight_decay_rate."
            )
        super().__init__(*args, **kwargs)


def refuse_accumulation(optimizer: Any) -> None:
    """Refuse to accumulate gradients under a strategy of several replicas, where Keras fails in the first step.

    Arguments:
        optimizer: UpdateMixin. An optimizer on TensorFlow.

    Raises:
        NotImplementedError: it accumulates, and its strategy has several replicas.
    """
    replicas = optimizer._distribution_strategy.num_replicas_in_sync
    if optimizer.gradient_accumulation_steps and replicas > 1:
        raise NotImplementedError(
            f"{type(optimizer).__name__}: Keras 3 on TensorFlow cannot accumulate gradients on {replicas} replicas, "
            "because they exchange gradients within a condition. Take a batch of the whole size, or tf_keras"
        )


def value_of(variable: Any) -> Tensor:
    """Return the value of a variable of Keras or of TensorFlow as a tensor."""
    return ops.convert_to_tensor(variable)


def dense(gradient: Tensor) -> Tensor:
    """Return a gradient as a dense tensor: TensorFlow gives slices for what was gathered."""
    if BACKEND != "tensorflow":
        return gradient
    import tensorflow as tf

    return tf.convert_to_tensor(gradient)


def replaced_by_gradient(variable: Any) -> bool:
    """Return True for a scale of float8 training, which takes its gradient for its new value."""
    return getattr(variable, "overwrite_with_gradient", False)
