"""Spans and pairs of positions, scored for each kind."""

from __future__ import annotations

from b4k3.backend import (
    Dense,
    Layer,
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


@register
class GlobalPointer(Layer):
    """A score for each span and kind: the product of a query of its first position with a key of its last one.

    Mask in: [batch, n] or None. Mask out: None; pairs with padding score -inf.

    `multilabel_categorical_crossentropy` over the spans is the loss that fits, and `logits > 0` the prediction.

    Arguments:
        heads: number of kinds.
        head_size: size of queries and keys, even with RoPE.
        RoPE: whether they are turned by their positions.
        use_bias: whether the Dense layer has a bias.
        tril_mask: whether spans that end before they begin score -inf.
        kernel_initializer: of the Dense layer.

    Weights: kernel and bias of the projection; for each head its query, then its key.

    Reference: Su et al., Global Pointer, https://arxiv.org/abs/2208.03054
    """

    def __init__(
        self,
        heads,
        head_size,
        RoPE=True,
        use_bias=True,
        tril_mask=True,
        kernel_initializer="lecun_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.heads = heads
        self.head_size = head_size
        self.RoPE = RoPE
        self.use_bias = use_bias
        self.tril_mask = tril_mask
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self._add_projections()

    def _add_projections(self):
        self.dense = self._dense(self.heads * self.head_size * 2, "dense")

    def _dense(self, units, name):
        return Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=copy_initializer(self.kernel_initializer),
            name=name,
            dtype=self.sublayer_dtype,
        )

    def build(self, input_shape):
        build_sublayer(self.dense, tuple(input_shape))
        self.built = True

    @recompute_grad
    def call(self, inputs, mask=None):
        """Arguments: inputs: float [batch, n, d]. Returns: float [batch, heads, n, n], first position × last one."""
        logits = ops.cast(self._logits(inputs), self.compute_dtype)  # [b, h, n, n]; numpy widens bfloat16
        ordered = None
        if self.tril_mask:
            i = ops.arange(ops.shape(inputs)[1], dtype="int32")
            ordered = ops.expand_dims(i, 1) <= ops.expand_dims(i, 0)  # [n, n]
        return sequence_masking(logits, mask, "-inf", [2, 3], ordered)

    def _logits(self, inputs):
        x = self.dense(inputs)
        x = ops.reshape(x, (-1, ops.shape(x)[1], self.heads, 2 * self.head_size))
        q, k = self._turn(x[..., : self.head_size], x[..., self.head_size :])  # [b, n, h, head_size]
        return ops.einsum("bmhd,bnhd->bhmn", q, k) * self.head_size**-0.5

    def _turn(self, q, k):
        if not self.RoPE:
            return q, k
        positions = ops.expand_dims(ops.arange(ops.shape(q)[1], dtype="float32"), 0)  # [1, n]
        return apply_rotary_position_embeddings(sinusoidal_embeddings(positions, self.head_size), q, k)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.heads, input_shape[1], input_shape[1])

    def get_config(self):
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
    """`GlobalPointer` with few weights: one score of being a span for all kinds, and for each kind terms of its ends.

    Masks and arguments: those of `GlobalPointer`.

    Weights: kernel and bias of the projection, whose even features are the query and whose odd ones are the key; then
    those of the terms, for each head that of the last position, then that of the first, both halved.

    Reference: https://kexue.fm/archives/8877
    """

    def _add_projections(self):
        self.p_dense = self._dense(self.head_size * 2, "p_dense")
        self.q_dense = self._dense(self.heads * 2, "q_dense")

    def build(self, input_shape):
        build_sublayer(self.p_dense, tuple(input_shape))
        build_sublayer(self.q_dense, tuple(input_shape[:-1]) + (2 * self.head_size,))
        self.built = True

    def _logits(self, inputs):
        x = self.p_dense(inputs)  # [b, n, 2 * head_size]
        q, k = self._turn(x[..., ::2], x[..., 1::2])  # [b, n, head_size]
        spans = ops.einsum("bmd,bnd->bmn", q, k) * self.head_size**-0.5
        terms = ops.transpose(self.q_dense(x), (0, 2, 1)) * 0.5  # [b, 2 * h, n]
        last, first = terms[:, ::2], terms[:, 1::2]
        return ops.expand_dims(spans, 1) + ops.expand_dims(last, 2) + ops.expand_dims(first, 3)  # [b, h, n, n]
