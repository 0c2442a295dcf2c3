"""The descriptions of ELECTRA: the discriminator, and the generator that the same files contain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .bert import BERT, blocks, embeddings, mlm_head
from .description import HuggingFace, Layer, Part, dense

if TYPE_CHECKING:
    from ..recognition import Evidence

DEFAULTS = {"layer_norm_eps": 1e-12, "hidden_act": "gelu", "embedding_size": 128}
KEYS = [key for key in BERT.keys if key not in ("with_pool", "with_nsp", "with_mlm")]


def discriminator_head() -> Part:
    """Describe the head that finds replaced tokens.

    Returns:
        `Part`.
    """
    return Part(
        "discriminator head",
        [
            Layer("Discriminator-Dense", dense("discriminator_predictions/dense", "hidden_size", "hidden_size")),
            Layer("Discriminator-Prediction", dense("discriminator_predictions/dense_1", "hidden_size", 1)),
        ],
        argument="with_discriminator",
        option="discriminator",
        advice="the file has no discriminator head: build with with_discriminator=False",
        marker="Discriminator-Dense",
    )


def _fits_the_generator_alone(seen: Evidence) -> bool:
    """Ask whether the file has the generator and not the discriminator, by its names or the sizes in its config."""
    names = list(seen.stored)
    head = any(name.startswith(("generator_predictions", "generator_lm_head")) for name in names)
    if head and not any(name.startswith(("discriminator_predictions", "electra/encoder")) for name in names):
        return True
    return bool(seen.contradictions(ELECTRA)) and not seen.contradictions(ELECTRA_GENERATOR)


def _has_its_word(seen: Evidence) -> bool:
    """Ask whether a name in the file has a word of ELECTRA. Without such a word the body may just as well be BERT's."""
    return any(word in name for name in seen.stored for word in ("electra", "discriminator", "generator"))


ELECTRA = BERT.but(
    "electra",
    "b4k3.models.architectures.electra:ELECTRA",
    what="an ELECTRA checkpoint",
    parts=[
        embeddings("electra", "electra/embeddings_project"),
        blocks("electra/encoder/layer_{i}"),
        discriminator_head(),
    ],
    keys=KEYS + ["with_discriminator"],
    huggingface=HuggingFace(
        {"electra": "Electra"},
        (("ForPreTraining", ("discriminator head",)), ("Model", ())),
        own=("embedding_size",),
        defaults=DEFAULTS,
    ),
    trained_with_tanh=False,
    kin=("electra",),
    beside=("electra_generator",),
    evidence=lambda seen: -1.0 if _fits_the_generator_alone(seen) else 1.0 if _has_its_word(seen) else -0.5,
)
ELECTRA_GENERATOR = ELECTRA.but(
    "electra_generator",
    "b4k3.models.architectures.electra:ELECTRA_Generator",
    what="the generator of an ELECTRA",
    parts=[
        embeddings("electra", "generator/embeddings_project"),
        blocks("generator/encoder/layer_{i}"),
        mlm_head("generator_predictions", "generator_predictions", "electra/embeddings/word_embeddings"),
    ],
    keys=KEYS + ["with_mlm"],
    model_types=("electra",),
    huggingface=HuggingFace(
        {"electra": "Electra"},
        (("ForMaskedLM", ("MLM head",)), ("Model", ())),
        own=("embedding_size",),
        defaults=DEFAULTS,
    ),
    kin=("electra_generator",),
    beside=("electra",),
    files=("generator",),
    evidence=lambda seen: 2.0 if _fits_the_generator_alone(seen) else -1.0,
)
