"""Find a layer behind a tensor of a Keras model."""

from __future__ import annotations

from typing import Any, Iterator

from ._environment import keras
from .types import Tensor


def search_layer(inputs: Any, name: str, exclude_from: set[Any] | None = None) -> Any:
    """Find a layer by its name among the layers that computed a tensor, also inside models that are used as layers.

    Arguments:
        inputs: symbolic tensor, list of them, layer or model. Where the search starts.
        name: str. The name of the layer, such as 'Embedding-Token'.
        exclude_from: set of layers, or None. These are not searched. The search adds the layers that it looked at.

    Returns:
        The layer, or None if there is none of this name.

    Example:
        >>> y = Dense(8, name="hidden")(keras.Input((4,)))
        >>> search_layer(y, "hidden").units
        8
    """
    seen = set() if exclude_from is None else exclude_from
    pending = [_starting_point(x) for x in (inputs if isinstance(inputs, (list, tuple)) else [inputs])]
    visited = set()
    while pending:
        layer, index = pending.pop()
        if (id(layer), index) in visited:
            continue
        visited.add((id(layer), index))
        if layer not in seen:
            seen.add(layer)
            found = _look_at(layer, name, seen)
            if found is not None:
                return found
        pending.extend(_sources(layer, index))
    return None


def _starting_point(x: Any) -> tuple[Any, int | None]:
    """Return the layer and the number of its call that made the tensor; for a layer itself, None for all its calls."""
    history = getattr(x, "_keras_history", None)
    return (x, None) if history is None else (history[0], history[1])


def _look_at(layer: Any, name: str, seen: set[Any]) -> Any:
    """Return the layer, or a layer inside it, if it has the name; else None."""
    if layer.name == name:
        return layer
    if isinstance(layer, keras.Model):
        for inner in layer.layers:
            found = inner if inner.name == name else search_layer(inner, name, seen) if inner not in seen else None
            if found is not None:
                return found
    return None


def _sources(layer: Any, index: int | None) -> Iterator[tuple[Any, int | None]]:
    """Yield the starting point of every input of a call of a layer."""
    nodes = layer._inbound_nodes if index is None else layer._inbound_nodes[index : index + 1]
    for node in nodes:
        tensors = node.input_tensors
        for tensor in tensors if isinstance(tensors, (list, tuple)) else [tensors]:
            if getattr(tensor, "_keras_history", None) is not None:
                yield _starting_point(tensor)


def layers_before(tensor: Tensor) -> Iterator[tuple[Any, Tensor]]:
    """Yield the layers that computed a symbolic tensor, the last one first, as long as each has a single input.

    Arguments:
        tensor: symbolic tensor. An output inside a Keras model.

    Yields:
        (layer, its input).

    Example:
        >>> y = Dense(8)(Dense(4)(keras.Input((2,))))
        >>> [layer.units for layer, _ in layers_before(y)]
        [8, 4]
    """
    while getattr(tensor, "_keras_history", None) is not None:
        layer, index = _starting_point(tensor)
        sources = layer._inbound_nodes[index].input_tensors
        sources = list(sources) if isinstance(sources, (list, tuple)) else [sources]
        if isinstance(layer, (keras.layers.InputLayer, keras.Model)) or len(sources) != 1 or sources[0] is tensor:
            return
        yield layer, sources[0]
        tensor = sources[0]
