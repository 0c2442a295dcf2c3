"""Attention whose scores depend on the content, the distance and the segments of two tokens, as in XLNet."""

from __future__ import annotations

from typing import Any, Sequence

from b4k3.backend import (
    Dropout,
    Layer,
    Tensor,
    ask_owner,
    attention,
    bias_from_mask,
    build_sublayer,
    copy_initializer,
    keras,
    ops,
    recompute_grad,
    register,
)
from b4k3.backend.types import Initializer


@register
class SinusoidalDistanceEmbedding(Layer):
    """Compute a vector of sines and cosines for each distance that two positions can have.

    With n queries, which are the last ones of m keys, the rows are the distances m, m - 1, …, 1 - n. A distance is the
    position of the query minus the position of the key. The first half of a vector are sines, the second half cosines.

    Masks in: they are ignored. Mask out: None, because the output has no batch axis.

    Arguments:
        output_dim: int. The size of a vector, an even number.
        clamp_len: int. Greater distances, on either side of 0, have the vector of this distance; 0 or less is no limit.

    Raises:
        ValueError: `output_dim` is odd.

    Example:
        >>> x = ops.ones((2, 5, 16))
        >>> distances = SinusoidalDistanceEmbedding(output_dim=16)([x, x])  # [10, 16]

    Reference: Dai et al., Transformer-XL, https://arxiv.org/abs/1901.02860
    """

    def __init__(self, output_dim: int, clamp_len: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if output_dim % 2:
            raise ValueError(f"{self.name}: output_dim={output_dim}, expected an even number")
        self.output_dim = output_dim
        self.clamp_len = clamp_len

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the vectors.

        Arguments:
            inputs: list of two tensors. The queries, [batch, n, ...], and the keys, [batch, m, ...]. Only their lengths
                are read.

        Returns:
            float, [n + m, output_dim].
        """
        n, m = (ops.shape(x)[1] for x in inputs)
        distances = ops.cast(m - ops.arange(0, n + m, dtype="int32"), "float32")  # [n + m]
        if self.clamp_len > 0:
            distances = ops.clip(distances, -self.clamp_len, self.clamp_len)  # [n + m]
        exponents = ops.arange(0, self.output_dim, 2, dtype="float32") / self.output_dim  # [output_dim / 2]
        angles = ops.expand_dims(distances, 1) / ops.expand_dims(
            ops.power(10000.0, exponents), 0
        )  # [n + m, output_dim / 2]
        return ops.cast(ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1), self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None, because the output has no batch axis."""
        return None

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of the vectors."""
        n, m = (shape[1] for shape in input_shape)
        return (None if n is None or m is None else n + m, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(output_dim=self.output_dim, clamp_len=self.clamp_len)
        return config


@register
class PermutationMask(Layer):
    """Compute the attention bias of an order in which the tokens are predicted.

    Mask in: it is ignored. Mask out: None.

    Arguments:
        own: bool. Whether a position sees itself whatever the order says.

    Example:
        >>> hidden = ops.ones((2, 5, 5))
        >>> bias = PermutationMask(own=True)(hidden)  # [2, 5, 5]

    Reference: Yang et al., XLNet, https://arxiv.org/abs/1906.08237
    """

    reads_ids = True

    def __init__(self, own: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.own = own

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the bias.

        Arguments:
            inputs: [batch, n, n]. 1 at [b, i, j] if position i does not see position j, 0 if it does.

        Returns:
            float, [batch, n, n]. 0 where a position may be seen, a large negative number elsewhere.
        """
        visible = ops.equal(inputs, 0)  # [b, n, n]
        if self.own:
            i = ops.arange(0, ops.shape(inputs)[1], dtype="int32")  # [n]
            visible = ops.logical_or(visible, ops.equal(i[:, None], i[None, :])[None])  # [b, n, n]
        return bias_from_mask(visible, self.compute_dtype)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """Return None, because a bias has no mask."""
        return None

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the bias."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return dict(super().get_config(), own=self.own)


@register
class LearnedVector(Layer):
    """Give every position the same learned vector, in the place of its own.

    The mask of the inputs goes in and comes out unchanged.

    Arguments:
        initializer: str or initializer. It is used for the vector.

    Weights: vector, [1, 1, d].

    Example:
        >>> y = LearnedVector()(ops.ones((2, 5, 16)))  # [2, 5, 16]
    """

    def __init__(self, initializer: Initializer = "zeros", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the vector."""
        self.vector = self.add_weight(name="vector", shape=(1, 1, input_shape[-1]), initializer=self.initializer)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Repeat the vector.

        Arguments:
            inputs: float, [batch, n, d]. Only its shape is read.

        Returns:
            float, [batch, n, d].
        """
        return ops.zeros_like(inputs) + self.vector

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the inputs."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return dict(super().get_config(), initializer=keras.initializers.serialize(self.initializer))


def shift_to_distances(x: Tensor, m: Any) -> Tensor:
    """Pick, for each query and each key, the column of their distance. The queries are the last ones of the keys.

    With 2 queries and 2 keys the columns are the distances 2, 1, 0, -1. Query 0 needs 0, -1 and query 1 needs 1, 0:

        rows      [a2 a1 a0 a-1]  reshaped  [a2 a1]  first row     [a0 a-1 b2]  first two  [a0 a-1]
                  [b2 b1 b0 b-1]  to 4 × 2  [a0 a-1] dropped,      [b1 b0 b-1]  columns    [b1 b0]
                                            [b2 b1]  2 × 3
                                            [b0 b-1]

    This is right for any size: dropping the first n numbers moves row i by n - i columns to the left, if its width is
    one less than before.

    Arguments:
        x: float, [batch, heads, n, n + m]. The scores of each query for all distances, from m down to 1 - n.
        m: int or scalar tensor. The number of keys.

    Returns:
        float, [batch, heads, n, m].

    Example:
        >>> y = shift_to_distances(ops.ones((1, 1, 2, 4)), 2)  # [1, 1, 2, 2]
    """
    heads, (n, width) = x.shape[1], ops.shape(x)[2:]
    x = ops.reshape(x, (-1, heads, width, n))[:, :, 1:]  # [b, h, n + m - 1, n]
    return ops.reshape(x, (-1, heads, n, width - 1))[..., :m]  # [b, h, n, m]


@register
class RelativeMultiHeadAttention(Layer):
    """Attend with scores of content, of distance and of segments.

    The score of a query q for a key k is (q + a) · k + (q + b) · r + (q + c) · s, where r is the projected vector of
    their distance, s one of two vectors for tokens of the same segment and of different ones, and a, b and c are
    learned. No projection has a bias.

    Masks in: one for each input, or None. The mask of the values hides keys; the mask of the queries is only handed on.
    Mask out: the mask of the queries.

    Arguments:
        heads: int. The number of heads.
        head_size: int. The size of a head.
        out_dim: int. The size of the output.
        segments: bool. Whether the inputs have segment ids; without them the scores have two terms, and the last two
            weights are not used.
        attention_dropout: float, or None. The rate of dropout on the weights.
        kernel_initializer: str or initializer. It is used for all weights.

    Weights: query, key, value, output and position, [d, heads, head_size] each; content_bias a and position_bias b,
    [heads, head_size]; segment_bias c, [heads, head_size], and segment_embeddings s, [2, heads, head_size].

    Example:
        >>> x = keras.Input((None, 16))
        >>> distances = SinusoidalDistanceEmbedding(16)([x, x])
        >>> layer = RelativeMultiHeadAttention(heads=2, head_size=8, out_dim=16, segments=False)
        >>> y = layer([x, x, x, distances])  # [batch, n, 16]

    Reference: Yang et al., XLNet, https://arxiv.org/abs/1906.08237; Dai et al., Transformer-XL,
        https://arxiv.org/abs/1901.02860
    """

    matrix_axes = {
        "query": (0,),
        "key": (0,),
        "value": (0,),
        "output_kernel": (1, 2),
        "position": (0,),
    }
    float_matrices = ("content_bias", "position_bias", "segment_bias", "segment_embeddings")

    def __init__(
        self,
        heads: int,
        head_size: int,
        out_dim: int,
        segments: bool = True,
        attention_dropout: float | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.head_size = head_size
        self.out_dim = out_dim
        self.segments = segments
        self.attention_dropout = attention_dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.dropout = None
        if attention_dropout:
            self.dropout = Dropout(attention_dropout, name="dropout", dtype=self.sublayer_dtype)

    def build(self, input_shape: Sequence[tuple[int | None, ...]]) -> None:
        """Make the weights for inputs of these shapes."""
        q, k, v = (tuple(shape) for shape in input_shape[:3])
        positions = tuple(input_shape[-2 if self.segments else -1])
        self._add_projection("query", q[-1])
        self._add_projection("key", k[-1])
        self._add_projection("value", v[-1])
        self._add_projection("output_kernel", self.out_dim, "output")
        self._add_projection("position", positions[-1])
        self.content_bias = self._weight("content_bias")
        self.position_bias = self._weight("position_bias")
        self.segment_bias = self._weight("segment_bias")
        self.segment_embeddings = self._weight("segment_embeddings", 2)
        if self.dropout is not None:
            build_sublayer(self.dropout, (q[0], self.heads, q[1], k[1]))
            self.matrices = ask_owner(self)  # `quantize` of a model asks leaves, and this layer is none
        self.built = True

    def _add_projection(self, attribute: str, size: int | None, name: str | None = None) -> None:
        """Make the weight of a projection, [size, heads, head_size]."""
        if size is None:
            raise ValueError(f"{self.name}: the last axis of the inputs must be known")
        shape = (size, self.heads, self.head_size)
        self.add_matrix(attribute, shape, name, initializer=copy_initializer(self.kernel_initializer))

    def _weight(self, name: str, *sizes: int) -> Any:
        """Make a weight, [..., heads, head_size]."""
        shape = sizes + (self.heads, self.head_size)
        return self.add_weight(name=name, shape=shape, initializer=copy_initializer(self.kernel_initializer))

    @recompute_grad
    def call(
        self,
        inputs: Sequence[Tensor],
        mask: Sequence[Tensor | None] | None = None,
        a_bias: bool | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Attend from the queries to the keys and values.

        Arguments:
            inputs: list of tensors. [q, k, v], then the attention bias if `a_bias`, then the vectors of the distances
                and, with `segments`, the segment ids. q is [batch, n, d], k and v are [batch, m, …]. The bias is
                [batch, n, m], or broadcasts to [batch, heads, n, m]. `SinusoidalDistanceEmbedding` gives
                the vectors, [n + m, d]. Queries and keys have the same ids, [batch, n]; only whether two of them are
                equal counts.
            mask: list of masks, bool, [batch, n or m], or None. One for each input; the mask of v is used.
            a_bias: bool, or None. True if the inputs hold an attention bias.
            training: bool, or None. Keras' flag of a call.

        Returns:
            float, [batch, n, out_dim].
        """
        q, k, v = (
            ops.einsum("bnd,dhe->bnhe", x, self.matrix(name)) for x, name in zip(inputs, ("query", "key", "value"))
        )  # [b, n or m, h, head_size]
        rest = list(inputs[3:])
        bias = rest.pop(0) if a_bias else None
        scale = self.head_size**-0.5
        scores = self._scores_of_distances(q, rest.pop(0), ops.shape(k)[1])  # [b, h, n, m]
        if self.segments:
            scores = scores + self._scores_of_segments(q, rest.pop(0))  # [b, h, n, m]
        scores = scores * scale  # [b, h, n, m]
        if bias is not None:
            bias = ops.cast(ops.expand_dims(bias, 1) if len(bias.shape) == 3 else bias, "float32")  # [b, 1 or h, n, m]
            scores = ops.cast(scores, "float32") + bias  # [b, h, n, m]
        v_mask = mask[2] if mask is not None else None
        q = q + self.content_bias  # [b, n, h, head_size]
        o = attention(q, k, v, v_mask, scores, scale, self.dropout, training)  # [b, n, h, head_size]
        return ops.einsum("bnhe,dhe->bnd", o, self.matrix("output_kernel"))  # [b, n, out_dim]

    def _scores_of_distances(self, q: Tensor, distances: Tensor, m: Any) -> Tensor:
        """Compute the term of the scores that depends on the distances, [b, h, n, m]."""
        r = ops.einsum("ld,dhe->lhe", distances, self.matrix("position"))  # [n + m, h, head_size]
        return shift_to_distances(ops.einsum("bnhe,lhe->bhnl", q + self.position_bias, r), m)

    def _scores_of_segments(self, q: Tensor, ids: Tensor) -> Tensor:
        """Compute the term of the scores that depends on the segments, [b, h, n, m]."""
        both = ops.einsum("bnhe,she->bhns", q + self.segment_bias, self.segment_embeddings)  # [b, h, n, 2]
        differs = ops.expand_dims(ops.not_equal(ops.expand_dims(ids, 2), ops.expand_dims(ids, 1)), 1)  # [b, 1, n, m]
        return ops.where(differs, both[..., 1:], both[..., :1])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mask of the queries."""
        return mask[0] if mask is not None else None

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of the output."""
        return tuple(input_shape[0][:2]) + (self.out_dim,)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(
            heads=self.heads,
            head_size=self.head_size,
            out_dim=self.out_dim,
            segments=self.segments,
            attention_dropout=self.attention_dropout,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
        )
        return config
