"""Named schedules of the learning rate: what the argument `lr_schedule` takes besides {batch: factor}.

A schedule is a factor for each batch. Those that consist of straight lines are a dict {batch: factor}, which
bert4keras' optimizers would take too. The others are a dict with the name of the schedule and its numbers, so that JSON
can hold them:

    warmup_linear(1000, warmup=100)  ->  {100: 1.0, 1000: 0.0}
    warmup_cosine(1000, warmup=100)  ->  {"schedule": "cosine", "steps": 1000, "warmup": 100, "cycles": 1, "end": 0.0}

All of them rise from 0 in batch 0 to 1 in batch `warmup`, as the schedules of transformers do.
"""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping

from b4k3.backend import ops, piecewise_linear

if TYPE_CHECKING:
    from b4k3.backend import Tensor

Schedule = Dict[Any, Any]
KIND = "schedule"  # the key that has the name


def warmup_constant(warmup: int = 0) -> Schedule:
    """Rise to 1, and stay there.

    Arguments:
        warmup: int. The number of batches until the factor is 1; 0 begins with 1.

    Returns:
        {batch: factor}, for the argument `lr_schedule`.

    Raises:
        ValueError: `warmup` is no number of batches.

    Example:
        >>> warmup_constant(100)
        {100: 1.0}
    """
    return {_whole("warmup", warmup, 0): 1.0}


def warmup_linear(steps: int, warmup: int = 0, end: float = 0.0) -> Schedule:
    """Rise to 1, and fall along a straight line to the last batch.

    Arguments:
        steps: int. The number of batches of the whole training. The factor stays at `end` after them.
        warmup: int. The number of batches until the factor is 1; 0 begins with 1.
        end: float. The factor at the end.

    Returns:
        {batch: factor}, for the argument `lr_schedule`.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> warmup_linear(1000, warmup=100)
        {100: 1.0, 1000: 0.0}
        >>> optimizer = extend_with_lr_schedule(Adam, "AdamLR")(2e-5, lr_schedule=warmup_linear(1000, warmup=100))
    """
    checked = checked_schedule({KIND: "polynomial", "steps": steps, "warmup": warmup, "end": end, "power": 1.0})
    return {checked["warmup"]: 1.0, checked["steps"]: checked["end"]}


def warmup_cosine(steps: int, warmup: int = 0, cycles: int = 1, end: float = 0.0) -> Schedule:
    """Rise to 1, and fall along half a wave of the cosine to the last batch.

    Arguments:
        steps: int. The number of batches of the whole training. The factor stays at `end` after them.
        warmup: int. The number of batches until the factor is 1; 0 begins with 1.
        cycles: int. How often the factor falls from 1 to `end`; it jumps back to 1 between.
        end: float. The factor at the end.

    Returns:
        dict, for the argument `lr_schedule`.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> optimizer = extend_with_lr_schedule(Adam, "AdamLR")(2e-5, lr_schedule=warmup_cosine(1000, warmup=100))

    Reference: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts,
    https://arxiv.org/abs/1608.03983
    """
    return checked_schedule({KIND: "cosine", "steps": steps, "warmup": warmup, "cycles": cycles, "end": end})


def warmup_polynomial(steps: int, warmup: int = 0, power: float = 2.0, end: float = 0.0) -> Schedule:
    """Rise to 1, and fall as a power of what is left of the training.

    Arguments:
        steps: int. The number of batches of the whole training. The factor stays at `end` after them.
        warmup: int. The number of batches until the factor is 1; 0 begins with 1.
        power: float. The exponent; with 1 it is `warmup_linear`.
        end: float. The factor at the end.

    Returns:
        dict, for the argument `lr_schedule`.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> optimizer = extend_with_lr_schedule(Adam, "AdamLR")(2e-5, lr_schedule=warmup_polynomial(1000, 100, power=2))
    """
    return checked_schedule({KIND: "polynomial", "steps": steps, "warmup": warmup, "power": power, "end": end})


def warmup_inverse_sqrt(warmup: int, timescale: int | None = None) -> Schedule:
    """Rise to 1, and fall as 1 / sqrt(batch). There is no last batch.

    Arguments:
        warmup: int. The number of batches until the factor is 1, at least 1.
        timescale: int, or None. After the warm-up the factor is sqrt(timescale / (timescale + batches since then)).
            None takes `warmup`, so that it is sqrt(warmup / batch), as in the paper.

    Returns:
        dict, for the argument `lr_schedule`.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> optimizer = extend_with_lr_schedule(AdaFactor, "AdaFactorLR")(1e-2, lr_schedule=warmup_inverse_sqrt(10000))

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762
    """
    return checked_schedule(
        {KIND: "inverse_sqrt", "warmup": warmup, "timescale": warmup if timescale is None else timescale}
    )


# ------------------------------------------------------------------------------------------------------- the factors


def _cosine(progress: Tensor, cycles: int, end: float) -> Tensor:
    """Return the factor at a progress from 0 to 1."""
    phase = ops.where(progress < 1.0, ops.mod(progress * float(cycles), 1.0), ops.ones_like(progress))
    return end + (1.0 - end) * 0.5 * (1.0 + ops.cos(math.pi * phase))


def _polynomial(progress: Tensor, power: float, end: float) -> Tensor:
    """Return the factor at a progress from 0 to 1."""
    return end + (1.0 - end) * ops.power(1.0 - progress, power)


FALLS: dict[str, Callable[..., Tensor]] = {"cosine": _cosine, "polynomial": _polynomial}


def schedule_factor(batch: Tensor, schedule: Mapping[Any, Any]) -> Tensor:
    """Compute the factor of a batch.

    Arguments:
        batch: int tensor, []. The number of batches before this one.
        schedule: {batch: factor}, or a named schedule, as `checked_schedule` returns it.

    Returns:
        float32, [].
    """
    if KIND not in schedule:
        return piecewise_linear(batch, schedule)
    numbers_of = {key: value for key, value in schedule.items() if key != KIND}
    t, warmup = ops.cast(batch, "float32"), numbers_of.pop("warmup")
    if schedule[KIND] == "inverse_sqrt":
        timescale = float(numbers_of["timescale"])
        fall = ops.sqrt(timescale / (timescale + ops.maximum(t - warmup, 0.0)))
    else:
        progress = ops.clip((t - warmup) / float(numbers_of.pop("steps") - warmup), 0.0, 1.0)
        fall = FALLS[schedule[KIND]](progress, **numbers_of)
    return ops.where(t < warmup, t / float(max(warmup, 1)), fall)


# --------------------------------------------------------------------------------------------------------- the checks


def _whole(name: str, value: Any, least: int) -> int:
    """Return a number of batches as int, and refuse what is none."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or int(value) != value or value < least:
        raise ValueError(f"{name} is a whole number, {least} or more; found {value!r}.")
    return int(value)


def _part(name: str, value: Any) -> float:
    """Return a factor as float, and refuse what is negative or no number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= value < math.inf:
        raise ValueError(f"{name} is a number, 0 or more; found {value!r}.")
    return float(value)


NUMBERS: dict[str, dict[str, Callable[[str, Any], Any]]] = {  # of each schedule: {its number: what checks it}
    "cosine": {
        "steps": lambda name, value: _whole(name, value, 1),
        "warmup": lambda name, value: _whole(name, value, 0),
        "cycles": lambda name, value: _whole(name, value, 1),
        "end": _part,
    },
    "polynomial": {
        "steps": lambda name, value: _whole(name, value, 1),
        "warmup": lambda name, value: _whole(name, value, 0),
        "power": _part,
        "end": _part,
    },
    "inverse_sqrt": {
        "warmup": lambda name, value: _whole(name, value, 1),
        "timescale": lambda name, value: _whole(name, value, 1),
    },
}


def checked_schedule(schedule: Mapping[Any, Any]) -> Schedule:
    """Check the argument `lr_schedule`.

    Arguments:
        schedule: {batch: factor}, or a named schedule. JSON makes strings of batches.

    Returns:
        dict, with the batches as int and the factors as float.

    Raises:
        ValueError: it is empty, the schedule is unknown, a number is missing, superfluous, or out of its range.

    Example:
        >>> checked_schedule({"1000": 1, "2000": 0})
        {1000: 1.0, 2000: 0.0}
    """
    if not isinstance(schedule, Mapping) or not schedule:
        raise ValueError(f"lr_schedule is a dict {{batch: factor}}, or made by warmup_cosine …; found {schedule!r}.")
    if KIND not in schedule:
        return {int(_number(step)): float(value) for step, value in schedule.items()}
    kind = schedule[KIND]
    if kind not in NUMBERS:
        raise ValueError(f"lr_schedule has no schedule {kind!r}. Known: {', '.join(sorted(NUMBERS))}.")
    given = set(schedule) - {KIND}
    if given != set(NUMBERS[kind]):
        raise ValueError(f"the schedule {kind!r} has the numbers {sorted(NUMBERS[kind])}; found {sorted(given)}.")
    checked = {KIND: kind, **{name: check(name, schedule[name]) for name, check in NUMBERS[kind].items()}}
    if "steps" in checked and checked["warmup"] >= checked["steps"]:
        raise ValueError(f"warmup={checked['warmup']} leaves nothing of steps={checked['steps']}: it must be smaller.")
    return checked


def _number(step: Any) -> Any:
    """Return the number that a string is, and anything else as it is."""
    return float(step) if isinstance(step, str) else step
