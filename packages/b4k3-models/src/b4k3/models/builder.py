"""From a configuration and a checkpoint to a model: the last steps of the walk, which are class, build and load."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Collection, Iterable, Mapping, Union, overload

from b4k3.backend import activations, dtype_scope

from .errors import ConfigError, short
from .keys import ARGUMENTS, DEFAULTS, FIXED, refuse_unknown, spellings, validate
from .language_models import extend_with_language_model, extend_with_unified_language_model
from .measuring import contradictions
from .model_arguments import accepted_arguments
from .networks.description import Network
from .registry import architecture, networks
from .source import MORE_BLOCKS, STACKS, Source, wrong_direction
from .transformer import Transformer

if TYPE_CHECKING:
    import os
    from typing import Literal, Type

    import numpy as np
    from typing_extensions import Unpack

    from b4k3.backend import keras

    from .model_arguments import ModelArguments

    Config = Union[str, "os.PathLike[str]", Mapping[str, Any], None]
    CheckpointPath = Union[str, "os.PathLike[str]", Mapping[str, "np.ndarray"], None]
    Named = Union[str, None]  # an architecture of b4k3, whose keywords are known
    Own = Union[Network, Type[Transformer]]  # an architecture of yours, which may have other keywords

# A network may have at most a * n + b weights if the checkpoint has n: this is (a, b).
MORE_WEIGHTS = (16, 1 << 22)
CALL = set("config_path checkpoint_path model application return_keras_model dtype model_type is_decoder".split())
APPLICATIONS = {
    "encoder": None,
    "lm": extend_with_language_model,
    "unilm": extend_with_unified_language_model,
}


def with_application(base: type[Transformer], application: str) -> type[Transformer]:
    """Make a class a language model, if the application says so.

    Arguments:
        base: class. A subclass of `Transformer`.
        application: str. 'encoder', 'lm' or 'unilm'.

    Returns:
        The class, or a subclass of it.

    Raises:
        ConfigError: the application is unknown, or impossible with the class.
    """
    if application not in APPLICATIONS:
        known = ", ".join(map(repr, APPLICATIONS))
        raise ConfigError(f"application={application!r}, expected one of {known}")
    if application not in getattr(base, "applications", APPLICATIONS):
        raise ConfigError(f"application={application!r} is not possible with {base.__name__}")
    extend = APPLICATIONS[application]
    return base if extend is None else extend(base)


# The overloads tell a type checker two things: what is returned, by `return_keras_model`, and which keywords there are.
# A class or a `Network` may have keywords of its own. With a name the keywords are the ones of `ModelArguments`, so a
# misspelt one is found.
# (`model` has no default in the overloads of a class, or each call would fit them; the last one is for it by position.)
@overload
def build_transformer_model(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    model: Named = None,
    application: str = "encoder",
    return_keras_model: Literal[True] = True,
    **kwargs: Unpack[ModelArguments],
) -> keras.Model: ...


@overload
def build_transformer_model(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    model: Named = None,
    application: str = "encoder",
    *,
    return_keras_model: Literal[False],
    **kwargs: Unpack[ModelArguments],
) -> Transformer: ...


@overload
def build_transformer_model(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    model: Named = None,
    application: str = "encoder",
    return_keras_model: bool = True,
    **kwargs: Unpack[ModelArguments],
) -> keras.Model | Transformer: ...


@overload
def build_transformer_model(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    *,
    model: Own,
    application: str = "encoder",
    return_keras_model: Literal[True] = True,
    **kwargs: Any,
) -> keras.Model: ...


@overload
def build_transformer_model(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    *,
    model: Own,
    application: str = "encoder",
    return_keras_model: Literal[False],
    **kwargs: Any,
) -> Transformer: ...


@overload
def build_transformer_model(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    *,
    model: Own,
    application: str = "encoder",
    return_keras_model: bool = True,
    **kwargs: Any,
) -> keras.Model | Transformer: ...


@overload
def build_transformer_model(
    config_path: Config,
    checkpoint_path: CheckpointPath,
    model: Own,
    application: str = "encoder",
    return_keras_model: bool = True,
    **kwargs: Any,
) -> Any: ...


def build_transformer_model(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    model: Named | Own = None,
    application: str = "encoder",
    return_keras_model: bool = True,
    **kwargs: Any,
) -> keras.Model | Transformer:
    """Build a pretrained model; without a checkpoint, an untrained one.

    Arguments:
        config_path: str, path, dict or None. A JSON file, a dict, or a name of `ready_configs`. A folder means: find
            config and checkpoint in it, and recognise the architecture unless `model` is given. None if the keyword
            arguments and the shapes in the checkpoint say everything.
        checkpoint_path: str, path, dict or None. What `open_checkpoint` opens: the prefix of a TensorFlow checkpoint, a
            safetensors file, a folder and so on; or a dict from variable name to array. None leaves the weights random.
        model: str, `Network`, subclass of `Transformer`, or None. The architecture. 'auto' recognises it by the names
            and shapes of the variables and by the config. None recognises a folder, and a config that says its
            `model_type`; else it means 'bert', as in bert4keras.
        application: str. 'encoder'; 'lm', where position i sees the positions up to i; 'unilm', where the second
            segment is generated from the first.
        return_keras_model: bool. Whether the Keras model is returned, or the `Transformer` that holds it as `.model`,
            with `.inputs`, `.outputs`, `.layers` and `.load_report`.
        kwargs: the arguments of the architecture; they override the config file. `ModelArguments` lists them for type
            checkers; a class or a `Network` of yours may have others (a name that you registered has them too, but a
            checker cannot know, so give it the class). `ignore_unread_weights=True` loads a file although it has
            variables of the network that the architecture does not read, and `ignore_invalid_weights=True` loads a file
            that lacks some; both warn. `dtype` is the dtype policy of this model alone, on Keras 3: "bfloat16" halves
            the memory, and computes faster on processors that have it.

    Returns:
        keras.Model, or `Transformer`. The inputs of the model are ids, [batch, n], of any dtype of whole numbers, as a
        list or as a mapping by the names of `INPUT_NAMES` of b4k3.backend (`token_ids`, `input_ids`, …). An id that the
        model has no row for is an error in an eager call; in a compiled call it makes the outputs of its sequence NaN.

    Raises:
        ConfigError: a keyword that nobody reads, a name that is not known, or a configuration that cannot be right.
        CheckpointError: the checkpoint does not have what the model needs. The message lists everything that is wrong,
            and says what fits.
        FileNotFoundError: a path does not exist.

    Example:
        >>> from b4k3.models import build_transformer_model
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> model = build_transformer_model(config)
        >>> y = model([np.array([[5, 6, 7]]), np.zeros((1, 3))])  # [1, 3, 16]
        >>> build_transformer_model(config, with_mml=True)
        Traceback (most recent call last):
        ...
        b4k3.models.errors.ConfigError: ... has no argument 'with_mml' (did you mean 'with_mlm'?)
    """
    transformer, arguments, source = unbuilt_transformer(config_path, checkpoint_path, model, application, kwargs)
    source.warn()
    if source.view is not None:
        transformer.expect_checkpoint(source.view)
    with dtype_scope(transformer.dtype):
        transformer.build(**arguments)
    if source.view is not None:
        transformer.load_weights_from_checkpoint(source.view)
        transformer.load_report.notes[:0] = source.notes
    return transformer.model if return_keras_model else transformer


def unbuilt_transformer(
    config_path: Config, checkpoint_path: CheckpointPath, model: Named | Own, application: str, kwargs: dict[str, Any]
) -> tuple[Transformer, dict[str, Any], Source]:
    """Do the steps of `build_transformer_model` before the Keras model is made.

    Arguments:
        config_path: str, path, dict or None. As for `build_transformer_model`.
        checkpoint_path: str, path, dict or None. As for `build_transformer_model`.
        model: str, `Network`, class or None. As for `build_transformer_model`.
        application: str. As for `build_transformer_model`.
        kwargs: dict. The keyword arguments of `build_transformer_model`.

    Returns:
        (the `Transformer`, the arguments of its method `build`, the `Source` of configuration and weights).

    Raises:
        ConfigError: an argument or the configuration cannot be right.
        CheckpointError: the checkpoint cannot be read, or is of no network that is known.
        FileNotFoundError: a path does not exist.
    """
    for name, value in (("config_path", config_path), ("checkpoint_path", checkpoint_path)):
        if isinstance(value, (bool, int, float)):
            raise ConfigError(f"{name}={value!r}, expected a path or a dict")
    if not isinstance(model, (str, type, Network, type(None))):
        raise ConfigError(f"model={short(model)}, expected a name, a Network or a subclass of Transformer")
    if not isinstance(application, str):
        raise ConfigError(f"application={short(application)}, expected one of {', '.join(map(repr, APPLICATIONS))}")
    kwargs = dict(kwargs)
    dtype = checked_dtype(kwargs.pop("dtype", None))  # the key `dtype` of a config says how a file was stored
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
    transformer = cls(**taken(config, accepted_arguments(cls, "__init__")))
    transformer.explicit, transformer.dtype = set(source.given), dtype
    transformer.ignored_config_keys = source.unknown_keys
    return transformer, taken(config, accepted_arguments(cls, "build")), source


def checked_dtype(dtype: Any) -> str | None:
    """Return the argument `dtype`, if it names a dtype policy that this Keras has.

    Arguments:
        dtype: str or None.

    Returns:
        str or None.

    Raises:
        ConfigError: it names none, or the environment has Keras 2.
    """
    if dtype is not None and not isinstance(dtype, str):
        raise ConfigError(f"dtype={short(dtype)}, expected the name of a dtype policy, 'bfloat16' for example")
    try:
        dtype_scope(dtype)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return dtype


def known_arguments(of: type[Transformer], network: Network) -> set[str]:
    """Find the keyword arguments that a class takes, under every spelling.

    Arguments:
        of: class. A subclass of `Transformer`.
        network: `Network`. The description of the class.

    Returns:
        set of str.
    """
    names = accepted_arguments(of) | CALL | set(FIXED) | set(network.fixed)
    for ours, others in spellings(network).items():
        if ours in names or ours in ARGUMENTS:
            names.update(others)
    return names | set(network.activation_keys)


def refuse_other_networks(given: Iterable[str], known: set[str], network: Network) -> None:
    """Refuse arguments that other networks have, or have under this spelling.

    Arguments:
        given: the names of the keyword arguments.
        known: set of str. The names that this network has.
        network: `Network`.

    Raises:
        ConfigError: another network has such an argument. The message says which one, or how it is called here.
    """
    for name in given:
        if name in known:
            continue
        ours = {key for other in networks() for key, others in spellings(other).items() if name in others}
        if ours & known:
            raise ConfigError(f"model={network.name!r} has no argument {name!r}: here it is called {min(ours)!r}")
        others = [other.name for other in networks() if name in other.keys]
        if others:
            raise ConfigError(f"model={network.name!r} has no argument {name!r}: {', '.join(others)} have it")


def check_arguments(config: dict[str, Any], network: Network) -> None:
    """Refuse values that a layer would refuse without naming the argument.

    Arguments:
        config: dict under our names.
        network: `Network`.

    Raises:
        ConfigError: an activation is unknown, or `sequence_length` is no length.
    """
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

    Loading would refuse it too, but only after the network is built. A caller may resize the vocabulary or let weights
    be missing (`ignore_invalid_weights`), so a somewhat larger network is allowed.

    Arguments:
        source: `Source`. The checkpoint, and what is known about it.
        config: dict under our names.
        where: str. The source of the configuration, for the error message.

    Raises:
        ConfigError: the network has hundreds of blocks more than the checkpoint, or many times its number of weights.
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
        for variable in layer.variables_of(sizes)
    }
    wanted = sum(product(shape) for shape in shapes.values() if shape is not None)
    stored = sum(product(source.checkpoint.shape(name)) for name in source.checkpoint)
    if wanted > MORE_WEIGHTS[0] * stored + MORE_WEIGHTS[1]:
        wrong = [f"{source.spelled.get(key, key)}={config[key]}" for key in contradictions(config, source.sizes)]
        raise ConfigError(
            f"{where}: a network of these sizes has {wanted:,} weights, and the checkpoint {stored:,}; "
            f"{'they disagree on ' + ', '.join(wrong) if wrong else 'compare its sizes with the shapes in the file'}"
        )


def product(shape: Iterable[int]) -> int:
    """Count the elements of an array.

    Arguments:
        shape: the sizes of its axes.

    Returns:
        int.
    """
    count = 1
    for size in shape:
        count *= size
    return count


def taken(config: dict[str, Any], accepted: Collection[str]) -> dict[str, Any]:
    """Select the part of a configuration that a method takes, with its integers as Python's own.

    Arguments:
        config: dict under our names.
        accepted: the names of the method's arguments.

    Returns:
        dict.
    """
    return {
        key: int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value
        for key, value in config.items()
        if key in accepted
    }
