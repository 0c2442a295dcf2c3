"""How an optimizer of keras 2.3 runs the rules of `b4k3.optimizers`.

Keras asks an optimizer once for the operations of one batch. Here they are, for each variable:

    the loss and all gradients, as dense tensors
    -> the mean of a window of batches, if gradients are accumulated; Keras clips it
    -> what the optimizer of Keras would assign (see `assignments`), or nothing
    -> the rules and extensions
    -> the operations that assign, which wait until all of the above has been read

In a batch that does not close a window the values are computed too, and every variable but the sums keeps its own.
"""

from __future__ import annotations

import copy
import numbers
from typing import Any, NamedTuple, Sequence

import numpy as np
import tensorflow as tf

from ..types import Tensor
from ..updates import Update, UpdateRules
from . import ops
from .accumulation import closes_window
from .assignments import Assignment, assign, assigned, read, target_of, value_of
from .flavour import keras
from .layer import weight_path

K = keras.backend


class Gradients:
    """Gradients that are known already. They stand for the loss where an optimizer of Keras asks for its gradients.

    This is no tuple, because Keras takes a tuple in the place of the loss for the parameters of its oldest interface.

    Arguments:
        of_params: list of float tensors. One for each variable.
    """

    def __init__(self, of_params: Sequence[Tensor]) -> None:
        self.of_params = of_params


class Window(NamedTuple):
    """The gradients that an update takes, and whether it happens in this batch.

    Arguments:
        gradients: list of float tensors, dense: the mean over the window.
        batch: int tensor, []. The number of batches before this one.
        closes: bool tensor, [], or None. True in the last batch of the window; None if each batch is one.
        weights: list of variables: the sums, and the number of batches.
        assignments: list of Assignment. What becomes of these.
    """

    gradients: list[Tensor]
    batch: Tensor
    closes: Tensor | None = None
    weights: Sequence[Any] = ()
    assignments: Sequence[Assignment] = ()


class GetUpdatesMixin(UpdateRules):
    """Let a subclass say what becomes of each variable; it stands before an optimizer of Keras among the bases.

    A subclass has `variable_slots`, `update_rate` and `transform` (see `b4k3.optimizers`).

    Arguments:
        args: the positional arguments of the optimizer of Keras.
        accumulation_steps: int. One update takes the mean gradient of so many batches.
        kwargs: the other arguments of the optimizer of Keras.
    """

    keras_updates = True  # False: the optimizer of Keras has no rule of its own
    accumulation_steps = 1
    _slots: Sequence[tuple[Any, dict[str, Any]]] = ()
    _batches: Any = None  # the variable that counts batches, if gradients are accumulated

    def __init__(self, *args: Any, accumulation_steps: int = 1, **kwargs: Any) -> None:
        self.accumulation_steps = accumulation_steps
        super().__init__(*args, **kwargs)

    def variables_with_slots(self) -> list[tuple[Any, dict[str, Any]]]:
        """Return each trained variable with its slots, {name: variable}; none before the first update."""
        return [(variable, dict(slots)) for variable, slots in self._slots if slots]

    @property
    def learning_rate(self) -> Any:
        """The variable of the learning rate. A number that is assigned to it becomes its value, as on Keras 3."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        """Set the learning rate."""
        if isinstance(value, (numbers.Real, np.generic)) and "_learning_rate" in self.__dict__:
            K.set_value(self._learning_rate, float(value))
        else:
            self._learning_rate = value

    lr = learning_rate

    def get_gradients(self, loss: Any, params: Sequence[Any]) -> list[Tensor]:
        """Return the gradients of a loss, clipped; or those that stand in its place."""
        if isinstance(loss, Gradients):
            return list(loss.of_params)
        return list(super().get_gradients(loss, params))  # type: ignore[misc]

    @K.symbolic
    def get_updates(self, loss: Tensor, params: Sequence[Any]) -> list[Any]:
        """Return the operations of one batch, and make the weights of the optimizer.

        Arguments:
            loss: float tensor. What is minimised.
            params: list of variables.

        Returns:
            list of operations. Running all of them is one batch.

        Raises:
            TypeError: the optimizer of Keras does what cannot be extended.
            ValueError: the loss does not depend on a variable.
        """
        params = list(params)
        count = value_of(self.iterations)
        window = self._window(loss, params, count)
        rate = tf.cast(self.update_rate(value_of(self.learning_rate), window.batch, count), K.floatx())
        if self.keras_updates:
            base = self._base_assignments(window.gradients, params, rate)
        else:
            self.weights = [self.iterations]
            base = [Assignment(target_of(self.iterations), count + 1)]
        after = {id(target): value for target, value in base}
        self._slots = tuple((param, self._make_slots(i, param)) for i, param in enumerate(params))
        self._batches = next(iter(window.weights), None)
        self.weights = [*self.weights, *(slot for _, slots in self._slots for slot in slots.values()), *window.weights]
        # Each group of operations is read completely before it is assigned, and all of these before any.
        read_first = [loss, rate, count, window.batch, *window.gradients, *(value for _, value in base)]
        self.updates = []
        with tf.control_dependencies([tf.group(*read_first)]):
            rate = self._decayed(rate, count)
            for (param, slots), gradient in zip(self._slots, window.gradients):
                changed = self._updated(param, slots, gradient, rate, count, after.pop(id(target_of(param)), None))
                self.updates += assign_together(closing(window.closes, changed))
            rest = [pair for pair in base if id(pair.target) in after]
            self.updates += assign_together([*closing(window.closes, rest), *window.assignments])
        return self.updates

    def _updated(
        self, param: Any, slots: dict[str, Any], gradient: Tensor, rate: Tensor, count: Tensor, after: Tensor | None
    ) -> list[Assignment]:
        """Return what becomes of a variable and its slots."""
        if self.keras_updates and after is None:
            raise TypeError(f"{type(self).__name__} gives {weight_path(param)} no new value, so it cannot be extended.")
        values = {name: value_of(slot) for name, slot in slots.items()}
        gradient, rate = (tf.cast(x, param.dtype.base_dtype) for x in (gradient, rate))
        update = Update(weight_path(param), value_of(param), gradient, rate, count, values, after)
        self.transform(update)
        if getattr(param, "constraint", None) is not None:
            update.after = param.constraint(update.after)
        changed = [(slots[name], value) for name, value in update.changed_slots().items()]
        return [Assignment(target_of(variable), value) for variable, value in [(param, update.after), *changed]]

    def _make_slots(self, index: int, param: Any) -> dict[str, Any]:
        """Make the slots of a variable, all 0."""
        wanted = self.variable_slots(weight_path(param), K.int_shape(param))
        return {
            name: K.zeros(tuple(slot.shape), dtype=slot.dtype or K.dtype(param), name=f"{name}_{index}")
            for name, slot in wanted.items()
        }

    def _window(self, loss: Tensor, params: list[Any], count: Tensor) -> Window:
        """Return the gradients of the update, clipped, and what accumulates them."""
        gradients = K.gradients(loss, params)
        missing = [weight_path(param) for param, gradient in zip(params, gradients) if gradient is None]
        if missing:
            raise ValueError(
                f"The loss does not depend on {', '.join(missing)}: there is no gradient. Leave the layer out of the "
                "model, or set its trainable to False."
            )
        window = Window([dense(gradient, param) for param, gradient in zip(params, gradients)], count)
        if self.accumulation_steps > 1:
            window = accumulated(window.gradients, self.accumulation_steps)
        return window._replace(gradients=self._clipped(window.gradients, params))

    def _clipped(self, gradients: list[Tensor], params: list[Any]) -> list[Tensor]:
        """Return gradients as the optimizer of Keras changes them, by a loss that has these gradients."""
        clips = getattr(self, "clipnorm", 0) or getattr(self, "clipvalue", 0)
        of_keras = super().get_gradients  # type: ignore[misc]
        if not clips and of_keras.__func__ is keras.optimizers.Optimizer.get_gradients:
            return gradients
        products = [tf.reduce_sum(value_of(param) * tf.stop_gradient(g)) for param, g in zip(params, gradients)]
        return [dense(g, param) for param, g in zip(params, of_keras(tf.add_n(products), params))]

    def _base_assignments(self, gradients: list[Tensor], params: list[Any], rate: Tensor) -> list[Assignment]:
        """Return what the optimizer of Keras would assign at a rate.

        It takes the rate from its attribute, so a copy of it is asked, whose attribute is the rate of this update.
        """
        base = copy.copy(self)
        base._learning_rate = rate
        graph = tf.compat.v1.get_default_graph()
        before = len(graph.get_operations())
        updates = super(GetUpdatesMixin, base).get_updates(loss=Gradients(gradients), params=params)  # type: ignore[misc]
        self.__dict__.update({**base.__dict__, "_learning_rate": self._learning_rate})
        return assigned(type(self).__name__, updates, graph.get_operations()[before:])

    def _decayed(self, rate: Tensor, count: Tensor) -> Tensor:
        """Return the rate with the argument `decay` of Keras, as Keras itself applies it."""
        if not getattr(self, "initial_decay", 0):
            return rate
        return rate / (1 + value_of(self.decay) * tf.cast(count, rate.dtype))


class GetUpdatesOptimizer(GetUpdatesMixin, keras.optimizers.Optimizer):
    """The base of optimizers whose rule is ours.

    Arguments:
        learning_rate: float. The size of a step.
        decay: float. The rate is divided by 1 + decay * updates.
        name: str, or None. The name of the optimizer, as on other Keras.
        kwargs: `clipnorm`, `clipvalue`, and `accumulation_steps`.

    Raises:
        TypeError: the learning rate is no number; keras 2.3 has no schedules.
    """

    keras_updates = False

    def __init__(
        self, learning_rate: float = 0.001, decay: float = 0.0, name: str | None = None, **kwargs: Any
    ) -> None:
        if not isinstance(learning_rate, (numbers.Real, np.generic)):
            raise TypeError(
                f"{type(self).__name__}: a learning rate of keras 2.3 is a number; found {learning_rate!r}. "
                "For a schedule, use extend_with_piecewise_linear_lr or keras.callbacks.LearningRateScheduler."
            )
        super().__init__(**{key: value for key, value in kwargs.items() if value is not None})
        self.name = name
        self.initial_decay = decay
        with K.name_scope(type(self).__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.learning_rate = K.variable(learning_rate, name="learning_rate")
            self.decay = K.variable(decay, name="decay")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which the optimizer can be made again, as JSON can hold them."""
        config = {**super().get_config(), "learning_rate": float(K.get_value(self.learning_rate))}
        if self.initial_decay:
            config["decay"] = float(K.get_value(self.decay))
        return {**config, "name": self.name} if self.name else config


def dense(gradient: Any, param: Any) -> Tensor:
    """Return the gradient of a variable as a dense tensor. An embedding has a list of rows."""
    if isinstance(gradient, tf.IndexedSlices):
        return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, K.int_shape(param)[0])
    return tf.convert_to_tensor(gradient)


def accumulated(gradients: Sequence[Tensor], steps: int) -> Window:
    """Return the mean of gradients over windows of batches.

    Arguments:
        gradients: list of float tensors. The gradients of one batch.
        steps: int. The number of batches in a window.

    Returns:
        Window.
    """
    batches = K.zeros((), dtype="int64", name="batches")
    sums = [K.zeros(K.int_shape(g), dtype=K.dtype(g), name=f"gradient_{i}") for i, g in enumerate(gradients)]
    batch = value_of(batches)
    closes = closes_window(batch, steps)
    totals = [value_of(kept) + gradient for kept, gradient in zip(sums, gradients)]
    assignments = [Assignment(target_of(batches), batch + 1)]
    for kept, total in zip(sums, totals):
        assignments.append(Assignment(target_of(kept), ops.where(closes, tf.zeros_like(total), total)))
    return Window([total / steps for total in totals], batch, closes, [batches, *sums], assignments)


def closing(closes: Tensor | None, assignments: Sequence[Assignment]) -> list[Assignment]:
    """Let each variable keep its value in a batch that does not close a window."""
    if closes is None:
        return list(assignments)
    kept = [(target, value, read(target, value.dtype)) for target, value in assignments]
    return [Assignment(target, ops.where(closes, value, old)) for target, value, old in kept]


def assign_together(assignments: Sequence[Assignment]) -> list[Any]:
    """Return the operations that assign values, after all of them are known."""
    with tf.control_dependencies([tf.group(*(value for _, value in assignments))]):
        return [assign(assignment) for assignment in assignments]
