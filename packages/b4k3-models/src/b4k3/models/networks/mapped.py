"""The description of a class that has a `variable_mapping` of its own, as the classes of bert4keras have.

The mapping of a network with two blocks shows the templates. For example, the class returns

    {"Transformer-0-FeedForward": ["mine/layer_0/kernel"], "Transformer-1-FeedForward": ["mine/layer_1/kernel"]}

The two names of layers are equal but for a number, so the layer belongs to the blocks: its name is "FeedForward" after
the prefix "Transformer-{i}", and its variable is "mine/layer_{i}/kernel".
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ..errors import ConfigError
from .description import Blocks, Layer, Network, Part, Variable, skeleton

# The arguments of a network that is small enough to be made only to look at its mapping.
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
    """The description that follows from the `variable_mapping` of a class.

    Arguments:
        base: `Network` of the class that the target is derived from, or None. Layers with the same names have the same
            parts, sizes and conditions.
        name: str. The name for `model=`.
        target: class. A subclass of `Transformer`.

    Raises:
        ConfigError: the class cannot be made with the usual arguments, so that it needs a `Network` of its own.

    Example:
        >>> from b4k3.models import BERT
        >>> from b4k3.models.networks.mapped import MappedNetwork
        >>> class MyBERT(BERT):
        ...     def variable_mapping(self):
        ...         mapping = super().variable_mapping()
        ...         return {layer: [name.replace("bert/", "mine/") for name in mapping[layer]] for layer in mapping}
        >>> MappedNetwork(BERT.network, "my_bert", MyBERT).find("mine/embeddings/word_embeddings")[0].name
        'embeddings'
    """

    def __init__(self, base: Network | None, name: str, target: Any) -> None:
        self.__dict__.update((base or PLAIN).but(name, target, kin=(base or PLAIN).kin, unmarked=None).__dict__)
        if base is None or base is PLAIN:
            self.kin = (name,)
        try:
            mapping = target(**SMALL).variable_mapping()
            mapping.update(target(tie_word_embeddings=False, **SMALL).variable_mapping())
        except Exception as e:  # the class is not ours, so any error may come
            raise ConfigError(
                f"model={name!r}: {target.__name__} cannot be made of the usual sizes ({e}): describe it by a Network, "
                "as its attribute `network`"
            ) from None
        self.parts = parts_of(mapping, base or PLAIN)
        self.evidence = self.doubt = None


def parts_of(mapping: dict[str, list[str]], base: Network) -> list[Part]:
    """Make parts from the mapping of a small network.

    Arguments:
        mapping: dict from layer name to variable names, of a network with two blocks.
        base: `Network`. A layer with the same name takes its part, sizes and conditions from there.

    Returns:
        list of `Part`. A layer that the base does not have is in the part "blocks" or "own variables".
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
            templates.append(
                Variable(_numbered(variable, of_blocks), same.axes, same.transposed, same.when, same.more, same.split)
            )
        layer_name, blocks = _split_block(name) if of_blocks else (name, None)
        when = None if like is None else like.when
        groups.setdefault(title, []).append(Layer(layer_name, templates, blocks, when))
    parts = []
    for title, layers in groups.items():
        old = next((part for part in base.parts if part.name == title), Part(title, []))
        parts.append(
            Part(title, layers, old.argument, old.option, old.implies, old.on, old.advice, old.marker, title == OWN)
        )
    return parts


def _numbered(name: str, of_blocks: bool) -> str:
    """Turn the name "mine/layer_00/kernel" of a variable in the first block into "mine/layer_{i:02d}/kernel".

    The first number that is 0 is taken for the number of the block. A name outside of blocks stays as it is.
    """
    if not of_blocks:
        return name

    def place(match: re.Match[str]) -> str:
        """Make the placeholder that writes as many digits as the matched number has."""
        digits = len(match.group())
        return "{i}" if digits == 1 else f"{{i:0{digits}d}}"

    return re.sub(r"(?<!\d)0+(?!\d)", place, name, count=1)


def _split_block(layer: str) -> tuple[str, Blocks]:
    """Split "Transformer-0-FeedForward" into "FeedForward" and the `Blocks` with the prefix "Transformer-{i}"."""
    match = re.match(r"(.*?)0(?:-(.*))?$", layer)
    if match is None:
        return layer, Blocks("", i="num_hidden_layers")
    return match.group(2) or "", Blocks(match.group(1) + "{i}", i="num_hidden_layers")
