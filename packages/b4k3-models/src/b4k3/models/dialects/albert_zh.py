"""The early files of brightmart's albert_zh, older than Google's code for ALBERT: 'bert/encoder/layer_shared/…'.

Their word embeddings are a product of two tables, taken before positions and segments are added. That is an ALBERT
whose embeddings are of hidden_size, with the product as its table; its MLM head is tied to the product too.
https://github.com/brightmart/albert_zh
"""

from __future__ import annotations

from . import Dialect, Rule

FACTORS = ("bert/embeddings/word_embeddings", "bert/embeddings/word_embeddings_2")
_SHARED = "bert/encoder/layer_shared/"
_BLOCK = "bert/encoder/transformer/group_0/inner_group_0/"
_PARTS = [
    ("attention_1/self/query", "attention/self/query"),
    ("attention_1/self/key", "attention/self/key"),
    ("attention_1/self/value", "attention/self/value"),
    ("attention_1/output/dense", "attention/output/dense"),
    ("LayerNorm", "attention/output/LayerNorm"),
    ("ffn_1/intermediate/dense", "intermediate/dense"),
    ("ffn_1/intermediate/output/dense", "output/dense"),
    ("LayerNorm_1", "output/LayerNorm"),
]


class EarlyAlbert(Dialect):
    """Rules for the blocks; embeddings and heads keep their names, and the word embeddings are multiplied out."""

    def candidates(self, canonical):
        return super().candidates(canonical) or [(canonical, False)]

    def canonical(self, stored):
        if stored == FACTORS[1]:
            return None
        return super().canonical(stored) or (stored, False)

    def shape(self, checkpoint, canonical):
        if canonical == FACTORS[0] and FACTORS[1] in checkpoint:
            return (checkpoint.shape(FACTORS[0])[0], checkpoint.shape(FACTORS[1])[1])
        return super().shape(checkpoint, canonical)

    def read(self, checkpoint, canonical):
        if canonical == FACTORS[0] and FACTORS[1] in checkpoint:
            return checkpoint[FACTORS[0]].dot(checkpoint[FACTORS[1]]), list(FACTORS)
        return super().read(checkpoint, canonical)

    def read_names(self, checkpoint, canonical):
        if canonical == FACTORS[0] and FACTORS[1] in checkpoint:
            return list(FACTORS)
        return super().read_names(checkpoint, canonical)

    def corrections(self, config):
        return {"embedding_size": config.get("hidden_size")}


ALBERT_ZH = EarlyAlbert(
    "albert_zh",
    [
        Rule(_BLOCK + canonical + "/" + weight, _SHARED + stored + "/" + weight)
        for canonical, stored in _PARTS
        for weight in (("gamma", "beta") if "LayerNorm" in canonical else ("kernel", "bias"))
    ],
    lambda names: FACTORS[1] in names or any(name.startswith(_SHARED) for name in names),
)
