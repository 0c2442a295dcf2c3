"""The dialect of Llama, Qwen2, Qwen3, Mistral and SmolLM3 in Hugging Face transformers.

For example, 'model.layers.0.self_attn.q_proj.weight'. https://github.com/huggingface/transformers
"""

from __future__ import annotations

from typing import Collection

from . import Dialect, Rule, linear
from .huggingface import FAMILY

_BLOCK = ("llama/transformer/layer_{i}/", "model.layers.{i}.")
_DENSE = (
    ("attention/self/query", "self_attn.q_proj"),
    ("attention/self/key", "self_attn.k_proj"),
    ("attention/self/value", "self_attn.v_proj"),
    ("attention/output/dense", "self_attn.o_proj"),
    ("gate/dense", "mlp.gate_proj"),
    ("intermediate/dense", "mlp.up_proj"),
    ("output/dense", "mlp.down_proj"),
)
_NORMS = (
    ("attention/input/LayerNorm", "input_layernorm"),
    ("input/LayerNorm", "post_attention_layernorm"),
    ("attention/self/query_norm", "self_attn.q_norm"),
    ("attention/self/key_norm", "self_attn.k_norm"),
)


def blocks() -> list[Rule]:
    """Make the rules of the blocks.

    Returns:
        list of `Rule`.
    """
    canonical, stored = _BLOCK
    rules = [rule for ours, theirs in _DENSE for rule in linear(canonical + ours, stored + theirs)]
    return rules + [Rule(f"{canonical}{ours}/gamma", f"{stored}{theirs}.weight") for ours, theirs in _NORMS]


def sign(names: Collection[str]) -> bool:
    """Tell whether a file is a Llama of transformers, or a decoder with the names of its matrices.

    Arguments:
        names: set of str. The names of all variables in the file.

    Returns:
        bool.
    """
    return any(name.endswith(".mlp.gate_proj.weight") for name in names)


LLAMA = Dialect(
    "huggingface-llama",
    [
        Rule("llama/embeddings/word_embeddings", "model.embed_tokens.weight"),
        Rule("llama/lm_head/weights", "lm_head.weight"),
        Rule("llama/output/LayerNorm/gamma", "model.norm.weight"),
    ]
    + blocks(),
    sign,
    prefixes=("model.", "", "transformer."),  # the last one in classes for QuestionAnswering
    family=FAMILY,
    models=("llama", "qwen2", "qwen3", "mistral", "smollm3"),
)
