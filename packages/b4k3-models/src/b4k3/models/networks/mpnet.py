"""The description of MPNet: BERT without segments, with RoBERTa's positions and one table of relative positions."""

from __future__ import annotations

from .bert import BERT, blocks, embeddings, mlm_head, pooler
from .description import HuggingFace, Layer, Part, Variable

UNCOUNTED_ID = 1  # the id that no position is counted for, whatever the padding id of the config is
BUCKETS = 32  # the rows of the table; the published code finds no other number of buckets


def relative_positions() -> Part:
    """Describe the table of relative positions, which all blocks share.

    Returns:
        `Part`.
    """
    table = Variable("bert/encoder/relative_attention_bias", (BUCKETS, "num_attention_heads"))
    return Part("relative positions", [Layer("Embedding-Relative-Position", [table])])


MPNET = BERT.but(
    "mpnet",
    "b4k3.models.architectures.mpnet:MPNet",
    what="an MPNet checkpoint",
    parts=[
        Part("embeddings", [layer for layer in embeddings().layers if layer.name != "Embedding-Segment"]),
        relative_positions(),
        blocks(),
        pooler(),
        mlm_head(),
    ],
    keys=[key for key in BERT.keys if key != "with_nsp"],
    fixed={"relative_attention_num_buckets": (None, BUCKETS)},
    huggingface=HuggingFace(
        {"mpnet": "MPNet"},
        (("ForMaskedLM", ("MLM head",)), ("Model", ())),
        defaults={"layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 1},
        tokenizer=None,
    ),
    trained_with_tanh=False,
    kin=("mpnet",),
    absent=(),
    first_position=lambda sizes: UNCOUNTED_ID + 1,
    settings={"pad_token_id": 1},
)
