"""What b4k3 knows by name: networks and dialects, a line each. Others add theirs here or by entry points.

A package of yours may declare, in its metadata, entry points of the groups `b4k3.architectures` and `b4k3.dialects`.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import warnings
from typing import Any

from .errors import ConfigError
from .networks.description import Network

# model= -> where the description of its network is; of several that fit a file the first one counts
ARCHITECTURES: dict[str, Any] = {
    "bert": "b4k3.models.networks.bert:BERT",
    "roberta": "b4k3.models.networks.roberta:ROBERTA",
    "ernie": "b4k3.models.networks.ernie:ERNIE",
    "distilbert": "b4k3.models.networks.distilbert:DISTILBERT",
    "albert": "b4k3.models.networks.albert:ALBERT",
    "albert_unshared": "b4k3.models.networks.albert:ALBERT_UNSHARED",
    "nezha": "b4k3.models.networks.nezha:NEZHA",
    "electra": "b4k3.models.networks.electra:ELECTRA",
    "electra_generator": "b4k3.models.networks.electra:ELECTRA_GENERATOR",
    "roformer": "b4k3.models.networks.roformer:ROFORMER",
    "roformer_v2": "b4k3.models.networks.roformer:ROFORMER_V2",
    "gau": "b4k3.models.networks.gau:GAU_ALPHA",
    "gpt": "b4k3.models.networks.gpt:GPT",
    "gpt2": "b4k3.models.networks.gpt:GPT2",
    "gpt2_ml": "b4k3.models.networks.gpt:GPT2_ML",
    "t5": "b4k3.models.networks.t5:T5_1_0",
    "t5_encoder": "b4k3.models.networks.t5:T5_1_0_ENCODER",
    "t5_decoder": "b4k3.models.networks.t5:T5_1_0_DECODER",
    "t5.1.0": "b4k3.models.networks.t5:T5_1_0",
    "t5.1.0_encoder": "b4k3.models.networks.t5:T5_1_0_ENCODER",
    "t5.1.0_decoder": "b4k3.models.networks.t5:T5_1_0_DECODER",
    "t5.1.1": "b4k3.models.networks.t5:T5_1_1",
    "t5.1.1_encoder": "b4k3.models.networks.t5:T5_1_1_ENCODER",
    "t5.1.1_decoder": "b4k3.models.networks.t5:T5_1_1_DECODER",
    "mt5": "b4k3.models.networks.t5:MT5",
    "mt5_encoder": "b4k3.models.networks.t5:MT5_ENCODER",
    "mt5_decoder": "b4k3.models.networks.t5:MT5_DECODER",
    "mt5.1.1": "b4k3.models.networks.t5:MT5",
    "mt5.1.1_encoder": "b4k3.models.networks.t5:MT5_ENCODER",
    "mt5.1.1_decoder": "b4k3.models.networks.t5:MT5_DECODER",
    "t5_pegasus": "b4k3.models.networks.t5:T5_PEGASUS",
    "t5_pegasus_encoder": "b4k3.models.networks.t5:T5_PEGASUS_ENCODER",
    "t5_pegasus_decoder": "b4k3.models.networks.t5:T5_PEGASUS_DECODER",
}

DEFAULT = "bert"  # as in bert4keras, where nothing says otherwise
ARCHITECTURES_OF_B4K3 = dict(ARCHITECTURES)

# name -> where its Dialect is; the order is that in which they are asked whether they recognise a file
DIALECTS: dict[str, Any] = {
    "keras_layers": "b4k3.models.dialects.keras_layers:KERAS_LAYERS",
    "albert_zh": "b4k3.models.dialects.albert_zh:ALBERT_ZH",
    "mesh_t5": "b4k3.models.dialects.mesh_t5:MESH_T5",
    "newslm": "b4k3.models.dialects.newslm:NEWSLM",
    "bojone_gpt": "b4k3.models.dialects.bojone_gpt:BOJONE_GPT",
    "google": "b4k3.models.dialects.google:GOOGLE",
    "huggingface-t5": "b4k3.models.dialects.huggingface_t5:T5",
    "huggingface-mt5": "b4k3.models.dialects.huggingface_t5:MT5",
    "huggingface-openai-gpt": "b4k3.models.dialects.huggingface_gpt:OPENAI_GPT",
    "huggingface-gpt2": "b4k3.models.dialects.huggingface_gpt:GPT2",
    "huggingface-distilbert": "b4k3.models.dialects.huggingface:DISTILBERT",
    "huggingface-albert": "b4k3.models.dialects.huggingface:ALBERT",
    "huggingface-electra-generator": "b4k3.models.dialects.huggingface:ELECTRA_GENERATOR",
    "huggingface-electra": "b4k3.models.dialects.huggingface:ELECTRA",
    "huggingface-nezha": "b4k3.models.dialects.huggingface:NEZHA",
    "huggingface-roformer": "b4k3.models.dialects.huggingface:ROFORMER",
    "huggingface-roberta": "b4k3.models.dialects.huggingface:ROBERTA",
    "huggingface-ernie": "b4k3.models.dialects.huggingface:ERNIE",
    "huggingface": "b4k3.models.dialects.huggingface:HUGGINGFACE",
}


def register_architecture(name: str, target: Any) -> None:
    """Make `model=name` known, in `build_transformer_model` and in every command of `b4k3`.

    Arguments:
        name: str, taken in lower case.
        target: a `Network` that describes it, or 'module:NETWORK'; or a subclass of `Transformer`, or 'module:Class'.
            A class has a description of its own as its attribute `network`, or it is a subclass of one of b4k3's and
            has that one's; a class with a `variable_mapping` of its own is described by what that returns.

    Example:
        register_architecture("my_bert", MyBERT)
        build_transformer_model(config, checkpoint, model="my_bert")
    """
    if not isinstance(name, str) or not name:
        raise ConfigError(f"register_architecture: the name is {name!r}, expected a str")
    ARCHITECTURES[name.lower()] = target
    network.cache_clear()


def register_dialect(name: str, target: Any) -> None:
    """Make a way of naming variables known. It is asked before those that are there already.

    Arguments:
        name: str.
        target: a `Dialect`, or 'module:ATTRIBUTE'.
    """
    others = [item for item in DIALECTS.items() if item[0] != name]
    DIALECTS.clear()
    DIALECTS.update([(name, target)] + others)


@functools.lru_cache(maxsize=None)
def entry_points(group: str) -> dict[str, str]:
    """{name: 'module:attribute'} that installed packages declare."""
    try:
        from importlib.metadata import entry_points as find
    except ImportError:  # Python 3.7
        from importlib_metadata import entry_points as find
    found = find()
    found = found.select(group=group) if hasattr(found, "select") else found.get(group, ())
    return {e.name: e.value for e in found}


def load(target: Any) -> Any:
    """The object behind 'module:attribute'; anything else is returned as it is."""
    if not isinstance(target, str):
        return target
    module, attribute = target.split(":")
    return getattr(importlib.import_module(module), attribute)


@functools.lru_cache(maxsize=None)
def network(name: Any) -> Network:
    """The description of what `model=` names.

    Arguments:
        name: a name; or a `Network`, or a class with one.

    Raises:
        ConfigError: nobody registered the name; it lists those that are there, the nearest first.
    """
    if not isinstance(name, str):
        return described(name)
    known, key = ARCHITECTURES, name.lower()
    if key not in known:
        known = dict(entry_points("b4k3.architectures"), **ARCHITECTURES)
    if key not in known:
        near = [other.name for other in networks() if key in other.model_types]
        near = near or difflib.get_close_matches(key, known, 1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"model={name!r} is not known. {hint}Known: {', '.join(sorted(known))}.")
    try:
        return described(load(known[key]), key)
    except (AttributeError, ImportError, ValueError) as e:
        if isinstance(e, ConfigError) or known[key] == ARCHITECTURES_OF_B4K3.get(key):
            raise
        raise ConfigError(f"model={name!r} is registered as {known[key]!r}, which cannot be loaded: {e}") from None


def described(target: Any, name: str | None = None) -> Network:
    """The `Network` of a registered object. Arguments: what was registered; the name that it was registered by."""
    if isinstance(target, Network):
        return target
    if not isinstance(target, type) or not hasattr(target, "maps_by_itself"):
        raise ConfigError(f"{target!r} is neither a Network nor a subclass of Transformer")
    own = target.network
    if own is not None and load(own.target) is target:
        return own
    key = name or getattr(target, "model_key", None) or target.__name__.lower()
    if own is not None and not target.maps_by_itself():
        return own.but(key, target, model_types=own.model_types, unmarked=None)
    from .networks.mapped import MappedNetwork

    return MappedNetwork(own, key, target)


def networks() -> list[Network]:
    """The description of every network once, in the order of the registry."""
    others = [name for name in entry_points("b4k3.architectures") if name not in ARCHITECTURES]
    found = {}
    for name in list(ARCHITECTURES) + others:
        try:
            found[network(name)] = None
        except ConfigError as e:  # somebody's registration must not break the loads of others
            warnings.warn(f"passed over: {e}", stacklevel=2)
    return list(found)


def architecture(name: Any) -> Any:
    """The class for `model=name`: here Keras is first asked for.

    Arguments:
        name: str, or a class, which is returned as it is.

    Raises:
        ConfigError: as of `network`.
    """
    if isinstance(name, type):
        return name
    of = network(name)
    return with_network(load(of.target), of)


@functools.lru_cache(maxsize=None)
def with_network(cls: type, of: Network) -> type:
    """A class whose description is this one: a description may say what an existing class computes."""
    if cls.network is of or cls.maps_by_itself():
        return cls
    if of.target is cls and cls.network is not None and cls.network.parts is of.parts:
        return cls  # a subclass that takes over the description of its base class
    own = {"network": of, "model_key": of.name, "__module__": cls.__module__, "__doc__": cls.__doc__}
    return type(cls.__name__, (cls,), own)


def dialects() -> list[Any]:
    """Every Dialect, in the order in which they are asked: those of other packages first."""
    others = [target for name, target in entry_points("b4k3.dialects").items() if name not in DIALECTS]
    return [load(target) for target in others + list(DIALECTS.values())]
