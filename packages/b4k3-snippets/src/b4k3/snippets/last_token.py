"""A model cut down to its last position."""

from __future__ import annotations

import threading

import numpy as np

from b4k3.backend import Layer, keras, layers_before, model_scope, predict_function, register


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


_lock = threading.RLock()  # a model is made of layers that other threads may make models of


@register
class LastTokenModel(keras.models.Model):
    """A Keras model whose `predict` threads may share, and which an error does not harm.

    Keras' own `predict` keeps something of a call on the model: on JAX an error leaves it without weights.
    """

    def predict_on_batch(self, x):
        """The outputs for one batch, as numpy arrays. Arguments: x: as of Keras' method."""
        with _lock:
            if getattr(self, "_function", None) is None:
                self._function = predict_function(self)
        return self._function(x)

    def predict(self, x, batch_size=None, verbose=0):
        """The outputs for arrays of any number of rows, as numpy arrays.

        Arguments:
            x: array, or list of arrays.
            batch_size: how many rows go through the model together; None for 32.
            verbose: ignored.
        """
        arrays = [np.asarray(array) for array in (x if isinstance(x, (list, tuple)) else [x])]
        rows, size = len(arrays[0]), batch_size or 32
        if rows <= size:
            return self.predict_on_batch(x)
        parts = [self.predict_on_batch([array[i : i + size] for array in arrays]) for i in range(0, rows, size)]
        if isinstance(parts[0], list):
            return [np.concatenate(outputs) for outputs in zip(*parts)]
        return np.concatenate(parts)


def last_token_model(model):
    """A model of the same inputs whose outputs [batch, n, d] are cut to the last position, [batch, d].

    Where an output is a projection to a vocabulary, tied or not, perhaps with a bias and an activation, the other
    positions are not projected.
    """
    with _lock, model_scope(model):
        outputs = [last_token(output) for output in model.outputs]
        return LastTokenModel(model.inputs, outputs[0] if len(outputs) == 1 else outputs)


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
