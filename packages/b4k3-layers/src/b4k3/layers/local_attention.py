"""Multi-head self-attention in which each position sees a window of its neighbours."""

from __future__ import annotations

from typing import Any, Sequence

from b4k3.backend import (
    Tensor,
    apply_rotary_position_embeddings,
    attention,
    bias_from_mask,
    ops,
    positions_at,
    register,
    runs_eagerly,
)

from .attention import ROTARY, MultiHeadAttention

# A sequence of at most so many radii is masked: then cutting it into blocks takes more time than it saves.
SHORT = 8


def windowed_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    radius: int,
    mask: Tensor | None = None,
    scale: float = 1.0,
    dropout: Any = None,
    training: bool | None = None,
) -> Tensor:
    """Compute the attention of each position to the positions from `radius` before it to `radius` after it.

    The queries are cut into blocks of `radius` positions. A block sees its own keys and the keys of the two blocks
    beside it, which hold every window that begins in it. For example, 5 positions and radius 2:

        queries     0 1        2 3            4 4      the last block is filled up
        keys    . . 0 1 2 3    0 1 2 3 4 .    2 3 4 . . .
        hidden      what is no position (.), and for each query what is further away than 2

    So the time and the memory grow with n · radius, not with n².

    Arguments:
        query: float, [batch, n, heads, key_size]. The queries.
        key: float, [batch, n, heads, key_size]. The keys.
        value: float, [batch, n, heads, head_size]. The values.
        radius: int. How far a position sees on either side.
        mask: bool, [batch, n], or None. True where a key may be seen.
        scale: float. The scores are multiplied by it.
        dropout: Dropout layer, or None. It is applied to the weights.
        training: bool, or None. Keras' flag of a call, handed on to `dropout`.

    Returns:
        float, [batch, n, heads, head_size]. A query that may see no key gets a mean of values.

    Example:
        >>> x = ops.ones((1, 9, 2, 8))
        >>> y = windowed_attention(x, x, x, radius=2)  # [1, 9, 2, 8]

    Reference: Beltagy et al., Longformer, https://arxiv.org/abs/2004.05150
    """
    n = ops.shape(query)[1]
    size: Any = max(radius, 1)
    if not isinstance(n, int) and not runs_eagerly:  # torch knows n, unless it traces; then a constant is best
        size = ops.minimum(size, n)
    count = (n + size - 1) // size
    inner = ops.arange(0, size, dtype="int32")  # [size]
    outer = ops.arange(0, 3 * size, dtype="int32") - size  # [3 · size], counted from the block's first query
    first = ops.arange(0, count, dtype="int32") * size  # [count]
    places = ops.expand_dims(first, 1) + ops.expand_dims(outer, 0)  # [count, 3 · size]
    inside = ops.logical_and(places >= 0, places < n)  # [count, 3 · size]
    places = ops.minimum(ops.maximum(places, 0), n - 1)  # [count, 3 · size]
    queries = ops.minimum(ops.expand_dims(first, 1) + ops.expand_dims(inner, 0), n - 1)  # [count, size]
    mask = ops.ones_like(query[:, :, 0, 0], dtype="bool") if mask is None else ops.cast(mask, "bool")  # [b, n]
    seen = ops.logical_and(positions_at(mask, places), ops.expand_dims(inside, 0))  # [b, count, 3 · size]
    near = ops.absolute(ops.expand_dims(outer, 0) - ops.expand_dims(inner, 1)) <= radius  # [size, 3 · size]
    blocks = [_blocks(x, at, width) for x, at, width in ((query, queries, size), (key, places, 3 * size))]
    blocks.append(_blocks(value, places, 3 * size))  # each [b · count, size or 3 · size, h, d]
    bias = bias_from_mask(near, "float32")[None, None]  # [1, 1, size, 3 · size]
    seen = ops.reshape(seen, (-1, 3 * size))  # [b · count, 3 · size]
    out = attention(*blocks, mask=seen, bias=bias, scale=scale, dropout=dropout, training=training)
    return ops.reshape(out, (-1, count * size) + tuple(ops.shape(value)[2:]))[:, :n]  # [b, n, h, head_size]


def _blocks(x: Tensor, places: Tensor, width: Any) -> Tensor:
    """Pick positions, and make each row of places an example of its own."""
    return ops.reshape(positions_at(x, places), (-1, width) + tuple(ops.shape(x)[2:]))  # [b · count, width, h, d]


@register
class LocalMultiHeadAttention(MultiHeadAttention):
    """Attend as `MultiHeadAttention` does, from each position to a window of its neighbours.

    It is for self-attention alone. The time and the memory grow with the length times the radius, unless there is an
    attention bias, a position term that is not rotary, another normalization than softmax, or the scores are returned:
    then all scores are computed, and a mask hides those outside the window.

    Masks in: one for each input, or None. The mask of the values hides keys; the mask of the queries is only handed on.
    Mask out: the mask of the queries.

    Arguments:
        heads: int. The number of heads.
        head_size: int. The size of a head's values.
        radius: int. How far a position sees on either side.
        kwargs: the other arguments of `MultiHeadAttention`.

    Raises:
        ValueError: the radius is negative.

    Example:
        >>> x = keras.Input((None, 16))
        >>> layer = LocalMultiHeadAttention(heads=2, head_size=8, radius=64)
        >>> y = layer([x, x, x])  # [batch, n, 16]

    Reference: Beltagy et al., Longformer, https://arxiv.org/abs/2004.05150
    """

    def __init__(self, heads: int, head_size: int, radius: int, **kwargs: Any) -> None:
        super().__init__(heads, head_size, **kwargs)
        if isinstance(radius, bool) or not isinstance(radius, int) or radius < 0:
            raise ValueError(f"{self.name}: radius={radius!r}, expected an int from 0")
        self.radius = radius

    def pay_attention_to(
        self,
        inputs: Sequence[Tensor],
        mask: Any = None,
        a_bias: bool | None = None,
        p_bias: str | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend between projected heads, within the window.

        Arguments:
            inputs: list of tensors. As in `MultiHeadAttention`, with as many queries as keys.
            mask: list of two masks. As in `MultiHeadAttention`.
            a_bias: bool, or None. True if the inputs hold an attention bias.
            p_bias: str, or None. The kind of position term, as in `call`.
            training: bool, or None. Keras' flag of a call.

        Returns:
            The outputs of `pay_attention_to` of `MultiHeadAttention`.
        """
        n = inputs[0].shape[1]
        fused = self.normalization == "softmax" and not self.return_attention_scores
        cut = fused and not a_bias and (p_bias is None or p_bias in ROTARY)
        if not cut or (isinstance(n, int) and n <= SHORT * self.radius):
            return super().pay_attention_to(self._with_window(inputs, a_bias), mask, True, p_bias, training)
        qw, kw, vw = inputs[:3]
        if p_bias is not None:
            qw, kw = apply_rotary_position_embeddings(inputs[3], qw, kw, interleaved=p_bias == "rotary")
        v_mask = None if mask is None else mask[1]
        return windowed_attention(qw, kw, vw, self.radius, v_mask, self._scale, self.dropout, training), None

    def _with_window(self, inputs: Sequence[Tensor], a_bias: bool | None) -> list[Tensor]:
        """Add the bias that hides what is outside of the window to the inputs."""
        i = ops.arange(0, ops.shape(inputs[0])[1], dtype="int32")  # [n]
        near = ops.absolute(ops.expand_dims(i, 0) - ops.expand_dims(i, 1)) <= self.radius  # [n, n]
        bias = ops.expand_dims(bias_from_mask(near, "float32"), 0)  # [1, n, n]
        rest = list(inputs[3:])
        if a_bias:
            given = ops.cast(rest.pop(0), "float32")  # [b, n, n] or [b, h, n, n]
            bias = given + (bias if len(given.shape) == 3 else ops.expand_dims(bias, 0))
        return list(inputs[:3]) + [bias] + rest

    def decode(self, inputs: Sequence[Tensor], step: Any, a_bias: bool | None = None, p_bias: str | None = None) -> Any:
        """Refuse to generate: the window of this layer looks ahead.

        Arguments:
            inputs: list of tensors. They are not read.
            step: object. It is not read.
            a_bias: bool, or None. It is not read.
            p_bias: str, or None. It is not read.

        Returns:
            Nothing.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(f"{self.name}: a layer whose window looks ahead cannot generate")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(radius=self.radius)
        return config


__all__ = ["LocalMultiHeadAttention", "windowed_attention"]
