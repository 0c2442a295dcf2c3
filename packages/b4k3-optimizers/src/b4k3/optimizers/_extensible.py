"""What our optimizers, and all that are extended, have in common on every Keras.

An optimizer is a rule (ours, or the rule of a Keras optimizer) and extensions around it, from the inside out. For each
variable and update they run in this order:

    rule -> weight decay, layer adaptation, ... as they are nested -> Lookahead and moving averages as they are nested

The extension of the learning rate acts on the rate, and accumulation on the gradient, before all of that, wherever
they are nested.
"""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from b4k3.backend import Slot

from ._extensions import EXTENSIONS, Extension

if TYPE_CHECKING:
    from b4k3.backend import Tensor, Update


class Extensible:
    """Run extensions after the rule of an optimizer. It is the first base of each optimizer of ours.

    Arguments:
        args: the positional arguments of the optimizer. The first one is the learning rate: float, int, number of
            numpy, or a schedule of Keras.
        kwargs: the other arguments of the optimizer, and the arguments of its extensions. `lr` is `learning_rate`.

    Raises:
        TypeError: an argument belongs to an extension that the optimizer does not have.
    """

    extensions: tuple[type[Extension], ...] = ()  # from the inside out
    default_rate: float | None = None  # None for an optimizer of Keras, which has its own

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        extensions = []
        for extension in self.extensions:
            own = {name: kwargs.pop(name) for name in extension.arguments if name in kwargs}
            extensions.append(extension(**own))
        refuse_arguments_of_others(type(self).__name__, kwargs)
        args, kwargs = with_number_as_rate(type(self).__name__, self.default_rate, args, kwargs)
        steps = max([extension.accumulation_steps for extension in extensions], default=1)
        super().__init__(*args, accumulation_steps=steps, **kwargs)  # type: ignore[call-arg]
        self._in_order = tuple(sorted(extensions, key=lambda extension: extension.is_last))

    def extension(self, argument: str) -> Extension:
        """Return the extension that has an argument.

        Arguments:
            argument: str. The name of the argument.

        Returns:
            Extension.
        """
        return next(extension for extension in self._in_order if argument in extension.arguments)

    def rule_slots(self, path: str, shape: Sequence[int]) -> dict[str, Slot]:
        """Return the slots that the rule of this class needs for a variable; none if Keras has the rule.

        Arguments:
            path: str. The name of the variable, such as 'MLM-Dense/kernel'.
            shape: tuple of int. Its shape.

        Returns:
            {name: Slot}.
        """
        return {}

    def rule(self, update: Update) -> None:
        """Set `update.after` by the rule of this class. There is nothing to do if Keras has the rule.

        Arguments:
            update: Update. One update of one variable.
        """

    def variable_slots(self, path: str, shape: Sequence[int]) -> dict[str, Slot]:
        """Return all slots of a variable, for the rule and for the extensions.

        Arguments:
            path: str. The name of the variable, such as 'MLM-Dense/kernel'.
            shape: tuple of int. Its shape.

        Returns:
            {name: Slot}.
        """
        slots = dict(self.rule_slots(path, shape))
        for extension in self._in_order:
            slots.update(extension.slots(path, shape))
        return slots

    def update_rate(self, rate: Tensor, batch: Tensor, count: Tensor) -> Tensor:
        """Return the rate of an update.

        Arguments:
            rate: float tensor, []. The learning rate.
            batch: int tensor, []. The number of batches before this one.
            count: int tensor, []. The number of updates before this one.

        Returns:
            float tensor, [].
        """
        for extension in self._in_order:
            rate = extension.rate(rate, batch)
        return rate

    def transform(self, update: Update) -> None:
        """Run the rule and the extensions on one update of one variable.

        Arguments:
            update: Update. Its `after` and `slots` are set.
        """
        self.rule(update)
        self.extend(update)

    def extend(self, update: Update) -> None:
        """Run the extensions on one update of one variable, after the rule.

        Arguments:
            update: Update. Its `after` and `slots` are set.
        """
        for extension in self._in_order:
            extension.transform(update)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which the optimizer can be made again, as JSON can hold them.

        Returns:
            {argument: value}.
        """
        config = super().get_config()  # type: ignore[misc]
        if not config.get("use_ema"):
            config.pop("ema_momentum", None)  # of the averages of Keras, which are not in use
        for extension in self._in_order:
            config.update(extension.get_config())
            if extension.accumulation_steps > 1:  # Keras has it as an argument of its own
                config.pop("gradient_accumulation_steps", None)
        return config


def refuse_arguments_of_others(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse an argument of an extension that an optimizer does not have.

    Arguments:
        name: str. The name of the optimizer.
        arguments: {name: value}. What is left for the optimizer that was extended.

    Raises:
        TypeError: one of them belongs to an extension.
    """
    of_keras = {"ema_momentum"} if arguments.get("use_ema") else set()
    for factory, extension in EXTENSIONS.items():
        for argument in extension.arguments:
            if argument in arguments and argument not in of_keras:
                raise TypeError(
                    f"{name} has no argument {argument!r}: it belongs to {factory}. Extend the class first: "
                    f"{factory}({name})(…, {argument}=…)."
                )


def with_number_as_rate(
    name: str, default: float | None, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give the learning rate its new name, and turn an int or a number of numpy into a float.

    Arguments:
        name: str. The name of the optimizer.
        default: float, or None. The rate of one of ours that was made without one.
        args: sequence. The positional arguments.
        kwargs: {name: value}. The other arguments.

    Returns:
        tuple and dict: the positional and the other arguments.

    Raises:
        TypeError: `lr` is given beside a learning rate.
    """
    args, kwargs = list(args), dict(kwargs)
    if "lr" in kwargs:
        rate = kwargs.pop("lr")
        if (args[0] if args else kwargs.get("learning_rate", default)) != default:
            raise TypeError(f"{name}: lr is the old name of learning_rate; give one of them.")
        args[:1] = [rate]
        kwargs.pop("learning_rate", None)
    if args:
        args[0] = as_float(args[0])
    elif "learning_rate" in kwargs:
        kwargs["learning_rate"] = as_float(kwargs["learning_rate"])
    return tuple(args), kwargs


def as_float(rate: Any) -> Any:
    """Return a number as float, and a schedule as it is."""
    number = isinstance(rate, numbers.Real) or (hasattr(rate, "dtype") and getattr(rate, "shape", None) == ())
    return float(rate) if number and not callable(rate) and not isinstance(rate, bool) else rate
