"""A model cut down to its last position."""

from __future__ import annotations

from b4k3.backend import Layer, keras, layers_before, register


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
    """A model of the same inputs whose outputs [batch, n, d] are cut to the last position, [batch, d].

    Where an output is a projection to a vocabulary, tied or not, perhaps with a bias and an activation, the other
    positions are not projected.
    """
    outputs = [last_token(output) for output in model.outputs]
    return keras.models.Model(model.inputs, outputs[0] if len(outputs) == 1 else outputs)


def last_token(output):
    """The last position of a tensor [batch, n, d] of a Keras model: [batch, d]."""
    source, head = projection_of(output)
    x = LastToken()(source)
    for layer in reversed(head):
        x = layer(x, mode="dense") if is_tied_projection(layer) else layer(x)
    return x


def projection_of(output):
    """What is projected, and the layers from the projection on, the last first; (output, []) without one."""
    head = []
    for layer, source in layers_before(output):
        if len(source.shape) != 3:
            break
        head.append(layer)
        if isinstance(layer, keras.layers.Dense) or is_tied_projection(layer):
            return source, head
        if not isinstance(layer, keras.layers.Activation) and not getattr(layer, "scales_features", False):
            break
    return output, []


def is_tied_projection(layer):
    """Whether a layer of which the input has three axes is `Embedding` of b4k3.layers, called with mode='dense'."""
    return getattr(layer, "projects_back", False)
