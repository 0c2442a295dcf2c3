"""The description of RoBERTa as fairseq and transformers have it, XLM-RoBERTa and CamemBERT.

It is BERT whose positions begin after the padding id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .bert import BERT, blocks, embeddings, mlm_head, pooler
from .description import HuggingFace

if TYPE_CHECKING:
    from ..recognition import Evidence


def _shows(config: dict[str, Any]) -> bool:
    """Ask whether a configuration says that the padding id is 1. No publisher of a BERT does so."""
    return config.get("pad_token_id") == 1


def _evidence(seen: Evidence) -> float:
    """Weigh what speaks for RoBERTa and not for BERT: the position table has 2 more rows than a multiple of 128.

    The two additional rows belong to the ids 0 and 1, because the first position comes after the padding id 1.
    """
    if _shows(seen.config):
        return 1.0
    rows = seen.shape("bert/embeddings/position_embeddings")
    return 1.0 if rows and rows[0] % 128 == 2 else -1.0


ROBERTA = BERT.but(
    "roberta",
    "b4k3.models.architectures.roberta:RoBERTa",
    what="a RoBERTa checkpoint",
    parts=[embeddings(), blocks(), pooler(), mlm_head()],
    keys=[key for key in BERT.keys if key != "with_nsp"],
    model_types=("xlm-roberta", "camembert"),
    huggingface=HuggingFace(
        {"roberta": "Roberta", "xlm-roberta": "XLMRoberta", "camembert": "Camembert"},
        (("ForMaskedLM", ("MLM head",)), ("Model", ())),
        defaults={"layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 1},
    ),
    trained_with_tanh=False,
    kin=("roberta",),
    evidence=_evidence,
    unmarked="bert",
    shows=_shows,
    first_position=lambda sizes: sizes["pad_token_id"] + 1,
    settings={"pad_token_id": 1},
)
