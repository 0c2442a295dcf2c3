"""HDF5 as Keras 2 writes it: the weights of one layer after the other, in `model.save_weights` and in whole models.

The file is a list of layers (the attribute `layer_names`), each with a list of weights (`weight_names`):

    layer_names  = [Input-Token, Embedding-Token, Embedding-Norm, …]
    weight_names = [Embedding-Norm/beta:0, Embedding-Norm/gamma:0]     of the group Embedding-Norm

A weight's own name depends on what else had been built in the process (`dense_1`, `dense_13`), so it is called here by
its layer and its place: `Embedding-Norm:0`, `Embedding-Norm:1`. If a layer is a model itself, Keras lists its weights
under the outer layer; then the first part of a weight's path is the inner layer: `model_1/Embedding-Norm:0`.
"""

from __future__ import annotations

import re
from typing import Any, Iterator

from ._hdf5_heaps import check_heaps
from ._json import JSONError, parse_json
from .base import CheckpointError
from .hdf5 import ERRORS, MAX_ATTRIBUTE, MAX_NAMES, Hdf5, dataset_entry, decode, open_file, read_text

WEIGHTS_OF_WHOLE_MODEL = "model_weights"
OWN_WEIGHTS = "top_level_model_weights"  # those that a model has beside its layers
MODEL_CLASSES = ("Model", "Functional", "Sequential")
_TRANSFORMERS = re.compile(r"tf_\w+?(_\d+)?$")


class KerasH5(Hdf5):
    """The weights that Keras wrote layer by layer, as a lazy mapping: `LAYER:INDEX` -> array.

    The names of a nested model's weights are `OUTER/INNER:INDEX`. What an optimizer stored is left out.

    Attributes:
        whole_model: bool, whether the file is of `model.save` and has the model's configuration too.
        layer_names: list of str, all layers in the file's order, also those without weights.
        layer_classes: dict, layer -> name of its class, of a whole model; nested ones are `OUTER/INNER`. Empty if the
            file has no configuration, or an unreadable one.
        keras_version: str, the version that wrote the file, or None.

    Raises:
        ImportError: without h5py. CheckpointError: a damaged file, lists of names that do not fit what is there, links
            to other files. FileNotFoundError: no file.
    """

    format = "keras_h5"

    def _list(self, path, file):
        group = layers_group(path, file)
        if group is None:
            raise CheckpointError(f"{path}: has no attribute layer_names; Keras 2 did not write it")
        self.whole_model = group.name != "/"
        self.keras_version = read_text(path, group, "keras_version")
        self.layer_names = read_names(path, group, "layer_names")
        self.layer_classes = _layer_classes(path, file)
        entries: dict[str, Any] = {}
        skipped: dict[str, str] = {}
        layers = self.layer_names
        if OWN_WEIGHTS not in layers and group.get(OWN_WEIGHTS, getlink=True) is not None:
            layers = layers + [OWN_WEIGHTS]
        for name, dataset in self._weights(path, group, layers):
            if name in entries or name in skipped:
                raise CheckpointError(f"{path}: variable {name!r} is there twice")
            entry = dataset_entry(path, name, dataset)
            if isinstance(entry, str):
                skipped[name] = entry
            else:
                entries[name] = entry
            if len(entries) > MAX_NAMES:
                raise CheckpointError(f"{path}: more than {MAX_NAMES} weights")
        return entries, skipped

    def _weights(self, path: str, group, layers: list[str]) -> Iterator[tuple[str, Any]]:
        """(name, dataset) of every weight of every layer."""
        for layer in layers:
            node = _follow(path, group, layer, f"layer {layer!r}")
            if not hasattr(node, "keys"):
                raise CheckpointError(f"{path}: layer {layer!r} is a dataset, expected a group of weights")
            weights = read_names(path, node, "weight_names")
            names = name_weights(layer, weights, self.layer_classes.get(layer))
            for name, weight in zip(names, weights):
                dataset = _follow(path, node, weight, f"variable {name!r} ({weight})")
                if hasattr(dataset, "keys"):
                    raise CheckpointError(f"{path}: variable {name!r} ({weight}) is a group, expected a dataset")
                yield name, dataset


def open_(path, verify="auto"):
    return KerasH5(path, verify)


def has_layers(path: str) -> bool:
    """Whether Keras wrote an HDF5 file layer by layer.

    The files of TensorFlow models of transformers (`tf_model.h5`) have such lists too, but the whole network is one
    layer of them; they are read by the paths of their datasets.
    """
    file = open_file(path)
    try:
        group = layers_group(path, file)
        return group is not None and not _is_of_transformers(path, group)
    except ERRORS as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: is a damaged HDF5 file: {error}") from None
    finally:
        file.close()


def layers_group(path: str, file):
    """The group whose attribute lists the layers: the root, or the one of a whole model. None if there is none."""
    if _has_list(file, "layer_names"):
        return file
    if file.get(WEIGHTS_OF_WHOLE_MODEL, getlink=True) is None:
        return None
    group = _follow(path, file, WEIGHTS_OF_WHOLE_MODEL, f"group {WEIGHTS_OF_WHOLE_MODEL!r}")
    return group if hasattr(group, "keys") and _has_list(group, "layer_names") else None


def name_weights(layer: str, weights: list[str], layer_class: str | None = None) -> list[str]:
    """The names under which the weights of a layer are found in the checkpoint.

    `name_weights("Embedding-Norm", ["Embedding-Norm/beta:0", "Embedding-Norm/gamma:0"])` gives `Embedding-Norm:0` and
    `Embedding-Norm:1`. `name_weights("model_1", ["Embedding-Token/embeddings:0", "cls/kernel:0", "cls/bias:0"])` gives
    `model_1/Embedding-Token:0`, `model_1/cls:0` and `model_1/cls:1`.

    Arguments:
        layer: the layer's name.
        weights: the paths of its weights, as the file lists them.
        layer_class: the name of its class, if the file says it.
    """
    if not is_nested(layer, weights, layer_class):
        return [f"{layer}:{index}" for index in range(len(weights))]
    counts: dict[str, int] = {}
    names = []
    for weight in weights:
        inner = weight.split("/")[0]
        names.append(f"{layer}/{inner}:{counts.get(inner, 0)}")
        counts[inner] = counts.get(inner, 0) + 1
    return names


def is_nested(layer: str, weights: list[str], layer_class: str | None = None) -> bool:
    """Whether a layer is a model of its own: no part of its weights' paths is its name, as it is of plain layers."""
    paths = [weight.split("/") for weight in weights]
    if any(len(path) < 2 for path in paths) or not paths:
        return False
    if layer_class is not None:
        return layer_class in MODEL_CLASSES
    # TensorFlow appends _1, _2 … to a scope that exists already.
    own_name = re.compile(re.escape(layer) + r"(_\d+)?$")
    return not any(own_name.match(part) for path in paths for part in path[:-1])


def read_names(path: str, group, name: str) -> list[str]:
    """A list of names from an attribute; Keras splits a long one into name0, name1 …

    Raises:
        CheckpointError: the attribute is missing or not a list of strings.
    """
    if name in group.attrs:
        return _strings(path, group, name)
    found: list[str] = []
    while f"{name}{len(found)}" in group.attrs:
        found.append(f"{name}{len(found)}")
        if len(found) > MAX_NAMES:
            raise CheckpointError(f"{path}: {group.name}: more than {MAX_NAMES} attributes {name}…")
    if not found:
        raise CheckpointError(f"{path}: {group.name} has no attribute {name}; the list of its weights is missing")
    names: list[str] = []
    for part in found:
        names += _strings(path, group, part)
        if len(names) > MAX_NAMES:
            raise CheckpointError(f"{path}: {group.name}: more than {MAX_NAMES} names in {name}…")
    return names


def _has_list(group, name: str) -> bool:
    return name in group.attrs or f"{name}0" in group.attrs


def _strings(path: str, group, name: str) -> list[str]:
    """The strings of one attribute, which is looked at before it is read."""
    where = f"{path}: the attribute {name} of {group.name}"
    try:
        attribute = group.attrs.get_id(name)
        shape, kind = attribute.shape, attribute.dtype.kind
        size = attribute.get_storage_size() if shape != (0,) else 0
        if len(shape) != 1 or (kind not in "SO" and shape[0]):
            raise CheckpointError(f"{where} is {attribute.dtype}{list(shape)}, expected a list of strings")
        if shape[0] > MAX_NAMES or size > MAX_ATTRIBUTE:
            raise CheckpointError(f"{where} has {shape[0]} names in {size} bytes, which is more than any model needs")
        if kind == "O":
            check_heaps(path)
        values = [decode(value) for value in group.attrs[name]] if shape[0] else []
    except ERRORS as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{where} cannot be read: {error}") from None
    if not all(value and "\0" not in value for value in values):
        raise CheckpointError(f"{where} has an empty name, or one with NUL")
    return values


def _follow(path: str, group, name: str, what: str):
    """The node at a path below a group. Every part must be a hard link, so that no other file is opened."""
    import h5py

    node = group
    for part in name.split("/"):
        if not part or part == ".":
            continue
        link = node.get(part, getlink=True) if hasattr(node, "keys") else None
        if link is None:
            raise CheckpointError(f"{path}: {what} is listed, but is missing in the file")
        if not isinstance(link, h5py.HardLink):
            raise CheckpointError(f"{path}: {what} is a link to another place or file, which is not followed")
        node = node[part]
    return node


def _is_of_transformers(path: str, group) -> bool:
    """Whether the weights' paths are `tf_bert_model/bert/…` in the layer bert."""
    for layer in read_names(path, group, "layer_names"):
        weights = read_names(path, _follow(path, group, layer, f"layer {layer!r}"), "weight_names")
        parts = weights[0].split("/") if weights else []
        if parts:
            return len(parts) > 2 and bool(_TRANSFORMERS.match(parts[0])) and parts[1] == layer
    return False


def _layer_classes(path: str, file) -> dict[str, str]:
    """{layer: class} from the configuration of a whole model; {} where there is none that can be read."""
    text = read_text(path, file, "model_config")
    if text is None or len(text) > MAX_ATTRIBUTE:
        return {}
    try:
        return dict(_classes(parse_json(text.encode("utf-8")), ""))
    except (JSONError, UnicodeEncodeError, RecursionError):
        return {}


def _classes(model: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """(layer, class) of every layer in the configuration of a model, the nested ones as OUTER/INNER."""
    config = model.get("config") if isinstance(model, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else config
    for layer in layers if isinstance(layers, list) else ():
        if not isinstance(layer, dict):
            continue
        settings = layer.get("config")
        name = layer.get("name") or (settings.get("name") if isinstance(settings, dict) else None)
        if isinstance(name, str) and isinstance(layer.get("class_name"), str):
            yield prefix + name, layer["class_name"]
            if layer["class_name"] in MODEL_CLASSES:
                yield from _classes(layer, f"{prefix}{name}/")
