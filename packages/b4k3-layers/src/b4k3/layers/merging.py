"""Layers that join several tensors or split one, and keep the masks, which Keras 3's own layers do not."""

from __future__ import annotations

from typing import Any, Sequence

from b4k3.backend import Layer, Tensor, keras, ops, register

from .masks import and_of_masks


@register
class Add(Layer):
    """Add up a list of tensors.

    Masks in: one for each tensor; each may be None. Mask out: the AND of the masks that are not None. (Keras 3's Add
    drops all masks if one is None.)

    Example:
        >>> x = keras.Input((None, 8))
        >>> y = Add()([x, x])  # [batch, n, 8]
    """

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        """Add up the tensors.

        Arguments:
            inputs: list of float tensors. Their shapes broadcast.

        Returns:
            float, of the shape that they broadcast to.
        """
        if len(inputs) == 2:  # y + x is x + y, and onnxruntime looks for an attention, which is y, in the first place
            return inputs[1] + inputs[0]
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total

    def compute_mask(self, inputs: Sequence[Tensor], mask: Any = None) -> Tensor | None:
        """Return the AND of the masks that are not None."""
        return and_of_masks(mask)

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape that the inputs broadcast to."""
        ndim = max(len(shape) for shape in input_shape)
        shapes = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in input_shape]
        return tuple(broadcast_size(sizes) for sizes in zip(*shapes))


def broadcast_size(sizes: Sequence[int | None]) -> int | None:
    """Return the size that the sizes of an axis broadcast to.

    Arguments:
        sizes: sequence of int and None. The size of the axis in each tensor; None is unknown.

    Returns:
        int, or None if it is unknown.
    """
    known = [size for size in sizes if size not in (1, None)]
    if known:
        return known[0]
    return None if None in sizes else 1


@register
class Concatenate1D(Layer):
    """Join sequences along axis 1.

    Masks in: one for each sequence; each may be None. Mask out: the joined masks, where None counts as all
    True; None if all masks are None.

    Example:
        >>> y = Concatenate1D()([keras.Input((3, 8)), keras.Input((4, 8))])  # [batch, 7, 8]
    """

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        """Join the sequences.

        Arguments:
            inputs: list of tensors, [batch, n_i, ...]. The sequences.

        Returns:
            [batch, sum of n_i, ...].
        """
        return ops.concatenate(inputs, axis=1)

    def compute_mask(self, inputs: Sequence[Tensor], mask: Any = None) -> Tensor | None:
        """Return the masks joined along axis 1."""
        return join_masks(inputs, mask, axis=1)

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of the joined sequence."""
        sizes = [shape[1] for shape in input_shape]
        known = [size for size in sizes if size is not None]
        total = sum(known) if len(known) == len(sizes) else None
        return (input_shape[0][0], total) + tuple(input_shape[0][2:])


def join_masks(inputs: Sequence[Tensor], mask: Any, axis: int) -> Tensor | None:
    """Join the masks of sequences.

    Arguments:
        inputs: list of tensors, [batch, n, ...]. The sequences.
        mask: list of masks, bool, [batch, n], or None. A mask that is None counts as all True.
        axis: int. The axis to join along, 0 or 1.

    Returns:
        bool, [batch, n] of the joined sequence; None if all masks are None.
    """
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
    """Split a batch into parts.

    Mask in: [batch, n], or None. Masks out: the parts of the mask, or None for each.

    Arguments:
        parts: int, or list of numbers. The number of equal parts, or their relative sizes.

    Example:
        >>> first, second = BatchSplit(2)(ops.ones((4, 8)))
        >>> first.shape[0]
        2
    """

    reads_ids = True

    def __init__(self, parts: int | Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = parts

    def _split(self, x: Tensor) -> list[Tensor]:
        """Split a tensor along axis 0."""
        sizes = [1] * self.parts if isinstance(self.parts, int) else list(self.parts)
        batch = ops.shape(x)[0]
        borders = [0] + [portion(batch, sum(sizes[:i]) / sum(sizes)) for i in range(1, len(sizes))] + [batch]
        return [x[start:end] for start, end in zip(borders, borders[1:])]

    def call(self, inputs: Tensor) -> list[Tensor]:
        """Split the batch.

        Arguments:
            inputs: [batch, ...]. Any tensor.

        Returns:
            list of tensors, [part of the batch, ...].
        """
        return self._split(inputs)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Any:
        """Return the parts of the mask; None for each without a mask."""
        if mask is None:
            return [None] * self._count
        if ops.shape(mask)[0] is None:  # Keras 3 builds a model, where only a layer can split a batch of unknown size
            return BatchSplit(self.parts, name=self.name + "_mask")(mask)
        return self._split(mask)

    @property
    def _count(self) -> int:
        """The number of parts."""
        return self.parts if isinstance(self.parts, int) else len(self.parts)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Return symbolic tensors of the shapes of the parts."""
        shapes = self.compute_output_shape(inputs.shape)
        return [keras.KerasTensor(shape, dtype=inputs.dtype) for shape in shapes]  # ids stay integers

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> list[tuple[int | None, ...]]:
        """Return the shape of each part."""
        return [(None,) + tuple(input_shape[1:])] * self._count

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(parts=self.parts)
        return config


def portion(size: Any, share: float) -> Any:
    """Compute size · share, rounded to the nearest integer.

    Arguments:
        size: int, or scalar tensor if the size is not known yet.
        share: float. The factor.

    Returns:
        int, or int32 scalar tensor.
    """
    if isinstance(size, int):
        return int(size * share + 0.5)
    return ops.cast(ops.cast(size, "float32") * share + 0.5, "int32")


@register
class BatchConcat(Layer):
    """Join the parts of a batch, which undoes `BatchSplit`.

    Masks in: one for each part; each may be None. Mask out: the joined masks, where None counts as all True;
    None if all masks are None.

    Example:
        >>> x = ops.ones((4, 8))
        >>> y = BatchConcat()(BatchSplit(2)(x))  # [4, 8]
    """

    reads_ids = True

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        """Join the parts.

        Arguments:
            inputs: list of tensors, [part of the batch, ...]. The parts.

        Returns:
            [batch, ...].
        """
        return ops.concatenate(inputs, axis=0)

    def compute_mask(self, inputs: Sequence[Tensor], mask: Any = None) -> Tensor | None:
        """Return the masks joined along axis 0."""
        return join_masks(inputs, mask, axis=0)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Return a symbolic tensor of the shape of the batch."""
        shape = self.compute_output_shape([x.shape for x in inputs])
        return keras.KerasTensor(shape, dtype=inputs[0].dtype)

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of the batch, whose size is unknown."""
        return (None,) + tuple(input_shape[0][1:])
