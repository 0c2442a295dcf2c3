"""`add_metric` of Keras 2's layers for Keras 3."""

from __future__ import annotations

import keras
from keras import ops

from .layer import Layer
from .sizes import BACKEND, is_traced

LIMIT = 16  # of the metrics that one layer may have


class Average(keras.metrics.Metric):
    """The average of one number. The layer keeps sum and count, as on JAX it can change no variables of a metric."""

    def __init__(self, averages, name):
        super().__init__(name=name)
        self.averages = averages  # not the variable itself, which Keras would take for one of the metric

    def result(self):
        """NaN where it cannot be known: in the logs of a single step on JAX, and before the first step."""
        if BACKEND == "jax" and is_traced(ops.zeros(())):
            return ops.full((), float("nan"))
        row = self.averages.row(self.name)
        return row[0] / row[1]

    def reset_state(self):
        self.averages.write(self.name, ops.zeros((2,)))


class Averages:
    """What a layer has of its metrics; a plain object, in which Keras looks for no weights."""

    def __init__(self):
        self.names = []
        self.sums = keras.Variable("zeros", shape=(LIMIT, 2), dtype="float32", trainable=False, name="averages")

    def add(self, value, name):
        value = ops.cast(ops.stop_gradient(value), "float32")
        if name not in self.names:
            if len(self.names) == LIMIT:
                raise ValueError(
                    f"add_metric: a layer shows at most {LIMIT} metrics; {name!r} comes after {self.names}."
                )
            self.names.append(name)
        self.write(name, self.row(name) + ops.stack([ops.sum(value), ops.cast(ops.size(value), "float32")]))

    def row(self, name):
        """Sum and count of a metric: float [2]."""
        return self.sums.value[self.names.index(name)]

    def write(self, name, row):
        self.sums.assign(ops.slice_update(self.sums.value, (self.names.index(name), 0), row[None]))


class MetricLayer(Layer):
    """A layer that may show numbers in the history of `fit`: its `call` says `self.add_metric(number, name)`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._averages = Averages()

    def add_metric(self, value, name=None, **kwargs):
        """Show the average of a number over the steps of an epoch, or of `evaluate`. Call it in `call`.

        Arguments:
            value: float, a scalar or several numbers, which count each.
            name: the key in the history. The same name twice is one average.
            kwargs: `aggregation="mean"`, as tf.keras has it.

        Raises:
            ValueError: no name, another aggregation, or more than 16 names.
        """
        if not name or kwargs.get("aggregation", "mean") != "mean" or set(kwargs) - {"aggregation"}:
            raise ValueError(
                f"add_metric: {self.name} shows the mean of a number under a name; got name={name!r}, {kwargs}."
            )
        self._averages.add(value, name)

    @property
    def variables(self):
        """With the sums of the metrics, which are no weights: they are not saved."""
        return super().variables + [self._averages.sums]

    @property
    def metrics(self):
        return super().metrics + [Average(self._averages, name) for name in self._averages.names]
