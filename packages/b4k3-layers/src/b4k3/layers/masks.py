"""Attention biases that let a Transformer read from left to right, wholly or in part; padding written as zeros."""

from __future__ import annotations

from b4k3.backend import Layer, lowest, ops, register, sequence_masking


def hide_unless(visible, dtype):
    """0 where `visible` (bool) and a very negative number elsewhere."""
    return ops.cast(ops.cast(ops.logical_not(visible), "float32") * lowest(dtype), dtype)


def biased(scores, bias=None):
    """Add a bias to attention scores, and tell the keys that it hides.

    Arguments:
        scores: float [..., n, m].
        bias: float that broadcasts to it, or None.

    Returns:
        (scores, bool that broadcasts to them, True where a key may be seen; None without a bias)
    """
    if bias is None:
        return scores, None
    bias = ops.cast(bias, scores.dtype)
    return scores + bias, bias > lowest(scores.dtype) / 2


class _AttentionBias(Layer):
    reads_ids = True

    def decode(self, inputs, session):
        """`call` on whole prompts; None on a new token, which sees all before it."""
        return self.call(inputs) if session.positions is None else None

    def compute_mask(self, inputs, mask=None):
        return None


@register
class LanguageModelMask(_AttentionBias):
    """The bias of a language model: position i sees the positions up to i.

    Mask out: None. Input: any tensor [batch, n], read for its length only. Output: float [1, 1, n, n].
    """

    def call(self, inputs):
        i = ops.arange(0, ops.shape(inputs)[1], dtype="int32")
        visible = ops.expand_dims(i, 0) <= ops.expand_dims(i, 1)  # [n, n]
        return hide_unless(visible, self.compute_dtype)[None, None]

    def compute_output_shape(self, input_shape):
        return (1, 1, input_shape[1], input_shape[1])


@register
class UniLMMask(_AttentionBias):
    """The bias of UniLM: segment 0 sees itself wholly, segment 1 also what stands before in itself.

    Mask out: None. Input: segment ids [batch, n]. Output: float [batch, 1, n, n].

    Reference: Dong et al., UniLM, https://arxiv.org/abs/1905.03197
    """

    def call(self, inputs):
        order = ops.cumsum(ops.cast(inputs, "int32"), axis=1)  # [b, n]
        visible = ops.expand_dims(order, 1) <= ops.expand_dims(order, 2)  # [b, n, n]
        return ops.expand_dims(hide_unless(visible, self.compute_dtype), 1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1, input_shape[1], input_shape[1])


@register
class ZeroPadding(Layer):
    """Writes zeros where a sequence has no element.

    Mask in and out: that of x; without one nothing is done.
    """

    def call(self, inputs, mask=None):
        """Arguments: inputs: float [batch, n, ...]. Returns: likewise."""
        return sequence_masking(inputs, mask)

    def decode(self, inputs, session):
        """`call` with the session's mask."""
        return self.call(inputs, session.mask)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)
