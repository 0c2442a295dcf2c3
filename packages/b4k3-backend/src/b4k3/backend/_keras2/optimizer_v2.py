"""Optimizers of tf.keras up to TensorFlow 2.10 (`OptimizerV2`): `_resource_apply_dense` updates one variable.

Keras keeps the rate and saves the state. It neither accumulates gradients nor clips them in custom training loops:
that is done here, and `_distributed_apply`, where the gradients of all devices are summed, is ours.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import Any, Iterator, Sequence

import tensorflow as tf

from ..types import Tensor
from ..updates import Slot, Update, UpdateRules
from . import accumulation
from .accumulation import ACCUMULATOR, CLIPPING, InForce, Trained, dense, dtype_of, operations
from .flavour import keras
from .layer import TF1, weight_path

KerasOptimizer = keras.optimizers.Optimizer


class OptimizerV2Mixin(UpdateRules):
    """Let a subclass say what becomes of each variable; it stands before an optimizer of Keras among the bases.

    A subclass has `variable_slots`, `update_rate` and `transform` (see `b4k3.optimizers`).

    Arguments:
        args: the positional arguments of the optimizer of Keras.
        accumulation_steps: int. One update takes the mean gradient of so many batches.
        kwargs: the other arguments of the optimizer of Keras; `global_clipnorm`, which it does not have, among them.
    """

    keras_updates = True  # False: the optimizer of Keras has no rule of its own
    accumulation_steps = 1
    _in_force: InForce | None = None

    def __init__(self, *args: Any, accumulation_steps: int = 1, **kwargs: Any) -> None:
        limits = {name: kwargs.pop(name, None) for name in CLIPPING}
        super().__init__(*args, **kwargs)
        for name, limit in limits.items():
            setattr(self, name, limit)
        self.accumulation_steps = accumulation_steps
        self._trained = {}

    # ---- state

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        """Make the slots and the accumulators of variables that have none yet."""
        if self.keras_updates:
            super()._create_slots(var_list)
        for variable in var_list:
            if key_of(variable) not in self._trained:
                self._trained[key_of(variable)] = self._make_slots(variable)

    def _make_slots(self, variable: Any) -> Trained:
        """Return a variable with its slots, which are 0 and stand where it is."""
        path, shape = weight_path(variable), tuple(variable.shape.as_list())
        slots = {name: self._add_own(variable, name, slot) for name, slot in self.variable_slots(path, shape).items()}
        accumulates = self.accumulation_steps > 1
        accumulator = self._add_own(variable, ACCUMULATOR, Slot(shape)) if accumulates else None
        return Trained(variable, path, slots, accumulator)

    def _add_own(self, variable: Any, name: str, slot: Slot) -> Any:
        """Make a slot. `add_slot` of Keras gives all slots the dtype of the variable, but counts are integers.

        A checkpoint of TensorFlow finds it by the number of the variable: names change from model to model.
        """
        dtype = tf.as_dtype(slot.dtype or dtype_of(variable))
        with tf.distribute.get_strategy().extended.colocate_vars_with(variable):
            weight = self.add_weight(
                f"{name}_{len(self._trained)}", tuple(slot.shape), dtype, initializer="zeros", trainable=False
            )
        self._weights.append(weight)
        return weight

    def variables_with_slots(self) -> list[tuple[Any, dict[str, Any]]]:
        """Return each trained variable with its slots, {name: variable}; none before the first update."""
        return [(trained.variable, dict(trained.slots)) for trained in self._trained.values() if trained.slots]

    # ---- what Keras reads in one update

    @contextlib.contextmanager
    def _with_in_force(self, in_force: InForce | None) -> Iterator[None]:
        """Let the rule of Keras read the number of updates as its iterations; None is the number of batches."""
        before, self._in_force = self._in_force, in_force
        try:
            yield
        finally:
            self._in_force = before

    @property
    def iterations(self) -> Any:
        """The number of batches: a variable."""
        return KerasOptimizer.iterations.fget(self) if self._in_force is None else self._in_force.count

    @iterations.setter
    def iterations(self, variable: Any) -> None:
        """Count in another variable; before the first update only."""
        KerasOptimizer.iterations.fset(self, variable)

    def _decayed_lr(self, var_dtype: Any) -> Tensor:
        """Return the rate of an update, which Keras takes for the learning rate."""
        with self._with_in_force(None):  # schedules count batches, in no less than float32
            rate = super()._decayed_lr(tf.float64 if var_dtype == tf.float64 else tf.float32)
            batch = tf.convert_to_tensor(self.iterations)
        return tf.cast(self.update_rate(rate, batch, batch // self.accumulation_steps), var_dtype)

    # ---- gradients that are not clipped: a mean is clipped later

    def _clip_gradients(self, grads: Sequence[Any]) -> Sequence[Any]:
        """Leave gradients as they are; the gradients of an update are clipped."""
        return grads

    def get_gradients(self, loss: Tensor, params: Any) -> list[Any]:
        """Return the gradients of a loss in a graph.

        Arguments:
            loss: float tensor. The loss.
            params: variables, nested or in a list.

        Returns:
            list of tensors or slices.

        Raises:
            ValueError: the loss does not depend on a variable.
        """
        params = tf.nest.flatten(params)
        with loss.graph.as_default(), tf.name_scope(f"{self._name}/gradients"):
            gradients = tf.compat.v1.gradients(loss, params)
        missing = [param.name for param, gradient in zip(params, gradients) if gradient is None]
        if missing:
            raise ValueError(f"The loss does not depend on {missing}, or not in a way that has a gradient.")
        return gradients

    def _compute_gradients(self, loss: Any, var_list: Any, grad_loss: Any = None) -> list[tuple[Any, Any]]:
        """Return pairs of gradient and variable for a function that computes a loss."""
        with tf.GradientTape() as tape:
            if not callable(var_list):
                tape.watch(var_list)
            value = loss()
        variables = tf.nest.flatten(var_list() if callable(var_list) else var_list)
        return list(zip(tape.gradient(value, variables, grad_loss), variables))

    def get_updates(self, loss: Tensor, params: Any) -> list[Any]:
        """Return the operation of a batch in a graph. It waits for the loss, which reads the variables too.

        Arguments:
            loss: float tensor. The loss.
            params: list of variables.

        Returns:
            list of one operation.
        """
        gradients = self.get_gradients(loss, params)
        with tf.control_dependencies([loss]):
            return [self.apply_gradients(list(zip(gradients, params)))]

    # ---- one batch

    def _prepare(self, var_list: Sequence[Any]) -> dict[Any, Any]:
        """Prepare nothing yet: some optimizers change state where they prepare, so that it is a part of an update."""
        return {}

    def _distributed_apply(self, distribution: Any, grads_and_vars: Any, name: str | None, apply_state: Any) -> Any:
        """Update all variables; if gradients are accumulated, only in the last batch of an update."""
        pairs = list(grads_and_vars)
        if TF1:  # later versions have summed the gradients of all devices before
            gradients = distribution.extended.batch_reduce_to(tf.distribute.ReduceOp.SUM, pairs)
            pairs = [(gradient, variable) for gradient, (_, variable) in zip(gradients, pairs)]
        with tf.name_scope(name or self._name):
            if self.accumulation_steps == 1:
                done = self._update_all(distribution, pairs)
            else:
                done = self._add_and_update(distribution, pairs)
            with accumulation.after(operations(done)):
                count = self._iterations.assign_add(1)
        return count if tf.executing_eagerly() else count.op

    def _add_and_update(self, distribution: Any, pairs: Sequence[tuple[Any, Any]]) -> Any:
        """Add the gradients to the accumulators. Update by their means in the last batch of an update."""
        added, windows = [], []
        for gradient, variable in pairs:
            accumulator = self._trained[key_of(variable)].accumulator
            add = functools.partial(self._add, distribution, gradient, variable)
            added.append(distribution.extended.update(accumulator, add, group=False))
            windows.append((accumulator, variable))
        with accumulation.after(operations(added)):
            closes = tf.identity(accumulation.closes_window(self._iterations, self.accumulation_steps))

        def close() -> Tensor:
            """Update by the means."""
            with accumulation.after(operations(self._update_all(distribution, windows))):
                return tf.constant(True)

        return tf.cond(closes, close, lambda: tf.constant(False))

    @staticmethod
    def _add(distribution: Any, gradient: Any, variable: Any, accumulator: Any) -> Any:
        """Add a gradient to the accumulator of one device."""
        return accumulation.add_gradient(accumulator, of_device(distribution, gradient, variable, accumulator))

    def _update_all(self, distribution: Any, pairs: Sequence[tuple[Any, Any]]) -> list[Any]:
        """Update variables by their gradients, or by their accumulators, which stand in the place of them."""
        count = tf.convert_to_tensor(self._iterations) // self.accumulation_steps
        in_force = InForce(None, count)
        with self._with_in_force(in_force):
            state = super()._prepare([variable for _, variable in pairs])
        norm, done = self._norm(distribution, pairs), []
        for gradient, variable in pairs:
            trained = self._trained[key_of(variable)]
            of_device_ = functools.partial(of_device, distribution, gradient, variable)
            update = functools.partial(
                self._update_variable, trained.path, of_device_, state=state, norm=norm, in_force=in_force
            )
            done.append(distribution.extended.update(variable, update, args=(trained.slots,), group=False))
        return operations(done)

    def _norm(self, distribution: Any, pairs: Sequence[tuple[Any, Any]]) -> Tensor | None:
        """Return the norm of all gradients, which is the same on every device; None if nobody needs it."""
        if "global_clipnorm" not in self._limits():
            return None
        sums = []
        for gradient, variable in pairs:
            first = distribution.experimental_local_results(gradient)[0]
            sums.append(accumulation.square_sum(dense(first, variable)))
        return accumulation.global_norm(sums) / self.accumulation_steps

    def _limits(self) -> dict[str, float]:
        """Return the limits by which the gradients of an update are clipped."""
        return {name: getattr(self, name) for name in CLIPPING if getattr(self, name) is not None}

    def _update_variable(
        self,
        path: str,
        gradient_of: Any,
        variable: Any,
        slots: dict[str, Any],
        state: Any,
        norm: Tensor | None,
        in_force: InForce,
    ) -> list[Any]:
        """Update one variable and its slots, on one device."""
        dtype, gradient = dtype_of(variable), gradient_of(variable)
        if self.accumulation_steps > 1:
            with accumulation.after([] if norm is None else [norm]):  # which reads the sums of all variables
                gradient = accumulation.mean_of_window(gradient, self.accumulation_steps)
        gradient = accumulation.clipped(tf.cast(dense(gradient, variable), dtype), self._limits(), norm)
        prepared = state.get((variable.device, dtype)) or self._fallback_apply_state(variable.device, dtype)
        before, after, done = tf.identity(variable.read_value()), None, []
        values = {name: tf.identity(slot.read_value()) for name, slot in slots.items()}
        if self.keras_updates:
            with accumulation.after([before, gradient, *values.values()]), self._with_in_force(in_force):
                done = self._update_by_keras(gradient, variable, state)
            with accumulation.after(done):
                after = tf.identity(variable.read_value())
        update = Update(path, before, gradient, prepared["lr_t"], in_force.count, values, after)
        done = done + accumulation.finish(self, update, variable, slots)
        if variable.constraint is None:
            return done
        with accumulation.after(done):
            return operations(variable.assign(variable.constraint(variable), read_value=False))

    def _update_by_keras(self, gradient: Tensor, variable: Any, state: Any) -> list[Any]:
        """Run the rule of the optimizer of Keras."""
        apply = super()._resource_apply_dense
        takes_state = "apply_state" in inspect.signature(apply).parameters
        return operations(apply(gradient, variable, **({"apply_state": state} if takes_state else {})))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which the optimizer can be made again."""
        config = {name: value for name, value in super().get_config().items() if name not in CLIPPING}
        return {**config, **self._limits()}


class OptimizerV2Base(OptimizerV2Mixin, KerasOptimizer):
    """The base class of our own rules.

    Arguments:
        learning_rate: float, or schedule of Keras.
        name: str, or None. The name of the optimizer; None takes the name of the class.
        kwargs: the arguments that optimizers of this Keras have in common, such as `clipnorm` and `decay`.
    """

    keras_updates = False
    _HAS_AGGREGATE_GRAD = True

    def __init__(self, learning_rate: Any = 0.001, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name or type(self).__name__, **kwargs)
        self._set_hyper("learning_rate", learning_rate)
        self._set_hyper("decay", self._initial_decay)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which the optimizer can be made again."""
        hyper = {name: self._serialize_hyperparameter(name) for name in ("learning_rate", "decay")}
        return {**super().get_config(), **hyper}


def key_of(variable: Any) -> str:
    """Return the key of a variable, the same for the copies of all devices. Keras finds slots by the same key."""
    if hasattr(variable, "_distributed_container"):
        variable = variable._distributed_container()
    return variable._shared_name if variable._in_graph_mode else variable._unique_id


def of_device(distribution: Any, gradient: Any, variables: Any, variable: Any) -> Any:
    """Return the gradient on the device of a variable.

    Arguments:
        distribution: tf.distribute.Strategy.
        gradient: tensor or slices, or a distributed value of tensors or slices.
        variables: variable. The trained one with its copies on all devices.
        variable: variable. It on one device.

    Returns:
        tensor or slices.
    """
    parts = distribution.experimental_local_results(gradient)
    devices = [part.device for part in distribution.experimental_local_results(variables)]
    return parts[devices.index(variable.device)] if len(parts) > 1 else parts[0]
