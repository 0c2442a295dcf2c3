"""Look up networks and dialects by name. The tables here have one line for each of them.

Other packages add theirs by `register_architecture` and `register_dialect`, or by entry points of the groups
`b4k3.architectures` and `b4k3.dialects` in their metadata.
"""

from __future__ import annotations

import difflib
import functools
import importlib
from typing import TYPE_CHECKING, Any

from .errors import ConfigError, warn_caller
from .networks.description import Network

if TYPE_CHECKING:
    from .dialects import Dialect

# The name for `model=` -> where the network's description is. If several networks fit a file, the first one counts.
ARCHITECTURES: dict[str, Any] = {
    "bert": "b4k3.models.networks.bert:BERT",
    "roberta": "b4k3.models.networks.roberta:ROBERTA",
    "ernie": "b4k3.models.networks.ernie:ERNIE",
    "mpnet": "b4k3.models.networks.mpnet:MPNET",
    "megatron_bert": "b4k3.models.networks.megatron_bert:MEGATRON_BERT",
    "distilbert": "b4k3.models.networks.distilbert:DISTILBERT",
    "albert": "b4k3.models.networks.albert:ALBERT",
    "albert_unshared": "b4k3.models.networks.albert:ALBERT_UNSHARED",
    "nezha": "b4k3.models.networks.nezha:NEZHA",
    "electra": "b4k3.models.networks.electra:ELECTRA",
    "electra_generator": "b4k3.models.networks.electra:ELECTRA_GENERATOR",
    "deberta_v2": "b4k3.models.networks.deberta:DEBERTA_V2",
    "deberta_v3": "b4k3.models.networks.deberta:DEBERTA_V2",
    "roformer": "b4k3.models.networks.roformer:ROFORMER",
    "roformer_v2": "b4k3.models.networks.roformer:ROFORMER_V2",
    "modernbert": "b4k3.models.networks.modernbert:MODERNBERT",
    "gau": "b4k3.models.networks.gau:GAU_ALPHA",
    "gpt": "b4k3.models.networks.gpt:GPT",
    "gpt2": "b4k3.models.networks.gpt:GPT2",
    "gpt2_ml": "b4k3.models.networks.gpt:GPT2_ML",
    "bart": "b4k3.models.networks.bart:BART",
    "bart_encoder": "b4k3.models.networks.bart:BART_ENCODER",
    "bart_decoder": "b4k3.models.networks.bart:BART_DECODER",
    "cpt": "b4k3.models.networks.cpt:CPT",
    "xlnet": "b4k3.models.networks.xlnet:XLNET",
    "llama": "b4k3.models.networks.llama:LLAMA",
    "qwen2": "b4k3.models.networks.llama:QWEN2",
    "qwen3": "b4k3.models.networks.llama:QWEN3",
    "mistral": "b4k3.models.networks.llama:MISTRAL",
    "smollm3": "b4k3.models.networks.llama:SMOLLM3",
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
    "umt5": "b4k3.models.networks.t5:UMT5",
    "umt5_encoder": "b4k3.models.networks.t5:UMT5_ENCODER",
    "umt5_decoder": "b4k3.models.networks.t5:UMT5_DECODER",
    "t5_pegasus": "b4k3.models.networks.t5:T5_PEGASUS",
    "t5_pegasus_encoder": "b4k3.models.networks.t5:T5_PEGASUS_ENCODER",
    "t5_pegasus_decoder": "b4k3.models.networks.t5:T5_PEGASUS_DECODER",
}

DEFAULT = "bert"  # the network if nobody names one, as in bert4keras
ARCHITECTURES_OF_B4K3 = dict(ARCHITECTURES)

# Name -> where the `Dialect` is. They are asked in this order whether they recognise a file.
DIALECTS: dict[str, Any] = {
    "keras_layers": "b4k3.models.dialects.keras_layers:KERAS_LAYERS",
    "keras_hub": "b4k3.models.dialects.keras_hub:KERAS_HUB",
    "albert_zh": "b4k3.models.dialects.albert_zh:ALBERT_ZH",
    "mesh_t5": "b4k3.models.dialects.mesh_t5:MESH_T5",
    "newslm": "b4k3.models.dialects.newslm:NEWSLM",
    "bojone_gpt": "b4k3.models.dialects.bojone_gpt:BOJONE_GPT",
    "google": "b4k3.models.dialects.google:GOOGLE",
    "huggingface-t5": "b4k3.models.dialects.huggingface_t5:T5",
    "huggingface-mt5": "b4k3.models.dialects.huggingface_t5:MT5",
    "huggingface-bart": "b4k3.models.dialects.huggingface_bart:BART",
    "huggingface-cpt": "b4k3.models.dialects.huggingface_bart:CPT",
    "huggingface-xlnet": "b4k3.models.dialects.huggingface_xlnet:XLNET",
    "huggingface-openai-gpt": "b4k3.models.dialects.huggingface_gpt:OPENAI_GPT",
    "huggingface-gpt2": "b4k3.models.dialects.huggingface_gpt:GPT2",
    "huggingface-modernbert": "b4k3.models.dialects.huggingface_modernbert:MODERNBERT",
    "huggingface-mpnet": "b4k3.models.dialects.huggingface_mpnet:MPNET",
    "huggingface-megatron-bert": "b4k3.models.dialects.huggingface_megatron_bert:MEGATRON_BERT",
    "huggingface-llama": "b4k3.models.dialects.huggingface_llama:LLAMA",
    "huggingface-distilbert": "b4k3.models.dialects.huggingface:DISTILBERT",
    "huggingface-albert": "b4k3.models.dialects.huggingface:ALBERT",
    "huggingface-electra-generator": "b4k3.models.dialects.huggingface:ELECTRA_GENERATOR",
    "huggingface-electra": "b4k3.models.dialects.huggingface:ELECTRA",
    "huggingface-deberta-v2": "b4k3.models.dialects.huggingface_deberta:DEBERTA_V2",
    "huggingface-nezha": "b4k3.models.dialects.huggingface:NEZHA",
    "huggingface-roformer": "b4k3.models.dialects.huggingface:ROFORMER",
    "huggingface-roberta": "b4k3.models.dialects.huggingface:ROBERTA",
    "huggingface-ernie": "b4k3.models.dialects.huggingface:ERNIE",
    "huggingface": "b4k3.models.dialects.huggingface:HUGGINGFACE",
}


def register_architecture(name: str, target: Any) -> None:
    """Make `model=name` known to `build_transformer_model` and to every command of `b4k3`.

    Arguments:
        name: str. Upper and lower case are the same.
        target: a `Network`, a subclass of `Transformer`, or "module:ATTRIBUTE" of one of these. A class is described by
            its attribute `network`, which it may inherit from a class of b4k3, or by its own `variable_mapping`.

    Raises:
        ConfigError: the name is not a str, or is empty.

    Example:
        >>> from b4k3.models import BERT, build_transformer_model, register_architecture
        >>> class MyBERT(BERT):
        ...     pass
        >>> register_architecture("my_bert", MyBERT)
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> type(build_transformer_model(config, model="my_bert", return_keras_model=False)).__name__
        'MyBERT'
    """
    if not isinstance(name, str) or not name:
        raise ConfigError(f"register_architecture: the name is {name!r}, expected a str that is not empty")
    ARCHITECTURES[name.lower()] = target
    network.cache_clear()


def register_dialect(name: str, target: Any) -> None:
    """Make a dialect known. It is asked before the dialects that were known before.

    Arguments:
        name: str.
        target: a `Dialect`, or "module:ATTRIBUTE" of one.

    Example:
        >>> from b4k3.models import register_dialect
        >>> from b4k3.models.dialects import Dialect, Rule
        >>> words = Rule("bert/embeddings/word_embeddings", "my_words")
        >>> register_dialect("mine", Dialect("mine", [words], lambda names: "my_words" in names))
    """
    others = [item for item in DIALECTS.items() if item[0] != name]
    DIALECTS.clear()
    DIALECTS.update([(name, target)] + others)


@functools.lru_cache(maxsize=None)
def entry_points(group: str) -> dict[str, str]:
    """Find the entry points that installed packages declare in a group.

    Arguments:
        group: str, "b4k3.architectures" for example.

    Returns:
        dict from the name of an entry point to its "module:ATTRIBUTE".
    """
    try:
        from importlib.metadata import entry_points as find
    except ImportError:  # Python 3.7
        from importlib_metadata import entry_points as find  # pyright: ignore[reportMissingImports]
    found: Any = find()
    found = found.select(group=group) if hasattr(found, "select") else found.get(group, ())
    return {e.name: e.value for e in found}


def load(target: Any) -> Any:
    """Import a registered object.

    Arguments:
        target: str, "module:ATTRIBUTE", or the object itself.

    Returns:
        The object.
    """
    if not isinstance(target, str):
        return target
    module, attribute = target.split(":")
    return getattr(importlib.import_module(module), attribute)


@functools.lru_cache(maxsize=None)
def network(name: Any) -> Network:
    """Find the description of a network.

    Arguments:
        name: str, `Network` or class. The value of `model=`.

    Returns:
        `Network`.

    Raises:
        ConfigError: the name is unknown. The message has the known names, the nearest one first.

    Example:
        >>> from b4k3.models.registry import network
        >>> network("bert")
        <Network bert>
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
    """Find or make the description of a registered object.

    Arguments:
        target: `Network` or class. The registered object.
        name: str or None. The name under which it was registered.

    Returns:
        `Network`.

    Raises:
        ConfigError: the object is neither a `Network` nor a subclass of `Transformer`.
    """
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
    """List all networks, each once, in the order of the registry.

    Returns:
        list of `Network`. A network whose registration is wrong is left out, with a warning.

    Example:
        >>> from b4k3.models.registry import networks
        >>> networks()[:3]
        [<Network bert>, <Network roberta>, <Network ernie>]
    """
    others = [name for name in entry_points("b4k3.architectures") if name not in ARCHITECTURES]
    found = {}
    for name in list(ARCHITECTURES) + others:
        try:
            found[network(name)] = None
        except ConfigError as e:  # one wrong registration must not prevent other networks from loading
            warn_caller(f"a registered network is left out: {e}")
    return list(found)


def architecture(name: Any) -> Any:
    """Find the class that computes a network. This imports Keras.

    Arguments:
        name: str, `Network` or class. The value of `model=`. A class is returned as it is.

    Returns:
        A subclass of `Transformer`.

    Raises:
        ConfigError: the name is unknown.
    """
    if isinstance(name, type):
        return name
    of = network(name)
    return with_network(load(of.target), of)


@functools.lru_cache(maxsize=None)
def with_network(base: Any, of: Network) -> Any:
    """Derive a class that has another description, because a `Network` may name a class that has its own.

    Arguments:
        base: a subclass of `Transformer`.
        of: `Network`.

    Returns:
        The class itself if it has this description already, otherwise a subclass.
    """
    if base.network is of or base.maps_by_itself():
        return base
    if of.target is base and base.network is not None and base.network.parts is of.parts:
        return base  # a subclass that takes over the description of its base class
    own = {"network": of, "model_key": of.name, "__module__": base.__module__, "__doc__": base.__doc__}
    return type(base.__name__, (base,), own)


def dialects() -> list[Dialect]:
    """List all dialects in the order in which they are asked. The dialects of other packages come first.

    Returns:
        list of `Dialect`.
    """
    others = [target for name, target in entry_points("b4k3.dialects").items() if name not in DIALECTS]
    return [load(target) for target in others + list(DIALECTS.values())]
