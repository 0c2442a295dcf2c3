"""From a configuration and a checkpoint to a model: the last steps of the walk, class, build and load."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Iterable, Mapping, Union, overload

from b4k3.backend import activations

from .errors import ConfigError, short
from .keys import ARGUMENTS, DEFAULTS, FIXED, refuse_unknown, spellings, validate
from .masks import extend_with_language_model, extend_with_unified_language_model
from .measuring import contradictions
from .networks.description import Network
from .registry import architecture, networks
from .source import MORE_BLOCKS, STACKS, Source, wrong_direction
from .transformer import Transformer, accepted_arguments

if TYPE_CHECKING:
    import os
    from typing import Literal, Type

    import numpy as np

    from b4k3.backend import keras

    Config = Union[str, "os.PathLike[str]", Mapping[str, Any], None]
    CheckpointPath = Union[str, "os.PathLike[str]", Mapping[str, "np.ndarray"], None]
    Architecture = Union[str, Network, Type[Transformer], None]

# A network may have at most a · n + b weights, where n are in the checkpoint: (a, b).
MORE_WEIGHTS = (16, 1 << 22)
CALL = {"config_path", "checkpoint_path", "model", "application", "return_keras_model", "model_type", "is_decoder"}
APPLICATIONS = {
    "encoder": None,
    "lm": extend_with_language_model,
    "unilm": extend_with_unified_language_model,
}


def with_application(cls: type[Transformer], application: str) -> type[Transformer]:
    """The class, made a language model where `application` says so."""
    if application not in APPLICATIONS:
        known = ", ".join(map(repr, APPLICATIONS))
        raise ConfigError(f"application={application!r}, expected one of {known}")
    if application not in getattr(cls, "applications", APPLICATIONS):
        raise ConfigError(f"application={application!r} is not possible with {cls.__name__}")
    extend = APPLICATIONS[application]
    return cls if extend is None else extend(cls)


@overload
def build_transformer_model(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    model: Architecture = None,
    application: str = "encoder",
    return_keras_model: Literal[True] = True,
    **kwargs: Any,
) -> keras.Model: ...


@overload
def build_transformer_model(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    model: Architecture = None,
    application: str = "encoder",
    *,
    return_keras_model: Literal[False],
    **kwargs: Any,
) -> Transformer: ...


@overload
def build_transformer_model(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    model: Architecture = None,
    application: str = "encoder",
    return_keras_model: bool = True,
    **kwargs: Any,
) -> keras.Model | Transformer: ...


def build_transformer_model(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    model: Architecture = None,
    application: str = "encoder",
    return_keras_model: bool = True,
    **kwargs: Any,
) -> keras.Model | Transformer:
    """Build a pretrained model, or an untrained one without a checkpoint.

    Arguments:
        config_path: a JSON file, a dict, or a name of `ready_configs`; None if keyword arguments and the shapes in the
            checkpoint say everything; or a folder, in which config and checkpoint are found and, unless model= is
            given, the architecture is recognised.
        checkpoint_path: what `open_checkpoint` opens: the prefix of a TensorFlow checkpoint, a safetensors file, a
            folder, …; or a dict from variable name to array. None leaves the weights random.
        model: the name of an architecture, a `Network`, a subclass of `Transformer`, or 'auto': recognised by names and
            shapes of variables and by the config. None recognises a folder, and a config that says its `model_type`;
            else it is 'bert', as in bert4keras.
        application: 'encoder'; 'lm', where position i sees the positions up to i; 'unilm', where the second segment is
            generated from the first.
        return_keras_model: whether to return the Keras model alone, or the Transformer object that holds it as
            `.model`, with `.inputs`, `.outputs`, `.layers` and `.load_report`.
        kwargs: arguments of the architecture; they win over the config file. `ignore_unread_weights=True` loads a file
            although it has variables of the network that the architecture does not read, `ignore_invalid_weights=True`
            one that lacks some; both warn.

    Returns:
        A Keras model, or a `Transformer`. Its inputs are float32 tensors of ids [batch, n]. An id that the model has no
        row for is an error in an eager call, and in a compiled one NaN for its sequence.

    Raises:
        ConfigError: a keyword that nobody reads, a name that is not known, a configuration that cannot be right.
        CheckpointError: the checkpoint does not have what the model needs; it lists everything and says what fits.
        FileNotFoundError: a path is not there.
    """
    for name, value in (("config_path", config_path), ("checkpoint_path", checkpoint_path)):
        if isinstance(value, (bool, int, float)):
            raise ConfigError(f"{name}={value!r}, expected a path or a dict")
    if not isinstance(model, (str, type, Network, type(None))):
        raise ConfigError(f"model={short(model)}, expected a name, a Network or a subclass of Transformer")
    if not isinstance(application, str):
        raise ConfigError(f"application={short(application)}, expected one of {', '.join(map(repr, APPLICATIONS))}")
    source = Source(config_path, checkpoint_path, model, kwargs, application=application)
    network = source.network
    cls = with_application(architecture(model if isinstance(model, type) else network), application)
    known = known_arguments(cls, network)
    refuse_other_networks(kwargs, known, network)
    refuse_unknown(kwargs, known, f"build_transformer_model with {cls.__name__}")
    config = dict(DEFAULTS, **source.known)
    where = source.where or "the call"
    validate(config, where, source.spelled)
    direction = wrong_direction(config, application, network, where)
    if direction is not None:
        raise ConfigError(direction)
    check_arguments(config, network)
    refuse_far_larger(source, config, where)
    source.warn()
    transformer = cls(**taken(config, accepted_arguments(cls, "__init__")))
    transformer.explicit = set(source.given)
    transformer.ignored_config_keys = source.unknown_keys
    if source.view is not None:
        transformer.expect_checkpoint(source.view)
    transformer.build(**taken(config, accepted_arguments(cls, "build")))
    if source.view is not None:
        transformer.load_weights_from_checkpoint(source.view)
        transformer.load_report.notes[:0] = source.notes
    return transformer.model if return_keras_model else transformer


def known_arguments(cls: Any, network: Any) -> Any:
    """The keyword arguments that a class takes, under every spelling."""
    names = accepted_arguments(cls) | CALL | set(FIXED) | set(network.fixed)
    for ours, others in spellings(network).items():
        if ours in names or ours in ARGUMENTS:
            names.update(others)
    return names | set(network.activation_keys)


def refuse_other_networks(given: Any, known: Any, network: Any) -> None:
    """Refuse arguments that other networks have, or have under this spelling. Raises: ConfigError."""
    for name in given:
        if name in known:
            continue
        ours = {key for other in networks() for key, others in spellings(other).items() if name in others}
        if ours & known:
            raise ConfigError(f"model={network.name!r} has no argument {name!r}: here it is called {min(ours)!r}")
        others = [other.name for other in networks() if name in other.keys]
        if others:
            raise ConfigError(f"model={network.name!r} has no argument {name!r}: {', '.join(others)} have it")


def check_arguments(config: dict[str, Any], network: Any) -> None:
    """Refuse values that a layer would refuse without naming the argument. Raises: ConfigError."""
    for key in ["hidden_act", "mlm_act", "final_activation"] + [part.argument for part in network.heads]:
        names = config.get(key)
        for name in names if isinstance(names, (list, tuple)) and key == "hidden_act" else [names]:
            if name is None or isinstance(name, bool) or callable(name):
                continue
            try:
                activations.get(name)
            except (TypeError, ValueError):
                raise ConfigError(f"{key}={short(names)}: {short(name)} is no activation") from None
    length = config.get("sequence_length")
    if length is not None and (isinstance(length, bool) or not isinstance(length, Integral) or not 0 < length < 10**7):
        raise ConfigError(f"sequence_length={short(length)}, expected a whole number, 1 or more, or None")


def refuse_far_larger(source: Source, config: dict[str, Any], where: str) -> None:
    """Refuse a network that is far larger than its checkpoint before it takes the memory and time that it claims.

    Loading would refuse it too, but only once it is built. A caller may resize the vocabulary or let weights be missing
    (`ignore_invalid_weights`), so that some more is no fault.

    Raises:
        ConfigError: hundreds of blocks more than the checkpoint has, or many times its number of weights.
    """
    if source.view is None or source.given.get("ignore_invalid_weights"):
        return
    for key in STACKS:
        said, found = config.get(key), source.sizes.get(key, 1)
        if said is not None and said > found + MORE_BLOCKS:
            blocks = "1 block" if found == 1 else f"{found} blocks"
            raise ConfigError(f"{where}: {source.spelled.get(key, key)}={said}, and the checkpoint has {blocks}")
    sizes = source.network.derive(config)
    shapes = {  # by name, since blocks may share their variables
        variable.name.format(**numbers): variable.shape(sizes)
        for _, layer, _, numbers in source.network.instances(sizes)
        for variable in layer.variables
    }
    asked = sum(product(shape) for shape in shapes.values() if shape is not None)
    there = sum(product(source.checkpoint.shape(name)) for name in source.checkpoint)
    if asked > MORE_WEIGHTS[0] * there + MORE_WEIGHTS[1]:
        wrong = [f"{source.spelled.get(key, key)}={config[key]}" for key in contradictions(config, source.sizes)]
        raise ConfigError(
            f"{where}: a network of these sizes has {asked:,} weights, and the checkpoint {there:,}; "
            f"{'they disagree on ' + ', '.join(wrong) if wrong else 'compare its sizes with those of the file'}"
        )


def product(shape: Iterable[int]) -> int:
    """How many numbers an array of a shape has."""
    count = 1
    for size in shape:
        count *= size
    return count


def taken(config: dict[str, Any], accepted: Any) -> dict[str, Any]:
    """The part of a configuration that a method takes."""
    return {
        key: int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value
        for key, value in config.items()
        if key in accepted
    }
