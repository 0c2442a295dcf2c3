"""The dialect of google-research's code, whose names are canonical: 'bert/encoder/layer_0/output/dense/kernel'.

Some variables of XLNet's blocks are stored stacked, which its description says. https://github.com/google-research/bert
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import Dialect, Template

if TYPE_CHECKING:
    from typing import Any, Mapping

    from numpy.typing import NDArray

    from ..checkpoints import Checkpoint
    from ..networks.description import Network


class Google(Dialect):
    """The dialect of canonical names, for networks with and without stacked variables.

    Arguments:
        stacks: dict from the template of a variable of each block to the name of the one variable in the file that
            stacks them along a first axis. A file may have one for all blocks, without that axis.

    Example:
        >>> from b4k3.models.dialects.google import GOOGLE
        >>> from b4k3.models.registry import network
        >>> GOOGLE.for_network(network("xlnet")).candidates("model/transformer/layer_3/rel_attn/r_w_bias")
        [('model/transformer/r_w_bias', False)]
    """

    def __init__(self, stacks: Mapping[str, str] | None = None) -> None:
        super().__init__("google", None, lambda names: any("/" in name for name in names))
        self._stacks = [(Template(block), stored) for block, stored in (stacks or {}).items()]
        self._axes: dict[str, int] = {}

    def for_network(self, network: Network) -> Dialect:
        """Adapt the dialect to a network with stacked variables.

        Arguments:
            network: `Network`.

        Returns:
            `Dialect`: this one for a network without them.
        """
        if not network.stacks:
            return self
        adapted = Google(network.stacks)
        axes = {variable.name: len(variable.axes) for _, _, variable in network.variables()}
        adapted._axes = {stored: axes[block] for block, stored in network.stacks.items()}
        return adapted

    def block_of(self, canonical: str) -> tuple[int, str] | None:
        """Find the place of a variable in a stack.

        Arguments:
            canonical: str. The canonical name.

        Returns:
            (number of the block, name in the file); None if the variable is not stacked.
        """
        for block, stored in self._stacks:
            numbers = block.match(canonical)
            if numbers is not None:
                return numbers["i"], stored
        return None

    def candidates(self, canonical: str) -> list[tuple[str, bool]]:
        """List the names under which a variable may be stored: its own, or the one of the stack.

        Arguments:
            canonical: str. The canonical name.

        Returns:
            list of (name in the file, False).
        """
        place = self.block_of(canonical)
        return [(canonical if place is None else place[1], False)]

    def canonicals(self, stored: str) -> list[str]:
        """Find the canonical names of the variables in a file's variable; of a stack the one of the first block.

        Arguments:
            stored: str. The name in the file.

        Returns:
            list of str.
        """
        return [block.fill({"i": 0}) for block, name in self._stacks if name == stored] or [stored]

    def canonicals_in(self, checkpoint: Checkpoint, stored: str) -> list[str]:
        """Find the canonical names of all variables that a variable in a file contains.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            stored: str. The name in the file.

        Returns:
            list of str. A variable that all blocks share has one for each block.
        """
        count = max([checkpoint.shape(name)[0] for _, name in self._stacks if self._is_stack(checkpoint, name)] or [1])
        found = [block.fill({"i": i}) for block, name in self._stacks if name == stored for i in range(count)]
        return found or [stored]

    def _is_stack(self, checkpoint: Checkpoint, stored: str) -> bool:
        """Ask whether a file has a stack under a name, and not one variable for all blocks."""
        return stored in checkpoint and len(checkpoint.shape(stored)) > self._axes[stored]

    def find(self, checkpoint: Checkpoint, canonical: str) -> tuple[str, bool] | None:
        """Find a variable in a file.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name.

        Returns:
            (name in the file, False); None if the file does not have the variable, or its stack ends before.
        """
        found, place = super().find(checkpoint, canonical), self.block_of(canonical)
        if found is None or place is None or not self._is_stack(checkpoint, found[0]):
            return found
        return found if place[0] < checkpoint.shape(found[0])[0] else None

    def shape(self, checkpoint: Checkpoint, canonical: str) -> tuple[int, ...]:
        """Tell the shape of a variable without reading it.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name of a variable that the file has.

        Returns:
            tuple of int. The canonical shape.
        """
        shape, place = super().shape(checkpoint, canonical), self.block_of(canonical)
        return shape[1:] if place is not None and self._is_stack(checkpoint, place[1]) else shape

    def read(self, checkpoint: Checkpoint, canonical: str) -> tuple[NDArray[Any], list[str]]:
        """Read a variable.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name of a variable that the file has.

        Returns:
            The array, and the list of the names in the file that it was made from.
        """
        (value, stored), place = super().read(checkpoint, canonical), self.block_of(canonical)
        if place is not None and self._is_stack(checkpoint, place[1]):
            value = value[place[0]]
        return value, stored

    def part(self, canonical: str) -> tuple[int, int | None] | None:
        """Find the place of a variable in a stack.

        Arguments:
            canonical: str. The canonical name.

        Returns:
            (number of the block, None) if the variable is stacked; otherwise None.
        """
        place = self.block_of(canonical)
        return None if place is None else (place[0], None)


GOOGLE = Google()
