"""The description of MegatronBERT: BERT that normalises before each sublayer, and once more after the last block."""

from __future__ import annotations

from .bert import BERT, BLOCKS, CLASSES, attention, embeddings, feed_forward, mlm_head, nsp_head, pooler
from .description import HuggingFace, Layer, Part, norm

_SCOPE = "bert/encoder/layer_{i}"


def blocks() -> Part:
    """Describe the blocks, whose sublayers begin with their normalisation.

    Returns:
        `Part`.
    """
    inner = feed_forward(_SCOPE + "/intermediate/dense", _SCOPE + "/output/dense")
    return Part(
        "blocks",
        [
            Layer("MultiHeadSelfAttention-Norm", norm(_SCOPE + "/attention/LayerNorm", "hidden_size"), BLOCKS),
            Layer("MultiHeadSelfAttention", attention(_SCOPE + "/attention"), BLOCKS),
            Layer("FeedForward-Norm", norm(_SCOPE + "/LayerNorm", "hidden_size"), BLOCKS),
            Layer("FeedForward", inner, BLOCKS),
        ],
    )


def final_norm() -> Part:
    """Describe the normalisation after the last block.

    Returns:
        `Part`.
    """
    return Part("final normalisation", [Layer("Output-Norm", norm("bert/encoder/LayerNorm", "hidden_size"))])


MEGATRON_BERT = BERT.but(
    "megatron_bert",
    "b4k3.models.architectures.megatron_bert:MegatronBERT",
    what="a MegatronBERT checkpoint",
    parts=[
        Part("embeddings", [layer for layer in embeddings().layers if layer.name != "Embedding-Norm"]),
        blocks(),
        final_norm(),
        pooler(),
        nsp_head(),
        mlm_head(),
    ],
    model_types=("megatron-bert",),
    fixed={"ln_type": (None, "preln")},
    huggingface=HuggingFace(
        {"megatron-bert": "MegatronBert"},
        CLASSES,
        defaults={"layer_norm_eps": 1e-12, "hidden_act": "gelu"},
    ),
    trained_with_tanh=False,
    kin=("megatron_bert",),
)
