"""The forward pass of a functional model on torch, without what Keras does around the call of each layer.

Keras inspects the arguments, dtypes, scopes and masks of each call. For a network of the size of MiniLM and a batch of
128 tokens that takes a quarter of the time. Where none of it can change a number, `call` of the layer is enough:

    what Keras does around `call`                        why a simple layer does not need it
    casts inputs, and weights under a mixed policy       all of them have the dtype that the layer computes in
    builds the layer, makes the node of a graph          it is built, and the tensors are no symbolic ones
    hands on `training` and the mask                     done here, in the same way
    calls hooks of torch, `quantized_call`, regularizer  there are none

Every other layer is called by Keras. The masks lie where Keras has them, on the tensors, so both ways mix.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable

import keras

from ..types import Tensor
from .compiling import is_plain, with_cached_lookups
from .layer import mask_of

if keras.config.backend() == "torch":
    import torch

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
GRAPH = ("_run_through_graph", "_standardize_inputs")  # what is needed of Keras' class of functional models


def direct_pass(model: Any) -> Callable[[Any], Any] | None:
    """Make the function that computes a functional model without gradients.

    Arguments:
        model: keras.Model. The model.

    Returns:
        A function from inputs, as the model takes them, to its outputs as tensors; None if the model is of a class of
        its own, with its own `call` or `predict_step`, or if this Keras has other functional models.
    """
    if not is_functional(model) or not all(hasattr(model, name) for name in GRAPH):
        return None

    @with_cached_lookups
    def run(x: Any) -> Any:
        """Compute the graph, layer by layer, in the order in which Keras does."""
        with torch.no_grad():  # of this thread alone
            if has_hooks(model):
                return model.predict_step((x,))
            outputs = model._run_through_graph(
                model._standardize_inputs(x), operation_fn=lambda layer: functools.partial(called, layer)
            )
        return outputs[0] if isinstance(outputs, (list, tuple)) and len(outputs) == 1 else outputs

    return run


def is_functional(model: Any) -> bool:
    """Return True if a model computes its graph as Keras' functional models do, without a `call` of its own."""
    names = ("call", "predict_step")
    if set(names) & set(vars(model)):
        return False
    makers = [next((base for base in type(model).__mro__ if name in vars(base)), None) for name in names]
    return [getattr(maker, "__module__", "") for maker in makers] == [
        "keras.src.models.functional",
        keras.Model.predict_step.__module__,
    ]


def has_hooks(layer: Any) -> bool:
    """Return True if torch would call a hook around the call of a layer or a model."""
    return any(getattr(layer, hooks, None) for hooks in HOOKS)


def called(layer: Any, *inputs: Any, **arguments: Any) -> Any:
    """Call a layer: by its `call` alone if that is the same, else as Keras does.

    Arguments:
        layer: a layer of Keras, or another operation.
        inputs: tensors, or nests of tensors.
        arguments: the other arguments of the call.

    Returns:
        The outputs of the layer, with their masks.
    """
    if not isinstance(layer, keras.layers.Layer):
        return layer(*inputs, **arguments)
    names = call_arguments(type(layer))
    if "training" in names:
        arguments.setdefault("training", False)
    if len(inputs) != 1 or not is_simple(layer, inputs[0], arguments):
        return layer(*inputs, **arguments)
    x = inputs[0]
    masks = [mask_of(tensor) for tensor in x] if isinstance(x, (list, tuple)) else mask_of(x)
    if "mask" in names and arguments.get("mask") is None:
        arguments["mask"] = masks
    outputs = layer.call(x, **arguments)
    set_masks(outputs, layer, x, arguments["mask"] if "mask" in names else masks)
    return outputs


@functools.lru_cache(maxsize=None)
def call_arguments(layer_class: type) -> tuple[str, ...]:
    """Return the names of the arguments of a layer's `call`.

    Arguments:
        layer_class: class. A subclass of `keras.layers.Layer`.

    Returns:
        tuple of str.
    """
    return tuple(inspect.signature(layer_class.call).parameters)


def is_simple(layer: Any, x: Any, arguments: dict[str, Any]) -> bool:
    """Return True if Keras does nothing around the `call` of a layer that could change a number.

    Arguments:
        layer: keras.layers.Layer.
        x: tensor, or list of tensors. The inputs.
        arguments: dict. The other arguments of the call; a tensor among them may have a mask of its own.

    Returns:
        bool.
    """
    if isinstance(layer, keras.Model) or type(layer).__call__ is not keras.layers.Layer.__call__:
        return False
    if not (layer.built and layer.supports_masking and is_plain(layer)) or layer.activity_regularizer is not None:
        return False
    if has_hooks(layer) or keras.distribution.distribution() is not None:
        return False
    if any(not isinstance(value, (bool, str, int, float, type(None))) for value in arguments.values()):
        return False
    tensors = x if isinstance(x, (list, tuple)) else [x]
    return all(isinstance(tensor, torch.Tensor) and has_dtype_of(layer, tensor) for tensor in tensors)


def has_dtype_of(layer: Any, x: Tensor) -> bool:
    """Return True if Keras would not cast an input: it has the layer's own dtype, or is no floating-point tensor."""
    return not layer.autocast or not x.is_floating_point() or x.dtype == getattr(torch, layer.compute_dtype, None)


def set_masks(outputs: Any, layer: Any, x: Any, masks: Any) -> None:
    """Attach to the outputs of a layer the masks that it computes, where they have none yet.

    Arguments:
        outputs: tensor, or list of tensors.
        layer: keras.layers.Layer.
        x: tensor, or list of tensors. Its inputs.
        masks: bool tensor or None, or a list of them. The masks of the inputs.
    """
    tensors = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    if all(mask_of(tensor) is not None for tensor in tensors):
        return
    found = layer.compute_mask(x, masks)
    if found is None:
        return
    found = found if isinstance(found, (list, tuple)) else [found]
    for tensor, mask in zip(tensors, found):
        if mask is not None and mask_of(tensor) is None:
            tensor._keras_mask = mask
