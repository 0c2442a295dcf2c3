"""Finding a layer behind a tensor."""

from __future__ import annotations

from ._row import keras


def search_layer(inputs, name, exclude_from=None):
    """The layer of a name among those that a tensor was computed by, also inside models that are used as layers.

    Arguments:
        inputs: a symbolic tensor of a Keras model, a list of them, a layer, or a model.
        name: name of the layer, such as 'Embedding-Token'.
        exclude_from: a set of layers that shall not be looked at; those that were looked at are added.

    Returns:
        The layer, or None.
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


def _starting_point(x):
    """(layer, number of the call that made the tensor); None for every call of a layer."""
    history = getattr(x, "_keras_history", None)
    return (x, None) if history is None else (history[0], history[1])


def _look_at(layer, name, seen):
    if layer.name == name:
        return layer
    if isinstance(layer, keras.Model):
        for inner in layer.layers:
            found = inner if inner.name == name else search_layer(inner, name, seen) if inner not in seen else None
            if found is not None:
                return found
    return None


def _sources(layer, index):
    """Where the inputs of a call came from."""
    nodes = layer._inbound_nodes if index is None else layer._inbound_nodes[index : index + 1]
    for node in nodes:
        tensors = node.input_tensors
        for tensor in tensors if isinstance(tensors, (list, tuple)) else [tensors]:
            if getattr(tensor, "_keras_history", None) is not None:
                yield _starting_point(tensor)


def layers_before(tensor):
    """The layers that a symbolic tensor came through, the last first, as far back as each has one input.

    Arguments:
        tensor: a symbolic tensor of a Keras model.

    Yields:
        (layer, its input).
    """
    while getattr(tensor, "_keras_history", None) is not None:
        layer, index = _starting_point(tensor)
        sources = layer._inbound_nodes[index].input_tensors
        sources = list(sources) if isinstance(sources, (list, tuple)) else [sources]
        if isinstance(layer, (keras.layers.InputLayer, keras.Model)) or len(sources) != 1 or sources[0] is tensor:
            return
        yield layer, sources[0]
        tensor = sources[0]
