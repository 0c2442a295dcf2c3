"""Write and read the files of Keras: `.weights.h5` and whole models. Both ways go through a model that is built."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING, Any, Collection

import numpy as np

from ..checkpoints import CheckpointError
from ..checkpoints._staging import Staging, check_room, describe_failure, sync_file
from ..errors import ConfigError
from ..registry import network

if TYPE_CHECKING:
    from ..networks.description import Network, Part
    from ..transformer import Transformer
    from .subject import Subject

SUFFIXES = (".weights.h5", ".keras", ".h5")


def heads_with_options(of: Network) -> dict[str, Part]:
    """List the heads of a network that `--heads` can name.

    Arguments:
        of: `Network`.

    Returns:
        dict from the name to the `Part`.
    """
    return {part.option: part for part in of.heads if part.option is not None}


def head_arguments(names: str, of: Network) -> dict[str, bool]:
    """Translate the names of heads to arguments of `build_transformer_model`.

    Arguments:
        names: str. The names with commas between them, 'mlm,nsp' for instance.
        of: `Network`.

    Returns:
        dict from each argument to True.

    Raises:
        ConfigError: the network has no head with one of these names.
    """
    known = heads_with_options(of)
    chosen = [name for name in names.split(",") if name]
    for name in chosen:
        if name not in known:
            raise ConfigError(f"--heads: there is no head {name!r}; choose of {', '.join(known) or 'none'}")
    return {str(known[name].argument): True for name in chosen}


def heads_of(of: Network, parts: Collection[str]) -> str:
    """List the heads of a network that a checkpoint has.

    Arguments:
        of: `Network`.
        parts: names of the parts that the checkpoint has.

    Returns:
        str, the names with commas between them, as `--heads` has them.
    """
    return ",".join(name for name, part in heads_with_options(of).items() if part.name in parts)


def build(arguments: dict[str, Any], heads: str) -> Transformer:
    """Build a model with some heads.

    Arguments:
        arguments: dict. The arguments of `build_transformer_model`, with `model`.
        heads: str. The names of the heads with commas between them.

    Returns:
        `Transformer`.

    Raises:
        ConfigError: the network has no head with one of these names.
    """
    from ..builder import build_transformer_model

    added = head_arguments(heads, network(arguments["model"]))
    return build_transformer_model(return_keras_model=False, **dict(arguments, **added))


def write(source: Subject, path: str, heads: str, replace: bool = True) -> None:
    """Build a model and save it: the whole model or its weights alone, as the name of the file says.

    Arguments:
        source: `Subject`. What the model is built from.
        path: str. The file.
        heads: str. The names of the heads of the model with commas between them.
        replace: bool. Whether a file that is there may be replaced.

    Raises:
        CheckpointError: the file is there and may not be replaced.
        OSError: the file cannot be written; nothing was.
    """
    model = build(source.arguments, heads).model
    try:
        with Staging(path, replace) as staging:
            temporary = os.path.join(staging.temporary, os.path.basename(path))
            check_room(temporary, room_for(model))
            (model.save_weights if path.endswith(".weights.h5") else model.save)(temporary)
            check_whole(temporary)
            with staging.commit():
                staging.place(temporary, path)
    except (OSError, RuntimeError) as error:  # h5py says by a RuntimeError that the disk is full
        raise describe_failure(path, error) from error


def room_for(model: Any) -> int:
    """Return a bound of the bytes that the file of a model takes.

    HDF5 needs 1.6 kB beside the numbers of each weight and for each layer.

    Arguments:
        model: Keras model.

    Returns:
        int.
    """
    numbers = sum(int(np.prod(weight.shape)) * itemsize(weight) for weight in model.weights)
    return numbers + 3000 * (len(model.weights) + len(model.layers)) + 65536


def itemsize(weight: Any) -> int:
    """Return how many bytes one number of a weight takes.

    Arguments:
        weight: variable of Keras.

    Returns:
        int.
    """
    return 2 if "16" in str(weight.dtype) else 8 if "64" in str(weight.dtype) else 4


def check_whole(path: str) -> None:
    """Flush a file that Keras wrote to the disk, and look whether all of it is there.

    Arguments:
        path: str. The file.

    Raises:
        OSError: a part of the file is missing or damaged.
    """
    sync_file(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            raise OSError(f"{broken} in it is damaged")
    else:
        import h5py

        h5py.File(path, "r").close()


def read(path: str, config: str | None, model: str | None, heads: str | None) -> dict[str, Any]:
    """Read the weights in a file of Keras that was saved from a model of b4k3.

    Arguments:
        path: str. The file: `.weights.h5`, or a whole model.
        config: str or None. The path of the configuration.
        model: str or None. The architecture, by its `model=`.
        heads: str or None. The names of the heads that the model had, for `.weights.h5`; a whole model shows them.

    Returns:
        dict from canonical name to array.

    Raises:
        ConfigError: `config` or `model` is None, so that nobody knows what the model is.
        CheckpointError: the file was saved from another model.
    """
    if config is None or model is None:
        raise ConfigError(f"{path} does not say which network it belongs to: give --config and --model")
    arguments = {"config_path": config, "model": model}
    try:
        if path.endswith(".weights.h5"):
            transformer = build(arguments, heads or "")
            transformer.model.load_weights(path)
            return transformer.checkpoint_variables()
        whole = load(path)
        from ..quantised import refuse_quantised  # here, because it needs Keras

        refuse_quantised([whole], path)
        names = {layer.name for layer in whole.layers}
        found = [name for name, part in heads_with_options(network(model)).items() if part.marker in names]
        transformer = build(arguments, ",".join(found) if heads is None else heads)
        for layer in transformer.mapping_of_layers():
            transformer.layers[layer].set_weights(whole.get_layer(layer).get_weights())
    except (CheckpointError, ConfigError, FileNotFoundError):
        raise
    except (ValueError, KeyError, OSError) as error:
        raise CheckpointError(f"{path} does not fit model={model!r} with {config}: {error}") from None
    return transformer.checkpoint_variables()


def load(path: str) -> Any:
    """Load a whole Keras model.

    Arguments:
        path: str. The file.

    Returns:
        The model, not compiled.
    """
    from b4k3.backend import keras
    from b4k3.layers import custom_objects

    return keras.models.load_model(path, custom_objects=dict(custom_objects), compile=False)
