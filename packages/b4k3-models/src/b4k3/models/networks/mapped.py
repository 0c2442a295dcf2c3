"""A description of a class that says by `variable_mapping` where its weights are, as bert4keras' classes do."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

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
    "embedding_size": 4,
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

    def __init__(self, base: Network | None, name: str, target: Any) -> None:
        self.__dict__.update((base or PLAIN).but(name, target, kin=(base or PLAIN).kin, unmarked=None).__dict__)
        if base is None or base is PLAIN:
            self.kin = (name,)
        try:
            mapping = target(**SMALL).variable_mapping()
            mapping.update(target(tie_word_embeddings=False, **SMALL).variable_mapping())
        except Exception as e:  # whatever a class of somebody else's does with these sizes
            raise ConfigError(
                f"model={name!r}: {target.__name__} cannot be made of the usual sizes ({e}): describe it by a Network, "
                "as its attribute `network`"
            ) from None
        self.parts = parts_of(mapping, base or PLAIN)
        self.evidence = self.doubt = None


def parts_of(mapping: dict[str, list[str]], base: Network) -> list[Part]:
    """Parts made of the mapping of a small network: those of the base by the names of layers, and one for what is new.

    Arguments:
        mapping: {layer: variables} of a network of two blocks.
        base: the network whose parts, sizes and conditions the layers of the same names have.
    """
    known = {skeleton(template): (part, layer) for part, layer in base.layers() for template in layer.templates()}
    counts = Counter(skeleton(layer) for layer in mapping)
    groups: dict[str, list[Layer]] = {}
    seen = set()
    for name, variables in mapping.items():
        if skeleton(name) in seen:
            continue
        seen.add(skeleton(name))
        part, like = known.get(skeleton(name), (None, None))
        of_blocks = counts[skeleton(name)] > 1
        title = part.name if part is not None else "blocks" if of_blocks else OWN
        templates = []
        for i, variable in enumerate(variables):
            same = like.variables[i] if like is not None and len(like.variables) == len(variables) else Variable("")
            templates.append(Variable(numbered(variable, of_blocks), same.axes, same.transposed))
        layer_name, blocks = split_block(name) if of_blocks else (name, None)
        when = None if like is None else like.when
        groups.setdefault(title, []).append(Layer(layer_name, templates, blocks, when))
    parts = []
    for title, layers in groups.items():
        old = next((part for part in base.parts if part.name == title), Part(title, []))
        parts.append(
            Part(title, layers, old.argument, old.option, old.implies, old.on, old.advice, old.marker, title == OWN)
        )
    return parts


def numbered(name: str, of_blocks: bool) -> str:
    """The template of a block's variable: its first number that is 0 stands for the block's."""
    if not of_blocks:
        return name

    def place(match):
        digits = len(match.group())
        return "{i}" if digits == 1 else "{i:0%dd}" % digits

    return re.sub(r"(?<!\d)0+(?!\d)", place, name, count=1)


def split_block(layer: str) -> tuple[str, Blocks]:
    """('FeedForward', the blocks named 'Transformer-{i}') of 'Transformer-0-FeedForward'."""
    match = re.match(r"(.*?)0(?:-(.*))?$", layer)
    if match is None:
        return layer, Blocks("", i="num_hidden_layers")
    return match.group(2) or "", Blocks(match.group(1) + "{i}", i="num_hidden_layers")
