"""Cut a model down to its last position, because generation needs no other, and projecting to a vocabulary is slow."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from b4k3.backend import Layer, keras, layers_before, model_scope, predict_function, register

if TYPE_CHECKING:
    from b4k3.backend import Tensor


@register
class LastToken(Layer):
    """Pick the vector at the last position.

    Mask in: it is ignored. Mask out: None.

    Example:
        >>> y = LastToken()(keras.Input((None, 8)))  # [batch, 8]
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Pick the last vector.

        Arguments:
            inputs: float, [batch, n, d]. The vectors of the tokens.

        Returns:
            float, [batch, d].
        """
        return inputs[:, -1]

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """Return None: one position needs no mask."""
        return None

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return [batch, d]."""
        return (input_shape[0],) + tuple(input_shape[2:])


_lock = threading.RLock()  # two threads must not make models of the same layers at the same time


@register
class LastTokenModel(keras.models.Model):
    """Predict with a Keras model that threads may share, and that an error does not harm.

    Keras' own `predict` keeps something of a call on the model: on JAX an error leaves it without weights.

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> logits = keras.layers.Dense(30)(keras.layers.Embedding(30, 8)(ids))
        >>> model = last_token_model(keras.Model(ids, logits))
        >>> y = model.predict(np.array([[1, 2, 3], [4, 5, 6]]))  # [2, 30]
    """

    def predict_on_batch(self, x: Any) -> Any:
        """Compute the outputs for one batch.

        Arguments:
            x: An array, or a list or dict of arrays, as Keras' `predict_on_batch` takes it.

        Returns:
            np.ndarray, or a list of them.
        """
        with _lock:
            if getattr(self, "_function", None) is None:
                self._function = predict_function(self)
        return self._function(x)

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """Compute the outputs for arrays with any number of rows.

        Arguments:
            x: An array, or a list of arrays with as many rows.
            batch_size: int or None. How many rows go through the model together; None for 32.
            verbose: It is ignored. Keras' `predict` has this argument.

        Returns:
            np.ndarray, or a list of them.
        """
        arrays = [np.asarray(array) for array in (x if isinstance(x, (list, tuple)) else [x])]
        rows, size = len(arrays[0]), batch_size or 32
        if rows <= size:
            return self.predict_on_batch(x)
        parts = [self.predict_on_batch([array[i : i + size] for array in arrays]) for i in range(0, rows, size)]
        if isinstance(parts[0], list):
            return [np.concatenate(outputs) for outputs in zip(*parts)]
        return np.concatenate(parts)


def last_token_model(model: keras.models.Model) -> LastTokenModel:
    """Make a model whose outputs are cut to the last position.

    Where an output is a projection to a vocabulary, tied or not, perhaps with a bias and an activation, the other
    positions are not projected.

    Arguments:
        model: A Keras model with outputs [batch, n, d].

    Returns:
        LastTokenModel. It has the same inputs and weights, and outputs [batch, d].
    """
    with _lock, model_scope(model):
        outputs = [last_token(output) for output in model.outputs]
        return LastTokenModel(model.inputs, outputs[0] if len(outputs) == 1 else outputs)


def last_token(output: Tensor) -> Tensor:
    """Compute the last position of an output of a Keras model.

    Arguments:
        output: symbolic tensor, [batch, n, d].

    Returns:
        symbolic tensor, [batch, d].
    """
    source, head = projection_of(output)
    x = LastToken()(source)
    for layer in reversed(head):
        x = layer(x, mode="dense") if is_tied_projection(layer) else layer(x)
    return x


def projection_of(output: Tensor) -> tuple[Tensor, list]:
    """Find the projection at the end of a model.

    Arguments:
        output: symbolic tensor, [batch, n, d]. An output of the model.

    Returns:
        (symbolic tensor, list of layers). What is projected, and the layers from the projection to the output, the
        last one first. Without a projection it is (output, []).
    """
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


def is_tied_projection(layer: Any) -> bool:
    """Return whether a layer projects back to a vocabulary, like `Embedding` of b4k3.layers with mode='dense'.

    Arguments:
        layer: A layer whose input has three axes.

    Returns:
        bool.
    """
    return getattr(layer, "projects_back", False)
