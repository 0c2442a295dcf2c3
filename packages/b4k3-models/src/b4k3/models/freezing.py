"""Freeze and unfreeze the parts of a transformer that its description names: embeddings, numbered blocks, heads."""

from __future__ import annotations

import difflib
from numbers import Integral
from typing import TYPE_CHECKING, Any, Iterable, Sequence

from b4k3.backend import low_rank_of

from .errors import ConfigError, short

if TYPE_CHECKING:
    from .transformer import Transformer


def set_trainable(transformer: Transformer, parts: Sequence[str], layers: Iterable[int] | None, value: bool) -> int:
    """Set whether parts of a transformer are trained.

    A weight with LoRA stays frozen: its two small matrices are trained in its place.

    Arguments:
        transformer: a built `Transformer`.
        parts: names of parts of the description.
        layers: numbers of blocks, or None.
        value: bool. Whether they are trained.

    Returns:
        int. The number of layers of the model that were set.

    Raises:
        ConfigError: the model has no such part or block, or a layer belongs to other blocks too.
    """
    chosen = chosen_layers(transformer, parts, layers)
    for layer in chosen:
        layer.trainable = not value  # TensorFlow passes over a value that an attribute has, though weights may differ
        layer.trainable = value
    for target in transformer.lora.targets if transformer.lora is not None else ():
        low = low_rank_of(target.layer)
        if low is not None and any(target.owner is layer for layer in chosen):
            low.base.trainable = False
    return len(chosen)


def chosen_layers(transformer: Transformer, parts: Sequence[str], layers: Iterable[int] | None) -> list[Any]:
    """Find the layers of parts and blocks.

    Arguments:
        transformer: a built `Transformer`.
        parts: names of parts of the description.
        layers: numbers of blocks, in every stack that the network has; or None.

    Returns:
        list of Keras layers, each of them once.

    Raises:
        ConfigError: the model has no such part or block, or a layer belongs to other blocks too.
    """
    if not parts and layers is None:
        raise ConfigError("name the parts, for instance 'embeddings', or give layers= the numbers of blocks")
    found: dict[str, Any] = {}  # by the name of the layer
    by_part: dict[str, list[str]] = {}
    by_block: dict[int, list[str]] = {}
    for part, layer, name, counts in transformer.description.instances(transformer.sizes):
        name = str(transformer.prefixed(name))
        if name in transformer.layers:
            found[name] = transformer.layers[name]
            by_part.setdefault(part.name, []).append(name)
            if layer.blocks is not None:  # the first number counts the blocks
                by_block.setdefault(next(iter(counts.values())), []).append(name)
    for part_name in parts:
        if part_name not in by_part:
            near = difflib.get_close_matches(str(part_name), list(by_part), 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(
                f"{type(transformer).__name__} has no part {short(part_name)}{hint}. It has "
                f"{', '.join(map(repr, by_part))}, and layers= takes the numbers of blocks"
            )
    numbers = checked_numbers(layers, by_block)
    refuse_shared(numbers, by_block)
    names = [name for part_name in parts for name in by_part[part_name]]
    names += [name for number in numbers for name in by_block[number]]
    return [found[name] for name in dict.fromkeys(names)]


def checked_numbers(layers: Iterable[int] | None, by_block: dict[int, list[str]]) -> list[int]:
    """Check the numbers of blocks.

    Arguments:
        layers: numbers of blocks, or None.
        by_block: dict from the number of a block to the names of its layers.

    Returns:
        list of int.

    Raises:
        ConfigError: there is no such block.
    """
    if layers is None:
        return []
    if isinstance(layers, (str, bytes)) or not hasattr(layers, "__iter__"):
        raise ConfigError(f"layers={short(layers)}, expected the numbers of blocks, for instance range(6)")
    numbers = list(layers)
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, Integral) or number not in by_block:
            raise ConfigError(
                f"layers: there is no block {short(number)}; the blocks are 0 to {max(by_block, default=0)}"
            )
    return [int(number) for number in numbers]


def refuse_shared(numbers: Sequence[int], by_block: dict[int, list[str]]) -> None:
    """Refuse blocks that share a layer with a block that was not chosen, as the blocks of ALBERT do.

    Arguments:
        numbers: list of int. The blocks that were chosen.
        by_block: dict from the number of a block to the names of its layers.

    Raises:
        ConfigError: a layer belongs to another block too.
    """
    chosen = {name for number in numbers for name in by_block[number]}
    for number, names in by_block.items():
        shared = sorted(chosen & set(names))
        if shared and number not in numbers:
            raise ConfigError(
                f"layers: block {number} has {shared[0]} too, because the network shares layers between blocks: give "
                "all blocks that share it"
            )
