"""The descriptions of ALBERT, whose blocks share their weights, and of its variant without sharing."""

from __future__ import annotations

from .bert import BERT, CLASSES, attention, embeddings, feed_forward, mlm_head, nsp_head, pooler
from .description import Blocks, HuggingFace, Layer, Part, Sizes, norm

_SCOPE = "bert/encoder/transformer/group_{g}/inner_group_{j}"


class SharedBlocks(Blocks):
    """The blocks of ALBERT: the blocks of a group call the same layers again and again.

    A block has three numbers: `k` counts the blocks, `g` the groups, and `j` the inner blocks of a group. Only `g` and
    `j` are in the names of the variables, so that several blocks have the same ones.

    Example:
        >>> from b4k3.models.networks.albert import SharedBlocks
        >>> SharedBlocks().numbers({"num_hidden_layers": 2})
        [{'k': 0, 'g': 0, 'j': 0}, {'k': 1, 'g': 0, 'j': 0}]
    """

    def __init__(self) -> None:
        super().__init__("Transformer", g="num_hidden_groups", j="inner_group_num")

    def numbers(self, sizes: Sizes) -> list[dict[str, int]]:
        """Count the blocks.

        Arguments:
            sizes: dict. The sizes and settings of the network.

        Returns:
            list of dict, one for each block: its numbers `k`, `g` and `j`.
        """
        layers, groups = sizes.get("num_hidden_layers") or 0, sizes.get("num_hidden_groups") or 1
        inner = sizes.get("inner_group_num") or 1
        return [{"k": i * inner + j, "g": i * groups // layers, "j": j} for i in range(layers) for j in range(inner)]

    def block_prefix(self, sizes: Sizes) -> str:
        """Choose the template of the beginning of the layers' names.

        Arguments:
            sizes: dict. The sizes and settings of the network.

        Returns:
            str. It has numbers only if there are several groups or several inner blocks.
        """
        single = (sizes.get("num_hidden_groups") or 1) == (sizes.get("inner_group_num") or 1) == 1
        return "Transformer" if single else "Transformer-G{g}-I{j}"

    def prefixes(self) -> list[str]:
        """List every template that `block_prefix` may return.

        Returns:
            list of str.
        """
        return ["Transformer", "Transformer-G{g}-I{j}"]


class UnsharedBlocks(SharedBlocks):
    """The blocks of ALBERT without sharing: every block has its own layers, loaded from the shared variables.

    Example:
        >>> from b4k3.models.networks.albert import UnsharedBlocks
        >>> UnsharedBlocks().block_prefix({})
        'Transformer-{k}'
    """

    def block_prefix(self, sizes: Sizes) -> str:
        """Choose the template of the beginning of the layers' names.

        Arguments:
            sizes: dict. The sizes and settings of the network; they do not matter here.

        Returns:
            str. It has the number of the block.
        """
        return "Transformer-{k}"

    def prefixes(self) -> list[str]:
        """List no template: several layers have the same variables, so none of them can be found by its name.

        Returns:
            list, which is empty.
        """
        return []


def blocks(repeated: Blocks) -> Part:
    """Describe the blocks of ALBERT.

    Arguments:
        repeated: `Blocks`. How the layers are shared.

    Returns:
        `Part`.
    """
    return Part(
        "blocks",
        [
            Layer("MultiHeadSelfAttention", attention(_SCOPE + "/attention_1"), repeated),
            Layer("MultiHeadSelfAttention-Norm", norm(_SCOPE + "/LayerNorm", "hidden_size"), repeated),
            Layer(
                "FeedForward",
                feed_forward(_SCOPE + "/ffn_1/intermediate/dense", _SCOPE + "/ffn_1/intermediate/output/dense"),
                repeated,
            ),
            Layer("FeedForward-Norm", norm(_SCOPE + "/LayerNorm_1", "hidden_size"), repeated),
        ],
    )


ALBERT = BERT.but(
    "albert",
    "b4k3.models.architectures.albert:ALBERT",
    what="an ALBERT checkpoint",
    parts=[embeddings(), blocks(SharedBlocks()), pooler(), nsp_head(), mlm_head()],
    keys=BERT.keys + ("num_hidden_groups", "inner_group_num"),
    ignored=frozenset(("is_decoder", "net_structure_type", "gap_size", "num_memory_blocks", "down_scale_factor")),
    marks={"embedding_mapping": "bert/encoder/embedding_hidden_mapping_in/kernel"},
    huggingface=HuggingFace(
        {"albert": "Albert"},
        CLASSES,
        own=("embedding_size", "num_hidden_groups", "inner_group_num"),
        defaults={"layer_norm_eps": 1e-12, "hidden_act": "gelu_new", "num_hidden_groups": 1, "inner_group_num": 1},
    ),
    kin=("albert",),
)
ALBERT_UNSHARED = ALBERT.but(
    "albert_unshared",
    "b4k3.models.architectures.albert:ALBERT_Unshared",
    parts=[embeddings(), blocks(UnsharedBlocks()), pooler(), nsp_head(), mlm_head()],
    model_types=("albert",),
)
