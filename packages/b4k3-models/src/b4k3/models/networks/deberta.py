"""The description of DeBERTa-v2 and its successors DeBERTa-v3 and mDeBERTa, which differ in their training alone."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError, short
from ..keys import THEIR_ACTIVATIONS
from .bert import BERT, BLOCKS, attention, feed_forward, maps_embeddings, mlm_head, pooler, segment_embeddings
from .description import HuggingFace, Layer, Part, Sizes, Variable, dense, norm, spelled_activation

POSITION_TERMS = ("c2p", "p2c")
OWN = (
    "position_biased_input relative_attention pos_att_type share_att_key position_buckets max_relative_positions "
    "norm_rel_ebd conv_kernel_size conv_act pooler_hidden_act"
).split()
ENHANCED_DECODER = "positions of the decoder in pretraining"


def embeddings() -> Part:
    """Describe the embeddings of tokens, segments and positions, and the table of relative positions.

    Returns:
        `Part`.
    """
    scope = "deberta/embeddings"
    return Part(
        "embeddings",
        [
            Layer("Embedding-Token", [Variable(f"{scope}/word_embeddings", ("vocab_size", "embedding_size"))]),
            segment_embeddings(f"{scope}/token_type_embeddings"),
            Layer(
                "Embedding-Position",
                [Variable(f"{scope}/position_embeddings", ("max_position", "embedding_size"))],
                when=embeds_positions,
                spare=ENHANCED_DECODER,
            ),
            Layer(
                "Embedding-Mapping",
                dense(f"{scope}/embed_proj", "embedding_size", "hidden_size", bias=False),
                when=maps_embeddings,
            ),
            Layer("Embedding-Norm", norm(f"{scope}/LayerNorm", "hidden_size")),
            Layer(
                "Embedding-Relative-Position",
                [Variable("deberta/encoder/rel_embeddings", ("relative_rows", "hidden_size"))],
                when=has_relative_positions,
            ),
            Layer(
                "Embedding-Relative-Position-Norm",
                norm("deberta/encoder/LayerNorm", "hidden_size"),
                when=normalizes_relative_positions,
                spare="normalisation of relative positions",
            ),
        ],
    )


def convolution() -> Part:
    """Describe the convolution over the embeddings that is added to the first block, as in DeBERTa-v2-xlarge.

    Returns:
        `Part`.
    """
    kernel = Variable("deberta/encoder/conv/conv/kernel", ("conv_kernel_size", "hidden_size", "hidden_size"))
    bias = Variable("deberta/encoder/conv/conv/bias", ("hidden_size",))
    normalisation = norm("deberta/encoder/conv/LayerNorm", "hidden_size")
    return Part(
        "convolution",
        [
            Layer("Convolution", [kernel, bias], when=has_convolution),
            Layer("Convolution-Norm", normalisation, when=has_convolution),
        ],
    )


def blocks(scope: str = "deberta/encoder/layer_{i}") -> Part:
    """Describe the blocks. Relative positions have their own projections, or share the projections of queries and keys.

    Arguments:
        scope: str. The template of the beginning of the canonical names.

    Returns:
        `Part`.
    """
    own = [
        Layer(
            f"MultiHeadSelfAttention-Position-{name}",
            dense(f"{scope}/attention/self/pos_{name.lower()}", "hidden_size", "query_size"),
            BLOCKS,
            when=projects_positions(term),
        )
        for term, name in (("c2p", "Key"), ("p2c", "Query"))
    ]
    return Part(
        "blocks",
        [
            Layer("MultiHeadSelfAttention", attention(scope + "/attention"), BLOCKS),
            *own,
            Layer("MultiHeadSelfAttention-Norm", norm(scope + "/attention/output/LayerNorm", "hidden_size"), BLOCKS),
            Layer("FeedForward", feed_forward(scope + "/intermediate/dense", scope + "/output/dense"), BLOCKS),
            Layer("FeedForward-Norm", norm(scope + "/output/LayerNorm", "hidden_size"), BLOCKS),
        ],
    )


# ------------------------------------------------------------------------------------------------- which layers


def embeds_positions(sizes: Sizes) -> bool:
    """Ask whether position embeddings are added to the token embeddings.

    Arguments:
        sizes: dict. The sizes and settings of the network.

    Returns:
        bool.
    """
    return bool(sizes.get("position_biased_input", True))


def has_relative_positions(sizes: Sizes) -> bool:
    """Ask whether the scores of attention depend on relative positions.

    Arguments:
        sizes: dict. The sizes and settings of the network.

    Returns:
        bool.
    """
    return bool(sizes.get("relative_attention") and sizes.get("pos_att_type"))


def normalizes_relative_positions(sizes: Sizes) -> bool:
    """Ask whether the table of relative positions is normalised.

    Arguments:
        sizes: dict. The sizes and settings of the network.

    Returns:
        bool.
    """
    return has_relative_positions(sizes) and "layer_norm" in (sizes.get("norm_rel_ebd") or "")


def projects_positions(term: str) -> Any:
    """Make the function that asks whether a position term has a projection of its own.

    Arguments:
        term: str. "c2p" or "p2c".

    Returns:
        function from sizes to bool.
    """
    return lambda sizes: (
        has_relative_positions(sizes) and term in sizes["pos_att_type"] and not sizes.get("share_att_key")
    )


def has_convolution(sizes: Sizes) -> bool:
    """Ask whether a convolution is added to the first block.

    Arguments:
        sizes: dict. The sizes and settings of the network.

    Returns:
        bool.
    """
    return bool(sizes.get("conv_kernel_size"))


# ---------------------------------------------------------------------------------------------- configurations


def position_terms(value: Any) -> list[str]:
    """Read `pos_att_type`, which is a list or a str such as "p2c|c2p".

    Arguments:
        value: list of str, str or None.

    Returns:
        list of "c2p" and "p2c", in this order.

    Raises:
        ConfigError: it has another term.

    Example:
        >>> from b4k3.models.networks.deberta import position_terms
        >>> position_terms("p2c|c2p")
        ['c2p', 'p2c']
    """
    terms = [term.strip() for term in value.lower().split("|")] if isinstance(value, str) else value or []
    if not isinstance(terms, (list, tuple)) or any(term not in POSITION_TERMS + ("",) for term in terms):
        raise ConfigError(f"pos_att_type={short(value)}, expected a list of 'c2p' and 'p2c'")
    return [term for term in POSITION_TERMS if term in terms]


def normalization_of_positions(value: Any) -> str:
    """Read `norm_rel_ebd`.

    Arguments:
        value: str or None. Names between "|".

    Returns:
        str, "layer_norm" or "none".

    Raises:
        ConfigError: it has another name.
    """
    names = [name.strip() for name in value.lower().split("|")] if isinstance(value, str) else [value]
    if any(name not in ("layer_norm", "none", "", None) for name in names):
        raise ConfigError(f"norm_rel_ebd={short(value)}, expected 'layer_norm' or 'none'")
    return "layer_norm" if "layer_norm" in names else "none"


def _interpret(config: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Read the keys that have several spellings, and add the values that the code of transformers takes by default."""
    found: dict[str, tuple[Any, str]] = {
        "pos_att_type": (position_terms(config.get("pos_att_type")), "pos_att_type"),
        "norm_rel_ebd": (normalization_of_positions(config.get("norm_rel_ebd")), "norm_rel_ebd"),
    }
    for key in ("conv_act", "pooler_hidden_act"):
        if config.get(key) is not None:
            found[key] = (spelled_activation(key, config[key]), key)
    if "type_vocab_size" not in config and "segment_vocab_size" not in config:
        found["segment_vocab_size"] = (0, "type_vocab_size")
    if config.get("legacy") is False:  # this class of transformers has no output of its own
        found["tie_word_embeddings"] = (True, "legacy")
    return found


def _complete(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Spell activations as transformers does, and say which of its two heads has the names that are written."""
    for key in ("conv_act", "pooler_hidden_act"):
        if isinstance(theirs.get(key), str):
            theirs[key] = THEIR_ACTIVATIONS.get(theirs[key], theirs[key])
    theirs["legacy"] = True
    if not has_relative_positions(ours):
        theirs.update(relative_attention=False, norm_rel_ebd="none")
    theirs.setdefault("type_vocab_size", 0)


DEBERTA_V2 = BERT.but(
    "deberta_v2",
    "b4k3.models.architectures.deberta:DeBERTaV2",
    what="a DeBERTa-v2 checkpoint",
    parts=[
        embeddings(),
        convolution(),
        blocks(),
        pooler("deberta"),
        mlm_head(table="deberta/embeddings/word_embeddings"),
    ],
    keys=tuple(key for key in BERT.keys if key != "with_nsp") + tuple(OWN),
    ignored=frozenset(("legacy", "pooler_dropout", "pooler_hidden_size", "cls_dropout", "padding_idx", "is_decoder")),
    fixed={"conv_groups": (None, 1), "z_steps": (None, 0, 1)},
    model_types=("deberta-v2",),
    interprets=("pos_att_type", "norm_rel_ebd", "conv_act", "pooler_hidden_act"),
    interpret=_interpret,
    huggingface=HuggingFace(
        {"deberta-v2": "DebertaV2"},
        (("ForMaskedLM", ("MLM head",)), ("Model", ())),
        own=["embedding_size"] + OWN,
        defaults={"layer_norm_eps": 1e-7, "hidden_act": "gelu"},
        complete=_complete,
    ),
    trained_with_tanh=False,
    kin=("deberta_v2",),
    relatives=(
        (
            r"attention[./]self[./](in_proj|q_bias|v_bias|pos_proj|pos_q_proj)",
            "the file is of the first DeBERTa, whose attention is another one and which b4k3 does not have",
        ),
    ),
)
