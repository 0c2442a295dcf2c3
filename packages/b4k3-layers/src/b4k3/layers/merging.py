"""Layers that bring several tensors together and keep their masks, which Keras 3's own do not."""

from __future__ import annotations

from b4k3.backend import Layer, ops, register


@register
class Add(Layer):
    """Sum of a list of tensors.

    Masks in: any may be missing. Mask out: the AND of those that are there (Keras 3's Add drops all if one is missing).
    """

    def call(self, inputs):
        """Arguments: inputs: list of float tensors that broadcast. Returns: their sum."""
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total

    def compute_mask(self, inputs, mask=None):
        out = None
        for m in mask or ():
            if m is not None:
                out = m if out is None else ops.logical_and(out, m)
        return out

    def compute_output_shape(self, input_shape):
        ndim = max(len(shape) for shape in input_shape)
        shapes = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in input_shape]
        return tuple(broadcast_size(sizes) for sizes in zip(*shapes))


def broadcast_size(sizes):
    """The size of an axis on which tensors of these sizes (None: unknown) broadcast."""
    known = [size for size in sizes if size not in (1, None)]
    if known:
        return known[0]
    return None if None in sizes else 1


@register
class Concatenate1D(Layer):
    """Joins sequences along axis 1.

    Masks in: any may be missing. Mask out: theirs joined, a missing one counting as all real; None if all are missing.
    """

    def call(self, inputs):
        """Arguments: inputs: list of [batch, n_i, ...]. Returns: [batch, sum of n_i, ...]."""
        return ops.concatenate(inputs, axis=1)

    def compute_mask(self, inputs, mask=None):
        if mask is None or all(m is None for m in mask):
            return None
        masks = []
        for x, m in zip(inputs, mask):
            if m is None:
                first = x if len(x.shape) == 2 else ops.sum(x, axis=tuple(range(2, len(x.shape))))
                m = ops.ones_like(first, dtype="bool")
            masks.append(m)
        return ops.concatenate(masks, axis=1)

    def compute_output_shape(self, input_shape):
        sizes = [shape[1] for shape in input_shape]
        total = None if None in sizes else sum(sizes)
        return (input_shape[0][0], total) + tuple(input_shape[0][2:])
