"""What the names and shapes of a checkpoint tell about the sizes of its network."""

from __future__ import annotations

from typing import Any

from .dialects import Template, View
from .networks.description import Network

DERIVED = ("query_size", "value_size", "gau_size")  # products of other sizes


def measure(network: Network, view: View) -> dict[str, int]:
    """The sizes that follow from names and shapes.

    Arguments:
        network: `Network` that the checkpoint is of.
        view: `View` of the checkpoint.

    Returns:
        dict from key to int. The number of heads, the activation and the number of shared blocks are not in shapes.
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
                        (products if axis in DERIVED else found).setdefault(axis, int(size))
                break
    for name, (_, layer, variable) in present:
        numbers = Template(variable.name).match(name) if layer.blocks is not None else None
        for number, key in layer.blocks.counts.items() if numbers else ():
            found[key] = max(found.get(key, 0), numbers[number] + 1)
    if "vocab_size" in found:
        for key in network.absent:
            found.setdefault(key, 0)
    if "num_attention_heads" in found and "value_size" in products:  # T5, whose heads need not fill the width
        found["attention_head_size"] = products["value_size"] // found["num_attention_heads"]
    return found


def contradictions(config: dict[str, Any], found: dict[str, int]) -> list[str]:
    """The keys on which a configuration under our names and measured sizes disagree."""
    return [key for key, size in found.items() if config.get(key) is not None and config[key] != size]
