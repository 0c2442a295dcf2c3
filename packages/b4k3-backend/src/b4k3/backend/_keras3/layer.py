"""The base of our layers on Keras 3."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np

from .._ids import misfit
from .._serialization import make_register
from ..types import Tensor

register = make_register(keras.saving.register_keras_serializable)

TORCH_FLOATS = ("float16", "float32", "float64")  # what torch reads of numpy's


class Layer(keras.layers.Layer):
    """Base of every b4k3 layer: supports masks, and leaves its inputs alone where they are ids.

    A subclass that reads ids sets `reads_ids = True`: Keras would otherwise cast them to the compute dtype of a mixed
    policy first, and bfloat16 cannot tell 257 from 256.
    """

    reads_ids = False

    def __init__(self, **kwargs):
        if self.reads_ids:
            kwargs.setdefault("autocast", False)
        super().__init__(**kwargs)
        self.supports_masking = True

    if keras.config.backend() == "jax":

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            if self.reads_ids:
                refuse_wide_ids(self.name, args)
            return super().__call__(*args, **kwargs)

    @property
    def sublayer_dtype(self):
        """The dtype policy for layers that this one owns."""
        return self.dtype_policy

    def add_loss(self, loss, inputs=None):
        """Keras' own, with the argument of Keras 2 that says what the loss depends on."""
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


def build_sublayer(layer, input_shape):
    """Build a layer that another one owns. Call it in the owner's `build`.

    Arguments:
        layer: the sublayer, an attribute of its owner.
        input_shape: the shape that it will be called on.
    """
    if not layer.built:
        layer.build(tuple(input_shape))


def assign_weights(pairs):
    """Set variables from arrays.

    Arguments:
        pairs: iterable of (variable, array of the same shape); the array is copied, to the variable's dtype.
    """
    assign = ASSIGN.get(keras.backend.backend(), assign_copy)
    for variable, value in pairs:
        assign(variable, np.asarray(value))


def assign_copy(variable, value):
    """`assign` of a copy, as backends keep what they are given where they can: a mapped file, a user's array."""
    variable.assign(native_copy(value))


def assign_jax_copy(variable, value):
    """`assign` on JAX with one copy: of what numpy has allocated JAX would make another, in the background, and memory
    would be held twice."""
    import jax.numpy as jnp

    if value.dtype.isnative and value.dtype.name == variable.dtype and value.flags.c_contiguous:
        variable.assign(jnp.array(value, copy=True))
    else:
        assign_copy(variable, value)


def native_copy(value):
    """A contiguous copy in the byte order of the machine."""
    return np.array(value, dtype=value.dtype.newbyteorder("="), order="C")


def replace_data(variable, value):
    """`assign` on torch, which copies by itself, with all cores, into what the parameter is to hold."""
    import torch

    if value.shape != tuple(variable.shape) or value.dtype.newbyteorder("=").name not in TORCH_FLOATS:
        assign_copy(variable, value)  # which says what is wrong, or converts
        return
    if not (value.dtype.isnative and value.flags.aligned and min(value.strides, default=0) >= 0):  # torch refuses those
        value = native_copy(value)
    parameter = variable.value
    data = torch.empty(value.shape, dtype=parameter.dtype, device=parameter.device)
    with warnings.catch_warnings():  # a mapped file is not writable, and nobody writes
        warnings.filterwarnings("ignore", message=".*not writable")
        parameter.data = data.copy_(torch.from_numpy(value))


ASSIGN = {"jax": assign_jax_copy, "torch": replace_data}


def weight_path(weight):
    """The name of a weight with that of its layers, 'Transformer-0-FeedForward/intermediate/kernel' for instance."""
    return getattr(weight, "path", weight.name)
