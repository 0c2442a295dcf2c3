"""Between checkpoints and the files of Keras, `.weights.h5` and whole models, by way of a built model."""

from __future__ import annotations

from ..checkpoints import CheckpointError
from ..config import ConfigError
from .parts import HEADS

SUFFIXES = (".weights.h5", ".keras", ".h5")
# what --heads calls a head -> (argument of build_transformer_model, its part, the layer that only it has)
HEAD_NAMES = {
    "pool": ("with_pool", "pooler", "Pooler-Dense"),
    "nsp": ("with_nsp", "NSP head", "NSP-Proba"),
    "mlm": ("with_mlm", "MLM head", "MLM-Activation"),
    "discriminator": ("with_discriminator", "discriminator head", "Discriminator-Dense"),
}


def head_arguments(names):
    """{argument: True} of the names of heads, 'mlm,nsp' for instance. Raises: ConfigError: an unknown name."""
    chosen = [name for name in names.split(",") if name]
    for name in chosen:
        if name not in HEAD_NAMES:
            raise ConfigError("--heads: there is no head %r; choose of %s" % (name, ", ".join(HEAD_NAMES)))
    return {HEAD_NAMES[name][0]: True for name in chosen}


def heads_of(source, parts):
    """The names of the heads whose parts a checkpoint has and its architecture can load."""
    loadable = {part for _, part, _ in HEADS} & set(parts)
    return ",".join(name for name, (_, part, _) in HEAD_NAMES.items() if part in loadable)


def build(arguments, heads):
    from ..builder import build_transformer_model

    return build_transformer_model(return_keras_model=False, **dict(arguments, **head_arguments(heads)))


def write(source, path, heads):
    """Build the model of a `Source` and save it, whole or its weights, as the name of the file says."""
    model = build(source.arguments, heads).model
    (model.save_weights if path.endswith(".weights.h5") else model.save)(path)


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
        found = [name for name, (_, _, layer) in HEAD_NAMES.items() if layer in names]
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
