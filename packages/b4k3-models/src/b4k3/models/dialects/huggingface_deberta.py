"""The dialect of DeBERTa-v2 in Hugging Face transformers: 'deberta.encoder.layer.0.attention.self.query_proj.weight'.

transformers has two masked-language-model heads, which compute the same under different names: `cls.predictions` if
`legacy` is true in the config, else `lm_predictions.lm_head`. The latter are the names in Microsoft's own files. Both
are read, whatever the config says, and the former ones are written.

https://github.com/huggingface/transformers
"""

from __future__ import annotations

from . import Dialect, Rule, linear, norm
from .huggingface import FAMILY, begins_with, embeddings, mlm

_BLOCK = ("deberta/encoder/layer_{i}/", "deberta.encoder.layer.{i}.")


def _block() -> list[Rule]:
    """Make the rules of the blocks."""
    ours, theirs = _BLOCK
    rules: list[Rule] = []
    for name in ("query", "key", "value", "pos_key", "pos_query"):
        rules += linear(f"{ours}attention/self/{name}", f"{theirs}attention.self.{name}_proj")
    for name in ("attention/output/dense", "intermediate/dense", "output/dense"):
        rules += linear(ours + name, theirs + name.replace("/", "."))
    rules += norm(ours + "attention/output/LayerNorm", theirs + "attention.output.LayerNorm")
    return rules + norm(ours + "output/LayerNorm", theirs + "output.LayerNorm")


DEBERTA_V2 = Dialect(
    "huggingface-deberta-v2",
    embeddings("deberta", "deberta.")
    + [
        Rule("deberta/embeddings/embed_proj/kernel", "deberta.embeddings.embed_proj.weight", True),
        Rule("deberta/encoder/rel_embeddings", "deberta.encoder.rel_embeddings.weight"),
    ]
    + norm("deberta/encoder/LayerNorm", "deberta.encoder.LayerNorm")
    + linear("deberta/encoder/conv/conv", "deberta.encoder.conv.conv")  # [units, d, kernel_size] in torch
    + norm("deberta/encoder/conv/LayerNorm", "deberta.encoder.conv.LayerNorm")
    + _block()
    + linear("deberta/pooler/dense", "pooler.dense")
    + mlm("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions")
    + linear("cls/predictions/transform/dense", "lm_predictions.lm_head.dense")
    + norm("cls/predictions/transform/LayerNorm", "lm_predictions.lm_head.LayerNorm")
    + [Rule("cls/predictions/output_bias", "lm_predictions.lm_head.bias")],
    begins_with("deberta.", "encoder.rel_embeddings.", "encoder.layer.0.attention.self.query_proj."),
    prefixes=("deberta.", ""),
    family=FAMILY,
    models=("deberta_v2",),
)
