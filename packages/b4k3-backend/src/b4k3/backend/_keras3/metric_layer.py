"""`add_metric` of Keras 2's layers for Keras 3."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ..types import Tensor
from .layer import Layer
from .sizes import BACKEND, is_traced

LIMIT = 16  # the number of metrics that one layer may have


class Average(keras.metrics.Metric):
    """Show the average of one number.

    The layer keeps sum and count, because on JAX a layer cannot change the variables of a metric.

    Arguments:
        averages: Averages. The sums and counts of the layer.
        name: str. The name of the number.
    """

    def __init__(self, averages: Averages, name: str):
        super().__init__(name=name)
        self.averages = averages  # the variable itself would become a variable of the metric

    def result(self) -> Tensor:
        """Return the average.

        Returns:
            float32, []. It is NaN where the average is not known: in the logs of a single step on JAX, and before
            the first step.
        """
        if BACKEND == "jax" and is_traced(ops.zeros(())):
            return ops.full((), float("nan"))
        row = self.averages.row(self.name)
        return row[0] / row[1]

    def reset_state(self) -> None:
        """Set sum and count to zero."""
        self.averages.write(self.name, ops.zeros((2,)))


class Averages:
    """Keep the sums and counts of a layer's metrics in one variable.

    This is a plain object, so that Keras does not look for weights in it.
    """

    def __init__(self) -> None:
        self.names = []
        self.sums = keras.Variable("zeros", shape=(LIMIT, 2), dtype="float32", trainable=False, name="averages")

    def add(self, value: Tensor, name: str) -> None:
        """Add numbers to the sum of a metric.

        Arguments:
            value: float, [...]. The numbers, which all count.
            name: str. The name of the metric. A new name makes a new metric.

        Raises:
            ValueError: the name is new, and the layer has 16 metrics already.
        """
        value = ops.cast(ops.stop_gradient(value), "float32")
        if name not in self.names:
            if len(self.names) == LIMIT:
                raise ValueError(
                    f"add_metric: a layer shows at most {LIMIT} metrics; {name!r} comes after {self.names}."
                )
            self.names.append(name)
        self.write(name, self.row(name) + ops.stack([ops.sum(value), ops.cast(ops.size(value), "float32")]))

    def row(self, name: str) -> Tensor:
        """Return sum and count of a metric.

        Arguments:
            name: str. The name of the metric.

        Returns:
            float32, [2].
        """
        return self.sums.value[self.names.index(name)]

    def write(self, name: str, row: Tensor) -> None:
        """Replace sum and count of a metric.

        Arguments:
            name: str. The name of the metric.
            row: float32, [2]. Its new sum and count.
        """
        self.sums.assign(ops.slice_update(self.sums.value, (self.names.index(name), 0), row[None]))


class MetricLayer(Layer):
    """The base of layers that show numbers in the history of `fit`: their `call` calls `self.add_metric(number, name)`.

    On JAX the average is known only at the end of an epoch. On Keras 2 `add_metric` is Keras' own.

    The arguments are the same as for `Layer`.

    Example:
        >>> class Doubled(MetricLayer):
        ...     def call(self, inputs):
        ...         self.add_metric(ops.mean(inputs), name="mean")
        ...         return inputs * 2
        >>> layer = Doubled()
        >>> y = layer(keras.Input((3,)))  # [batch, 3]
        >>> [metric.name for metric in layer.metrics]
        ['mean']
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._averages = Averages()

    def add_metric(self, value: Tensor, name: str | None = None, **kwargs: Any) -> None:
        """Show the average of a number over the steps of an epoch, or of `evaluate`. Call it in `call`.

        Arguments:
            value: float, []. The number, or [...], several numbers, which all count.
            name: str. The key in the history. The same name twice is one average.
            kwargs: Any. Only `aggregation="mean"` is allowed, because tf.keras asks for it.

        Raises:
            ValueError: no name, another aggregation, or more than 16 names.
        """
        if not name or kwargs.get("aggregation", "mean") != "mean" or set(kwargs) - {"aggregation"}:
            raise ValueError(
                f"add_metric: {self.name} shows the mean of a number under a name; got name={name!r}, {kwargs}."
            )
        self._averages.add(value, name)

    @property
    def variables(self) -> list[Any]:
        """Return the variables of the layer with the sums of its metrics, which are no weights and are not saved."""
        return super().variables + [self._averages.sums]

    @property
    def metrics(self) -> list[Any]:
        """Return the metrics of the layer with an average for each name that `add_metric` was called with."""
        return super().metrics + [Average(self._averages, name) for name in self._averages.names]
