"""The names of T5 in mesh-TensorFlow: 'encoder/block_000/layer_000/SelfAttention/q'.

Canonical, but for two things. Files of T5 call normalisation layer_norm, and at the end final_layer_norm, where those
of mT5 say rms_norm for both; either spelling is read under the other. And the projections of attention may have an axis
for the heads.
https://github.com/google-research/text-to-text-transfer-transformer
"""

from __future__ import annotations

import re

from . import Dialect

_FINAL = re.compile(r"^(encoder|decoder)/(final_layer_norm|rms_norm)/scale$")
_NORM = re.compile(r"/(layer_norm|rms_norm)/scale$")
_PROJECTION = re.compile(r"/(SelfAttention|EncDecAttention)/([qkvo])$")


def spellings(name):
    """A name, and where it is of a normalisation the other spelling too."""
    final = _FINAL.match(name)
    if final:
        other = "final_layer_norm" if final.group(2) == "rms_norm" else "rms_norm"
        return [name, "%s/%s/scale" % (final.group(1), other)]
    norm = _NORM.search(name)
    if norm:
        other = "layer_norm" if norm.group(1) == "rms_norm" else "rms_norm"
        return [name, name[: norm.start()] + "/%s/scale" % other]
    return [name]


def two_axes(canonical, shape):
    """The shape of a projection [in, heads, size], or [heads, size, out], as a matrix; any other as it is."""
    projection = _PROJECTION.search(canonical)
    if projection is None or len(shape) != 3:
        return tuple(shape)
    a, b, c = shape
    return (a * b, c) if projection.group(2) == "o" else (a, b * c)


class MeshT5(Dialect):
    """Canonical names, in either spelling of normalisation, and projections of two axes or three."""

    def candidates(self, canonical):
        return [(name, False) for name in spellings(canonical)]

    def shape(self, checkpoint, canonical):
        return two_axes(canonical, super().shape(checkpoint, canonical))

    def read(self, checkpoint, canonical):
        value, stored = super().read(checkpoint, canonical)
        return value.reshape(two_axes(canonical, value.shape)), stored


MESH_T5 = MeshT5(
    "mesh_t5", None, lambda names: any(name.startswith(("encoder/block_", "decoder/block_")) for name in names)
)
