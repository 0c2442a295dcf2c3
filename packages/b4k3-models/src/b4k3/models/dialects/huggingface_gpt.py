"""The dialect of OpenAI's GPT and GPT-2 in Hugging Face transformers: 'transformer.h.0.attn.c_attn.weight'.

The matrices are not transposed. Queries, keys and values are joined in one matrix.
https://github.com/huggingface/transformers
"""

from __future__ import annotations

from typing import Any

from . import Dialect, Rule, norm
from .huggingface import FAMILY

_BLOCK = ("gpt/transformer/layer_{i}/", "transformer.h.{i}.")
_DENSE = (
    ("attention/output/dense", "attn.c_proj"),
    ("intermediate/dense", "mlp.c_fc"),
    ("output/dense", "mlp.c_proj"),
)


def blocks() -> list[Rule]:
    """Make the rules of the matrices and biases in the blocks.

    Returns:
        list of `Rule`.
    """
    canonical, stored = _BLOCK
    rules = []
    for weight, end in (("kernel", ".weight"), ("bias", ".bias")):
        for k, name in enumerate(("query", "key", "value")):
            rules.append(Rule(f"{canonical}attention/self/{name}/{weight}", f"{stored}attn.c_attn{end}", part=(k, 3)))
        rules += [Rule(f"{canonical}{ours}/{weight}", stored + theirs + end) for ours, theirs in _DENSE]
    return rules


class OpenAIGPT(Dialect):
    """The dialect of OpenAI's GPT, whose classes in transformers have no segments.

    Example:
        >>> from b4k3.models.dialects.huggingface_gpt import OPENAI_GPT
        >>> OPENAI_GPT.corrections({})
        {'segment_vocab_size': 0}
    """

    def corrections(self, config: dict[str, Any]) -> dict[str, Any]:
        """Leave out the segments, unless the configuration says that the token embeddings serve for them.

        Arguments:
            config: dict under our names.

        Returns:
            dict from key to its right value.
        """
        return {} if config.get("shared_segment_embeddings") else {"segment_vocab_size": 0}


OPENAI_GPT = OpenAIGPT(
    "huggingface-openai-gpt",
    [
        Rule("gpt/embeddings/word_embeddings", "transformer.tokens_embed.weight"),
        Rule("gpt/lm_head/weights", "lm_head.weight"),
        Rule("gpt/embeddings/word_embeddings", "lm_head.weight"),  # the class with two heads has no other name for it
        Rule("gpt/embeddings/position_embeddings", "transformer.positions_embed.weight"),
    ]
    + blocks()
    + norm(_BLOCK[0] + "attention/output/LayerNorm", _BLOCK[1] + "ln_1")
    + norm(_BLOCK[0] + "output/LayerNorm", _BLOCK[1] + "ln_2"),
    lambda names: any(name.endswith("positions_embed.weight") for name in names),
    prefixes=("transformer.", ""),
    family=FAMILY,
    models=("gpt",),
)

GPT2 = Dialect(
    "huggingface-gpt2",
    [
        Rule("gpt/embeddings/word_embeddings", "transformer.wte.weight"),
        Rule("gpt/lm_head/weights", "lm_head.weight"),
        Rule("gpt/embeddings/position_embeddings", "transformer.wpe.weight"),
    ]
    + blocks()
    + norm(_BLOCK[0] + "attention/input/LayerNorm", _BLOCK[1] + "ln_1")
    + norm(_BLOCK[0] + "input/LayerNorm", _BLOCK[1] + "ln_2")
    + norm("gpt/output/LayerNorm", "transformer.ln_f"),
    lambda names: any(name.endswith("wte.weight") for name in names),
    prefixes=("transformer.", ""),
    family=FAMILY,
    models=("gpt2",),
)
