"""The description of DistilBERT: BERT without segments and pooler."""

from __future__ import annotations

from .bert import BERT, blocks, embeddings, mlm_head
from .description import HuggingFace, Part

DISTILBERT = BERT.but(
    "distilbert",
    "b4k3.models.architectures.distilbert:DistilBERT",
    what="a DistilBERT checkpoint",
    parts=[
        Part("embeddings", [layer for layer in embeddings().layers if layer.name != "Embedding-Segment"]),
        blocks(),
        mlm_head(),
    ],
    keys=[key for key in BERT.keys if key not in ("with_pool", "with_nsp")],
    spellings={
        "hidden_size": ("dim",),
        "num_hidden_layers": ("n_layers",),
        "num_attention_heads": ("n_heads",),
        "intermediate_size": ("hidden_dim",),
        "dropout_rate": ("dropout",),
        "attention_dropout_rate": ("attention_dropout",),
    },
    activation_keys=("activation", "hidden_act"),
    ignored=frozenset(("is_decoder", "qa_dropout", "seq_classif_dropout", "sinusoidal_pos_embds", "layer_norm_eps")),
    huggingface=HuggingFace(
        {"distilbert": "DistilBert"},
        (("ForMaskedLM", ("MLM head",)), ("Model", ())),
        keys={
            "vocab_size": "vocab_size",
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
            "max_position": "max_position_embeddings",
            "dropout_rate": "dropout",
            "attention_dropout_rate": "attention_dropout",
            "hidden_act": "activation",
            "pad_token_id": "pad_token_id",
            "tie_word_embeddings": "tie_word_embeddings",
        },
        defaults={"hidden_act": "gelu"},
    ),
    trained_with_tanh=False,
    kin=("distilbert",),
    absent=(),
)
