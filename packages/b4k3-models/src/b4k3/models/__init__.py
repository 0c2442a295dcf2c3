"""Chinese and multilingual pretrained transformers for every Keras, from the checkpoints their authors published.

`b4k3.models.checkpoints` needs no Keras: nothing here is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import sys

from b4k3 import layers
from b4k3.backend._missing import BackendError, missing

from .__about__ import __version__

# public name -> the module that defines it
_NAMES = {
    "ALBERT": "architectures.albert",
    "ALBERT_Unshared": "architectures.albert",
    "BERT": "architectures.bert",
    "CheckpointError": "checkpoints",
    "ConfigError": "errors",
    "DistilBERT": "architectures.distilbert",
    "ELECTRA": "architectures.electra",
    "ELECTRA_Generator": "architectures.electra",
    "ERNIE": "architectures.ernie",
    "GAU_alpha": "architectures.gau",
    "GPT": "architectures.gpt",
    "GPT2": "architectures.gpt",
    "GPT2_ML": "architectures.gpt",
    "LM_Mask": "masks",
    "LoadReport": "loading",
    "NEZHA": "architectures.nezha",
    "Network": "networks.description",
    "RoBERTa": "architectures.roberta",
    "RoFormer": "architectures.roformer",
    "RoFormerV2": "architectures.roformer",
    "T5": "architectures.t5",
    "T5_Base": "architectures.t5_base",
    "T5_Decoder": "architectures.t5",
    "T5_Encoder": "architectures.t5",
    "Transformer": "transformer",
    "UniLM_Mask": "masks",
    "build_transformer_model": "builder",
    "data_parallel": "parallel",
    "extend_with_language_model": "masks",
    "extend_with_unified_language_model": "masks",
    "ready_configs": "config_files",
    "register_architecture": "registry",
    "register_dialect": "registry",
}


def __getattr__(name):
    # `from b4k3.models import *`, with which scripts define architectures, gives the layers too, as bert4keras does
    if name == "__all__":
        return sorted(set(__dir__()) | set(layers.__all__))
    if name not in _NAMES and not layers.knows(name):
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    try:
        if name not in _NAMES:
            return layers.load(name)
        value = getattr(importlib.import_module("." + _NAMES[name], __name__), name)
    except BackendError as error:
        raise missing(error, __name__, name, sys._getframe(1)) from None
    globals()[name] = value
    return value


def __dir__():
    return sorted(_NAMES) + ["__version__"]
