"""Measure a network: derive its sizes from the names and shapes in its checkpoint."""

from __future__ import annotations

from typing import Any

from .dialects import Template, View
from .networks.description import Network

DERIVED = ("query_size", "value_size", "group_size", "gau_size", "relative_rows")  # products of other sizes


def measure(network: Network, view: View) -> dict[str, int]:
    """Derive the sizes of a network from names and shapes.

    The shape of a variable is compared with its description, in which the axes have names. For example, the
    description of BERT says that `bert/embeddings/word_embeddings` is [vocab_size, embedding_size]. The greatest number
    in the names of the blocks gives their count.

    Arguments:
        network: `Network` that the checkpoint is of.
        view: `View` of the checkpoint.

    Returns:
        dict from key to int. Shapes do not tell the number of heads, the activation and the number of shared blocks.

    Example:
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> from b4k3.models.dialects import View
        >>> from b4k3.models.measuring import measure
        >>> from b4k3.models.dialects.google import GOOGLE
        >>> from b4k3.models.registry import network
        >>> checkpoint = open_checkpoint({"bert/embeddings/word_embeddings": np.zeros((100, 8), "float32")})
        >>> measure(network("bert"), View(checkpoint, GOOGLE))["vocab_size"]
        100
    """
    found: dict[str, int] = {}
    products: dict[str, int] = {}
    known = [(name, network.find(name)) for name in view.keys()]
    present = [(name, entry) for name, entry in known if entry is not None]
    for wanted in network.variables():
        for name, entry in present:
            if entry[2] is wanted[2]:
                shape = view.shape(name)
                for axis, size in zip(wanted[2].axes, shape):
                    if isinstance(axis, str) and len(shape) == len(wanted[2].axes):
                        size = int(size) - wanted[2].more.get(axis, 0)
                        (products if axis in DERIVED else found).setdefault(axis, size)
                break
    for name, (_, layer, variable) in present:
        numbers = Template(variable.name).match(name) if layer.blocks is not None else None
        if layer.blocks is not None and numbers:
            for number, key in layer.blocks.counts.items():
                found[key] = max(found.get(key, 0), numbers[number] + 1)
    if "vocab_size" in found:
        for key in network.absent:
            found.setdefault(key, 0)
    if "num_attention_heads" in found and "value_size" in products:  # T5, whose heads need not fill the width
        found["attention_head_size"] = products["value_size"] // found["num_attention_heads"]
    return found


def contradictions(config: dict[str, Any], found: dict[str, int]) -> list[str]:
    """Compare a configuration with measured sizes.

    Arguments:
        config: dict under our names.
        found: dict. What `measure` returned.

    Returns:
        list of str, the keys for which the two have different values.
    """
    return [key for key, size in found.items() if config.get(key) is not None and config[key] != size]
