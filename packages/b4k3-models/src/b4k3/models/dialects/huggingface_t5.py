"""The names of T5 and mT5 in Hugging Face transformers: 'encoder.block.0.layer.0.SelfAttention.q.weight'."""

from __future__ import annotations

from . import Dialect, Rule
from .huggingface import FAMILY


def stack(part, norm, final_norm):
    """The rules of 'encoder' or 'decoder'; norm and final_norm: what is canonical for layer_norm, final_layer_norm."""
    canonical, stored = part + "/block_{i:03d}/layer_{j:03d}/", part + ".block.{i}.layer.{j}."
    attention = ["%s/%s" % (kind, name) for kind in ("SelfAttention", "EncDecAttention") for name in "qkvo"]
    matrices = attention + ["SelfAttention/relative_attention_bias"]
    rules = [Rule(canonical + name, stored + name.replace("/", ".") + ".weight", True) for name in matrices]
    for name in ("wi", "wi_0", "wi_1", "wo"):
        dense = "DenseReluDense/%s" % name
        rules.append(Rule(canonical + dense + "/kernel", stored + dense.replace("/", ".") + ".weight", True))
    return rules + [
        Rule(canonical + norm + "/scale", stored + "layer_norm.weight"),
        Rule("%s/%s/scale" % (part, final_norm), part + ".final_layer_norm.weight"),
    ]


def t5(norm, final_norm):
    tables = ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")  # all are one
    rules = [Rule("shared/embedding", stored) for stored in tables]
    rules.append(Rule("decoder/logits/kernel", "lm_head.weight", True))
    return rules + stack("encoder", norm, final_norm) + stack("decoder", norm, final_norm)


def sign(names):
    return any(name.startswith(("encoder.block.", "decoder.block.")) for name in names)


T5 = Dialect("huggingface-t5", t5("layer_norm", "final_layer_norm"), sign, family=FAMILY, models=("t5.1.0", "t5.1.1"))
MT5 = Dialect("huggingface-mt5", t5("rms_norm", "rms_norm"), sign, family=FAMILY, models=("mt5.1.1", "t5_pegasus"))
