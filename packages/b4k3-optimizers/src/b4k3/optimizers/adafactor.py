"""AdaFactor, whose second moments of a matrix are a row and a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

from b4k3.backend import Optimizer, Slot, ops, register, root_mean_square as rms

from ._extensible import Extensible
from ._extensions import found

if TYPE_CHECKING:
    from b4k3.backend import Tensor, Update


@register
class AdaFactor(Extensible, Optimizer):
    """Adapt the steps as Adam does, with memory for a row and a column of each matrix instead of two matrices.

    The first moment is kept only if `beta1` is not 0; it is taken after clipping and before the parameter scale.

    Arguments:
        learning_rate: float, int, schedule of Keras, or None. The size of a step, relative to the variable if
            `multiply_by_parameter_scale`. None takes min(1 / sqrt(t), 0.01) in update t, and 0.05 times that without
            the parameter scale; what is assigned to `optimizer.learning_rate` is then a factor of it, 1 at first.
        beta1: float. The decay of the averaged step, per update; 0 keeps no average.
        beta2: float, or None. The decay of the averaged square; None takes 1 - t^-0.8 in update t.
        epsilon1: float. What is added to the square of the gradient.
        epsilon2: float. The smallest parameter scale.
        multiply_by_parameter_scale: bool. Take steps relative to the root mean square of the variable.
        clipping_threshold: float, or None. The largest root mean square of a step before rate and scale.
        min_dim_size_to_factor: int. A variable is factored if its second largest axis is at least so long.
        exclude_from_parameter_scale: list of str, or None. Regular expressions; variables whose path has one of
            them take steps that are not relative.
        kwargs: the arguments that optimizers of this Keras have in common, such as `clipnorm`, `clipvalue` and `name`.

    Raises:
        TypeError: an argument belongs to an extension that the optimizer does not have.

    Example:
        >>> optimizer = AdaFactor(learning_rate=1e-3, beta1=0.9)

    Reference: Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost,
    https://arxiv.org/abs/1804.04235
    """

    default_rate = 1e-3

    def __init__(
        self,
        learning_rate: Any = default_rate,
        beta1: float = 0.0,
        beta2: float | None = None,
        epsilon1: float = 1e-30,
        epsilon2: float = 1e-3,
        multiply_by_parameter_scale: bool = True,
        clipping_threshold: float | None = 1.0,
        min_dim_size_to_factor: int = 128,
        exclude_from_parameter_scale: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        relative_step = kwargs.get("lr", learning_rate) is None
        if relative_step:
            kwargs.pop("lr", None)
        super().__init__(1.0 if relative_step else learning_rate, **kwargs)
        self.relative_step = relative_step
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon1 = epsilon1
        self.epsilon2 = epsilon2
        self.multiply_by_parameter_scale = multiply_by_parameter_scale
        self.clipping_threshold = clipping_threshold
        self.min_dim_size_to_factor = min_dim_size_to_factor
        self.exclude_from_parameter_scale = tuple(exclude_from_parameter_scale or ())

    def factored_axes(self, shape: Sequence[int]) -> tuple[int, int] | None:
        """Return the axes over which the square of the gradient is averaged.

        Arguments:
            shape: tuple of int. The shape of a variable.

        Returns:
            (int, int): the longest and the second longest axis; None if the variable is not factored.
        """
        if len(shape) < 2:
            return None
        by_size = np.argpartition(np.array(shape), -2)
        longest, second = int(by_size[-1]), int(by_size[-2])
        return (longest, second) if shape[second] >= self.min_dim_size_to_factor else None

    def rule_slots(self, path: str, shape: Sequence[int]) -> dict[str, Slot]:
        """Return the squares of a variable, as a row and a column if it is factored, and the averaged step."""
        axes = self.factored_axes(shape)
        if axes is None:
            slots = {"v": Slot(shape)}
        else:
            slots = {name: Slot(_without_axis(shape, axis)) for name, axis in zip(("vr", "vc"), axes)}
        if self.beta1 > 0:
            slots["m"] = Slot(shape)
        return slots

    def update_rate(self, rate: Tensor, batch: Tensor, count: Tensor) -> Tensor:
        """Return the rate of an update: the relative step of `learning_rate=None`, and the extensions.

        Arguments:
            rate: float tensor, []. The learning rate.
            batch: int tensor, []. The number of batches before this one.
            count: int tensor, []. The number of updates before this one.

        Returns:
            float tensor, [].
        """
        if self.relative_step:
            step = ops.minimum(1 / ops.sqrt(ops.cast(count + 1, "float32")), 0.01)
            rate = ops.cast(rate, "float32") * step * (1.0 if self.multiply_by_parameter_scale else 0.05)
        return super().update_rate(rate, batch, count)

    def rule(self, update: Update) -> None:
        """Set the new value and the slots."""
        step = update.gradient / ops.sqrt(self._second_moment(update) + self.epsilon1)
        if self.clipping_threshold is not None:
            step = step / ops.maximum(1.0, rms(step) / self.clipping_threshold)
        if self.beta1 > 0:
            step = update.slots["m"] = self.beta1 * update.slots["m"] + (1 - self.beta1) * step
        if self.multiply_by_parameter_scale and not found(self.exclude_from_parameter_scale, update.path):
            step = step * ops.maximum(rms(update.before), self.epsilon2)
        update.after = update.before - update.rate * step

    def _second_moment(self, update: Update) -> Tensor:
        """Return the averaged square of the gradient, and update its slots."""
        square = ops.square(update.gradient) + self.epsilon1
        decay: Any = self.beta2
        if decay is None:
            decay = ops.cast(1 - ops.power(ops.cast(update.count + 1, "float32"), -0.8), square.dtype)
        axes = self.factored_axes(tuple(update.before.shape))
        if axes is None:
            update.slots["v"] = decay * update.slots["v"] + (1 - decay) * square
            return update.slots["v"]
        for name, axis in zip(("vr", "vc"), axes):
            mean = ops.mean(square, axis=axis, keepdims=True)
            update.slots[name] = decay * update.slots[name] + (1 - decay) * mean
        row, column = update.slots["vr"], update.slots["vc"]
        return row * column / ops.mean(row, axis=axes[1], keepdims=True)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which the optimizer can be made again, as JSON can hold them."""
        names = "beta1 beta2 epsilon1 epsilon2 multiply_by_parameter_scale clipping_threshold min_dim_size_to_factor"
        config = {**super().get_config(), **{name: getattr(self, name) for name in names.split()}}
        config["exclude_from_parameter_scale"] = list(self.exclude_from_parameter_scale)
        return {**config, "learning_rate": None} if self.relative_step else config


def _without_axis(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    """Return a shape whose axis has length 1."""
    return (*shape[:axis], 1, *shape[axis + 1 :])
