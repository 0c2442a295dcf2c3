"""Optimizers of tf.keras since TensorFlow 2.11, and of tf_keras: `update_step` updates one variable.

Keras clips, keeps the rate, and saves the state. It does not accumulate gradients: that is done here.
"""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Sequence

import tensorflow as tf

from ..types import Tensor
from ..updates import Slot, Update, UpdateRules
from . import accumulation
from .accumulation import ACCUMULATOR, CLIPPING, InForce, Trained, dense, dtype_of
from .flavour import keras
from .layer import weight_path

KerasOptimizer = keras.optimizers.Optimizer


class UpdateStepMixin(UpdateRules):
    """Let a subclass say what becomes of each variable; it stands before an optimizer of Keras among the bases.

    A subclass has `variable_slots`, `update_rate` and `transform` (see `b4k3.optimizers`).

    Arguments:
        args: the positional arguments of the optimizer of Keras.
        accumulation_steps: int. One update takes the mean gradient of so many batches.
        kwargs: the other arguments of the optimizer of Keras, and `decay`, which only older ones have: the rate is
            divided by 1 + decay * batches.

    Raises:
        ValueError: `jit_compile=True`, in which an optimizer does not know which variable it updates.
        TypeError: the optimizer of Keras changes in each batch what cannot wait for the last one of an update.
    """

    keras_updates = True  # False: the optimizer of Keras has no rule of its own
    accumulation_steps = 1
    decay = 0.0
    _in_force: InForce | None = None
    _global_norm: Tensor | None = None
    _trained: Any = None

    def __init__(self, *args: Any, accumulation_steps: int = 1, **kwargs: Any) -> None:
        if kwargs.setdefault("jit_compile", False):
            raise ValueError(f"{type(self).__name__} does not run with jit_compile=True; leave the argument out.")
        if accumulation_steps > 1:
            refuse_if_stateful(type(self))
        decay = kwargs.pop("decay", 0.0)
        super().__init__(*args, **kwargs)
        self.accumulation_steps = accumulation_steps
        self.decay = decay

    # ---- state

    def build(self, var_list: Sequence[Any]) -> None:
        """Make the slots and the accumulators."""
        if getattr(self, "_built", False):
            return
        super().build(var_list)
        self._trained = Kept([self._make_slots(variable) for variable in var_list])
        self._built = True

    def _make_slots(self, variable: Any) -> Trained:
        """Return a variable with its slots, which are 0 and stand where it is."""
        path = weight_path(variable)
        slots = {
            name: self._add_slot(variable, name, slot)
            for name, slot in self.variable_slots(path, tuple(variable.shape)).items()
        }
        accumulator = self._add_slot(variable, ACCUMULATOR, Slot(())) if self.accumulation_steps > 1 else None
        return Trained(variable, path, slots, accumulator)

    def _add_slot(self, variable: Any, name: str, slot: Slot) -> Any:
        """Make a slot, or with the name of accumulators one of the shape of the variable."""
        shape = variable.shape if name == ACCUMULATOR else slot.shape
        dtype = slot.dtype or dtype_of(variable)
        with tf.distribute.get_strategy().extended.colocate_vars_with(variable):
            return self.add_variable(tuple(shape), dtype, name=f"{name}/{variable._shared_name}")

    def variables_with_slots(self) -> list[tuple[Any, dict[str, Any]]]:
        """Return each trained variable with its slots, {name: variable}; none before the first update."""
        if self._trained is None:
            return []
        return [(trained.variable, dict(trained.slots)) for trained in self._trained.variables if trained.slots]

    def _trained_of(self, variable: Any) -> Trained:
        """Return a variable with its slots, also for the copy of one device."""
        return self._trained.variables[self._index_dict[self._var_key(variable)]]

    # ---- what Keras reads in one update

    @contextlib.contextmanager
    def _with_in_force(self, rate: Tensor, count: Tensor) -> Iterator[None]:
        """Let the rule of Keras read this rate, and this number of updates as its iterations."""
        self._in_force = InForce(rate, count)
        try:
            yield
        finally:
            self._in_force = None

    @property
    def learning_rate(self) -> Any:
        """The learning rate: a variable, which can be set."""
        return super().learning_rate if self._in_force is None else self._in_force.rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        """Set the learning rate."""
        KerasOptimizer.learning_rate.fset(self, value)

    @property
    def iterations(self) -> Any:
        """The number of batches: a variable."""
        return self._iterations if self._in_force is None else self._in_force.count

    @iterations.setter
    def iterations(self, variable: Any) -> None:
        """Count in another variable; before the first update only."""
        KerasOptimizer.iterations.fset(self, variable)

    # ---- one batch

    def _clip_gradients(self, grads: Sequence[Any]) -> Sequence[Any]:
        """Clip the gradients, made dense: slices of one row twice have another norm. An accumulated mean waits."""
        if self.accumulation_steps > 1:
            return grads
        return super()._clip_gradients(
            [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in grads]
        )

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Leave the argument `weight_decay` of Keras to `update_step`, where the rate of the update is known."""

    def _distributed_apply_gradients_fn(self, distribution: Any, grads_and_vars: Any, **kwargs: Any) -> Any:
        """Update all variables; if gradients are accumulated, only in the last batch of an update."""
        update_all = super()._distributed_apply_gradients_fn
        if self.accumulation_steps == 1:
            return update_all(distribution, grads_and_vars, **kwargs)
        windows = []
        for gradient, variable in grads_and_vars:
            accumulator = self._trained_of(variable).accumulator
            distribution.extended.update(accumulator, accumulation.add_gradient, args=(gradient,), group=False)
            windows.append((accumulator, variable))

        def close() -> Tensor:
            """Update by the means. Keras hands the accumulators on to `update_step` in the place of gradients."""
            self._global_norm = self._norm_of_means(distribution, windows)
            try:
                update_all(distribution, windows, **kwargs)
            finally:
                self._global_norm = None
            return tf.constant(True)

        def go_on() -> Tensor:
            """Count the batch."""
            self._iterations.assign_add(1)
            return tf.constant(False)

        tf.cond(accumulation.closes_window(self._iterations, self.accumulation_steps), close, go_on)
        return self._iterations

    def _norm_of_means(self, distribution: Any, windows: Sequence[Any]) -> Tensor | None:
        """Return the norm of all mean gradients, which is the same on every device; None if nobody needs it."""
        if "global_clipnorm" not in self._limits():
            return None
        sums = []
        for accumulator, _ in windows:
            found = distribution.extended.update(accumulator, accumulation.square_sum, group=False)
            sums.append(tf.nest.flatten(found)[0])
        return accumulation.global_norm(sums) / self.accumulation_steps

    def _limits(self) -> dict[str, float]:
        """Return the limit by which Keras would clip: the first one of those that are given."""
        given = {name: getattr(self, name) for name in CLIPPING if getattr(self, name)}
        return dict(list(given.items())[:1])

    def _mean_gradient(self, gradient: Any, trained: Trained) -> Tensor:
        """Return the gradient of an update."""
        if trained.accumulator is not None:
            gradient = accumulation.mean_of_window(gradient, self.accumulation_steps)
            gradient = accumulation.clipped(gradient, self._limits(), self._global_norm)
        return tf.cast(dense(gradient, trained.variable), dtype_of(trained.variable))

    def update_step(self, gradient: Any, variable: Any) -> None:
        """Update one variable and its slots."""
        trained, batch = self._trained_of(variable), tf.convert_to_tensor(self._iterations)
        dtype, count = dtype_of(trained.variable), batch // self.accumulation_steps
        gradient = self._mean_gradient(gradient, trained)
        rate = super().learning_rate
        if self.decay:
            rate = rate / (1.0 + self.decay * tf.cast(batch, rate.dtype))
        rate = tf.cast(self.update_rate(tf.convert_to_tensor(rate), batch, count), dtype)
        before, after = tf.convert_to_tensor(variable), None
        if self.keras_updates:
            if self.weight_decay and self._use_weight_decay(trained.variable):
                variable.assign(before - before * tf.cast(self.weight_decay, dtype) * rate)
            with self._with_in_force(rate, count):
                super().update_step(gradient, variable)
            after = tf.convert_to_tensor(variable)
        slots = {name: tf.convert_to_tensor(slot) for name, slot in trained.slots.items()}
        update = Update(trained.path, before, gradient, rate, count, slots, after)
        accumulation.finish(self, update, variable, trained.slots)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which the optimizer can be made again."""
        config = super().get_config()
        return {**config, "decay": self.decay} if self.decay else config


class Kept:
    """A list that Keras does not look into; the variables in it are saved as variables of the optimizer already.

    Arguments:
        variables: list of Trained.
    """

    def __init__(self, variables: list[Trained]) -> None:
        self.variables = variables


class UpdateStepOptimizer(UpdateStepMixin, KerasOptimizer):
    """The base class of our own rules.

    Arguments:
        learning_rate: float, or schedule of Keras.
        name: str, or None. The name of the optimizer; None takes the name of the class.
        kwargs: the arguments that optimizers of this Keras have in common, such as `clipnorm`.

    Raises:
        TypeError: `weight_decay` is given: it belongs to an extension.
    """

    keras_updates = False

    def __init__(self, learning_rate: Any = 0.001, name: str | None = None, **kwargs: Any) -> None:
        if kwargs.get("weight_decay"):
            raise TypeError(
                f"{type(self).__name__} has no argument 'weight_decay': extend_with_weight_decay makes a class with "
                "weight_decay_rate."
            )
        super().__init__(name=name or type(self).__name__, **kwargs)
        self._learning_rate = self._build_learning_rate(learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which the optimizer can be made again."""
        rate = self._serialize_hyperparameter(self._learning_rate)
        return {**super().get_config(), "learning_rate": rate}


def refuse_if_stateful(optimizer: type) -> None:
    """Refuse to accumulate gradients for an optimizer that changes its own state outside of `update_step`.

    Arguments:
        optimizer: class. The optimizer.

    Raises:
        TypeError: such as Nadam, which multiplies a product of its momenta in each batch.
    """
    own = next(base for base in optimizer.__mro__ if "_internal_apply_gradients" in vars(base))
    if own is not KerasOptimizer:
        raise TypeError(
            f"{own.__name__} of this Keras changes its state in each batch, so that its gradients cannot be "
            "accumulated. Use another optimizer, such as Adam, or no extend_with_gradient_accumulation."
        )
