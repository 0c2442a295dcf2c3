"""What an optimizer with moving averages of the weights has beside its updates."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from b4k3.backend import K, assign_weights


class AveragedWeights:
    """The methods of an optimizer that `extend_with_exponential_moving_average` made.

    With Keras 3 on JAX, call them at the end of an epoch or outside of `fit`: within an epoch `fit` holds the weights
    itself.
    """

    _old_values: Sequence[Any] | None = None

    @property
    def model_weights(self) -> list[Any]:
        """The variables that are averaged."""
        return [variable for variable, _ in self.variables_with_slots()]  # type: ignore[attr-defined]

    @property
    def ema_weights(self) -> list[Any]:
        """The averages, in the order of `model_weights`, as they are kept: not corrected for their start at 0."""
        return [slots["ema"] for _, slots in self.variables_with_slots()]  # type: ignore[attr-defined]

    @property
    def old_weights(self) -> list[Any]:
        """The values that `apply_ema_weights` replaced, as arrays of numpy; an empty list if it replaced none."""
        return list(self._old_values or ())

    def apply_ema_weights(self, bias_correction: bool = True) -> None:
        """Put the averages into the model, and keep its own weights for `reset_old_weights`.

        A variable that was never updated keeps its value.

        Arguments:
            bias_correction: bool. Correct the averages for their start at 0. False takes them as they are kept.

        Raises:
            RuntimeError: nothing was trained yet, or the averages are in the model already.
        """
        if self._old_values is not None:
            raise RuntimeError(
                "The averages are in the model already; its own weights would be lost. Call reset_old_weights first."
            )
        pairs = self.variables_with_slots()  # type: ignore[attr-defined]
        if not pairs:
            raise RuntimeError("There are no averages yet: the optimizer has not been used in training.")
        momentum = self.extension("ema_momentum").ema_momentum  # type: ignore[attr-defined]
        old = K.batch_get_value([variable for variable, _ in pairs])
        averages = K.batch_get_value([slots["ema"] for _, slots in pairs])
        counts = K.batch_get_value([slots["ema_count"] for _, slots in pairs])
        new = []
        for value, average, count in zip(old, averages, counts):
            correction = 1 - np.float64(momentum) ** int(count) if bias_correction else 1.0
            new.append((average / correction).astype(average.dtype) if count else value)
        self._old_values = tuple(np.array(value) for value in old)
        assign_weights(zip(self.model_weights, new))

    def reset_old_weights(self) -> None:
        """Put the weights that `apply_ema_weights` replaced back into the model.

        Raises:
            RuntimeError: the averages are not in the model.
        """
        if self._old_values is None:
            raise RuntimeError("The averages are not in the model: call apply_ema_weights first.")
        assign_weights(zip(self.model_weights, self._old_values))
        self._old_values = None
