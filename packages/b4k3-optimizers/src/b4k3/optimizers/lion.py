"""Lion, whose steps all have one size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

from b4k3.backend import Optimizer, Slot, ops, register

from ._extensible import Extensible

if TYPE_CHECKING:
    from b4k3.backend import Update


@register
class Lion(Extensible, Optimizer):
    """Take steps of one size, in the direction of the sign of an averaged gradient.

    Arguments:
        learning_rate: float, int, or schedule of Keras. The size of a step; a third to a tenth of Adam's.
        beta_1: float. How much of the direction is the average, and not the gradient at hand.
        beta_2: float. The decay of the average, per update.
        kwargs: the arguments that optimizers of this Keras have in common, such as `clipnorm`, `clipvalue` and `name`.

    Raises:
        TypeError: an argument belongs to an extension that the optimizer does not have.

    Example:
        >>> optimizer = extend_with_weight_decay(Lion, "LionW")(1e-4, weight_decay_rate=0.1)

    Reference: Chen et al., Symbolic Discovery of Optimization Algorithms, https://arxiv.org/abs/2302.06675
    """

    default_rate = 3e-4

    def __init__(
        self, learning_rate: Any = default_rate, beta_1: float = 0.95, beta_2: float = 0.98, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def rule_slots(self, path: str, shape: Sequence[int]) -> dict[str, Slot]:
        """Return the averaged gradient of a variable: {'m': Slot}."""
        return {"m": Slot(shape)}

    def rule(self, update: Update) -> None:
        """Set the new value and the average."""
        m, gradient = update.slots["m"], update.gradient
        direction = ops.sign(self.beta_1 * m + (1 - self.beta_1) * gradient)
        update.after = update.before - update.rate * direction
        update.slots["m"] = self.beta_2 * m + (1 - self.beta_2) * gradient

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which the optimizer can be made again, as JSON can hold them."""
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2}
