"""The rules of the extensions. What they mean for a user stands at the factories in `factories.py`.

w is the value of the variable before an update, w' the one after it so far, r the rate.
"""

from __future__ import annotations

import functools
import math
import numbers
import re
from typing import TYPE_CHECKING, Any, ClassVar, Mapping, Sequence

import numpy as np

from b4k3.backend import Slot, ops

from ._averages import AveragedWeights
from .schedules import checked_schedule, schedule_factor

if TYPE_CHECKING:
    from b4k3.backend import Tensor, Update

SMALLEST_RATE = 1e-7  # by which layer adaptation divides


@functools.lru_cache(maxsize=None)  # an optimizer asks about the same few hundred variables in each step
def found(patterns: tuple[str, ...], path: str) -> bool:
    """Return True if a regular expression is found in the path of a variable, or in the path with ':0' behind it.

    With both, 'bias$' and 'bias:0$' mean the same on every Keras; the names of variables of Keras 2 end in ':0'.

    Arguments:
        patterns: tuple of str. Regular expressions.
        path: str. The path of a variable, such as 'MLM-Dense/bias'.

    Returns:
        bool.

    Example:
        >>> found(("Norm", "bias$"), "MLM-Dense/bias")
        True
    """
    return any(re.search(pattern, name) for pattern in patterns for name in (path, path + ":0"))


class Extension:
    """One change of the updates of an optimizer.

    Arguments:
        arguments: those in the table `arguments` of the class, by name; what is not given takes its default.
    """

    arguments: ClassVar[Mapping[str, Any]] = {}  # argument: default
    limits: ClassVar[Mapping[str, tuple[float, float]]] = {}  # argument: the smallest and the largest number
    is_last = False  # True: it acts on what all others made of the update
    accumulation_steps = 1
    methods: ClassVar[type | None] = None  # a class whose methods an optimizer with this extension has

    def __init__(self, **arguments: Any) -> None:
        for name, default in self.arguments.items():
            value = arguments.get(name, default)
            if isinstance(default, tuple):
                value = checked_patterns(name, value)
            elif isinstance(default, Mapping):
                value = checked_mapping(name, value)
            else:
                value = checked_number(name, value, type(default), *self.limits.get(name, (0, math.inf)))
            setattr(self, name, value)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, as JSON can hold them."""
        config = {name: getattr(self, name) for name in self.arguments}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in config.items()}

    def slots(self, path: str, shape: Sequence[int]) -> dict[str, Slot]:
        """Return what is kept for a variable: {name: Slot}."""
        return {}

    def rate(self, rate: Tensor, batch: Tensor) -> Tensor:
        """Return the learning rate of the update that follows on so many batches."""
        return rate

    def transform(self, update: Update) -> None:
        """Change `update.after` and the slots of this extension."""


class WeightDecay(Extension):
    """w' <- w' - r decay w (decoupled weight decay)."""

    arguments = {"weight_decay_rate": 0.01, "exclude_from_weight_decay": ()}
    weight_decay_rate: float
    exclude_from_weight_decay: tuple[str, ...]

    def decay(self, path: str) -> float:
        """Return the decay of a variable; 0 for none."""
        return 0.0 if found(self.exclude_from_weight_decay, path) else self.weight_decay_rate

    def transform(self, update: Update) -> None:
        """Move the value towards 0."""
        decay = self.decay(update.path)
        if decay:
            update.after = update.after - update.rate * decay * update.before


class LayerAdaptation(Extension):
    """w' <- w + |w| / |d / r| d, with d = w' - w (LAMB)."""

    arguments = {"exclude_from_layer_adaptation": ()}
    exclude_from_layer_adaptation: tuple[str, ...]

    def transform(self, update: Update) -> None:
        """Make the step as long as the variable is, times the rate."""
        if found(self.exclude_from_layer_adaptation, update.path):
            return
        step = update.after - update.before
        length = norm(update.before)
        step_length = norm(step / ops.maximum(update.rate, SMALLEST_RATE))
        usable = ops.logical_and(length > 0, step_length > 0)
        ratio = ops.where(usable, length / ops.where(usable, step_length, 1.0), 1.0)
        update.after = update.before + ops.cast(ratio, step.dtype) * step


class PiecewiseLinearRate(Extension):
    """r <- r s(batches before this one), with s linear between the points of a schedule, or a named schedule."""

    arguments = {"lr_schedule": {0: 1}}
    lr_schedule: dict[Any, Any]

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.lr_schedule = checked_schedule(self.lr_schedule)

    def rate(self, rate: Tensor, batch: Tensor) -> Tensor:
        """Return the rate times the schedule."""
        return ops.cast(rate, "float32") * schedule_factor(batch, self.lr_schedule)


class GradientAccumulation(Extension):
    """One update takes the mean of the gradients of several batches. The optimizer of the row does it."""

    arguments = {"grad_accum_steps": 2}
    limits = {"grad_accum_steps": (1, math.inf)}
    grad_accum_steps: int

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.accumulation_steps = self.grad_accum_steps


class ParameterWiseRate(Extension):
    """w' <- w + factor (w' - w), the factor being the product of all that apply to the variable."""

    arguments = {"paramwise_lr_schedule": {}}
    paramwise_lr_schedule: dict[str, float]

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        for part, value in self.paramwise_lr_schedule.items():
            if not isinstance(part, str):
                raise TypeError(f"paramwise_lr_schedule is {{part of a path: factor}}; found the key {part!r}.")
            name = f"paramwise_lr_schedule[{part!r}]"
            self.paramwise_lr_schedule[part] = checked_number(name, value, float, 0, math.inf)
        self._factors: dict[str, float] = {}  # of the paths that were asked for: there may be a factor for each layer

    def factor(self, path: str) -> float:
        """Return the factor of a variable."""
        if path not in self._factors:
            hits = [value for part, value in self.paramwise_lr_schedule.items() if part in path + ":0"]
            self._factors[path] = float(np.prod(hits)) if hits else 1.0
        return self._factors[path]

    def transform(self, update: Update) -> None:
        """Scale the step."""
        factor = self.factor(update.path)
        if factor != 1.0:
            update.after = update.before + factor * (update.after - update.before)


class LazyOptimization(Extension):
    """Rows of a variable whose gradient is 0 stay as they are."""

    arguments = {"include_in_lazy_optimization": ()}
    include_in_lazy_optimization: tuple[str, ...]

    def transform(self, update: Update) -> None:
        """Take the old value for each row without a gradient."""
        if found(self.include_in_lazy_optimization, update.path):
            moved = ops.any(ops.not_equal(update.gradient, 0), axis=-1, keepdims=True)
            update.after = ops.where(moved, update.after, update.before)


class Lookahead(Extension):
    """Every k updates: slow <- slow + step (w' - slow), w' <- slow. Slow is w before the first update."""

    arguments = {"steps_per_slow_update": 5, "slow_step_size": 0.5}
    limits = {"steps_per_slow_update": (1, math.inf), "slow_step_size": (0, 1)}
    is_last = True
    steps_per_slow_update: int
    slow_step_size: float

    def slots(self, path: str, shape: Sequence[int]) -> dict[str, Slot]:
        """Return the slow weights, and the number of updates."""
        return {"slow": Slot(shape), "slow_count": Slot((), "int32")}

    def transform(self, update: Update) -> None:
        """Go back a part of the way after every k updates."""
        before = update.slots["slow_count"]
        slow = ops.where(ops.equal(before, 0), update.before, update.slots["slow"])
        now = ops.equal(ops.mod(before + 1, self.steps_per_slow_update), 0)
        slow = ops.where(now, slow + self.slow_step_size * (update.after - slow), slow)
        update.after = ops.where(now, slow, update.after)
        update.slots.update(slow=slow, slow_count=before + 1)


class MovingAverage(Extension):
    """average <- momentum average + (1 - momentum) w'. It starts at 0, and is corrected where it is read."""

    arguments = {"ema_momentum": 0.999}
    limits = {"ema_momentum": (0, 1)}
    is_last = True
    methods = AveragedWeights
    ema_momentum: float

    def slots(self, path: str, shape: Sequence[int]) -> dict[str, Slot]:
        """Return the average, and the number of updates in it."""
        return {"ema": Slot(shape), "ema_count": Slot((), "int32")}

    def transform(self, update: Update) -> None:
        """Take the new value into the average."""
        update.slots["ema"] = self.ema_momentum * update.slots["ema"] + (1 - self.ema_momentum) * update.after
        update.slots["ema_count"] = update.slots["ema_count"] + 1


# The factory of each extension, in the order in which they should be nested.
EXTENSIONS: dict[str, type[Extension]] = {
    "extend_with_weight_decay": WeightDecay,
    "extend_with_layer_adaptation": LayerAdaptation,
    "extend_with_parameter_wise_lr": ParameterWiseRate,
    "extend_with_piecewise_linear_lr": PiecewiseLinearRate,
    "extend_with_lazy_optimization": LazyOptimization,
    "extend_with_gradient_accumulation": GradientAccumulation,
    "extend_with_lookahead": Lookahead,
    "extend_with_exponential_moving_average": MovingAverage,
}


def norm(x: Tensor) -> Tensor:
    """Return the Euclidean norm of all values."""
    return ops.sqrt(ops.sum(ops.square(x)))


def checked_patterns(name: str, value: Any) -> tuple[str, ...]:
    """Return the regular expressions of an argument.

    Arguments:
        name: str. The name of the argument.
        value: list, tuple or set of str, or None for none.

    Returns:
        tuple of str.

    Raises:
        TypeError: it is no list of str; one str would be taken for a list of its letters.
        ValueError: one of them is no regular expression.
    """
    if isinstance(value, str) or not all(isinstance(pattern, str) for pattern in value or ()):
        raise TypeError(f"{name} is a list of regular expressions, such as ['Norm', 'bias']; found {value!r}.")
    for pattern in value or ():
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{name} has {pattern!r}, which is no regular expression: {error}.") from None
    return tuple(value or ())


def checked_mapping(name: str, value: Any) -> dict[Any, Any]:
    """Return a copy of a mapping; what is in it is checked by its extension.

    Arguments:
        name: str. The name of the argument.
        value: mapping.

    Returns:
        dict.

    Raises:
        TypeError: it is no mapping.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is a dict; found {value!r}.")
    return dict(value)


def checked_number(name: str, value: Any, kind: type, smallest: float, largest: float) -> Any:
    """Return a number as int or float.

    Arguments:
        name: str. The name of the argument.
        value: int, float, or number of numpy.
        kind: class. int or float.
        smallest: float. The smallest number that is allowed.
        largest: float. The largest one.

    Returns:
        int or float.

    Raises:
        ValueError: it is no such number.
    """
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not smallest <= value <= largest or kind(value) != value:
        what = "an integer" if kind is int else "a number"
        between = f"of at least {smallest}" if largest == math.inf else f"from {smallest} to {largest}"
        raise ValueError(f"{name} is {what} {between}; found {value!r}.")
    return kind(value)
