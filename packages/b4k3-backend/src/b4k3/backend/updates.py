"""One update of one variable, as an optimizer of any Keras hands it to the rules of `b4k3.optimizers`.

The rules are pure functions of tensors. Reading and assigning variables is the part of the row: `UpdateMixin` in the
modules `optimizers` of the folders `_keras3` and `_keras2`.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

from .types import Tensor


class Slot(NamedTuple):
    """What an optimizer keeps for a variable beside it, such as a moment. It is 0 at first.

    Arguments:
        shape: tuple of int. The shape.
        dtype: str, or None. The dtype; None takes the dtype of the variable.

    Example:
        >>> Slot((4, 8)).dtype is None
        True
    """

    shape: Sequence[int]
    dtype: str | None = None


class FusedAdam(NamedTuple):
    """What an update of Adam depends on, where it is nothing but Adam with a decoupled weight decay.

    Arguments:
        beta_1: float. The decay of the averaged gradient.
        beta_2: float. The decay of the averaged square.
        epsilon: float. What is added to the root.
        bias_correction: bool. True corrects the averages for their start at 0.
        weight_decay: float. The decay, times the learning rate; 0 for none.

    Example:
        >>> FusedAdam(0.9, 0.999, 1e-6, True, 0.01).weight_decay
        0.01
    """

    beta_1: float
    beta_2: float
    epsilon: float
    bias_correction: bool
    weight_decay: float


class Update:
    """One update of one variable: what is known before it, and what becomes of it.

    A rule writes `after`, and puts the new value of a slot in the place of the old one.

    Arguments:
        path: str. The name of the variable with the layers that own it, such as 'MLM-Dense/kernel'.
        before: float tensor. The value of the variable before the update.
        gradient: float tensor, of the shape of `before`; never sparse. The mean, if gradients are accumulated.
        rate: float tensor, []. The learning rate of this update, in the dtype of `before`.
        count: int tensor, []. The number of updates before this one.
        slots: {name: tensor}. The values of the slots of the variable.
        after: float tensor, or None. The value that a Keras optimizer has given it already; None if a rule shall.

    Example:
        >>> update = Update("dense/kernel", ops.ones((2,)), ops.ones((2,)), ops.convert_to_tensor(0.5), 0, {})
        >>> update.after = update.before - update.rate * update.gradient
    """

    def __init__(
        self,
        path: str,
        before: Tensor,
        gradient: Tensor,
        rate: Tensor,
        count: Tensor,
        slots: dict[str, Tensor],
        after: Tensor | None = None,
    ) -> None:
        self.path = path
        self.before = before
        self.gradient = gradient
        self.rate = rate
        self.count = count
        self.slots = slots
        self.after: Any = after
        self._read = dict(slots)

    def changed_slots(self) -> dict[str, Tensor]:
        """Return the slots that a rule has given a new value.

        Returns:
            {name: tensor}.
        """
        return {name: value for name, value in self.slots.items() if value is not self._read[name]}


class UpdateRules:
    """What an optimizer asks its rules. `b4k3.optimizers` answers; the mixin of each kind of optimizer asks.

    Example:
        >>> UpdateRules().fused_adam("dense/kernel") is None
        True
    """

    def variable_slots(self, path: str, shape: Sequence[int]) -> dict[str, Slot]:
        """Return the slots of a variable.

        Arguments:
            path: str. The name of the variable, such as 'MLM-Dense/kernel'.
            shape: tuple of int. Its shape.

        Returns:
            {name: Slot}.
        """
        raise NotImplementedError

    def update_rate(self, rate: Tensor, batch: Tensor, count: Tensor) -> Tensor:
        """Return the rate of an update.

        Arguments:
            rate: float tensor, []. The learning rate.
            batch: int tensor, []. The number of batches before this one.
            count: int tensor, []. The number of updates before this one.

        Returns:
            float tensor, [].
        """
        raise NotImplementedError

    def transform(self, update: Update) -> None:
        """Set `update.after` and the slots that change.

        Arguments:
            update: Update. One update of one variable.
        """
        raise NotImplementedError

    def fused_adam(self, path: str) -> FusedAdam | None:
        """Return what Adam does to a variable, if that is all that happens to it in an update.

        Arguments:
            path: str. The name of the variable.

        Returns:
            FusedAdam; None if more happens.
        """
        return None
