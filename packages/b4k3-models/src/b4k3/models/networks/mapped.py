"""A description of a class that says by `variable_mapping` where its weights are, as bert4keras' classes do."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Tuple

from ..errors import ConfigError
from .description import Blocks, Layer, Network, Part, Variable, skeleton

# a network small enough to be looked at
SMALL = {
    "vocab_size": 8,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "hidden_act": "relu",
}
OWN = "own variables"

PLAIN = Network("transformer", None, "a checkpoint of a network that a package of yours describes", [])


class MappedNetwork(Network):
    """The description that follows from a class's own `variable_mapping`.

    A network of two blocks is asked for its mapping: names that differ in a number alone are those of blocks.

    Arguments:
        base: `Network` of the class that it was derived from, whose heads and sizes it has as far as names agree.
        name: its name for `model=`.
        target: the class.

    Raises:
        ConfigError: the class cannot be made with the usual sizes; it needs a `Network` of its own.
    """

    def __init__(self, base: Optional[Network], name: str, target: Any) -> None:
        self.__dict__.update((base or PLAIN).but(name, target, kin=(base or PLAIN).kin, unmarked=None).__dict__)
        if base is None or base is PLAIN:
            self.kin = (name,)
        try:
            mapping = target(**SMALL).variable_mapping()
        except TypeError as e:
            raise ConfigError(
                f"model={name!r}: {target.__name__} cannot be made of the usual sizes ({e}): describe it by a Network, "
                "as its attribute `network`"
            ) from None
        self.parts = parts_of(mapping, base or PLAIN)
        self.evidence = self.doubt = None


def parts_of(mapping: Dict[str, List[str]], base: Network) -> List[Part]:
    """Parts made of the mapping of a small network: those of the base by their names, and one for what is new."""
    known = base.by_skeleton()
    repeated = {}
    for variables in mapping.values():
        for name in variables:
            repeated.setdefault(skeleton(name), set()).add(name)
    groups: Dict[str, List[Layer]] = {}
    seen = set()
    for layer, variables in mapping.items():
        shape = (skeleton(layer), tuple(map(skeleton, variables)))
        of_blocks = bool(variables) and len(repeated[shape[1][0]]) > 1
        if of_blocks and shape in seen:
            continue
        seen.add(shape)
        found = [known.get(part) for part in shape[1]]
        part = next((entry[0] for entry in found if entry is not None), None)
        title = part.name if part is not None else "blocks" if of_blocks else OWN
        when = next((entry[1].when for entry in found if entry is not None), None)
        templates = []
        for name, entry in zip(variables, found):
            axes, transposed = (entry[2].axes, entry[2].transposed) if entry else ((), False)
            templates.append(Variable(numbered(name, of_blocks), axes, transposed))
        layer_name, blocks = split_block(layer) if of_blocks else (layer, None)
        groups.setdefault(title, []).append(Layer(layer_name, templates, blocks, when))
    parts = []
    for title, layers in groups.items():
        old = next((part for part in base.parts if part.name == title), None)
        if old is None:
            parts.append(Part(title, layers))
        else:
            parts.append(Part(title, layers, old.argument, old.option, old.implies, old.on, old.advice, old.marker))
    return parts


def numbered(name: str, of_blocks: bool) -> str:
    """The template of a block's variable: its first number that is 0 stands for the block's."""
    if not of_blocks:
        return name

    def place(match):
        digits = len(match.group())
        return "{i}" if digits == 1 else "{i:0%dd}" % digits

    return re.sub(r"(?<!\d)0+(?!\d)", place, name, count=1)


def split_block(layer: str) -> Tuple[str, Blocks]:
    """('FeedForward', the blocks named 'Transformer-{i}') of 'Transformer-0-FeedForward'."""
    match = re.match(r"(.*?)0(?:-(.*))?$", layer)
    if match is None:
        return layer, Blocks("", i="num_hidden_layers")
    return match.group(2) or "", Blocks(match.group(1) + "{i}", i="num_hidden_layers")
