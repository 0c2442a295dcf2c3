"""Tiger, the tight-fisted optimizer: one moment for each variable, and accumulation of gradients without memory for it.

The rule is the one of https://github.com/bojone/tiger (its only version, for tf.keras of TensorFlow 1.15). The
docstring of the class lists what is different here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Sequence

from b4k3.backend import Optimizer, Slot, ops, register, root_mean_square as rms

from ._extensible import Extensible
from ._extensions import GradientAccumulation, LazyOptimization, PiecewiseLinearRate

if TYPE_CHECKING:
    from b4k3.backend import Tensor, Update


class _AccumulationInMoment(GradientAccumulation):
    """Gradients are accumulated in the moment, by the rule itself: the optimizer of the row does nothing for it."""

    arguments = {"grad_accum_steps": 1}

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.accumulation_steps = 1


@register
class Tiger(Extensible, Optimizer):
    """Take steps in the direction of the sign of an averaged gradient, as long as the variable is.

    With m <- beta m + (1 - beta) g, a step is `rate * (sign(m) + weight_decay * w)`, where the rate is relative:

    - of a bias, a beta or a gamma it is half of the learning rate, and these do not decay;
    - of embeddings it is the learning rate times the root mean square of each row;
    - of all others it is the learning rate times the root mean square of the variable.

    So a matrix or a row that is all zeros never moves, unless another rule made it nonzero. The last part of the
    path of a variable says what it is: 'bias', 'beta', 'gamma' and 'embeddings' are searched there.

    A gradient that is not finite moves nothing as usual: the moment stays, and the variable shrinks towards 0 (a gamma
    towards 1), so that mixed precision without a loss scale recovers from an overflow.

    Different from the original: infinity in a gradient counts as NaN does, since it would stay in the moment forever;
    layers such as 'gamma-dense' do not make a kernel a gamma; callbacks can set the learning rate; it runs on every
    Keras, while `tf.is_nan` of the original is gone since TensorFlow 2.

    Arguments:
        learning_rate: float, int, or schedule of Keras. The size of a step relative to the variable.
        beta: float. The decay of the averaged gradient, per update.
        weight_decay: float. The decay of the weights, times the relative rate, per update.
        grad_accum_steps: int. One update takes the mean gradient of so many batches. It is summed up in the moment,
            so that it needs no memory; the moment decays once for each update. `iterations` counts batches then.
        lr_schedule: {batch: factor}, or what `warmup_cosine` or another function of that kind returns. A factor of the
            learning rate that counts batches; None is 1.
        shrink_ratio: float. What is left of a variable after a batch whose gradient is not finite.
        kwargs: the arguments that optimizers of this Keras have in common, such as `clipnorm`, `clipvalue` and `name`.

    Raises:
        TypeError: an argument belongs to an extension that the optimizer does not have, or the extension
            `extend_with_lazy_optimization` meets `grad_accum_steps`: it cannot see the gradients of former batches.

    Example:
        >>> optimizer = Tiger(1.76e-3, grad_accum_steps=4, lr_schedule={4000: 1, 64000: 0.1})

    Reference: Su, Tiger: A Tight-fisted Optimizer, https://kexue.fm/archives/9512, https://github.com/bojone/tiger
    """

    extensions = (PiecewiseLinearRate, _AccumulationInMoment)
    default_rate = 1e-3

    def __init__(
        self,
        learning_rate: Any = default_rate,
        beta: float = 0.965,
        weight_decay: float = 0.01,
        grad_accum_steps: int = 1,
        lr_schedule: Mapping[Any, Any] | None = None,
        shrink_ratio: float = 0.99,
        **kwargs: Any,
    ) -> None:
        kwargs.update(grad_accum_steps=grad_accum_steps, lr_schedule={0: 1} if lr_schedule is None else lr_schedule)
        super().__init__(learning_rate, **kwargs)
        self.beta = beta
        self.weight_decay_rate = weight_decay  # the attributes `weight_decay` and `decay` belong to Keras
        self.steps = self.extension("grad_accum_steps").grad_accum_steps
        self.shrink_ratio = shrink_ratio
        if self.steps > 1 and any(isinstance(extension, LazyOptimization) for extension in self._in_order):
            raise TypeError(
                "Tiger with grad_accum_steps > 1 keeps no gradients, by which extend_with_lazy_optimization finds the "
                "rows to leave as they are: use one of the two."
            )

    def rule_slots(self, path: str, shape: Sequence[int]) -> dict[str, Slot]:
        """Return the averaged gradient of a variable.

        Arguments:
            path: str. The name of the variable, such as 'MLM-Dense/kernel'.
            shape: tuple of int. Its shape.

        Returns:
            {'m': Slot}.
        """
        return {"m": Slot(shape)}

    def rule(self, update: Update) -> None:
        """Set the new value and the average.

        Arguments:
            update: Update. One update of one variable.
        """
        kind = update.path.rpartition("/")[2]
        finite = ops.all(ops.isfinite(update.gradient))
        gradient = ops.where(finite, update.gradient, ops.zeros_like(update.gradient))
        decays = ops.logical_and(self._is_multiple(update.count), finite)  # once for each window of batches
        kept = ops.cast(ops.where(decays, self.beta, 1.0), gradient.dtype)
        m = update.slots["m"] = kept * update.slots["m"] + (1 - self.beta) / self.steps * gradient
        centre, rate, direction = 0.0, update.rate, ops.sign(m)
        if any(word in kind for word in ("bias", "beta", "gamma")):
            rate, centre = rate * 0.5, 1.0 if "gamma" in kind else 0.0
        else:
            rate = rate * (rms(update.before, -1, keepdims=True) if "embeddings" in kind else rms(update.before))
            direction = direction + self.weight_decay_rate * update.before
        shrunk = centre + self.shrink_ratio * (update.before - centre)
        update.after = ops.where(finite, update.before - rate * direction, shrunk)

    def _is_multiple(self, count: Tensor) -> Tensor:
        """Return True if a number of batches is a number of whole windows."""
        return ops.equal(ops.mod(count, self.steps), 0)

    def update_rate(self, rate: Tensor, batch: Tensor, count: Tensor) -> Tensor:
        """Return the rate of an update: 0 within a window of batches.

        Arguments:
            rate: float tensor, []. The learning rate.
            batch: int tensor, []. The number of batches before this one.
            count: int tensor, []. The number of calls of the rule before this one.

        Returns:
            float tensor, [].
        """
        rate = super().update_rate(rate, batch, count)
        return rate if self.steps == 1 else rate * ops.cast(self._is_multiple(count + 1), rate.dtype)

    def transform(self, update: Update) -> None:
        """Run the rule in each batch, and the extensions in the last one of each window.

        Arguments:
            update: Update. Its `after` and `slots` are set.
        """
        self.rule(update)
        if self.steps == 1:
            self.extend(update)
            return
        after, slots = update.after, dict(update.slots)
        self.extend(update)
        closes = self._is_multiple(update.count + 1)
        update.after = ops.where(closes, update.after, after)
        for name, value in slots.items():
            if update.slots[name] is not value:
                update.slots[name] = ops.where(closes, update.slots[name], value)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which the optimizer can be made again, as JSON can hold them.

        Returns:
            {argument: value}.
        """
        names = {"beta": self.beta, "weight_decay": self.weight_decay_rate, "shrink_ratio": self.shrink_ratio}
        return {**super().get_config(), **names}
