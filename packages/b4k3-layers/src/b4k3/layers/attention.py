"""Multi-head attention."""

from __future__ import annotations

from typing import Any, Sequence

from b4k3.backend import (
    Dense,
    Dropout,
    Layer,
    Tensor,
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
from b4k3.backend.types import Initializer

from .normalization import LayerNormalization

ROTARY = ("rotary", "rotary_halves")  # which pairs are rotated: features 2i and 2i + 1, or i and i + key_size / 2
POSITION_BIASES = (None,) + ROTARY + ("typical_relative", "t5_relative", "mpnet_relative")


@register
class MultiHeadAttention(Layer):
    """Attend with several heads, and with the position terms of the bert4keras family.

    Masks in: one for each input, or None. The mask of the values hides keys; the mask of the queries is only handed on.
    Mask out: the mask of the queries.

    Arguments:
        heads: int. The number of heads.
        head_size: int. The size of a head's values.
        out_dim: int, or None. The size of the output; None means heads · head_size.
        key_size: int, or None. The size of a head's queries and keys; None means head_size.
        use_bias: bool. False leaves out the biases of the four Dense layers.
        normalization: str. 'softmax', or another method of `attention_normalize`.
        attention_scale: bool or float. True divides the scores by the square root of key_size, False leaves them
            unchanged, and a positive number multiplies them.
        attention_dropout: float, or None. The rate of dropout on the weights.
        return_attention_scores: bool. True also returns the scaled scores before bias and mask.
        kernel_initializer: str or initializer. It is used for the kernels of the Dense layers.
        key_value_heads: int, or None. The number of heads of the keys and values, a divisor of `heads`: each of them
            serves a group of neighbouring heads of the queries. None means heads.
        use_output_bias: bool, or None. Whether the output has a bias; None means use_bias.
        query_key_epsilon: float, or None. A number normalises the queries and keys of each head by RMS normalisation
            with this epsilon, as in Qwen3; None does not normalise them.

    Weights: query, key, value, output; each has a kernel and a bias. With `query_key_epsilon` then the gamma of
        query_norm and of key_norm.

    Raises:
        ValueError: `attention_scale` is neither a bool nor a positive number, or `heads` is no multiple of
            `key_value_heads`.

    Example:
        >>> x = keras.Input((None, 16))
        >>> layer = MultiHeadAttention(heads=2, head_size=8)
        >>> y = layer([x, x, x])  # [batch, n, 16]

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762; for key_value_heads Ainslie
        et al., GQA, https://arxiv.org/abs/2305.13245
    """

    def __init__(
        self,
        heads: int,
        head_size: int,
        out_dim: int | None = None,
        key_size: int | None = None,
        use_bias: bool = True,
        normalization: str = "softmax",
        attention_scale: bool | float = True,
        attention_dropout: float | None = None,
        return_attention_scores: bool = False,
        kernel_initializer: Initializer = "glorot_uniform",
        key_value_heads: int | None = None,
        use_output_bias: bool | None = None,
        query_key_epsilon: float | None = None,
        **kwargs: Any,
    ) -> None:
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
        self.key_value_heads = checked_groups(self.name, heads, key_value_heads)
        self.use_output_bias = use_bias if use_output_bias is None else use_output_bias
        self.query_key_epsilon = query_key_epsilon
        self.q_dense = self._dense(self.key_size * heads, "query", use_bias)
        self.k_dense = self._dense(self.key_size * self.key_value_heads, "key", use_bias)
        self.v_dense = self._dense(self.head_size * self.key_value_heads, "value", use_bias)
        self.o_dense = self._dense(self.out_dim, "output", self.use_output_bias)
        self.q_norm = self.k_norm = None
        if query_key_epsilon is not None:
            self.q_norm = self._norm("query_norm", query_key_epsilon)
            self.k_norm = self._norm("key_norm", query_key_epsilon)
        self.dropout = None
        if attention_dropout:
            self.dropout = Dropout(attention_dropout, name="dropout", dtype=self.sublayer_dtype)

    def _dense(self, units: int, name: str, use_bias: bool) -> Dense:
        """Make one of the four projections."""
        return Dense(
            units,
            use_bias=use_bias,
            kernel_initializer=copy_initializer(self.kernel_initializer),
            name=name,
            dtype=self.sublayer_dtype,
        )

    def _norm(self, name: str, epsilon: float) -> LayerNormalization:
        """Make the RMS normalisation of the queries' or keys' heads."""
        return LayerNormalization(zero_mean=False, offset=False, epsilon=epsilon, name=name, dtype=self.sublayer_dtype)

    def build(self, input_shape: Sequence[tuple[int | None, ...]]) -> None:
        """Build the four projections and the dropout for inputs of these shapes."""
        q, k, v = (tuple(shape) for shape in input_shape[:3])
        build_sublayer(self.q_dense, q)
        build_sublayer(self.k_dense, k)
        build_sublayer(self.v_dense, v)
        build_sublayer(self.o_dense, q[:-1] + (self.heads * self.head_size,))
        if self.q_norm is not None and self.k_norm is not None:
            build_sublayer(self.q_norm, q[:-1] + (self.heads, self.key_size))
            build_sublayer(self.k_norm, k[:-1] + (self.key_value_heads, self.key_size))
        if self.dropout is not None:
            build_sublayer(self.dropout, (q[0], self.heads, q[1], k[1]))
        self.built = True

    @recompute_grad
    def call(
        self,
        inputs: Sequence[Tensor],
        mask: Sequence[Tensor | None] | None = None,
        a_bias: bool | None = None,
        p_bias: str | None = None,
        training: bool | None = None,
    ) -> Any:
        """Attend from the queries to the keys and values.

        Arguments:
            inputs: list of tensors. [q, k, v], then the attention bias if `a_bias`, then the position term if `p_bias`.
                q is [batch, n, d], k and v are [batch, m, …]. The bias is [batch, n, m], or broadcasts to
                [batch, heads, n, m]. The position term is [1 or batch, n, key_size] for 'rotary' and 'rotary_halves',
                [n, m, key_size] or [batch, n, m, key_size] for 'typical_relative', and [n, m, heads] or
                [batch, n, m, heads] for 't5_relative', which is added to the scores before they are scaled, and
                'mpnet_relative', which is added after it.
            mask: list of masks, bool, [batch, n or m], or None. One for each input; the masks of q and v are used.
            a_bias: bool, or None. True if the inputs hold an attention bias.
            p_bias: str, or None. One of these names if the inputs hold a position term. 'rotary' rotates each pair of
                neighbouring features, as RoFormer does; 'rotary_halves' pairs the features i and i + key_size / 2, as
                Llama and ModernBERT do.
            training: bool, or None. Keras' flag of a call.

        Returns:
            float, [batch, n, out_dim]. With `return_attention_scores` a list of it and of the scores,
            [batch, heads, n, m].

        Raises:
            ValueError: an unknown `p_bias`.
        """
        q, k, v = inputs[:3]
        q_mask, v_mask = (mask[0], mask[2]) if mask is not None else (None, None)
        qw = self._queries(q)  # [b, n, h, key_size]
        kw, vw = self._keys_and_values(k, v)  # [b, m, h, key_size], [b, m, h, head_size]
        return self._attend([qw, kw, vw] + list(inputs[3:]), [q_mask, v_mask], a_bias, p_bias, training)

    def decode(self, inputs: Sequence[Tensor], step: Any, a_bias: bool | None = None, p_bias: str | None = None) -> Any:
        """Attend from the newest tokens; the step has the keys and values of the earlier tokens.

        Arguments:
            inputs: list of tensors. The inputs of `call`, for the newest tokens. In self-attention q and k must be one
                object.
            step: object. It caches keys and values, as `DecodingStep` of b4k3.models.generation does.
            a_bias: bool, or None. True if the inputs hold an attention bias.
            p_bias: str, or None. The kind of position term, as in `call`.

        Returns:
            The outputs of `call`, for the newest tokens.
        """
        q, k, v = inputs[:3]
        rest = list(inputs[3:])
        qw = self._queries(q)  # [b, n, h, key_size]
        if k is q:
            kw, vw = self._keys_and_values(k, v)  # [b, n, h, key_size], [b, n, h, head_size]
            if p_bias in ROTARY:  # the step caches rotated keys, so that each is rotated only once
                qw, kw = apply_rotary_position_embeddings(rest.pop(), qw, kw, interleaved=p_bias == "rotary")
                p_bias = None
            kw, vw, mask = step.update_cache(kw, vw)  # [b, m, h, key_size], [b, m, h, head_size], [b, m]
        else:
            kw, vw, mask = step.cached_context(lambda: self._keys_and_values(k, v))
        return self._attend([qw, kw, vw] + rest, [None, mask], a_bias, p_bias, training=False)

    def _queries(self, q: Tensor) -> Tensor:
        """Project the queries, and split them into heads."""
        qw = split_heads(call_layer(self.q_dense, q), self.heads)  # [b, n, h, key_size]
        return qw if self.q_norm is None else call_layer(self.q_norm, qw)

    def _keys_and_values(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Project the keys and values, and split them into their heads."""
        kw = split_heads(call_layer(self.k_dense, k), self.key_value_heads)  # [b, m, kv, key_size]
        vw = split_heads(call_layer(self.v_dense, v), self.key_value_heads)  # [b, m, kv, head_size]
        return (kw if self.k_norm is None else call_layer(self.k_norm, kw)), vw

    def _attend(
        self,
        inputs: list[Tensor],
        mask: list[Tensor | None],
        a_bias: bool | None,
        p_bias: str | None,
        training: bool | None,
    ) -> Any:
        """Attend between projected heads, merge the heads, and project the result."""
        o, a = self.pay_attention_to(inputs, mask, a_bias=a_bias, p_bias=p_bias, training=training)
        o = call_layer(self.o_dense, merge_heads(o, self.heads * self.head_size))  # [b, n, out_dim]
        return [o, a] if self.return_attention_scores else o

    def pay_attention_to(
        self,
        inputs: Sequence[Tensor],
        mask: Any = None,
        a_bias: bool | None = None,
        p_bias: str | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend between projected heads. Override this method for another kind of attention.

        Arguments:
            inputs: list of tensors. [qw, kw, vw], then the attention bias and the position term as in `call`. qw is
                [batch, n, heads, key_size], kw [batch, m, key_value_heads, key_size], vw
                [batch, m, key_value_heads, head_size].
            mask: list of two masks. The mask of the queries, bool [batch, n] or None, and the mask of the values, bool
                [batch, m] or None.
            a_bias: bool, or None. True if the inputs hold an attention bias.
            p_bias: str, or None. The kind of position term, as in `call`.
            training: bool, or None. Keras' flag of a call.

        Returns:
            A pair: float, [batch, n, heads, head_size], and the scores, [batch, heads, n, m], or None if a fused kernel
            did not compute them.

        Raises:
            ValueError: an unknown `p_bias`.
        """
        if p_bias not in POSITION_BIASES:
            raise ValueError(f"{self.name}: p_bias={p_bias!r}, expected one of {POSITION_BIASES}")
        qw, kw, vw = inputs[:3]
        rest = list(inputs[3:])
        bias = rest.pop(0) if a_bias else None
        if bias is not None and len(bias.shape) == 3:
            bias = ops.expand_dims(bias, 1)  # [b, 1, n, m]
        position = rest.pop(0) if p_bias else None
        if p_bias in ROTARY:
            interleaved = p_bias == "rotary"
            qw, kw = apply_rotary_position_embeddings(position, qw, kw, interleaved=interleaved)  # [b, n or m, h, …]
        elif p_bias in ("t5_relative", "mpnet_relative"):
            position = ops.expand_dims(position, 0) if len(position.shape) == 3 else position  # [1 or b, n, m, h]
            position = ops.transpose(position, (0, 3, 1, 2))  # [1 or b, h, n, m]
        if p_bias == "mpnet_relative":  # an attention bias like any other, as nothing scales it
            bias, p_bias = position if bias is None else bias + position, None  # [1 or b, h, n, m]
        plain = self.normalization == "softmax" and p_bias != "typical_relative" and not self.return_attention_scores
        if not plain:
            return self._explicit(qw, kw, vw, mask[1], bias, position, p_bias, training)
        if p_bias == "t5_relative":
            position = position * self._scale  # [1 or b, h, n, m]
            bias = position if bias is None else bias + position  # [1 or b, h, n, m]
        return attention(qw, kw, vw, mask[1], bias, self._scale, self.dropout, training), None

    @property
    def _scale(self) -> float:
        """The factor on the scores, which include the position terms, except for those of 'mpnet_relative'."""
        if isinstance(self.attention_scale, bool):
            return self.key_size**-0.5 if self.attention_scale else 1.0
        return self.attention_scale

    def _explicit(
        self,
        qw: Tensor,
        kw: Tensor,
        vw: Tensor,
        v_mask: Tensor | None,
        bias: Tensor | None,
        position: Any,
        p_bias: str | None,
        training: bool | None,
    ) -> tuple[Tensor, Tensor]:
        """Compute the scores one step at a time, for everything that no fused kernel offers."""
        if self.key_value_heads != self.heads:
            kw, vw = (ops.repeat(x, self.heads // self.key_value_heads, axis=2) for x in (kw, vw))  # [b, m, h, size]
        a = ops.einsum("bnhd,bmhd->bhnm", qw, kw)  # [b, h, n, m]
        distances = "nmd" if p_bias == "typical_relative" and len(position.shape) == 3 else "bnmd"
        if p_bias == "typical_relative":
            a = a + ops.einsum(f"bnhd,{distances}->bhnm", qw, position)  # [b, h, n, m]
        elif p_bias == "t5_relative":
            a = a + position  # [b, h, n, m]
        a = a * self._scale  # [b, h, n, m]
        weights = attention_normalize(a, v_mask, -1, self.normalization, bias)  # [b, h, n, m]
        if self.dropout is not None and training is not False:
            weights = self.dropout(weights, training=training)  # [b, h, n, m]
        o = ops.einsum("bhnm,bmhd->bnhd", weights, vw)  # [b, n, h, head_size]
        if p_bias == "typical_relative":
            o = o + ops.einsum(f"bhnm,{distances}->bnhd", weights, position)  # [b, n, h, head_size]
        return o, a

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mask of the queries; with `return_attention_scores` a list of it and None."""
        mask = mask[0] if mask is not None else None
        return [mask, None] if self.return_attention_scores else mask

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> Any:
        """Return the shape of the output; with `return_attention_scores` a list of it and the shape of the scores."""
        q, k = input_shape[:2]
        out = (q[0], q[1], self.out_dim)
        return [out, (q[0], self.heads, q[1], k[1])] if self.return_attention_scores else out

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
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
            key_value_heads=self.key_value_heads,
            use_output_bias=self.use_output_bias,
            query_key_epsilon=self.query_key_epsilon,
        )
        return config


def checked_scale(name: str, scale: Any) -> bool | float:
    """Check the `attention_scale` that a layer was given.

    Arguments:
        name: str. The name of the layer, for the message.
        scale: bool, float or None. The argument of the layer; None means False.

    Returns:
        bool, or a positive float.

    Raises:
        ValueError: it is neither a bool nor a positive number.
    """
    if scale is None or scale is True or scale is False:
        return bool(scale)
    if not isinstance(scale, (int, float)) or not 0 < scale < float("inf"):
        raise ValueError(f"{name}: attention_scale={scale!r}, expected True, False or a positive number")
    return float(scale)


def checked_groups(name: str, heads: int, key_value_heads: int | None) -> int:
    """Check the `key_value_heads` that a layer was given.

    Arguments:
        name: str. The name of the layer, for the message.
        heads: int. The number of heads of the queries.
        key_value_heads: int or None. The argument of the layer; None means heads.

    Returns:
        int, a divisor of heads.

    Raises:
        ValueError: it is no divisor of heads.
    """
    found = heads if key_value_heads is None else key_value_heads
    if found < 1 or heads % found:
        raise ValueError(f"{name}: key_value_heads={found}, expected a divisor of heads={heads}")
    return found
