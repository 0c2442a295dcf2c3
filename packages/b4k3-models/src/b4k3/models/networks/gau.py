"""The description of GAU-alpha: RoFormerV2 whose blocks are gated attention units."""

from __future__ import annotations

from .bert import BLOCKS
from .description import Layer, Part, Variable
from .roformer import ROFORMER_V2, embeddings_without_biases, tied_head

_SCOPE = "GAU_alpha/encoder/layer_{i}/gau"


def blocks() -> Part:
    """Describe the blocks. Each is one layer, whose first matrix makes the gates, the values and the shared keys.

    Returns:
        `Part`.
    """
    return Part(
        "blocks",
        [
            Layer(
                "GatedAttentionUnit",
                [
                    Variable(_SCOPE + "/i_dense/kernel", ("hidden_size", "gau_size")),
                    Variable(_SCOPE + "/o_dense/kernel", ("intermediate_size", "hidden_size")),
                    Variable(_SCOPE + "/q_scaleoffset/gamma", ("attention_key_size",)),
                    Variable(_SCOPE + "/k_scaleoffset/gamma", ("attention_key_size",)),
                ],
                BLOCKS,
            )
        ],
    )


GAU_ALPHA = ROFORMER_V2.but(
    "gau",
    "b4k3.models.architectures.gau:GAU_alpha",
    what="a GAU-alpha checkpoint",
    parts=[embeddings_without_biases("bert"), blocks(), tied_head()],
    model_types=("gau_alpha",),
    kin=("gau",),
)
