"""A model for services: called from any number of threads, and alive after an error."""

from __future__ import annotations

from typing import Any

from b4k3.backend import keras, predict_function

from .errors import ConfigError


class Predictor:
    """A Keras model, any one, as a function from arrays to arrays that threads may share.

    Called with what `model.predict_on_batch` takes, it gives what that gives: numpy arrays, in the structure of the
    model's outputs, with dropout off. The newest weights are read in each call. Keras' own `predict` keeps something
    of a call on the model: on JAX an exception, or a second thread, leaves it without weights. This keeps nothing.

    On JAX each shape of the inputs is compiled once, when it first comes; pad batches to few shapes. Elsewhere few
    forms or none are compiled. `fit` must not run in another thread meanwhile. A layer that is added to the model or
    gets other variables (LoRA, quantisation) needs a new `Predictor`. On TensorFlow 1 make it where the model was
    built: graph and session of that thread are kept.

    Arguments:
        model: a Keras model.
        max_shapes: int. For how many shapes the compiled form is kept; the one used longest ago goes first.

    Raises:
        ConfigError: `model` is no Keras model, or max_shapes is no number above 0.

    Example:
        >>> sizes = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
        >>> predictor = Predictor(build_transformer_model(vocab_size=9, hidden_act="gelu", **sizes))
        >>> predictor([np.array([[2, 5, 3]]), np.zeros((1, 3))]).shape
        (1, 3, 8)
    """

    def __init__(self, model: Any, max_shapes: int = 128) -> None:
        if not isinstance(model, keras.Model):
            inner = isinstance(getattr(model, "model", None), keras.Model)
            hint = "; give its attribute `model`" if inner else ""
            raise ConfigError(f"Predictor: expected a Keras model, got {type(model).__name__}{hint}")
        if isinstance(max_shapes, bool) or not isinstance(max_shapes, int) or max_shapes < 1:
            raise ConfigError(f"max_shapes={max_shapes!r}, expected a whole number, 1 or more")
        self.model = model
        self._predict = predict_function(model, max_shapes)

    def __call__(self, x: Any) -> Any:
        """Compute the outputs of a batch.

        Arguments:
            x: an array, or a list, tuple or dict of arrays, as the model's inputs are. A dict may go by the names of
                the inputs.

        Returns:
            numpy array, or a list or dict of them, as `model.predict_on_batch` gives.

        Raises:
            ValueError: an input is missing or does not fit; the message names it.
        """
        return self._predict(x)
