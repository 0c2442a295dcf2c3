"""The names of Hugging Face transformers' PyTorch models: 'bert.encoder.layer.0.output.dense.weight'."""

from __future__ import annotations

from . import Dialect, Rule, linear, norm

_LAYER = ("bert/encoder/layer_{i}/", "bert.encoder.layer.{i}.")

BERT = (
    [
        Rule("bert/embeddings/word_embeddings", "bert.embeddings.word_embeddings.weight"),
        Rule("bert/embeddings/token_type_embeddings", "bert.embeddings.token_type_embeddings.weight"),
        Rule("bert/embeddings/position_embeddings", "bert.embeddings.position_embeddings.weight"),
    ]
    + norm("bert/embeddings/LayerNorm", "bert.embeddings.LayerNorm")
    + linear(_LAYER[0] + "attention/self/query", _LAYER[1] + "attention.self.query")
    + linear(_LAYER[0] + "attention/self/key", _LAYER[1] + "attention.self.key")
    + linear(_LAYER[0] + "attention/self/value", _LAYER[1] + "attention.self.value")
    + linear(_LAYER[0] + "attention/output/dense", _LAYER[1] + "attention.output.dense")
    + norm(_LAYER[0] + "attention/output/LayerNorm", _LAYER[1] + "attention.output.LayerNorm")
    + linear(_LAYER[0] + "intermediate/dense", _LAYER[1] + "intermediate.dense")
    + linear(_LAYER[0] + "output/dense", _LAYER[1] + "output.dense")
    + norm(_LAYER[0] + "output/LayerNorm", _LAYER[1] + "output.LayerNorm")
    + linear("bert/pooler/dense", "bert.pooler.dense")
    + linear("cls/predictions/transform/dense", "cls.predictions.transform.dense")
    + norm("cls/predictions/transform/LayerNorm", "cls.predictions.transform.LayerNorm")
    + [
        Rule("cls/predictions/output_bias", "cls.predictions.bias"),
        Rule("cls/predictions/output_bias", "cls.predictions.decoder.bias"),
        # both projects store this one as [2, hidden]
        Rule("cls/seq_relationship/output_weights", "cls.seq_relationship.weight"),
        Rule("cls/seq_relationship/output_bias", "cls.seq_relationship.bias"),
    ]
)


def sign(names):
    return any(name.endswith("embeddings.word_embeddings.weight") for name in names)


HUGGINGFACE = Dialect("huggingface", BERT, sign, prefix="bert.")
