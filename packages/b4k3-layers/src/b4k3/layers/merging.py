"""Layers that bring several tensors together, or part one, and keep their masks, which Keras 3's own do not."""

from __future__ import annotations

from b4k3.backend import Layer, keras, ops, register


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
            if m is not None and m is not out:  # a residual connection brings the same one twice
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
        return join_masks(inputs, mask, axis=1)

    def compute_output_shape(self, input_shape):
        sizes = [shape[1] for shape in input_shape]
        total = None if None in sizes else sum(sizes)
        return (input_shape[0][0], total) + tuple(input_shape[0][2:])


def join_masks(inputs, mask, axis):
    """The masks of sequences [batch, n, ...] joined, a missing one counting as all real; None if all are missing."""
    if mask is None or all(m is None for m in mask):
        return None
    masks = []
    for x, m in zip(inputs, mask):
        if m is None:
            first = x if len(x.shape) == 2 else ops.sum(x, axis=tuple(range(2, len(x.shape))))
            m = ops.ones_like(first, dtype="bool")
        masks.append(m)
    return ops.concatenate(masks, axis=axis)


@register
class BatchSplit(Layer):
    """Cuts a batch into parts.

    Mask in: any or None. Masks out: its parts.

    Arguments:
        parts: number of equal parts, or a list of their relative sizes.
    """

    reads_ids = True

    def __init__(self, parts, **kwargs):
        super().__init__(**kwargs)
        self.parts = parts

    def _split(self, x):
        sizes = [1] * self.parts if isinstance(self.parts, int) else list(self.parts)
        batch = ops.shape(x)[0]
        borders = [0] + [portion(batch, sum(sizes[:i]) / sum(sizes)) for i in range(1, len(sizes))] + [batch]
        return [x[start:end] for start, end in zip(borders, borders[1:])]

    def call(self, inputs):
        """Arguments: inputs: [batch, ...]. Returns: list of [part of the batch, ...]."""
        return self._split(inputs)

    def compute_mask(self, inputs, mask=None):
        if mask is None:
            return [None] * self._count
        if ops.shape(mask)[0] is None:  # Keras 3 describes a model: only a layer can cut at borders not known yet
            return BatchSplit(self.parts, name=self.name + "_mask")(mask)
        return self._split(mask)

    @property
    def _count(self):
        return self.parts if isinstance(self.parts, int) else len(self.parts)

    def compute_output_spec(self, inputs):
        shapes = self.compute_output_shape(inputs.shape)
        return [keras.KerasTensor(shape, dtype=inputs.dtype) for shape in shapes]  # ids stay integers

    def compute_output_shape(self, input_shape):
        return [(None,) + tuple(input_shape[1:])] * self._count

    def get_config(self):
        config = super().get_config()
        config.update(parts=self.parts)
        return config


def portion(size, share):
    """size · share to the nearest integer. The size is an int, or a tensor where it is not known yet."""
    if isinstance(size, int):
        return int(size * share + 0.5)
    return ops.cast(ops.cast(size, "float32") * share + 0.5, "int32")


@register
class BatchConcat(Layer):
    """Joins parts of a batch again.

    Masks in: any may be missing. Mask out: theirs joined, a missing one counting as all real; None if all are missing.
    """

    reads_ids = True

    def call(self, inputs):
        """Arguments: inputs: list of [part of the batch, ...]. Returns: [batch, ...]."""
        return ops.concatenate(inputs, axis=0)

    def compute_mask(self, inputs, mask=None):
        return join_masks(inputs, mask, axis=0)

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape([x.shape for x in inputs])
        return keras.KerasTensor(shape, dtype=inputs[0].dtype)

    def compute_output_shape(self, input_shape):
        return (None,) + tuple(input_shape[0][1:])
