"""The description of CPT, the Chinese network with an encoder of BERT and a small decoder of BART.

Its encoder ends in as many blocks for understanding as the decoder has. The decoder reads the output of the blocks
before them.
"""

from __future__ import annotations

from .bart import BART, DECODER_KEYS, THEIR_DEFAULTS, THEIR_KEYS, complete, output, stack
from .bert import blocks
from .description import HuggingFace, Layer, Part, Variable, norm

TABLE = "cpt/embeddings/word_embeddings"
SEGMENTS = 2
KEYS = DECODER_KEYS + ["encoder_max_position", "encoder_segment", "with_mlm"]


def embeddings() -> Part:
    """Describe the embeddings of tokens, which both sides share, and the other embeddings of the encoder.

    Returns:
        `Part`.
    """
    scope = "cpt/embeddings/"
    tables = [
        Layer("Embedding-Token", [Variable(TABLE, ("vocab_size", "embedding_size"))]),
        Layer("Embedding-Segment", [Variable(scope + "token_type_embeddings", (SEGMENTS, "hidden_size"))]),
        Layer("Embedding-Position", [Variable(scope + "position_embeddings", ("encoder_max_position", "hidden_size"))]),
        Layer("Embedding-Norm", norm(scope + "LayerNorm", "hidden_size")),
    ]
    return Part("embeddings", tables)


CPT = BART.but(
    "cpt",
    "b4k3.models.architectures.cpt:CPT",
    what="a CPT checkpoint",
    parts=[embeddings(), blocks("cpt/encoder/layer_{i}"), stack("decoder", "cpt"), output("cpt", TABLE)],
    keys=KEYS,
    model_types=("bart",),
    marks={"final_logits_bias": "cpt/final_logits_bias"},
    huggingface=HuggingFace(
        {"bart": "CPT"},  # the classes of its authors; their configs are BART's
        (("ForConditionalGeneration", ()),),
        keys=THEIR_KEYS,
        defaults=THEIR_DEFAULTS,
        complete=complete,
    ),
    kin=("cpt",),
)
