"""The dialect of T5 in mesh-TensorFlow: 'encoder/block_000/layer_000/SelfAttention/q'.

The names are canonical, with two exceptions. The files of T5 call the normalisation layer_norm, and the last one
final_layer_norm; the files of mT5 call both rms_norm. Each spelling is read under the other. And the projections of the
attention may have an axis for the heads. https://github.com/google-research/text-to-text-transfer-transformer
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import Dialect

if TYPE_CHECKING:
    from typing import Any, Sequence

    from numpy.typing import NDArray

    from ..checkpoints import Checkpoint

_FINAL = re.compile(r"^(encoder|decoder)/(final_layer_norm|rms_norm)/scale$")
_NORM = re.compile(r"/(layer_norm|rms_norm)/scale$")
_PROJECTION = re.compile(r"/(SelfAttention|EncDecAttention)/([qkvo])$")


def spellings(name: str) -> list[str]:
    """List the spellings of a name.

    Arguments:
        name: str. A canonical name.

    Returns:
        list of str: the name itself and, if it belongs to a normalisation, the other spelling.

    Example:
        >>> from b4k3.models.dialects.mesh_t5 import spellings
        >>> spellings("encoder/block_000/layer_000/rms_norm/scale")
        ['encoder/block_000/layer_000/rms_norm/scale', 'encoder/block_000/layer_000/layer_norm/scale']
    """
    final = _FINAL.match(name)
    if final:
        other = "final_layer_norm" if final.group(2) == "rms_norm" else "rms_norm"
        return [name, f"{final.group(1)}/{other}/scale"]
    norm = _NORM.search(name)
    if norm:
        other = "layer_norm" if norm.group(1) == "rms_norm" else "rms_norm"
        return [name, f"{name[: norm.start()]}/{other}/scale"]
    return [name]


def two_axes(canonical: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Join the axes of the heads and their sizes in the shape of an attention matrix.

    Arguments:
        canonical: str. The canonical name of a variable.
        shape: tuple of int. The stored shape, for example [in, heads, size] or, for the output, [heads, size, out].

    Returns:
        tuple of int, [in, heads · size] or [heads · size, out]; the shape of any other variable as it is.
    """
    projection = _PROJECTION.search(canonical)
    if projection is None or len(shape) != 3:
        return tuple(shape)
    a, b, c = shape
    return (a * b, c) if projection.group(2) == "o" else (a, b * c)


class MeshT5(Dialect):
    """The dialect of mesh-TensorFlow, with two spellings of normalisation and attention matrices of two or three axes.

    Example:
        >>> from b4k3.models.dialects.mesh_t5 import MESH_T5
        >>> MESH_T5.candidates("encoder/final_layer_norm/scale")
        [('encoder/final_layer_norm/scale', False), ('encoder/rms_norm/scale', False)]
    """

    def candidates(self, canonical: str) -> list[tuple[str, bool]]:
        """List the names under which a variable may be stored: one or two spellings.

        Arguments:
            canonical: str. The canonical name.

        Returns:
            list of (name in the file, False).
        """
        return [(name, False) for name in spellings(canonical)]

    def shape(self, checkpoint: Checkpoint, canonical: str) -> tuple[int, ...]:
        """Tell the shape of a variable, with two axes for an attention matrix.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name of a variable that the file has.

        Returns:
            tuple of int.
        """
        return two_axes(canonical, super().shape(checkpoint, canonical))

    def read(self, checkpoint: Checkpoint, canonical: str) -> tuple[NDArray[Any], list[str]]:
        """Read a variable, with two axes for an attention matrix.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name of a variable that the file has.

        Returns:
            The array, and the list of the names in the file that it was made from.
        """
        value, stored = super().read(checkpoint, canonical)
        return value.reshape(two_axes(canonical, value.shape)), stored


MESH_T5 = MeshT5(
    "mesh_t5", None, lambda names: any(name.startswith(("encoder/block_", "decoder/block_")) for name in names)
)
