"""The descriptions of RoFormer, BERT with rotary positions, and RoFormerV2, which also has no biases.

RoFormerV2 normalises without weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .bert import BERT, BLOCKS, attention, blocks, embeddings, feed_forward, mlm_head, nsp_head, pooler
from .description import HuggingFace, Layer, Part, Variable, dense, untied
from .nezha import without_positions

if TYPE_CHECKING:
    from ..recognition import Evidence


def sines(shape: tuple[int, ...]) -> np.ndarray:
    """Compute the table that transformers stores as `embed_positions`.

    Arguments:
        shape: (positions, size).

    Returns:
        float64 array, [positions, size]: the sines of the angles in the first half, the cosines in the second.
    """
    positions, size = shape
    angles = np.arange(positions)[:, None] / np.power(10000, 2 * (np.arange(size // 2)) / size)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


def _evidence(seen: Evidence) -> float:
    """Weigh what speaks for RoFormer and not for NEZHA, whose variables have the same names."""
    if "roformer" in seen.place and "nezha" not in seen.place:
        return 2.0
    if "bert/pooler/dense/kernel" in seen.names:
        return 0.0
    return 0.5


def _doubt(seen: Evidence) -> str | None:
    """Write a sentence for the user if only the lack of a pooler speaks for RoFormer and against NEZHA."""
    said = seen.model_type == "roformer" or seen.asked or "roformer" in seen.place or not seen.by_google
    if said or "bert/pooler/dense/kernel" in seen.names or "cls/seq_relationship/output_weights" in seen.names:
        return None
    return "it has no position table, pooler or NSP head: taken for RoFormer; if it is NEZHA, say model='nezha'"


ROFORMER = BERT.but(
    "roformer",
    "b4k3.models.architectures.roformer:RoFormer",
    what="a RoFormer checkpoint",
    parts=[without_positions(embeddings()), blocks(), pooler(), nsp_head(), mlm_head()],
    huggingface=HuggingFace(
        {"roformer": "RoFormer"},
        (("ForMaskedLM", ("MLM head",)), ("Model", ())),
        own=("embedding_size",),
        tokenizer=None,
        defaults={"layer_norm_eps": 1e-12, "hidden_act": "gelu"},
    ),
    kin=("roformer",),
    evidence=_evidence,
    doubt=_doubt,
    trained_with_tanh=False,
    fixed={"use_relative_position": (None, False), "max_relative_position": (None,)},  # these keys belong to NEZHA
    constants=(("embed_positions.weight", sines),),
    relatives=(
        (
            r"embed_positions",
            "the file stores other angles than b4k3 computes for its positions: they were rounded to a half-precision "
            "dtype, or trained; with ignore_unread_weights=True the exact ones are used",
        ),
    ),
)


def embeddings_without_biases(scope: str = "bert") -> Part:
    """Describe the token and segment embeddings of RoFormerV2, whose normalisation has no weights.

    Arguments:
        scope: str. The beginning of the canonical names.

    Returns:
        `Part`.
    """
    layers = [layer for layer in without_positions(embeddings(scope)).layers if layer.name != "Embedding-Norm"]
    for layer in layers:
        layer.variables = [variable for variable in layer.variables if not variable.name.endswith("/bias")]
    return Part("embeddings", layers)


def blocks_without_biases(scope: str = "bert/encoder/layer_{i}") -> Part:
    """Describe the blocks of RoFormerV2.

    Arguments:
        scope: str. The template of the beginning of the canonical names.

    Returns:
        `Part`.
    """
    return Part(
        "blocks",
        [
            Layer("MultiHeadSelfAttention", attention(scope + "/attention", bias=False), BLOCKS),
            Layer("FeedForward", feed_forward(scope + "/intermediate/dense", scope + "/output/dense", False), BLOCKS),
        ],
    )


def tied_head() -> Part:
    """Describe the masked-language-model head of RoFormerV2, which has no biases.

    It is a matrix, where the widths of embeddings and blocks differ, and the token embeddings.

    Returns:
        `Part`.
    """
    decoder = "cls/predictions/decoder/weights"
    return Part(
        "MLM head",
        [
            Layer(
                "Output-Mapping",
                dense("cls/predictions/transform/dense", "hidden_size", "embedding_size", bias=False),
                when=lambda sizes: sizes.get("embedding_size") != sizes.get("hidden_size"),
            ),
            Layer(
                "MLM-Decoder",
                [Variable(decoder, ("vocab_size", "embedding_size"), transposed=True)],
                when=untied,
                copies={decoder: "bert/embeddings/word_embeddings"},
            ),
        ],
        argument="with_mlm",
        option="mlm",
        advice="the file has no MLM head (cls/predictions): build with with_mlm=False",
        marker="Output-MLM-Activation",
    )


ROFORMER_V2 = ROFORMER.but(
    "roformer_v2",
    "b4k3.models.architectures.roformer:RoFormerV2",
    what="a RoFormerV2 checkpoint",
    parts=[embeddings_without_biases(), blocks_without_biases(), pooler(), nsp_head(), tied_head()],
    model_types=("roformer",),
    fixed={"norm_type": (None, "rms_norm"), "use_bias": (None, False)},
    huggingface=None,
    evidence=None,
    doubt=None,
)
