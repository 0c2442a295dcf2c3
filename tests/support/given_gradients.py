"""A model whose gradients are given: its inputs are the gradients of its variables."""

from __future__ import annotations

import numpy as np

from b4k3.backend import K, Layer, assign_weights, keras, ops, register


@register
class Given(Layer):
    """One variable. The input is its gradient, [1, *shape]; the output is the sum of their product, [1, 1]."""

    def __init__(self, weight="kernel", shape=(), **kwargs):
        super().__init__(**kwargs)
        self.weight, self.of_shape = weight, tuple(shape)

    def build(self, input_shape):
        self.w = self.add_weight(name=self.weight, shape=self.of_shape, initializer="zeros")
        super().build(input_shape)

    def call(self, gradient):
        return ops.reshape(ops.sum(self.w * gradient[0]), (1, 1))

    def compute_output_shape(self, input_shape):
        return (1, 1)

    def get_config(self):
        return {**super().get_config(), "weight": self.weight, "shape": self.of_shape}


def output_of_model(y_true, y_pred):
    return y_pred


def model_of(start, optimizer):
    """A compiled model of the variables {'layer/name': value}."""
    inputs, outputs, variables = [], [], []
    for path, value in start.items():
        layer, name = path.split("/")
        inputs.append(keras.layers.Input(batch_shape=(1, *np.shape(value)), name="gradient-" + layer))
        given = Given(name, np.shape(value), name=layer)
        outputs.append(given(inputs[-1]))
        variables.append(given.w)
    total = keras.layers.Add(name="total")(outputs) if len(outputs) > 1 else outputs[0]
    model = keras.models.Model(inputs, total)
    model.compile(optimizer=optimizer, loss=output_of_model)
    assign_weights(zip(variables, start.values()))
    return model, dict(zip(start, variables))


def trained(start, optimizer, gradients):
    """The values of the variables after each batch: [{path: value}, ...]; `gradients` is a list of such dicts."""
    model, variables = model_of(start, optimizer)
    history = []
    for batch in gradients:
        model.train_on_batch([np.asarray(batch[path], "float32")[None] for path in start], np.zeros((1, 1), "float32"))
        history.append({path: np.array(K.get_value(variable)) for path, variable in variables.items()})
    return history
