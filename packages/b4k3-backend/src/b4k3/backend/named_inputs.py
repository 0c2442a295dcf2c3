"""A functional Keras model whose inputs may be given by the names that people know."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._environment import checks, keras, load, ops
from ._serialization import PACKAGE
from .input_names import match_inputs
from .types import Tensor

_prediction = load("prediction")


class Functional(keras.Model):
    """A functional Keras model that also takes a mapping from the names of `INPUT_NAMES` to ids.

    It is made as every functional model, and is the same in everything else. Ids may have any dtype of whole numbers,
    and the mapping any class, such as the `BatchEncoding` of Hugging Face's tokenizers. What a mapping has that the
    model does not know, and what it lacks, is an error.

    An `attention_mask` turns the ids at its zeros into the padding id of the model's embedding. What the embedding
    cannot do is refused: hiding the first token where it always counts, and showing a padding id. Where a compiled
    graph cannot see the values, such a place gets NaN, as an id does that has no row.

    Arguments:
        inputs: tensor or list of tensors, symbolic. The inputs.
        outputs: tensor or list of tensors, symbolic. The outputs.
        name: str or None.

    Raises:
        ValueError: a mapping does not fit the inputs; the message names the keys.

    Example:
        >>> ids = keras.Input((None,), name="Input-Token")
        >>> model = Functional(ids, keras.layers.Embedding(9, 4, mask_zero=True)(ids))
        >>> x = np.array([[5, 6, 7]])
        >>> y = model({"input_ids": x, "attention_mask": np.array([[1, 1, 0]])})  # [1, 3, 4]
    """

    def arranged(self, inputs: Any) -> Any:
        """Put the values of a mapping in the order of the model's inputs.

        Arguments:
            inputs: mapping from names to arrays or tensors, [batch, n] each; or anything else.

        Returns:
            list of arrays or tensors, the array itself for one input; what is no mapping is returned as it is.

        Raises:
            ValueError: the mapping does not fit the inputs.
        """
        if not isinstance(inputs, Mapping):
            return inputs
        names = list(getattr(self, "input_names", None) or [tensor.name for tensor in self.inputs])
        keys, masks = match_inputs(names, inputs, self.name)
        values = []
        for name, key in zip(names, keys):
            value = _array(key, inputs[key])
            if name in masks:
                padding_id, mask_first = self._padding(masks[name])
                mask = _array(masks[name], inputs[masks[name]])
                value = hide(value, mask, padding_id, mask_first, f"{self.name}: {masks[name]}")
            values.append(value)
        if any(_prediction.is_tensor(value) for value in values):  # a layer takes no arrays among tensors
            values = [ops.convert_to_tensor(value) for value in values]
        return values[0] if len(values) == 1 else values

    def _padding(self, mask: str) -> tuple[int, bool]:
        """Return the padding id of the model's embedding, and whether the first token can be padding."""
        found = {
            (getattr(layer, "padding_id", 0), getattr(layer, "mask_first", True))
            for layer in self.layers
            if getattr(layer, "mask_zero", False)
        }
        if len(found) != 1:
            raise ValueError(f"{self.name} has no layer that knows one padding id, so {mask} would have no effect")
        return found.pop()

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(self.arranged(inputs), *args, **kwargs)

    def stateless_call(self, trainable: Any, non_trainable: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the model with the values of its variables, as Keras 3 does on JAX.

        Arguments:
            trainable: list of arrays. The values of the variables that are trained.
            non_trainable: list of arrays. The values of the others.
            inputs: mapping from names to arrays, or what Keras takes. The inputs.
            args: Any. Further arguments of the call.
            kwargs: Any. Further arguments of the call by name.

        Returns:
            tuple. The outputs, the new values of the variables that are not trained, and what else was asked for.
        """
        return super().stateless_call(trainable, non_trainable, self.arranged(inputs), *args, **kwargs)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Train, as `keras.Model.fit` does.

        Arguments:
            x: mapping from names to arrays, or what Keras takes. The inputs.
            args: Any. Further arguments, as for `keras.Model.fit`.
            kwargs: Any. Further arguments by name.

        Returns:
            History. What happened in each epoch.
        """
        validation = kwargs.get("validation_data")
        if isinstance(validation, (list, tuple)) and validation:
            kwargs["validation_data"] = (self.arranged(validation[0]), *validation[1:])
        return super().fit(self.arranged(x), *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Compute loss and metrics, as `keras.Model.evaluate` does.

        Arguments:
            x: mapping from names to arrays, or what Keras takes. The inputs.
            args: Any. Further arguments, as for `keras.Model.evaluate`.
            kwargs: Any. Further arguments by name.

        Returns:
            float, list or dict. The loss and the metrics.
        """
        return super().evaluate(self.arranged(x), *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute outputs, as `keras.Model.predict` does.

        Arguments:
            x: mapping from names to arrays, or what Keras takes. The inputs.
            args: Any. Further arguments, as for `keras.Model.predict`.
            kwargs: Any. Further arguments by name.

        Returns:
            array, or list of arrays. The outputs.
        """
        return super().predict(self.arranged(x), *args, **kwargs)

    def train_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Train on one batch, as `keras.Model.train_on_batch` does.

        Arguments:
            x: mapping from names to arrays, or what Keras takes. The inputs.
            args: Any. Further arguments, as for `keras.Model.train_on_batch`.
            kwargs: Any. Further arguments by name.

        Returns:
            float, list or dict. The loss and the metrics.
        """
        return super().train_on_batch(self.arranged(x), *args, **kwargs)

    def test_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute loss and metrics of one batch, as `keras.Model.test_on_batch` does.

        Arguments:
            x: mapping from names to arrays, or what Keras takes. The inputs.
            args: Any. Further arguments, as for `keras.Model.test_on_batch`.
            kwargs: Any. Further arguments by name.

        Returns:
            float, list or dict. The loss and the metrics.
        """
        return super().test_on_batch(self.arranged(x), *args, **kwargs)

    def predict_on_batch(self, x: Any) -> Any:
        """Compute the outputs of one batch, as `keras.Model.predict_on_batch` does.

        Arguments:
            x: mapping from names to arrays, or what Keras takes. The inputs.

        Returns:
            array, or list of arrays. The outputs.
        """
        return super().predict_on_batch(self.arranged(x))

    def export(self, filepath: Any, format: str = "tf_saved_model", *args: Any, **kwargs: Any) -> Any:
        """Write the model as `keras.Model.export` does, with the inputs of the Keras model.

        `b4k3.models.export` writes the inputs that other programs expect, an attention mask among them, whatever
        backend Keras runs on.

        Arguments:
            filepath: path. The file or folder to write.
            format: str. The format, as Keras calls it.
            args: Any. Further arguments, as for `keras.Model.export`.
            kwargs: Any. Further arguments by name.

        Returns:
            What Keras returns.

        Raises:
            ValueError: Keras cannot write the model in this format on this backend; the message says what can.
        """
        given = dict(kwargs) if format == "tf_saved_model" else dict(kwargs, format=format)  # Keras 2 has no formats
        with load("exporting").keras_export(format, self.inputs, kwargs):
            return super().export(filepath, *args, **given)


# The class has the name of Keras' own, because Keras makes names of models, and paths in files of weights, from it.
# Where Keras has no module `functional`, its functional models are of the class Model.
if importlib.util.find_spec(keras.Model.__module__.rpartition(".")[0] + ".functional") is None:
    Functional.__name__ = "Model"
if hasattr(keras.utils, "register_keras_serializable"):
    keras.utils.register_keras_serializable(package=PACKAGE, name=Functional.__name__)(Functional)


def hide(ids: Any, mask: Any, padding_id: int, mask_first: bool, name: str) -> Any:
    """Put the padding id where a mask is 0.

    Arguments:
        ids: int or whole float, [batch, n]. The ids of tokens.
        mask: int, float or bool, [batch, n]. 1 for a token, 0 for padding.
        padding_id: int. The id that is padding.
        mask_first: bool. Whether the first token can be padding.
        name: str. The name of the mask, with which messages begin.

    Returns:
        [batch, n]. An array of numpy if all values can be seen, else a float32 tensor, with NaN at the places that
        would be refused.

    Raises:
        ValueError: the shapes differ, or a value that can be seen asks for what the model cannot do.

    Example:
        >>> hide(np.array([[5, 6, 7]]), np.array([[1, 1, 0]]), 0, False, "attention_mask")
        array([[5, 6, 0]])
    """
    sizes = [tuple(x.shape) for x in (ids, mask)]
    known = [pair for pair in zip(*sizes) if all(isinstance(size, int) for size in pair)]
    if len(sizes[0]) != len(sizes[1]) or any(a != b for a, b in known):
        raise ValueError(f"{name} has the shape {sizes[1]}, expected that of the ids, {sizes[0]}")
    values = [checks.concrete(x) for x in (ids, mask)]
    if any(value is None for value in values):
        return _hidden_in_graph(ids, mask, padding_id, mask_first)
    return _hidden(np.asarray(values[0]), np.asarray(values[1]), padding_id, mask_first, name)


def _hidden(ids: Any, mask: Any, padding_id: int, mask_first: bool, name: str) -> Any:
    """Do what `hide` does, for arrays."""
    if ids.dtype.kind in "bui":
        ids = ids.astype("int64")  # which holds -1, the padding id of a vocabulary without padding
    wrong = (mask != 0) & (mask != 1)
    refused = [(wrong, "{value}, expected 1 for a token or 0 for padding")]
    padding = ids == padding_id
    if not mask_first:
        first = np.arange(ids.shape[-1]) == 0
        refused.append((first & (mask == 0), "0, but the first token always counts: put the padding on the right"))
        padding = padding & ~first
    refused.append((padding & (mask == 1), f"1, but the id there, {padding_id}, is padding: the mask must be 0 there"))
    for places, problem in refused:
        if places.any():
            place = [int(i) for i in np.argwhere(places)[0]]
            raise ValueError(f"{name} at {place} is {problem.format(value=mask[tuple(place)])}")
    return np.where(mask == 0, padding_id, ids)


def _hidden_in_graph(ids: Tensor, mask: Tensor, padding_id: int, mask_first: bool) -> Tensor:
    """Do what `hide` does, for tensors whose values are not known yet."""
    ids, mask = ops.cast(ids, "float32"), ops.cast(mask, "float32")  # [batch, n]
    hidden, shown = ops.equal(mask, 0.0), ops.equal(mask, 1.0)  # [batch, n]
    right = ops.logical_or(hidden, ops.logical_and(shown, ops.not_equal(ids, float(padding_id))))  # [batch, n]
    if not mask_first:
        right = ops.concatenate([shown[:, :1], right[:, 1:]], axis=1)  # [batch, n]
    ids = ops.where(hidden, ops.full_like(ids, float(padding_id)), ids)  # [batch, n]
    return ops.where(right, ids, ops.full_like(ids, float("nan")))  # [batch, n]


def _array(name: str, value: Any) -> Any:
    """Make an array of lists of numbers; everything else is returned as it is."""
    if not isinstance(value, (list, tuple)):
        return value
    if len({len(row) for row in value if isinstance(row, (list, tuple))}) > 1:
        raise ValueError(f"{name} has rows of several lengths: pad them, as padding=True does in a tokenizer")
    return np.asarray(value)
