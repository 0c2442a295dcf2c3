"""The base of our layers on Keras 3."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Iterable, Mapping, Sequence

import keras
import numpy as np

from .._ids import misfit
from .._serialization import make_register
from ..types import Tensor
from .distribution import put_slices
from .quantising import (
    add_integers,
    check_mode,
    float_policy,
    floats_of,
    quantise_matrices,
    settle_policy,
    sublayer_policies,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

register = make_register(keras.saving.register_keras_serializable)

TORCH_FLOATS = ("float16", "float32", "float64")  # the float dtypes of numpy that torch.from_numpy takes


class Layer(keras.layers.Layer):
    """Base of every b4k3 layer. It supports masks, and it does not cast inputs that are ids.

    A subclass that reads ids sets `reads_ids = True`. Otherwise Keras would cast them to the compute dtype of a mixed
    policy first, and bfloat16 has no 257, only 256 and 258.

    The mask of the inputs goes in and comes out unchanged, unless a subclass says otherwise.

    Arguments:
        kwargs: the arguments of `keras.layers.Layer`.

    Example:
        >>> class Scale(Layer):
        ...     def call(self, inputs):
        ...         return inputs * 2.0
        >>> y = Scale()(ops.ones((2, 4)))  # [2, 4]
    """

    reads_ids = False
    matrix_axes: Mapping[str, tuple[int, ...]] = {}  # attribute of a matrix -> the axes over which a scale reaches
    float_matrices: tuple[str, ...] = ()  # attributes of matrices that stay float when the model is quantised

    def __init__(self, **kwargs: Any) -> None:
        if self.reads_ids:
            kwargs.setdefault("autocast", False)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.matrix_shapes: dict[str, tuple[int, ...]] = {}  # attribute of a quantised matrix -> its shape

    if keras.config.backend() == "jax":

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            if self.reads_ids:
                refuse_wide_ids(self.name, args)
            return super().__call__(*args, **kwargs)

    @property
    def sublayer_dtype(self) -> Any:
        """The dtype policy for the layers that this layer owns."""
        return float_policy(self.dtype_policy)

    def add_matrix(self, attribute: str, shape: Sequence[int], name: str | None = None, **kwargs: Any) -> None:
        """Make a matrix that `quantize` can turn into integers. `matrix_axes` of the class names its attribute.

        Arguments:
            attribute: str. The attribute that gets the variable.
            shape: tuple of int. The shape of the matrix.
            name: str, or None. The name of the weight; None is the attribute.
            kwargs: the other arguments of `keras.layers.Layer.add_weight`.
        """
        if self.quantization_mode is not None:
            add_integers(self, attribute, name or attribute, tuple(shape), self.quantization_mode)
        else:
            setattr(self, attribute, self.add_weight(name=name or attribute, shape=tuple(shape), **kwargs))

    def matrix(self, attribute: str) -> Any:
        """Return what a layer computes with in the place of a matrix: the variable, or floats of a quantised one.

        Arguments:
            attribute: str. The attribute of a matrix that `add_matrix` has made.

        Returns:
            float, of the shape of the matrix. A variable or a tensor.
        """
        return getattr(self, attribute) if self.quantization_mode is None else floats_of(self, attribute)

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        """Make the matrices integers with one scale for each row of a table or output of a product.

        `keras.Model.quantize` calls this method. The layer computes with floats, which it makes of the integers.

        Arguments:
            mode: str. 'int8' or 'int4'. The mode 'float8' is for Dense layers.
            type_check: bool. It is not read.
            config: keras.quantizers.QuantizationConfig, or None. Only its mode counts: it is for Dense layers.

        Raises:
            BackendError: this Keras is older than 3.15.
            ValueError: another mode, or the layer has a matrix that cannot be quantised.
        """
        check_mode(self, mode)
        quantise_matrices(self, mode)

    def quantized_call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer. Keras calls this method of a quantised layer; `matrix` is all that differs.

        Arguments:
            args: the arguments of `call`.
            kwargs: its keyword arguments.

        Returns:
            What `call` returns.
        """
        return self.call(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again, with quantised layers inside if there are some."""
        config = super().get_config()
        policies = sublayer_policies(self)
        if policies is not None:
            config["dtype"] = keras.dtype_policies.serialize(policies)
        return config

    def add_loss(self, loss: Any, inputs: Any = None) -> None:
        """Add a term to the loss of the model.

        Arguments:
            loss: tensor or function, or a list of them. As for `keras.layers.Layer.add_loss`.
            inputs: tensor, list of tensors, or None. Keras 2 asks what the loss depends on. Keras 3 does not read it.
        """
        super().add_loss(loss)

    def get_input_at(self, node_index: int) -> Tensor | list[Tensor]:
        """Return the symbolic tensors that the layer was called on in one of its calls, as on Keras 2.

        Arguments:
            node_index: int. The number of the call: 0 is the first one, -1 the last one.

        Returns:
            The symbolic tensor of the call, or a list if there were several.

        Raises:
            ValueError: there was no such call.
        """
        return self._of_call(node_index, "input_tensors")

    def get_output_at(self, node_index: int) -> Tensor | list[Tensor]:
        """Return the symbolic tensors that one call of the layer gave. The property `output` knows the first call only.

        Arguments:
            node_index: int. The number of the call: 0 is the first one, -1 the last one.

        Returns:
            The symbolic tensor that the call gave, or a list if there were several.

        Raises:
            ValueError: there was no such call.
        """
        return self._of_call(node_index, "output_tensors")

    def get_input_mask_at(self, node_index: int) -> Tensor | list[Tensor | None] | None:
        """Return the masks of what `get_input_at` returns.

        Arguments:
            node_index: int. The number of the call: 0 is the first one, -1 the last one.

        Returns:
            The mask of the tensor, or a list with one for each tensor; None stands for a tensor without a mask.

        Raises:
            ValueError: there was no such call.
        """
        return keras.tree.map_structure(mask_of, self.get_input_at(node_index))

    def get_output_mask_at(self, node_index: int) -> Tensor | list[Tensor | None] | None:
        """Return the masks of what `get_output_at` returns.

        Arguments:
            node_index: int. The number of the call: 0 is the first one, -1 the last one.

        Returns:
            The mask of the tensor, or a list with one for each tensor; None stands for a tensor without a mask.

        Raises:
            ValueError: there was no such call.
        """
        return keras.tree.map_structure(mask_of, self.get_output_at(node_index))

    def get_input_shape_at(self, node_index: int) -> tuple[int | None, ...] | list[tuple[int | None, ...]]:
        """Return the shapes of what `get_input_at` returns.

        Arguments:
            node_index: int. The number of the call: 0 is the first one, -1 the last one.

        Returns:
            The shape of the tensor, or a list with one for each tensor.

        Raises:
            ValueError: there was no such call.
        """
        return shapes_of(self.get_input_at(node_index))

    def get_output_shape_at(self, node_index: int) -> tuple[int | None, ...] | list[tuple[int | None, ...]]:
        """Return the shapes of what `get_output_at` returns.

        Arguments:
            node_index: int. The number of the call: 0 is the first one, -1 the last one.

        Returns:
            The shape of the tensor, or a list with one for each tensor.

        Raises:
            ValueError: there was no such call.
        """
        return shapes_of(self.get_output_at(node_index))

    def _of_call(self, node_index: int, tensors: str) -> Tensor | list[Tensor]:
        """Return the attribute `tensors` of the node of a call: its only tensor, or a list."""
        nodes = self._inbound_nodes
        if not -len(nodes) <= node_index < len(nodes):
            raise ValueError(
                f"{self.name} was called {len(nodes)} times on symbolic tensors; there is no {node_index}."
            )
        found = list(getattr(nodes[node_index], tensors))
        return found[0] if len(found) == 1 else found


def mask_of(x: Tensor) -> Tensor | None:
    """Return the mask that Keras has attached to a symbolic tensor, or None."""
    return getattr(x, "_keras_mask", None)


def shapes_of(tensors: Tensor | list[Tensor]) -> tuple[int | None, ...] | list[tuple[int | None, ...]]:
    """Return the shape of a tensor, or a list with the shape of each tensor in a list."""
    return [x.shape for x in tensors] if isinstance(tensors, list) else tensors.shape


def refuse_wide_ids(name: str, inputs: Any) -> None:
    """Refuse ids that int32 does not hold: JAX keeps 32 bits of an integer, which may be another id.

    Arguments:
        name: str. The name of the layer, with which the message begins.
        inputs: Any. The nested inputs of the layer. Only numpy arrays of 64-bit integers among them are checked.

    Raises:
        ValueError: an id is too large or too small.
    """
    for x in keras.tree.flatten(inputs):
        if isinstance(x, np.ndarray) and x.dtype in ("int64", "uint64"):
            problem = misfit(x, -(2**31), 2**31 - 1)
            if problem is not None:
                raise ValueError(f"{name}: {problem}")


def build_sublayer(layer: Any, input_shape: Sequence[int | None]) -> None:
    """Build a layer that another layer owns. The owner's `build` calls this function.

    Arguments:
        layer: Keras layer. It is an attribute of its owner.
        input_shape: tuple of int and None. The shape of the inputs that the layer will be called on.

    Example:
        >>> layer = Dense(8)
        >>> build_sublayer(layer, (None, 4))
    """
    if not layer.built:
        layer.build(tuple(input_shape))
        settle_policy(layer)


def assign_weights(pairs: Iterable[tuple[Any, ArrayLike]]) -> None:
    """Set variables from arrays, which are copied.

    Arguments:
        pairs: iterable of (variable, array). The array has the shape of the variable and is cast to its dtype.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> assign_weights([(layer.kernel, np.ones((4, 8)))])
    """
    assign = ASSIGN.get(keras.backend.backend(), assign_copy)
    for variable, value in pairs:
        assign(variable, np.asarray(value))


def assign_copy(variable: Any, value: NDArray[Any]) -> None:
    """Assign a copy, because some backends keep the memory that they are given: a mapped file, or a user's array."""
    variable.assign(native_copy(value))


def assign_jax_copy(variable: Any, value: NDArray[Any]) -> None:
    """Assign an array of JAX that was copied only once.

    JAX copies an array of numpy in the background, so that a copy by numpy before it would hold the memory twice. Of a
    variable on several devices, each device gets a copy of its own slice.
    """
    if put_slices(variable, value):
        return
    import jax.numpy as jnp

    if value.dtype.isnative and value.dtype.name == variable.dtype and value.flags.c_contiguous:
        variable.assign(jnp.array(value, copy=True))
    else:
        assign_copy(variable, value)


def native_copy(value: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous copy in the byte order of the machine."""
    return np.array(value, dtype=value.dtype.newbyteorder("="), order="C")


def replace_data(variable: Any, value: NDArray[Any]) -> None:
    """Assign on torch: make new memory for the parameter, and let torch copy into it with all cores."""
    import torch

    if value.shape != tuple(variable.shape) or value.dtype.newbyteorder("=").name not in TORCH_FLOATS:
        assign_copy(variable, value)  # Keras converts the dtype, or says which shapes differ
        return
    if not (value.dtype.isnative and value.flags.aligned and min(value.strides, default=0) >= 0):
        value = native_copy(value)  # torch takes no array of another kind
    parameter = variable.value
    data = torch.empty(value.shape, dtype=parameter.dtype, device=parameter.device)
    with warnings.catch_warnings():  # torch warns that a mapped file is not writable, but nobody writes to it
        warnings.filterwarnings("ignore", message=".*not writable")
        parameter.data = data.copy_(torch.from_numpy(value))


ASSIGN = {"jax": assign_jax_copy, "torch": replace_data}


def weight_path(weight: Any) -> str:
    """Return the name of a weight with the names of the layers that own it.

    Arguments:
        weight: variable of Keras.

    Returns:
        str, such as 'Transformer-0-FeedForward/intermediate/kernel'.

    Example:
        >>> layer = Dense(8, name="hidden")
        >>> layer.build((None, 4))
        >>> weight_path(layer.kernel)
        'hidden/kernel'
    """
    return getattr(weight, "path", weight.name)
