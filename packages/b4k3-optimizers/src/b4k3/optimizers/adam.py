"""Adam as bert4keras and the pretraining scripts of BERT have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

from b4k3.backend import FusedAdam, K, Optimizer, Slot, ops, register

from ._extensible import Extensible
from ._extensions import Extension, WeightDecay

if TYPE_CHECKING:
    from b4k3.backend import Tensor, Update


@register
class Adam(Extensible, Optimizer):
    """Adam with epsilon outside of the root, on every Keras the same.

    With m and v the moving averages of the gradient and of its square, corrected for their start at 0, a step is
    `learning_rate * m / (sqrt(v) + epsilon)`. Keras' own Adam corrects after adding epsilon, so that its epsilon acts
    larger in the first steps.

    Arguments:
        learning_rate: float, int, or schedule of Keras. The size of a step.
        beta_1: float. The decay of the average of the gradient, per update.
        beta_2: float. The decay of the average of the squared gradient, per update.
        epsilon: float. What is added to the root, so that nobody divides by 0; None or 0 takes `K.epsilon()`.
        bias_correction: bool. False leaves the averages as they are. The first steps are then larger, up to
            `(1 - beta_1) / sqrt(1 - beta_2)` times the rate, so that a warm-up is needed; BERT was trained so.
        kwargs: the arguments that optimizers of this Keras have in common, such as `clipnorm`, `clipvalue` and `name`.

    Raises:
        TypeError: an argument belongs to an extension that the optimizer does not have.

    Example:
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> model.compile(loss="mse", optimizer=Adam(2e-5))

    Reference: Kingma and Ba, Adam: A Method for Stochastic Optimization, https://arxiv.org/abs/1412.6980
    """

    moments = ("m", "v")  # the names of the slots, which `restore_adam` of b4k3.models asks for

    default_rate = 0.001

    def __init__(
        self,
        learning_rate: Any = default_rate,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-6,
        bias_correction: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon or K.epsilon()  # without one, a gradient of 0 would give 0 / 0
        self.bias_correction = bias_correction

    def rule_slots(self, path: str, shape: Sequence[int]) -> dict[str, Slot]:
        """Return both moments of a variable: {'m': Slot, 'v': Slot}."""
        return {"m": Slot(shape), "v": Slot(shape)}

    def rule(self, update: Update) -> None:
        """Set the new value and both moments."""
        gradient = update.gradient
        m = self.beta_1 * update.slots["m"] + (1 - self.beta_1) * gradient
        v = self.beta_2 * update.slots["v"] + (1 - self.beta_2) * ops.square(gradient)
        update.slots.update(m=m, v=v)
        rate, root = update.rate, ops.sqrt(v)
        if self.bias_correction:
            m_correction, v_correction = (1 - _power(beta, update.count + 1) for beta in (self.beta_1, self.beta_2))
            root = root / ops.cast(ops.sqrt(v_correction), v.dtype)
            rate = rate / ops.cast(m_correction, m.dtype)
        update.after = update.before - rate * m / (root + self.epsilon)

    def fused_adam(self, path: str) -> FusedAdam | None:
        """Return what happens to a variable, if that is Adam with a decoupled weight decay, as nearly always.

        Arguments:
            path: str. The name of the variable, such as 'MLM-Dense/kernel'.

        Returns:
            FusedAdam; None if a subclass or an extension does more.
        """
        if (type(self).rule, type(self).transform) != (Adam.rule, Adam.transform):
            return None
        decay = 0.0
        for extension in self._in_order:
            if isinstance(extension, WeightDecay):
                decay = extension.decay(path)
            elif type(extension).transform is not Extension.transform:
                return None
        return FusedAdam(self.beta_1, self.beta_2, self.epsilon, self.bias_correction, decay)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which the optimizer can be made again, as JSON can hold them."""
        names = ("beta_1", "beta_2", "epsilon", "bias_correction")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _power(base: float, exponent: Tensor) -> Tensor:
    """Return base^exponent in float32, for an int exponent."""
    return ops.power(ops.cast(base, "float32"), ops.cast(exponent, "float32"))
