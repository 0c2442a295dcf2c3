"""`add_metric` with the same arguments on each Keras 2."""

from __future__ import annotations

import inspect

from .flavour import keras
from .layer import Layer

AGGREGATES = "aggregation" in inspect.signature(keras.layers.Layer.add_metric).parameters


class MetricLayer(Layer):
    """A layer that may show numbers in the history of `fit`: its `call` says `self.add_metric(number, name)`."""

    def add_metric(self, value, name=None, **kwargs):
        """Keras' own; where it asks for an aggregation, the mean. Arguments: as on Keras 3."""
        if AGGREGATES:
            kwargs.setdefault("aggregation", "mean")
        return super().add_metric(value, name=name, **kwargs)
