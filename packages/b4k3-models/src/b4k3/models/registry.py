"""What b4k3 knows by name: architectures and dialects, a line each. Others add theirs here or by entry points.

A package of yours may declare, in its metadata, entry points of the groups `b4k3.architectures` and `b4k3.dialects`.
"""

from __future__ import annotations

import difflib
import functools
import importlib

from .config import ConfigError

# model= -> where its class is
ARCHITECTURES = {
    "bert": "b4k3.models.architectures.bert:BERT",
    "roberta": "b4k3.models.architectures.bert:BERT",
    "albert": "b4k3.models.architectures.albert:ALBERT",
    "albert_unshared": "b4k3.models.architectures.albert:ALBERT_Unshared",
    "nezha": "b4k3.models.architectures.nezha:NEZHA",
    "electra": "b4k3.models.architectures.electra:ELECTRA",
    "electra_generator": "b4k3.models.architectures.electra:ELECTRA_Generator",
    "roformer": "b4k3.models.architectures.roformer:RoFormer",
    "roformer_v2": "b4k3.models.architectures.roformer:RoFormerV2",
    "gau": "b4k3.models.architectures.gau:GAU_alpha",
    "gpt": "b4k3.models.architectures.gpt:GPT",
    "gpt2": "b4k3.models.architectures.gpt:GPT2",
    "gpt2_ml": "b4k3.models.architectures.gpt:GPT2_ML",
    "t5": "b4k3.models.architectures.t5:T5",
    "t5_encoder": "b4k3.models.architectures.t5:T5_Encoder",
    "t5_decoder": "b4k3.models.architectures.t5:T5_Decoder",
    "t5.1.0": "b4k3.models.architectures.t5:T5",
    "t5.1.0_encoder": "b4k3.models.architectures.t5:T5_Encoder",
    "t5.1.0_decoder": "b4k3.models.architectures.t5:T5_Decoder",
    "t5.1.1": "b4k3.models.architectures.t5:T5_1_1",
    "t5.1.1_encoder": "b4k3.models.architectures.t5:T5_1_1_Encoder",
    "t5.1.1_decoder": "b4k3.models.architectures.t5:T5_1_1_Decoder",
    "mt5": "b4k3.models.architectures.t5:MT5",
    "mt5_encoder": "b4k3.models.architectures.t5:MT5_Encoder",
    "mt5_decoder": "b4k3.models.architectures.t5:MT5_Decoder",
    "mt5.1.1": "b4k3.models.architectures.t5:MT5",
    "mt5.1.1_encoder": "b4k3.models.architectures.t5:MT5_Encoder",
    "mt5.1.1_decoder": "b4k3.models.architectures.t5:MT5_Decoder",
    "t5_pegasus": "b4k3.models.architectures.t5:T5_Pegasus",
    "t5_pegasus_encoder": "b4k3.models.architectures.t5:T5_Pegasus_Encoder",
    "t5_pegasus_decoder": "b4k3.models.architectures.t5:T5_Pegasus_Decoder",
}

# name -> where its Dialect is; the order is that in which they are asked whether they recognise a file
DIALECTS = {
    "albert_zh": "b4k3.models.dialects.albert_zh:ALBERT_ZH",
    "mesh_t5": "b4k3.models.dialects.mesh_t5:MESH_T5",
    "newslm": "b4k3.models.dialects.newslm:NEWSLM",
    "bojone_gpt": "b4k3.models.dialects.bojone_gpt:BOJONE_GPT",
    "google": "b4k3.models.dialects.google:GOOGLE",
    "huggingface-t5": "b4k3.models.dialects.huggingface_t5:T5",
    "huggingface-mt5": "b4k3.models.dialects.huggingface_t5:MT5",
    "huggingface-openai-gpt": "b4k3.models.dialects.huggingface_gpt:OPENAI_GPT",
    "huggingface-gpt2": "b4k3.models.dialects.huggingface_gpt:GPT2",
    "huggingface-albert": "b4k3.models.dialects.huggingface:ALBERT",
    "huggingface-electra-generator": "b4k3.models.dialects.huggingface:ELECTRA_GENERATOR",
    "huggingface-electra": "b4k3.models.dialects.huggingface:ELECTRA",
    "huggingface-nezha": "b4k3.models.dialects.huggingface:NEZHA",
    "huggingface-roformer": "b4k3.models.dialects.huggingface:ROFORMER",
    "huggingface": "b4k3.models.dialects.huggingface:HUGGINGFACE",
}


def register_architecture(name, target):
    """Make `model=name` known.

    Arguments:
        name: str, taken in lower case.
        target: a subclass of `Transformer`, or 'module:Class'.
    """
    ARCHITECTURES[name.lower()] = target


def register_dialect(name, target):
    """Make a way of naming variables known. It is asked before those that are there already.

    Arguments:
        name: str.
        target: a `Dialect`, or 'module:ATTRIBUTE'.
    """
    others = [item for item in DIALECTS.items() if item[0] != name]
    DIALECTS.clear()
    DIALECTS.update([(name, target)] + others)


@functools.lru_cache(maxsize=None)
def entry_points(group):
    """{name: 'module:attribute'} that installed packages declare."""
    try:
        from importlib.metadata import entry_points as find
    except ImportError:  # Python 3.7
        from importlib_metadata import entry_points as find
    found = find()
    found = found.select(group=group) if hasattr(found, "select") else found.get(group, ())
    return {e.name: e.value for e in found}


def load(target):
    """The object behind 'module:attribute'; anything else is returned as it is."""
    if not isinstance(target, str):
        return target
    module, attribute = target.split(":")
    return getattr(importlib.import_module(module), attribute)


def architecture(name):
    """The class for `model=name`.

    Arguments:
        name: str, or a class, which is returned as it is.

    Raises:
        ConfigError: nobody registered the name; it lists those that are there, the nearest first.
    """
    if isinstance(name, type):
        return name
    known = ARCHITECTURES
    key = str(name).lower()
    if key not in known:
        known = dict(entry_points("b4k3.architectures"), **ARCHITECTURES)
    if key not in known:
        near = difflib.get_close_matches(key, known, 1)
        hint = "Did you mean %r? " % near[0] if near else ""
        raise ConfigError("model=%r is not known. %sKnown: %s." % (name, hint, ", ".join(sorted(known))))
    return load(known[key])


def dialects():
    """Every Dialect, in the order in which they are asked: those of other packages first."""
    others = [target for name, target in entry_points("b4k3.dialects").items() if name not in DIALECTS]
    return [load(target) for target in others + list(DIALECTS.values())]
