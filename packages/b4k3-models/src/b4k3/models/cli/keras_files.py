"""Between checkpoints and the files of Keras, `.weights.h5` and whole models, by way of a built model."""

from __future__ import annotations

import os
import zipfile

import numpy as np

from ..checkpoints import CheckpointError
from ..checkpoints._staging import Staging, check_room, describe_failure, sync_file
from ..errors import ConfigError
from ..registry import network

SUFFIXES = (".weights.h5", ".keras", ".h5")


def heads_with_options(of):
    """{what `--heads` calls it: `Part`} of a network. Arguments: of: `Network`."""
    return {part.option: part for part in of.heads if part.option}


def head_arguments(names, of):
    """{argument: True} of the names of heads, 'mlm,nsp' for instance. Raises: ConfigError: an unknown name."""
    known = heads_with_options(of)
    chosen = [name for name in names.split(",") if name]
    for name in chosen:
        if name not in known:
            raise ConfigError(f"--heads: there is no head {name!r}; choose of {', '.join(known) or 'none'}")
    return {known[name].argument: True for name in chosen}


def heads_of(of, parts):
    """The names of the heads of a network whose parts a checkpoint has."""
    return ",".join(name for name, part in heads_with_options(of).items() if part.name in parts)


def build(arguments, heads):
    from ..builder import build_transformer_model

    heads = head_arguments(heads, network(arguments["model"]))
    return build_transformer_model(return_keras_model=False, **dict(arguments, **heads))


def write(source, path, heads, replace=True):
    """Build the model of a `Source` and save it, whole or its weights, as the name of the file says.

    Raises:
        CheckpointError: the file is there, without replace. OSError: it cannot be written; nothing was.
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


def room_for(model):
    """A bound of the bytes that the file of a model takes: HDF5 needs 1.6 kB beside each weight and each layer."""
    numbers = sum(int(np.prod(weight.shape)) * itemsize(weight) for weight in model.weights)
    return numbers + 3000 * (len(model.weights) + len(model.layers)) + 65536


def itemsize(weight):
    """The bytes of one number of a weight."""
    return 2 if "16" in str(weight.dtype) else 8 if "64" in str(weight.dtype) else 4


def check_whole(path):
    """Flush a file that Keras wrote to the disk, and look whether all of it is there. Raises: OSError: it is not."""
    sync_file(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            raise OSError(f"{broken} in it is damaged")
    else:
        import h5py

        h5py.File(path, "r").close()


def read(path, config, model, heads):
    """The weights in a file of Keras that was saved from a model of b4k3.

    Arguments:
        path: `.weights.h5`, or a whole model.
        config: path of the configuration.
        model: the architecture, by its `model=`.
        heads: names of the heads that the model had, for `.weights.h5`; a whole model shows them.

    Returns:
        dict from canonical name to array.

    Raises:
        ConfigError: it is not said what the model is. CheckpointError: the file is of another model.
    """
    if config is None or model is None:
        raise ConfigError("%s does not say what it is of: give --config and --model" % path)
    arguments = {"config_path": config, "model": model}
    try:
        if path.endswith(".weights.h5"):
            transformer = build(arguments, heads or "")
            transformer.model.load_weights(path)
            return transformer.checkpoint_variables()
        whole = load(path)
        names = {layer.name for layer in whole.layers}
        found = [name for name, part in heads_with_options(network(model)).items() if part.marker in names]
        transformer = build(arguments, ",".join(found) if heads is None else heads)
        for layer in transformer.mapping_of_layers():
            transformer.layers[layer].set_weights(whole.get_layer(layer).get_weights())
    except (ValueError, KeyError, OSError) as e:
        if isinstance(e, (ConfigError, FileNotFoundError)):
            raise
        raise CheckpointError("%s does not fit model=%r with %s: %s" % (path, model, config, e)) from None
    return transformer.checkpoint_variables()


def load(path):
    """The whole Keras model in a file."""
    from b4k3.backend import keras
    from b4k3.layers import custom_objects

    return keras.models.load_model(path, custom_objects=dict(custom_objects), compile=False)
