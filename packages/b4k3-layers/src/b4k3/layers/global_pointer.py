"""Layers that score every pair of positions, such as the first and the last position of a span."""

from __future__ import annotations

from typing import Any

from b4k3.backend import (
    Dense,
    Layer,
    Tensor,
    apply_rotary_position_embeddings,
    build_sublayer,
    copy_initializer,
    keras,
    ops,
    recompute_grad,
    register,
    sequence_masking,
    sinusoidal_embeddings,
)
from b4k3.backend.types import Initializer


@register
class GlobalPointer(Layer):
    """Score each span for each class: the product of a query of its first position and a key of its last position.

    Mask in: bool, [batch, n], or None. Mask out: None; a pair with padding scores -inf.

    Train it with the loss `multilabel_categorical_crossentropy` over all spans, and predict the spans by `logits > 0`.

    Arguments:
        heads: int. The number of classes.
        head_size: int. The size of queries and keys, which must be even with RoPE.
        RoPE: bool. True rotates queries and keys by their positions.
        use_bias: bool. False leaves out the biases of the Dense layers.
        tril_mask: bool. True gives -inf to a span that ends before it begins.
        kernel_initializer: str or initializer. It is used for the kernels of the Dense layers.

    Weights: kernel and bias of the projection; each head has its query first, then its key.

    Example:
        >>> logits = GlobalPointer(heads=3, head_size=64)(keras.Input((None, 16)))  # [batch, 3, n, n]

    Reference: Su et al., Global Pointer, https://arxiv.org/abs/2208.03054
    """

    def __init__(
        self,
        heads: int,
        head_size: int,
        RoPE: bool = True,
        use_bias: bool = True,
        tril_mask: bool = True,
        kernel_initializer: Initializer = "lecun_normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.head_size = head_size
        self.RoPE = RoPE
        self.use_bias = use_bias
        self.tril_mask = tril_mask
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self._add_projections()

    def _add_projections(self) -> None:
        """Make the Dense layers."""
        self.dense = self._dense(self.heads * self.head_size * 2, "dense")

    def _dense(self, units: int, name: str) -> Dense:
        """Make a Dense layer."""
        return Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=copy_initializer(self.kernel_initializer),
            name=name,
            dtype=self.sublayer_dtype,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Build the Dense layers for an input of this shape."""
        build_sublayer(self.dense, tuple(input_shape))
        self.built = True

    @recompute_grad
    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Score each pair of positions.

        Arguments:
            inputs: float, [batch, n, d]. The sequence.
            mask: bool, [batch, n], or None. False at padding.

        Returns:
            float, [batch, heads, n, n]. The axes of size n are the first position and the last position.
        """
        # On the numpy backend bfloat16 has become float32 here.
        logits = ops.cast(self._logits(inputs), self.compute_dtype)  # [b, h, n, n]
        ordered = None
        if self.tril_mask:
            i = ops.arange(ops.shape(inputs)[1], dtype="int32")  # [n]
            ordered = ops.expand_dims(i, 1) <= ops.expand_dims(i, 0)  # [n, n]
        return sequence_masking(logits, mask, "-inf", [2, 3], ordered)

    def _logits(self, inputs: Tensor) -> Tensor:
        """Compute the scores before masking."""
        x = self.dense(inputs)  # [b, n, 2 · h · head_size]
        x = ops.reshape(x, (-1, ops.shape(x)[1], self.heads, 2 * self.head_size))  # [b, n, h, 2 · head_size]
        q, k = self._rotate(x[..., : self.head_size], x[..., self.head_size :])  # [b, n, h, head_size]
        return ops.einsum("bmhd,bnhd->bhmn", q, k) * self.head_size**-0.5  # [b, h, n, n]

    def _rotate(self, q: Tensor, k: Tensor) -> Any:
        """Rotate queries and keys by their positions, if `RoPE` asks for it."""
        if not self.RoPE:
            return q, k
        positions = ops.expand_dims(ops.arange(ops.shape(q)[1], dtype="float32"), 0)  # [1, n]
        return apply_rotary_position_embeddings(sinusoidal_embeddings(positions, self.head_size), q, k)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """Return None, because padding already scores -inf."""
        return None

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the scores."""
        return (input_shape[0], self.heads, input_shape[1], input_shape[1])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(
            heads=self.heads,
            head_size=self.head_size,
            RoPE=self.RoPE,
            use_bias=self.use_bias,
            tril_mask=self.tril_mask,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
        )
        return config


@register
class EfficientGlobalPointer(GlobalPointer):
    """Score each span for each class as `GlobalPointer` does, with far fewer weights.

    The score is the sum of three terms. The first one, for being a span at all, is shared by all classes. The others,
    for the first and for the last position, are different for each class.

    Mask in: bool, [batch, n], or None. Mask out: None; a pair with padding scores -inf.

    Arguments:
        heads: int. The number of classes.
        head_size: int. The size of queries and keys, which must be even with RoPE.
        RoPE: bool. True rotates queries and keys by their positions.
        use_bias: bool. False leaves out the biases of the Dense layers.
        tril_mask: bool. True gives -inf to a span that ends before it begins.
        kernel_initializer: str or initializer. It is used for the kernels of the Dense layers.

    Weights: kernel and bias of the projection, whose even features are the query and whose odd features are the key;
    then kernel and bias of the terms, which has two features for each class: the term of the last position, then the
    term of the first position. Both are halved.

    Example:
        >>> logits = EfficientGlobalPointer(heads=3, head_size=64)(keras.Input((None, 16)))  # [batch, 3, n, n]

    Reference: https://kexue.fm/archives/8877
    """

    def _add_projections(self) -> None:
        """Make the Dense layers."""
        self.p_dense = self._dense(self.head_size * 2, "p_dense")
        self.q_dense = self._dense(self.heads * 2, "q_dense")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Build the Dense layers for an input of this shape."""
        build_sublayer(self.p_dense, tuple(input_shape))
        build_sublayer(self.q_dense, tuple(input_shape[:-1]) + (2 * self.head_size,))
        self.built = True

    def _logits(self, inputs: Tensor) -> Tensor:
        """Compute the scores before masking."""
        x = self.p_dense(inputs)  # [b, n, 2 · head_size]
        q, k = self._rotate(x[..., ::2], x[..., 1::2])  # [b, n, head_size]
        spans = ops.einsum("bmd,bnd->bmn", q, k) * self.head_size**-0.5  # [b, n, n]
        terms = ops.transpose(self.q_dense(x), (0, 2, 1)) * 0.5  # [b, 2 · h, n]
        last, first = terms[:, ::2], terms[:, 1::2]  # [b, h, n]
        return ops.expand_dims(spans, 1) + ops.expand_dims(last, 2) + ops.expand_dims(first, 3)  # [b, h, n, n]
