"""The dialect of MegatronBERT in Hugging Face transformers: BERT's, apart from 'bert.encoder.layer.0.ln.weight'.

https://github.com/huggingface/transformers
"""

from __future__ import annotations

from . import Dialect, norm
from .huggingface import FAMILY, bert

_BLOCK = ("bert/encoder/layer_{i}/", "bert.encoder.layer.{i}.")

MEGATRON_BERT = Dialect(
    "huggingface-megatron-bert",
    norm(_BLOCK[0] + "attention/LayerNorm", _BLOCK[1] + "attention.ln")
    + norm(_BLOCK[0] + "LayerNorm", _BLOCK[1] + "ln")
    + norm("bert/encoder/LayerNorm", "bert.encoder.ln")
    + bert("bert."),
    lambda names: any(name.endswith("encoder.ln.weight") for name in names),
    prefixes=("bert.", ""),
    family=FAMILY,
    models=("megatron_bert",),
)
