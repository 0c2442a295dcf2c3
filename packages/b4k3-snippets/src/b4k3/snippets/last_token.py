"""A model cut down to its last position."""

from __future__ import annotations

from b4k3.backend import Layer, keras, register


@register
class LastToken(Layer):
    """The last of the positions.

    Mask in: ignored. Mask out: None.
    """

    def call(self, inputs):
        """Arguments: inputs: float [batch, n, d]. Returns: float [batch, d]."""
        return inputs[:, -1]

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0],) + tuple(input_shape[2:])


def last_token_model(model):
    """A model of the same inputs whose outputs [batch, n, d] are cut to the last position, [batch, d]."""
    outputs = [LastToken()(output) for output in model.outputs]
    return keras.models.Model(model.inputs, outputs[0] if len(outputs) == 1 else outputs)
