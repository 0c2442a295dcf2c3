"""How far each layer of a network is from its output: what layer-wise learning rates are made of.

For example, a BERT with 12 blocks and an MLM head:

    Embedding-Token, Embedding-Norm, ...     13
    Transformer-0-FeedForward, ...           12
    ...
    Transformer-11-FeedForward, ...           1
    Pooler-Dense, MLM-Dense, ...              0

Blocks that share their layers are one block. Encoder and decoder count for themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigError
from .mapped import OWN

if TYPE_CHECKING:
    from .description import Layer, Network, Part, Sizes


def distances_to_output(of: Network, sizes: Sizes) -> dict[str, int]:
    """Count the blocks from each layer to the output of the network.

    Arguments:
        of: `Network`.
        sizes: dict. The sizes and settings, as `derive` returns them.

    Returns:
        dict from the name of a layer to its distance: 0 for heads and what follows on the blocks, 1 for the last block,
        and one more than the first block for embeddings.

    Raises:
        ConfigError: the description has no blocks, or does not say where a layer stands.

    Example:
        >>> from b4k3.models import BERT
        >>> distances = distances_to_output(BERT.network, {"num_hidden_layers": 12, "segment_vocab_size": 2})
        >>> [distances[f"Transformer-{i}-FeedForward"] for i in (0, 1, 11)], distances["Embedding-Token"]
        ([12, 11, 1], 13)
    """
    found: dict[str, int] = {}
    stacks = blocks_of(of, sizes)
    if not stacks:
        raise ConfigError(f"the description of {of.name} has no blocks, so that its layers have no order")
    first = next(i for i, part in enumerate(of.parts) if any(layer.blocks is not None for layer in part.layers))
    for part, layer, name, numbers in of.instances(sizes):
        if layer.blocks is not None:
            stack = layer.blocks.block_prefix(sizes)
            blocks = stacks[stack]
            found[name] = len(blocks) - blocks.index(stack.format(**numbers))
        elif part.name == OWN:
            raise ConfigError(
                f"nothing says whether {name} of {of.name} stands before or behind the blocks: describe the network by "
                "a Network, as the attribute `network` of its class"
            )
        else:
            found[name] = _outside_of_blocks(part, layer, stacks, sizes, of.parts.index(part) < first)
    return found


def blocks_of(of: Network, sizes: Sizes) -> dict[str, list[str]]:
    """List the blocks of each stack of a network, from the input to the output.

    Arguments:
        of: `Network`.
        sizes: dict. The sizes and settings, as `derive` returns them.

    Returns:
        dict from the template of the blocks' names to their names. Blocks that share their layers are one.
    """
    stacks: dict[str, list[str]] = {}
    for _, layer, _, numbers in of.instances(sizes):
        if layer.blocks is not None:
            stack = layer.blocks.block_prefix(sizes)
            blocks, block = stacks.setdefault(stack, []), stack.format(**numbers)
            if block not in blocks:
                blocks.append(block)
    return stacks


def _outside_of_blocks(part: Part, layer: Layer, stacks: dict[str, list[str]], sizes: Sizes, is_first: bool) -> int:
    """Return the distance of a layer that is in no block. `is_first` says that its part comes before all blocks."""
    if is_first and part.argument is None:
        return max(map(len, stacks.values())) + 1
    for other in part.layers[part.layers.index(layer) :]:
        if other.blocks is not None and other.exists(sizes):  # such as the relative positions of a decoder
            return len(stacks[other.blocks.block_prefix(sizes)]) + 1
    return 0
