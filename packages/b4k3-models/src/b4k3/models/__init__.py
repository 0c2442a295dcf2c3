"""Chinese and multilingual pretrained transformers for every Keras, from the checkpoints their authors published.

`b4k3.models.checkpoints` needs no Keras: nothing here is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from b4k3 import layers
from b4k3.backend._missing import BackendError, missing

from .__about__ import __version__

if TYPE_CHECKING:  # what the table below gives at run time, for editors and type checkers
    from b4k3.layers import *  # noqa: F403

    from .adam_state import adam_variables as adam_variables, restore_adam as restore_adam
    from .architectures.albert import ALBERT as ALBERT, ALBERT_Unshared as ALBERT_Unshared
    from .architectures.bart import BART as BART, BART_Decoder as BART_Decoder, BART_Encoder as BART_Encoder
    from .architectures.bart_base import BART_Base as BART_Base
    from .architectures.bert import BERT as BERT
    from .architectures.cpt import CPT as CPT
    from .architectures.deberta import DeBERTaV2 as DeBERTaV2
    from .architectures.distilbert import DistilBERT as DistilBERT
    from .architectures.electra import ELECTRA as ELECTRA, ELECTRA_Generator as ELECTRA_Generator
    from .architectures.ernie import ERNIE as ERNIE
    from .architectures.gau import GAU_alpha as GAU_alpha
    from .architectures.gpt import GPT as GPT, GPT2 as GPT2, GPT2_ML as GPT2_ML
    from .architectures.llama import (
        Llama as Llama,
        Mistral as Mistral,
        Qwen2 as Qwen2,
        Qwen3 as Qwen3,
        SmolLM3 as SmolLM3,
    )
    from .architectures.megatron_bert import MegatronBERT as MegatronBERT
    from .architectures.modernbert import ModernBERT as ModernBERT
    from .architectures.mpnet import MPNet as MPNet
    from .architectures.nezha import NEZHA as NEZHA
    from .architectures.roberta import RoBERTa as RoBERTa
    from .architectures.roformer import RoFormer as RoFormer, RoFormerV2 as RoFormerV2
    from .architectures.t5 import T5 as T5, T5_Decoder as T5_Decoder, T5_Encoder as T5_Encoder
    from .architectures.t5_base import T5_Base as T5_Base
    from .architectures.xlnet import XLNet as XLNet
    from .builder import build_transformer_model as build_transformer_model
    from .checkpoints import CheckpointError as CheckpointError
    from .config_files import ready_configs as ready_configs
    from .errors import ConfigError as ConfigError
    from .exporting import export as export
    from .language_models import (
        LM_Mask as LM_Mask,
        UniLM_Mask as UniLM_Mask,
        extend_with_language_model as extend_with_language_model,
        extend_with_unified_language_model as extend_with_unified_language_model,
    )
    from .loading import LoadReport as LoadReport
    from .multi_device import data_parallel as data_parallel
    from .networks.description import Network as Network
    from .predictor import Predictor as Predictor
    from .registry import register_architecture as register_architecture, register_dialect as register_dialect
    from .transformer import Transformer as Transformer

# public name -> the module that defines it
_NAMES = {
    "ALBERT": "architectures.albert",
    "ALBERT_Unshared": "architectures.albert",
    "BART": "architectures.bart",
    "BART_Base": "architectures.bart_base",
    "BART_Decoder": "architectures.bart",
    "BART_Encoder": "architectures.bart",
    "BERT": "architectures.bert",
    "CPT": "architectures.cpt",
    "CheckpointError": "checkpoints",
    "ConfigError": "errors",
    "DeBERTaV2": "architectures.deberta",
    "DistilBERT": "architectures.distilbert",
    "ELECTRA": "architectures.electra",
    "ELECTRA_Generator": "architectures.electra",
    "ERNIE": "architectures.ernie",
    "GAU_alpha": "architectures.gau",
    "GPT": "architectures.gpt",
    "GPT2": "architectures.gpt",
    "GPT2_ML": "architectures.gpt",
    "LM_Mask": "language_models",
    "Llama": "architectures.llama",
    "LoadReport": "loading",
    "ModernBERT": "architectures.modernbert",
    "MPNet": "architectures.mpnet",
    "MegatronBERT": "architectures.megatron_bert",
    "Mistral": "architectures.llama",
    "NEZHA": "architectures.nezha",
    "Network": "networks.description",
    "Predictor": "predictor",
    "Qwen2": "architectures.llama",
    "Qwen3": "architectures.llama",
    "RoBERTa": "architectures.roberta",
    "RoFormer": "architectures.roformer",
    "RoFormerV2": "architectures.roformer",
    "SmolLM3": "architectures.llama",
    "T5": "architectures.t5",
    "T5_Base": "architectures.t5_base",
    "T5_Decoder": "architectures.t5",
    "T5_Encoder": "architectures.t5",
    "Transformer": "transformer",
    "UniLM_Mask": "language_models",
    "XLNet": "architectures.xlnet",
    "adam_variables": "adam_state",
    "build_transformer_model": "builder",
    "data_parallel": "multi_device",
    "export": "exporting",
    "extend_with_language_model": "language_models",
    "extend_with_unified_language_model": "language_models",
    "ready_configs": "config_files",
    "register_architecture": "registry",
    "register_dialect": "registry",
    "restore_adam": "adam_state",
}


def _get(name: str) -> Any:
    # `from b4k3.models import *`, with which scripts define architectures, gives the layers too, as bert4keras does
    if name == "__all__":
        return sorted(set(__dir__()) | set(layers.__all__))
    if name not in _NAMES and not layers.knows(name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        if name not in _NAMES:
            return layers.load(name)
        value = getattr(importlib.import_module("." + _NAMES[name], __name__), name)
    except BackendError as error:
        raise missing(error, __name__, name, sys._getframe(1)) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_NAMES) + ["__version__"]


if not TYPE_CHECKING:  # a checker would take every misspelt name for one that `__getattr__` knows
    __getattr__ = _get
