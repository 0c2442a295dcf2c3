"""Multi-head attention."""

from __future__ import annotations

from typing import Any

from b4k3.backend import (
    Dense,
    Dropout,
    Layer,
    apply_rotary_position_embeddings,
    attention,
    attention_normalize,
    build_sublayer,
    call_layer,
    copy_initializer,
    keras,
    merge_heads,
    ops,
    recompute_grad,
    register,
    split_heads,
)

from .masks import biased

POSITION_BIASES = (None, "rotary", "typical_relative", "t5_relative")


@register
class MultiHeadAttention(Layer):
    """Multi-head attention with the position terms of the bert4keras family.

    Masks in: those of the inputs; that of the values hides keys, that of the queries is only handed on.
    Mask out: that of the queries.

    Arguments:
        heads: number of heads.
        head_size: size of a head's values.
        out_dim: size of the output, heads · head_size by default.
        key_size: size of a head's queries and keys, head_size by default.
        use_bias: whether the four Dense layers have biases.
        normalization: 'softmax', or another method of `attention_normalize`.
        attention_scale: True to divide scores by the square root of key_size, False to leave them as they are, or a
            positive number to multiply them by.
        attention_dropout: rate of dropout on the probabilities.
        return_attention_scores: whether to return the scaled scores before bias and mask too.
        kernel_initializer: of the Dense layers.

    Weights: query, key, value, output; kernel and bias each.

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self,
        heads,
        head_size,
        out_dim=None,
        key_size=None,
        use_bias=True,
        normalization="softmax",
        attention_scale=True,
        attention_dropout=None,
        return_attention_scores=False,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.heads = heads
        self.head_size = head_size
        self.out_dim = out_dim or heads * head_size
        self.key_size = key_size or head_size
        self.use_bias = use_bias
        self.normalization = normalization
        self.attention_scale = checked_scale(self.name, attention_scale)
        self.attention_dropout = attention_dropout
        self.return_attention_scores = return_attention_scores
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.q_dense = self._dense(self.key_size * heads, "query")
        self.k_dense = self._dense(self.key_size * heads, "key")
        self.v_dense = self._dense(self.head_size * heads, "value")
        self.o_dense = self._dense(self.out_dim, "output")
        self.dropout = None
        if attention_dropout:
            self.dropout = Dropout(attention_dropout, name="dropout", dtype=self.sublayer_dtype)

    def _dense(self, units, name):
        return Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=copy_initializer(self.kernel_initializer),
            name=name,
            dtype=self.sublayer_dtype,
        )

    def build(self, input_shape):
        q, k, v = (tuple(shape) for shape in input_shape[:3])
        build_sublayer(self.q_dense, q)
        build_sublayer(self.k_dense, k)
        build_sublayer(self.v_dense, v)
        build_sublayer(self.o_dense, q[:-1] + (self.heads * self.head_size,))
        if self.dropout is not None:
            build_sublayer(self.dropout, (q[0], self.heads, q[1], k[1]))
        self.built = True

    @recompute_grad
    def call(self, inputs, mask=None, a_bias=None, p_bias=None, training=None):
        """Attend.

        Arguments:
            inputs: [q, k, v], then the attention bias if `a_bias`, then the position input if `p_bias`:
                q [batch, n, d], k and v [batch, m, …]; the bias [batch, n, m] or broadcast to [batch, heads, n, m];
                the position input [1 or batch, n, key_size] (rotary), [n, m, key_size] or [batch, n, m, key_size]
                (typical_relative), or [n, m, heads] or [batch, n, m, heads] (t5_relative).
            mask: list of masks of the inputs, or None.
            a_bias: True if inputs hold an attention bias.
            p_bias: None, 'rotary', 'typical_relative' or 't5_relative'.
            training: as in every Keras layer.

        Returns:
            [batch, n, out_dim], and with `return_attention_scores` the scores [batch, heads, n, m].
        """
        q, k, v = inputs[:3]
        q_mask, v_mask = (mask[0], mask[2]) if mask is not None else (None, None)
        qw = self._queries(q)  # [b, n, h, key_size]
        kw, vw = self._keys_and_values(k, v)  # [b, m, h, key_size], [b, m, h, head_size]
        return self._attend([qw, kw, vw] + list(inputs[3:]), [q_mask, v_mask], a_bias, p_bias, training)

    def decode(self, inputs, session, a_bias=None, p_bias=None):
        """`call` on the newest tokens alone: the session has the keys and values of those before.

        Arguments:
            inputs, a_bias, p_bias: as of `call`; self-attention is where q and k are one tensor.
            session: keeps keys and values; `Step` in b4k3.models.generation is one.

        Returns:
            As of `call`.
        """
        q, k, v = inputs[:3]
        rest = list(inputs[3:])
        qw = self._queries(q)
        if k is q:
            kw, vw = self._keys_and_values(k, v)
            if p_bias == "rotary":  # keys are kept turned
                qw, kw = apply_rotary_position_embeddings(rest.pop(), qw, kw)
                p_bias = None
            kw, vw, mask = session.remember(kw, vw)
        else:
            kw, vw, mask = session.remember_context(lambda: self._keys_and_values(k, v))
        return self._attend([qw, kw, vw] + rest, [None, mask], a_bias, p_bias, training=False)

    def _queries(self, q):
        return split_heads(call_layer(self.q_dense, q), self.heads)

    def _keys_and_values(self, k, v):
        kw = split_heads(call_layer(self.k_dense, k), self.heads)
        vw = split_heads(call_layer(self.v_dense, v), self.heads)
        return kw, vw

    def _attend(self, inputs, mask, a_bias, p_bias, training):
        o, a = self.pay_attention_to(inputs, mask, a_bias=a_bias, p_bias=p_bias, training=training)
        o = call_layer(self.o_dense, merge_heads(o, self.heads * self.head_size))  # [b, n, out_dim]
        return [o, a] if self.return_attention_scores else o

    def pay_attention_to(self, inputs, mask=None, a_bias=None, p_bias=None, training=None):
        """The attention between projected heads: the method to override for another kind.

        Arguments:
            inputs: [qw, kw, vw, …] as [batch, n or m, heads, size], the rest as in `call`.
            mask: [mask of the queries, mask of the values].
            a_bias, p_bias, training: as in `call`.

        Returns:
            (o [batch, n, heads, head_size], scores [batch, heads, n, m] or None where nobody asks for them)
        """
        if p_bias not in POSITION_BIASES:
            raise ValueError("%s: p_bias=%r, expected one of %s" % (self.name, p_bias, POSITION_BIASES))
        qw, kw, vw = inputs[:3]
        rest = list(inputs[3:])
        bias = rest.pop(0) if a_bias else None
        if bias is not None and len(bias.shape) == 3:
            bias = ops.expand_dims(bias, 1)  # [b, 1, n, m]
        position = rest.pop(0) if p_bias else None
        if p_bias == "rotary":
            qw, kw = apply_rotary_position_embeddings(position, qw, kw)
        elif p_bias == "t5_relative":
            position = position[None] if len(position.shape) == 3 else position
            position = ops.transpose(position, (0, 3, 1, 2))  # [1 or b, h, n, m]
        plain = self.normalization == "softmax" and p_bias != "typical_relative" and not self.return_attention_scores
        if not plain:
            return self._explicit(qw, kw, vw, mask[1], bias, position, p_bias, training)
        if p_bias == "t5_relative":
            position = position * self._scale
            bias = position if bias is None else bias + position
        return attention(qw, kw, vw, mask[1], bias, self._scale, self.dropout, training), None

    @property
    def _scale(self):
        """The factor on the scores, of which position terms are a part."""
        if isinstance(self.attention_scale, bool):
            return self.key_size**-0.5 if self.attention_scale else 1.0
        return self.attention_scale

    def _explicit(self, qw, kw, vw, v_mask, bias, position, p_bias, training):
        """Attention whose scores are looked at on the way, so that no fused kernel will do."""
        a = ops.einsum("bnhd,bmhd->bhnm", qw, kw)  # [b, h, n, m]
        distances = "nmd" if p_bias == "typical_relative" and len(position.shape) == 3 else "bnmd"
        if p_bias == "typical_relative":
            a = a + ops.einsum("bnhd,%s->bhnm" % distances, qw, position)
        elif p_bias == "t5_relative":
            a = a + position
        a = a * self._scale
        scores, visible = biased(a, bias)
        weights = attention_normalize(scores, v_mask, -1, self.normalization, visible)
        if self.dropout is not None and training is not False:
            weights = self.dropout(weights, training=training)
        o = ops.einsum("bhnm,bmhd->bnhd", weights, vw)  # [b, n, h, head_size]
        if p_bias == "typical_relative":
            o = o + ops.einsum("bhnm,%s->bnhd" % distances, weights, position)
        return o, a

    def compute_mask(self, inputs, mask=None):
        mask = mask[0] if mask is not None else None
        return [mask, None] if self.return_attention_scores else mask

    def compute_output_shape(self, input_shape):
        q, k = input_shape[:2]
        out = (q[0], q[1], self.out_dim)
        return [out, (q[0], self.heads, q[1], k[1])] if self.return_attention_scores else out

    def get_config(self):
        config = super().get_config()
        config.update(
            heads=self.heads,
            head_size=self.head_size,
            out_dim=self.out_dim,
            key_size=self.key_size,
            use_bias=self.use_bias,
            normalization=self.normalization,
            attention_scale=self.attention_scale,
            attention_dropout=self.attention_dropout,
            return_attention_scores=self.return_attention_scores,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
        )
        return config


def checked_scale(name: str, scale: Any) -> bool | float:
    """Check the `attention_scale` that a layer was given.

    Arguments:
        name: the name of the layer, for the message.
        scale: what the layer was given; None means False.

    Returns:
        A bool, or a positive float.

    Raises:
        ValueError: it is something else.
    """
    if scale is None or scale is True or scale is False:
        return bool(scale)
    if not isinstance(scale, (int, float)) or not 0 < scale < float("inf"):
        raise ValueError(f"{name}: attention_scale={scale!r}, expected True, False or a positive number")
    return float(scale)
