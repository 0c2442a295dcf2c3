"""The names that other programs expect of the outputs of a model."""

from __future__ import annotations

import re
from typing import Any

# What the name of the layer ends with, and the name of its output. A head of probabilities does not give logits.
HEADS = (
    ("MLM-Activation", "logits"),
    ("Pooler-Dense", "pooler_output"),
    ("NSP-Proba", "next_sentence_probabilities"),
)


def output_names(model: Any) -> list[str]:
    """Name the outputs of a model.

    Arguments:
        model: Keras model.

    Returns:
        list of str: `last_hidden_state` for the vectors of the tokens, `pooler_output` for the pooler, `logits` or
        `probabilities` for the masked-language-model head, and the name of its layer for any other output.
    """
    names: list[str] = []
    for tensor in model.outputs:
        name = output_name(tensor)
        names.append(f"{name}_{len(names)}" if name in names else name)
    return names


def output_name(tensor: Any) -> str:
    """Name an output.

    Arguments:
        tensor: Keras tensor.

    Returns:
        str.
    """
    layer = tensor._keras_history[0]
    for ending, name in HEADS:
        if layer.name.endswith(ending):
            return "probabilities" if name == "logits" and is_softmax(layer) else name
    if len(tensor.shape) == 3 and re.search(r"Transformer-\d+-|Embedding-|(Output|Final)-Norm", layer.name):
        return "last_hidden_state"
    return re.sub(r"\W", "_", layer.name)


def is_softmax(layer: Any) -> bool:
    """Return whether a layer gives probabilities.

    Arguments:
        layer: Keras layer.

    Returns:
        bool.
    """
    return getattr(getattr(layer, "activation", None), "__name__", "") == "softmax"
