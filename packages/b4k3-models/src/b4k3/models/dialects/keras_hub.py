"""The dialect of BERT in keras-hub: 'layers/transformer_encoder_1/_self_attention_layer/query_dense/vars/0'.

Keras 3 names a layer in `model.weights.h5` after its class and counts the layers of one class; the first has no number.
The attention has an axis of heads: the kernel of the queries is [hidden_size, heads, size of a head], the kernel
of the output [heads, size of a head, hidden_size]. Here both are matrices, as Google has them.

https://github.com/keras-team/keras-hub
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

from . import Dialect, Rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..checkpoints import Checkpoint

_LAYERS = (
    ("attention/self/query", "_self_attention_layer/query_dense"),
    ("attention/self/key", "_self_attention_layer/key_dense"),
    ("attention/self/value", "_self_attention_layer/value_dense"),
    ("attention/output/dense", "_self_attention_layer/output_dense"),
    ("intermediate/dense", "_feedforward_intermediate_dense"),
    ("output/dense", "_feedforward_output_dense"),
)
_NORMS = (("attention/output/LayerNorm", "_self_attention_layer_norm"), ("output/LayerNorm", "_feedforward_layer_norm"))
_TABLES = (
    ("word_embeddings", "reversible_embedding"),
    ("token_type_embeddings", "embedding"),
    ("position_embeddings", "position_embedding"),
)


def _pair(canonical: str, stored: str, names: Sequence[str] = ("kernel", "bias")) -> list[Rule]:
    """Make the rules of a layer with two weights."""
    return [Rule(f"{canonical}/{name}", f"layers/{stored}/vars/{number}") for number, name in enumerate(names)]


def _rules() -> list[Rule]:
    """Make the rules of BERT."""
    rules = [Rule(f"bert/embeddings/{name}", f"layers/{stored}/vars/0") for name, stored in _TABLES]
    rules += _pair("bert/embeddings/LayerNorm", "layer_normalization", ("gamma", "beta"))
    rules += _pair("bert/pooler/dense", "dense")
    for number, suffix in (("0", ""), ("{i}", "_{i}")):
        block, stored = f"bert/encoder/layer_{number}/", f"transformer_encoder{suffix}/"
        for name, other in _LAYERS:
            rules += _pair(block + name, stored + other)
        for name, other in _NORMS:
            rules += _pair(block + name, stored + other, ("gamma", "beta"))
    return rules


def without_heads(canonical: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Find the shape of a variable without the axis of heads.

    Arguments:
        canonical: str. The canonical name.
        shape: tuple of int. The shape in the file.

    Returns:
        tuple of int.

    Example:
        >>> from b4k3.models.dialects.keras_hub import without_heads
        >>> without_heads("bert/encoder/layer_0/attention/self/query/kernel", (768, 12, 64))
        (768, 768)
    """
    shape = tuple(shape)
    if "/attention/self/" in canonical and len(shape) == (3 if canonical.endswith("/kernel") else 2):
        return shape[:-2] + (shape[-2] * shape[-1],)
    if canonical.endswith("/attention/output/dense/kernel") and len(shape) == 3:
        return (shape[0] * shape[1], shape[2])
    return shape


class KerasHub(Dialect):
    """The dialect of keras-hub, whose attention has an axis of heads.

    Example:
        >>> from b4k3.models.dialects.keras_hub import KERAS_HUB
        >>> KERAS_HUB.canonical("layers/transformer_encoder/_feedforward_output_dense/vars/1")[0]
        'bert/encoder/layer_0/output/dense/bias'
    """

    def shape(self, checkpoint: Checkpoint, canonical: str) -> tuple[int, ...]:
        """Tell the shape of a variable without reading it.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name of a variable that the file has.

        Returns:
            tuple of int. The canonical shape.
        """
        return without_heads(canonical, super().shape(checkpoint, canonical))

    def read(self, checkpoint: Checkpoint, canonical: str) -> tuple[NDArray[Any], list[str]]:
        """Read a variable.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name of a variable that the file has.

        Returns:
            The array in the canonical shape, and the list of the name in the file.
        """
        value, stored = super().read(checkpoint, canonical)
        return np.reshape(value, without_heads(canonical, value.shape)), stored


_SIGN = {
    "layers/reversible_embedding/vars/0",
    "layers/embedding/vars/0",
    "layers/position_embedding/vars/0",
    "layers/dense/vars/0",
    "layers/transformer_encoder/_self_attention_layer/query_dense/vars/0",
}
KERAS_HUB = KerasHub("keras_hub", _rules(), lambda names: _SIGN.issubset(names), models=("bert",))
