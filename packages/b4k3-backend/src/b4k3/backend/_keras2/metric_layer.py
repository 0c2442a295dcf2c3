"""`add_metric` with the same arguments on each Keras 2."""

from __future__ import annotations

import inspect
from typing import Any

from ..types import Tensor
from .flavour import keras
from .layer import Layer
from .replaying import current_replay

AGGREGATES = "aggregation" in inspect.signature(keras.layers.Layer.add_metric).parameters


class MetricLayer(Layer):
    """The base of layers that show numbers in the history of `fit`: their `call` calls `self.add_metric(number, name)`.

    Example:
        >>> class Doubled(MetricLayer):
        ...     def call(self, inputs):
        ...         self.add_metric(ops.mean(inputs), name="mean")
        ...         return inputs * 2
        >>> y = Doubled()(keras.Input((3,)))  # [batch, 3]
    """

    def add_metric(self, value: Tensor, name: str | None = None, **kwargs: Any) -> None:
        """Call Keras' own `add_metric`, with the mean as the aggregation where Keras asks for one.

        Arguments:
            value: float, []. The number, or [...], several numbers, which all count.
            name: str. The key in the history.
            kwargs: Any. What else Keras' own `add_metric` takes.
        """
        if current_replay() is not None:  # this batch is counted already
            return None
        if AGGREGATES:
            kwargs.setdefault("aggregation", "mean")
        return super().add_metric(value, name=name, **kwargs)
