"""The description of NEZHA: BERT with relative positions in every attention layer, which no file stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .bert import BERT, CLASSES, blocks, embeddings, mlm_head, nsp_head, pooler
from .description import HuggingFace, Part

if TYPE_CHECKING:
    from ..recognition import Evidence


def without_positions(part: Part) -> Part:
    """Copy the description of the embeddings without the table of positions.

    Arguments:
        part: `Part`. The description of the embeddings.

    Returns:
        `Part`.
    """
    return Part(part.name, [layer for layer in part.layers if layer.name != "Embedding-Position"])


def _evidence(seen: Evidence) -> float:
    """Weigh what speaks for NEZHA and not for RoFormer, whose variables have the same names."""
    config = seen.config
    if config.get("use_relative_position") or config.get("max_relative_position"):
        return 3.0
    if "nezha" in seen.place and "roformer" not in seen.place:
        return 2.0
    if "cls/seq_relationship/output_weights" in seen.names:
        return 1.0  # RoFormer was trained without sentence pairs, so its files have no next-sentence head
    return 0.0


def _doubt(seen: Evidence) -> str | None:
    """Write a sentence for the user if only the next-sentence head speaks for NEZHA and against RoFormer."""
    if seen.asked or seen.model_type == "nezha" or not seen.by_google or _evidence(seen) > 1.0:
        return None
    return "it has no position table, and an NSP head: taken for NEZHA; if that is wrong, say model="


NEZHA = BERT.but(
    "nezha",
    "b4k3.models.architectures.nezha:NEZHA",
    what="a NEZHA checkpoint",
    parts=[without_positions(embeddings()), blocks(), pooler(), nsp_head(), mlm_head()],
    keys=BERT.keys + ("max_relative_position", "use_relative_position"),
    huggingface=HuggingFace(
        {"nezha": "Nezha"},
        CLASSES,
        own=("max_relative_position",),
        defaults={"layer_norm_eps": 1e-12, "hidden_act": "gelu", "max_relative_position": 64},
    ),
    kin=("nezha",),
    evidence=_evidence,
    doubt=_doubt,
    constants=(("positions_encoding", None),),
)
