"""Read HDF5 as Keras 2 writes it in `model.save_weights` and in whole models: layer by layer.

The file is a list of layers (the attribute `layer_names`), each with a list of weights (`weight_names`):

    layer_names  = [Input-Token, Embedding-Token, Embedding-Norm, …]
    weight_names = [Embedding-Norm/beta:0, Embedding-Norm/gamma:0]     of the group Embedding-Norm

A weight's own name depends on what else had been built in the process (`dense_1`, `dense_13`), so a weight is called
here by its layer and its position: `Embedding-Norm:0`, `Embedding-Norm:1`. If a layer is a model itself, Keras lists
its weights under the outer layer, and the first part of a weight's path is the inner layer: `model_1/Embedding-Norm:0`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Iterator, Sequence

from ._hdf5_heaps import check_heaps
from ._json import JSONError, parse_json
from .base import CheckpointError, damaged, shown
from .hdf5 import ERRORS, MAX_ATTRIBUTE, MAX_NAMES, Hdf5, dataset_entry, decode, open_file, read_text

if TYPE_CHECKING:
    import h5py

    from .base import Entry
    from .hdf5 import Listing

WEIGHTS_OF_WHOLE_MODEL = "model_weights"
OWN_WEIGHTS = "top_level_model_weights"  # the group of weights that belong to the model itself and to no layer
MODEL_CLASSES = ("Model", "Functional", "Sequential")
_TRANSFORMERS = re.compile(r"tf_\w+?(_\d+)?$")


class KerasH5(Hdf5):
    """The weights that Keras wrote layer by layer, as a lazy mapping from `LAYER:INDEX` to array.

    The names of a nested model's weights are `OUTER/INNER:INDEX`. What an optimizer stored is left out.

    Arguments:
        path: str.
        verify: not used, because Keras writes no checksums. Other containers have this argument.

    Attributes:
        whole_model: bool. Whether `model.save` wrote the file, so that it has the model's configuration too.
        layer_names: list of str. All layers in the order of the file, also layers without weights.
        layer_classes: dict from layer to the name of its class, for a whole model; nested layers are `OUTER/INNER`. It
            is empty if the file has no configuration, or an unreadable one.
        keras_version: str or None. The version that wrote the file.

    Raises:
        CheckpointError: the file is damaged, its lists of names do not fit what is there, or it has links to other
            files.
        FileNotFoundError: there is no such file.
        ImportError: h5py is not installed.

    Example:
        >>> import os, tempfile
        >>> import h5py
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> path = os.path.join(tempfile.mkdtemp(), "model.h5")
        >>> with h5py.File(path, "w") as file:
        ...     file.attrs["layer_names"] = [b"Embedding-Norm"]
        ...     group = file.create_group("Embedding-Norm")
        ...     group.attrs["weight_names"] = [b"Embedding-Norm/gamma:0"]
        ...     group["Embedding-Norm/gamma:0"] = np.ones(4, "float32")
        >>> with open_checkpoint(path) as checkpoint:
        ...     list(checkpoint), checkpoint.layer_names
        (['Embedding-Norm:0'], ['Embedding-Norm'])
    """

    format = "keras_h5"

    def _list(self, path: str, file: h5py.File) -> Listing:
        """List the weights of the layers."""
        group = layers_group(path, file)
        if group is None:
            raise CheckpointError(f"{path}: has no attribute layer_names; expected a file that Keras 2 wrote")
        self.whole_model = group.name != "/"
        self.keras_version = read_text(path, group, "keras_version")
        self.layer_names = read_names(path, group, "layer_names")
        self.layer_classes = _layer_classes(path, file)
        entries: dict[str, Entry] = {}
        skipped: dict[str, str] = {}
        layers = self.layer_names
        if OWN_WEIGHTS not in layers and group.get(OWN_WEIGHTS, getlink=True) is not None:
            layers = layers + [OWN_WEIGHTS]
        for name, dataset in self._weights(path, group, layers):
            if name in entries or name in skipped:
                raise damaged(path, "occurs twice", name)
            entry = dataset_entry(path, name, dataset)
            if isinstance(entry, str):
                skipped[name] = entry
            else:
                entries[name] = entry
            if len(entries) > MAX_NAMES:
                raise damaged(path, f"has more than {MAX_NAMES:,} weights")
        return entries, skipped

    def _weights(self, path: str, group: h5py.Group, layers: Sequence[str]) -> Iterator[tuple[str, h5py.Dataset]]:
        """Yield the name and the dataset of each weight of each layer."""
        for layer in layers:
            node = _follow(path, group, layer, f"layer {layer!r}")
            if not hasattr(node, "keys"):
                raise damaged(path, f"layer {shown(layer)} is a dataset, expected a group of weights")
            weights = read_names(path, node, "weight_names")
            names = name_weights(layer, weights, self.layer_classes.get(layer))
            for name, weight in zip(names, weights):
                dataset = _follow(path, node, weight, f"variable {name!r} ({weight})")
                if hasattr(dataset, "keys"):
                    raise damaged(path, f"({weight}) is a group, expected a dataset", name)
                yield name, dataset


open_ = KerasH5


def has_layers(path: str) -> bool:
    """Check whether Keras wrote an HDF5 file layer by layer.

    The files of TensorFlow models of transformers (`tf_model.h5`) have such lists too, but in them the whole network is
    one layer. These files are read by the paths of their datasets.

    Arguments:
        path: str.

    Returns:
        bool.

    Raises:
        CheckpointError: the file is no HDF5 file, or a damaged one.
    """
    file = open_file(path)
    try:
        group = layers_group(path, file)
        return group is not None and not _is_of_transformers(path, group)
    except ERRORS as error:
        if isinstance(error, CheckpointError):
            raise
        raise damaged(path, f"is a damaged HDF5 file: {error}") from None
    finally:
        file.close()


def layers_group(path: str, file: h5py.File) -> h5py.Group | None:
    """Find the group whose attribute lists the layers.

    Arguments:
        path: str. The file, for error messages.
        file: `h5py.File`.

    Returns:
        The root, or the group `model_weights` of a whole model; None if neither has such an attribute.
    """
    if _has_list(file, "layer_names"):
        return file
    if file.get(WEIGHTS_OF_WHOLE_MODEL, getlink=True) is None:
        return None
    group = _follow(path, file, WEIGHTS_OF_WHOLE_MODEL, f"group {WEIGHTS_OF_WHOLE_MODEL!r}")
    return group if hasattr(group, "keys") and _has_list(group, "layer_names") else None


def name_weights(layer: str, weights: list[str], layer_class: str | None = None) -> list[str]:
    """Make the names that the weights of a layer have in the checkpoint.

    Arguments:
        layer: str. The name of the layer.
        weights: list of str. The paths of its weights, as the file lists them.
        layer_class: str or None. The name of its class, if the file tells it.

    Returns:
        list of str, one name for each weight.

    Example:
        >>> from b4k3.models.checkpoints.keras_h5 import name_weights
        >>> name_weights("Embedding-Norm", ["Embedding-Norm/beta:0", "Embedding-Norm/gamma:0"])
        ['Embedding-Norm:0', 'Embedding-Norm:1']
        >>> name_weights("model_1", ["Embedding-Token/embeddings:0", "cls/kernel:0", "cls/bias:0"])
        ['model_1/Embedding-Token:0', 'model_1/cls:0', 'model_1/cls:1']
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
    """Check whether a layer is a model of its own.

    If the class is not known, the paths of the weights decide: each path of a plain layer has its name as a part.

    Arguments:
        layer: str. The name of the layer.
        weights: list of str. The paths of its weights, as the file lists them.
        layer_class: str or None. The name of its class, if the file tells it.

    Returns:
        bool.
    """
    paths = [weight.split("/") for weight in weights]
    if any(len(path) < 2 for path in paths) or not paths:
        return False
    if layer_class is not None:
        return layer_class in MODEL_CLASSES
    # TensorFlow appends _1, _2 … to the name of a scope that exists already.
    own_name = re.compile(re.escape(layer) + r"(_\d+)?$")
    return not any(own_name.match(part) for path in paths for part in path[:-1])


def read_names(path: str, group: h5py.Group, name: str) -> list[str]:
    """Read a list of names from an attribute. Keras splits a long list into the attributes name0, name1 and so on.

    Arguments:
        path: str. The file, for error messages.
        group: `h5py.Group` that has the attribute.
        name: str. The name of the attribute.

    Returns:
        list of str.

    Raises:
        CheckpointError: the attribute is missing or not a list of strings.
    """
    if name in group.attrs:
        return _strings(path, group, name)
    found: list[str] = []
    while f"{name}{len(found)}" in group.attrs:
        found.append(f"{name}{len(found)}")
        if len(found) > MAX_NAMES:
            raise damaged(path, f"{group.name} has more than {MAX_NAMES:,} attributes {name}…")
    if not found:
        raise damaged(path, f"{group.name} has no attribute {name}; the list of its weights is missing")
    names: list[str] = []
    for part in found:
        names += _strings(path, group, part)
        if len(names) > MAX_NAMES:
            raise damaged(path, f"{group.name} has more than {MAX_NAMES:,} names in {name}…")
    return names


def _has_list(group: h5py.Group, name: str) -> bool:
    return name in group.attrs or f"{name}0" in group.attrs


def _strings(path: str, group: h5py.Group, name: str) -> list[str]:
    """Read the strings of one attribute, once its shape, dtype and size are known to be sensible."""
    where = f"the attribute {name} of {group.name}"
    try:
        attribute = group.attrs.get_id(name)
        shape, kind = attribute.shape, attribute.dtype.kind
        size = attribute.get_storage_size() if shape != (0,) else 0
        if len(shape) != 1 or (kind not in "SO" and shape[0]):
            raise damaged(path, f"{where} is {attribute.dtype}{list(shape)}, expected a list of strings")
        if shape[0] > MAX_NAMES or size > MAX_ATTRIBUTE:
            raise damaged(path, f"{where} has {shape[0]} names in {size} bytes, which is more than any model needs")
        if kind == "O":
            check_heaps(path)
        values = [decode(value) for value in group.attrs[name]] if shape[0] else []
    except ERRORS as error:
        if isinstance(error, CheckpointError):
            raise
        raise damaged(path, f"{where} cannot be read: {error}") from None
    if not all(value and "\0" not in value for value in values):
        raise damaged(path, f"{where} has an empty name, or one with NUL")
    return values


def _follow(path: str, group: h5py.Group, name: str, what: str) -> Any:
    """Find the group or dataset at a path below a group, by hard links only, so that no other file is opened.

    Arguments:
        path: str. The file, for error messages.
        group: `h5py.Group`.
        name: str. The path below the group.
        what: str. What is looked for, for error messages.
    """
    import h5py

    node: Any = group
    for part in name.split("/"):
        if not part or part == ".":
            continue
        link = node.get(part, getlink=True) if hasattr(node, "keys") else None
        if link is None:
            raise damaged(path, f"{what} is listed, but is missing in the file")
        if not isinstance(link, h5py.HardLink):
            raise CheckpointError(
                f"{path}: {what} is a link to another place or file, which is not followed; copy the data into one file"
            )
        node = node[part]
    return node


def _is_of_transformers(path: str, group: h5py.Group) -> bool:
    """Check whether the paths of the weights begin as `tf_bert_model/bert/` in the layer `bert`."""
    for layer in read_names(path, group, "layer_names"):
        weights = read_names(path, _follow(path, group, layer, f"layer {layer!r}"), "weight_names")
        parts = weights[0].split("/") if weights else []
        if parts:
            return len(parts) > 2 and bool(_TRANSFORMERS.match(parts[0])) and parts[1] == layer
    return False


def _layer_classes(path: str, file: h5py.File) -> dict[str, str]:
    """Read the class of each layer from the configuration of a whole model; {} if it has none that can be read."""
    text = read_text(path, file, "model_config")
    if text is None or len(text) > MAX_ATTRIBUTE:
        return {}
    try:
        return dict(_classes(parse_json(text.encode("utf-8")), ""))
    except (JSONError, UnicodeEncodeError, RecursionError):
        return {}


def _classes(model: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield (layer, class) for each layer in the configuration of a model, for nested layers as OUTER/INNER."""
    config = model.get("config") if isinstance(model, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else config
    for layer in layers if isinstance(layers, list) else ():
        if not isinstance(layer, dict):
            continue
        settings = layer.get("config")
        name = layer.get("name") or (settings.get("name") if isinstance(settings, dict) else None)
        if isinstance(name, str) and isinstance(layer.get("class_name"), str):
            yield prefix + name, layer["class_name"]
            if layer["class_name"].rpartition(">")[2] in MODEL_CLASSES:
                yield from _classes(layer, f"{prefix}{name}/")
