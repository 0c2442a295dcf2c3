"""The names of OpenAI's GPT and GPT-2 in Hugging Face transformers: 'transformer.h.0.attn.c_attn.weight'.

Their matrices are not transposed, and queries, keys and values are one.
"""

from __future__ import annotations

from . import Dialect, Rule, norm
from .huggingface import FAMILY

_BLOCK = ("gpt/transformer/layer_{i}/", "transformer.h.{i}.")
_DENSE = (
    ("attention/output/dense", "attn.c_proj"),
    ("intermediate/dense", "mlp.c_fc"),
    ("output/dense", "mlp.c_proj"),
)


def blocks():
    """The rules of matrices and biases in the blocks."""
    canonical, stored = _BLOCK
    rules = []
    for weight, their in (("kernel", ".weight"), ("bias", ".bias")):
        for k, name in enumerate(("query", "key", "value")):
            ours = "%sattention/self/%s/%s" % (canonical, name, weight)
            rules.append(Rule(ours, stored + "attn.c_attn" + their, part=(k, 3)))
        rules += [Rule("%s%s/%s" % (canonical, ours, weight), stored + theirs + their) for ours, theirs in _DENSE]
    return rules


class OpenAIGPT(Dialect):
    def corrections(self, config):
        """There are no segments, unless the configuration says that they are looked up in the token embeddings."""
        return {} if config.get("shared_segment_embeddings") else {"segment_vocab_size": 0}


OPENAI_GPT = OpenAIGPT(
    "huggingface-openai-gpt",
    [
        Rule("gpt/embeddings/word_embeddings", "transformer.tokens_embed.weight"),
        Rule("gpt/lm_head/weights", "lm_head.weight"),
        Rule("gpt/embeddings/word_embeddings", "lm_head.weight"),  # of its class with two heads
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
