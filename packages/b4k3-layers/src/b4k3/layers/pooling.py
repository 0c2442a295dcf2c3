"""From a sequence to one vector."""

from __future__ import annotations

from b4k3.backend import Layer, ops, register, sequence_masking


class _Pooling(Layer):
    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0],) + tuple(input_shape[2:])


@register
class GlobalAveragePooling1D(_Pooling):
    """Mean over the real tokens.

    Mask in: [batch, n] or None. Mask out: None.
    """

    def call(self, inputs, mask=None):
        """Arguments: inputs: float [batch, n, d]. Returns: float [batch, d]."""
        if mask is None:
            return ops.mean(inputs, axis=1)
        weights = ops.expand_dims(ops.cast(mask, "float32"), -1)  # [b, n, 1]; float16 cannot count far
        total = ops.sum(ops.cast(inputs, "float32") * weights, axis=1)
        return ops.cast(total / ops.maximum(ops.sum(weights, axis=1), 1.0), inputs.dtype)


@register
class GlobalMaxPooling1D(_Pooling):
    """Maximum over the real tokens.

    Mask in: [batch, n] or None. Mask out: None.
    """

    def call(self, inputs, mask=None):
        """Arguments: inputs: float [batch, n, d]. Returns: float [batch, d]."""
        return ops.max(sequence_masking(inputs, mask, "-inf", 1), axis=1)


@register
class FirstToken(_Pooling):
    """The vector of the first token.

    Mask in: ignored. Mask out: None.
    """

    def call(self, inputs):
        """Arguments: inputs: float [batch, n, d]. Returns: float [batch, d]."""
        return inputs[:, 0]
