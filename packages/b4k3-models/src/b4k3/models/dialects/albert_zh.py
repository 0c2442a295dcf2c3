"""The dialect of the early files of brightmart's albert_zh: 'bert/encoder/layer_shared/output/dense/kernel'.

The files are older than Google's code for ALBERT. Their word embeddings are the product of two tables, and positions
and segments are added to the product. This is an ALBERT with embedding_size equal to hidden_size and with the product
as its table; the masked-language-model head is tied to the product too. https://github.com/brightmart/albert_zh
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import Dialect, Rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..checkpoints import Checkpoint

FACTORS = ("bert/embeddings/word_embeddings", "bert/embeddings/word_embeddings_2")
_SHARED = "bert/encoder/layer_shared/"
_BLOCK = "bert/encoder/transformer/group_0/inner_group_0/"
_PARTS = [
    ("attention_1/self/query", "attention/self/query"),
    ("attention_1/self/key", "attention/self/key"),
    ("attention_1/self/value", "attention/self/value"),
    ("attention_1/output/dense", "attention/output/dense"),
    ("LayerNorm", "attention/output/LayerNorm"),
    ("ffn_1/intermediate/dense", "intermediate/dense"),
    ("ffn_1/intermediate/output/dense", "output/dense"),
    ("LayerNorm_1", "output/LayerNorm"),
]


class EarlyAlbert(Dialect):
    """The dialect of the early albert_zh, with rules for the blocks and embeddings that are a product of two tables.

    The embeddings and the heads have canonical names.

    Example:
        >>> from b4k3.models.dialects.albert_zh import ALBERT_ZH
        >>> ALBERT_ZH.canonical("bert/encoder/layer_shared/output/dense/kernel")[0]
        'bert/encoder/transformer/group_0/inner_group_0/ffn_1/intermediate/output/dense/kernel'
    """

    def candidates(self, canonical: str) -> list[tuple[str, bool]]:
        """List the names under which a variable may be stored. If no rule fits, it is the canonical name.

        Arguments:
            canonical: str. The canonical name.

        Returns:
            list of (name in the file, False).
        """
        return super().candidates(canonical) or [(canonical, False)]

    def canonical(self, stored: str) -> tuple[str, bool] | None:
        """Find the canonical name of a variable in a file. The second of the two tables has none.

        Arguments:
            stored: str. The name in the file.

        Returns:
            (canonical name, False), or None.
        """
        if stored == FACTORS[1]:
            return None
        return super().canonical(stored) or (stored, False)

    def shape(self, checkpoint: Checkpoint, canonical: str) -> tuple[int, ...]:
        """Tell the shape of a variable; for the word embeddings it is the shape of the product.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name of a variable that the file has.

        Returns:
            tuple of int.
        """
        if canonical == FACTORS[0] and FACTORS[1] in checkpoint:
            return (checkpoint.shape(FACTORS[0])[0], checkpoint.shape(FACTORS[1])[1])
        return super().shape(checkpoint, canonical)

    def read(self, checkpoint: Checkpoint, canonical: str) -> tuple[NDArray[Any], list[str]]:
        """Read a variable; for the word embeddings compute the product.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name of a variable that the file has.

        Returns:
            The array, and the list of the names in the file that it was made from.
        """
        if canonical == FACTORS[0] and FACTORS[1] in checkpoint:
            return checkpoint[FACTORS[0]].dot(checkpoint[FACTORS[1]]), list(FACTORS)
        return super().read(checkpoint, canonical)

    def read_names(self, checkpoint: Checkpoint, canonical: str) -> list[str]:
        """List the names in the file that `read` reads for a variable: both tables for the word embeddings.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name.

        Returns:
            list of str.
        """
        if canonical == FACTORS[0] and FACTORS[1] in checkpoint:
            return list(FACTORS)
        return super().read_names(checkpoint, canonical)

    def corrections(self, config: dict[str, Any]) -> dict[str, Any]:
        """Set embedding_size to the width of the blocks, because the product of the two tables has this width.

        Arguments:
            config: dict under our names.

        Returns:
            dict from key to its right value.
        """
        return {"embedding_size": config.get("hidden_size")}


ALBERT_ZH = EarlyAlbert(
    "albert_zh",
    [
        Rule(_BLOCK + canonical + "/" + weight, _SHARED + stored + "/" + weight)
        for canonical, stored in _PARTS
        for weight in (("gamma", "beta") if "LayerNorm" in canonical else ("kernel", "bias"))
    ],
    lambda names: FACTORS[1] in names or any(name.startswith(_SHARED) for name in names),
)
