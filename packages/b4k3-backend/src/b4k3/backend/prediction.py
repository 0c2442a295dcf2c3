"""A model as a function from arrays to arrays that any number of threads may call."""

from __future__ import annotations

import traceback
from typing import Any, Callable

import numpy as np

from ._environment import load
from ._tracing import map_leaves

_prediction = load("prediction")


def predict_function(model: Any, max_shapes: int = 128) -> Callable[[Any], Any]:
    """Make a function that gives for a batch what `model.predict_on_batch` gives; threads may share it.

    On JAX and TensorFlow the function is compiled for each shape of inputs. On torch and numpy nothing is compiled. On
    TensorFlow 1 it runs in the graph and the session of the weights, from any thread.

    Arguments:
        model: Keras model. It may be a Sequential or a subclass.
        max_shapes: int. The number of input shapes for which a compiled form is kept, if each shape has its own.

    Returns:
        A function. It takes what `predict_on_batch` takes, and returns arrays. It reads the newest weights, and an
        error changes nothing. It raises ValueError for inputs that do not fit the model.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> y = predict_function(model)(np.ones((3, 4)))  # [3, 2]
    """
    run, inputs = _prediction.forward(model, max_shapes), Inputs(model)

    def predict(x: Any) -> Any:
        """Compute the outputs of a batch, or raise an error that names the inputs."""
        x, given = inputs.arrange(x)
        try:
            return run(x)
        except Exception as error:
            release(error)
            if type(error) not in _prediction.INPUT_ERRORS:
                raise
            what = ", ".join(f"{name!r} {list(np.shape(value))}" for name, value in given)
            raise ValueError(f"{model.name} cannot take these inputs: {what or type(x).__name__}. {error}") from error

    return predict


def largest_batch() -> int | None:
    """Return the number of tokens from which on a larger batch takes an encoder longer for each token.

    Returns:
        int on JAX on the CPU; None elsewhere, where a batch may be as large as the memory allows.

    Example:
        >>> largest_batch() in (None, 1024)
        True
    """
    return _prediction.most_tokens()


def release(error: BaseException | None) -> None:
    """Let go of the tensors that the failed calls in an exception's traceback hold.

    Keras 3 finds the mask of an array of numpy or JAX by its address, in a table of the thread, and takes it out when
    the array dies. The garbage collector may free a traceback in another thread: then the mask stays, and belongs to
    whatever array gets the address next.

    Arguments:
        error: exception that was caught, or None.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


class Inputs:
    """The inputs of a model, by which arrays are checked and put in order.

    Arguments:
        model: Keras model. One without symbolic inputs, such as a subclass, takes everything.

    Example:
        >>> model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(2)])
        >>> arrays, given = Inputs(model).arrange([[1, 2, 3, 4]])
        >>> given[0][0], given[0][1].shape
        ('x', (1, 4))
    """

    def __init__(self, model: Any) -> None:
        self.model_name = model.name
        self.by_name = getattr(model, "arranged", None)  # `Functional` also takes aliases of its inputs' names
        try:
            self.tensors = list(model.inputs or [])
        except (AttributeError, ValueError):  # Keras 3.5 raises ValueError for a Sequential that is not built
            self.tensors = []
        self.names = list(getattr(model, "input_names", None) or [tensor.name for tensor in self.tensors])
        self.structure = _prediction.input_structure(model) if self.tensors else None

    def arrange(self, x: Any) -> tuple[Any, list[tuple[str, Any]]]:
        """Check what a caller gave.

        Arguments:
            x: array, or list, tuple or dict of arrays.

        Returns:
            (the arrays as the model takes them, [(name, array)])

        Raises:
            ValueError: an input is missing, is no array of numbers, or does not fit; it names the input.
        """
        if self.by_name is not None:
            x = self.by_name(x)
        if not self.tensors:
            return map_leaves(lambda value: _array("x", value), x), []
        values = [
            self._checked(name, tensor, value) for name, tensor, value in zip(self.names, self.tensors, self._flat(x))
        ]
        given = [(name, value) for name, value in zip(self.names, values) if value is not None]
        self._check_batch(given)
        by_tensor = {id(tensor): value for tensor, value in zip(self.tensors, values)}
        return map_leaves(lambda tensor: by_tensor[id(tensor)], self.structure), given

    def _flat(self, x: Any) -> list[Any]:
        """Return what was given for each input, in the order of the inputs."""
        if isinstance(x, dict):
            return self._of_dict(x)
        if len(self.tensors) == 1:
            whole = not isinstance(x, (list, tuple)) or len(x) != 1 or not (hasattr(x[0], "shape") or x[0] is None)
            return [x if whole else x[0]]
        if self._is_nested() and isinstance(x, (list, tuple)) and len(x) == len(self.structure):
            return self._by_structure(x)
        if not isinstance(x, (list, tuple)) or len(x) != len(self.tensors):
            found = f"{len(x)}" if isinstance(x, (list, tuple)) else f"one {type(x).__name__}"
            raise ValueError(
                f"{self.model_name} has {len(self.tensors)} inputs ({', '.join(self.names)}), but {found} was given: "
                "give a list with an array for each, or a dict from their names to arrays"
            )
        return list(x)

    def _is_nested(self) -> bool:
        """Return whether the inputs are a list that has lists or dicts in it."""
        listed = isinstance(self.structure, (list, tuple))
        return listed and any(isinstance(part, (list, tuple, dict)) for part in self.structure)

    def _of_dict(self, x: dict[Any, Any]) -> list[Any]:
        """Return what a dict has for each input, by the structure of the inputs or by their names."""
        if isinstance(self.structure, dict):
            return self._by_structure(x)
        return [_entry(self.model_name, x, name) for name in self.names]

    def _by_structure(self, x: Any) -> list[Any]:
        """Return what stands in the place of each input, where both have the same structure."""
        found: dict[int, Any] = {}
        self._walk(self.structure, x, found)
        return [found[id(tensor)] for tensor in self.tensors]

    def _walk(self, structure: Any, x: Any, found: dict[int, Any]) -> None:
        """Enter in `found` what x has in the place of each tensor of the structure."""
        if isinstance(structure, dict):
            if not isinstance(x, dict):
                raise ValueError(f"{self.model_name}: expected a dict of {sorted(structure)}, got {type(x).__name__}")
            for key, part in structure.items():
                self._walk(part, _entry(self.model_name, x, key), found)
        elif isinstance(structure, (list, tuple)):
            if not isinstance(x, (list, tuple)) or len(x) != len(structure):
                raise ValueError(
                    f"{self.model_name}: expected a list of {len(structure)} inputs, got {type(x).__name__}"
                )
            for part, value in zip(structure, x):
                self._walk(part, value, found)
        else:
            found[id(structure)] = x

    def _checked(self, name: str, tensor: Any, value: Any) -> Any:
        """Return the array for an input."""
        if value is None and _prediction.is_optional(tensor):
            return None
        dtype, shape = _prediction.dtype_and_shape(tensor)
        array = _array(name, value, dtype)
        if shape is None:
            return array
        found = list(array.shape)
        if len(found) == len(shape) - 1 and shape[-1] == 1:
            array = array[..., None]
        elif len(found) == len(shape) + 1 and found[-1] == 1:
            array = array[..., 0]
        found = list(array.shape)
        if len(found) != len(shape) or any(n not in (None, m) for n, m in zip(shape, found)):
            raise ValueError(
                f"input {name!r} of {self.model_name}: expected an array of the shape {shape}, got {found} "
                "(None is any size)"
            )
        return array

    def _check_batch(self, given: list[tuple[str, Any]]) -> None:
        """Refuse inputs whose numbers of rows do not go together."""
        sizes = {name: value.shape[0] for name, value in given if len(value.shape)}
        if len(set(sizes.values()) - {1}) > 1:
            raise ValueError(f"{self.model_name}: the inputs have different numbers of rows: {sizes}")


def _entry(model_name: str, x: dict[Any, Any], key: Any) -> Any:
    """Return what a dict has for an input."""
    if key not in x:
        raise ValueError(f"{model_name}: input {key!r} is missing among {sorted(map(str, x))}")
    return x[key]


def _array(name: str, value: Any, dtype: str | None = None) -> Any:
    """Return a numpy array, or a tensor of the backend as it is.

    Arguments:
        name: str. The input, for messages.
        value: array-like.
        dtype: str. The dtype that the model wants, to which arrays of numbers are cast; or None.

    Raises:
        ValueError: the value is no array of numbers, nor of strings where the model wants those.
    """
    if not isinstance(value, np.ndarray) and _prediction.is_tensor(value):
        return value
    try:
        array = np.asarray(value)
    except Exception as error:  # for example lists of unequal lengths, or tensors of other frameworks
        raise ValueError(f"input {name!r}: no array can be made of this {type(value).__name__}: {error}") from error
    if dtype == "string" or (dtype is None and array.dtype.kind in "SU"):
        return array
    if array.dtype.kind not in "biufc" and array.dtype.name not in ("bfloat16",):
        raise ValueError(
            f"input {name!r}: expected numbers, got {type(value).__name__} of dtype {array.dtype} "
            "(rows of different lengths must be padded first)"
        )
    return array if dtype is None else _cast(name, array, dtype)


def _cast(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    """Cast an array to a dtype of numpy. Keras itself casts to others, such as bfloat16."""
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        return array
    if array.dtype.kind == "c" and wanted.kind != "c":
        raise ValueError(f"input {name!r}: expected {dtype}, got complex numbers")
    if wanted.kind in "iu" and array.dtype.kind in "iuf" and array.size:
        limits = np.iinfo(wanted)
        if not (array.min() >= limits.min and array.max() <= limits.max and (array == np.floor(array)).all()):
            raise ValueError(f"input {name!r}: expected whole numbers that {dtype} can hold")
    return array.astype(wanted, copy=False)
