"""Disentangled attention: contents and relative positions of tokens attend to each other, as in DeBERTa.

A query has a score with the distance of each key, a dot product with a row of a small table. A tensor of vectors for
each pair of tokens is never made: every query is multiplied by the rows of all 2n - 1 distances, and then the numbers
are moved to their keys. With n = 3 tokens the distances of keys from a query are -2 … 2:

    products of the queries with the rows          scores with the keys 0, 1, 2
        -2  -1   0   1   2
    0  [ .   .   a   b   c ]                            [ a  b  c ]
    1  [ .   d   e   f   . ]        align               [ d  e  f ]
    2  [ g   h   i   .   . ]                            [ g  h  i ]
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from b4k3.backend import Layer, Tensor, attention, call_layer, keras, ops, register, split_heads
from b4k3.backend.types import Initializer

from .attention import MultiHeadAttention

POSITION_TERMS = ("c2p", "p2c")


def bucket_starts(buckets: int, max_distance: int) -> np.ndarray:
    """Find the first distance of each logarithmic bucket.

    Distances up to buckets // 2 have a bucket each, and farther ones share buckets that grow with the distance.
    DeBERTa's arithmetic in float32 is done here once, so that rounding is the same in every framework.

    Arguments:
        buckets: int. The number of buckets on either side of distance 0.
        max_distance: int. The distance at which the buckets are used up, nearly.

    Returns:
        int32, [buckets]. The first distance of bucket 1, of bucket 2 and so on.

    Example:
        >>> from b4k3.layers.disentangled import bucket_starts
        >>> bucket_starts(8, 20).tolist()
        [1, 2, 3, 4, 5, 7, 12, 20]
    """
    middle = buckets // 2
    wanted = np.arange(1, buckets + 1)
    low, high = np.zeros(buckets, "int64"), np.full(buckets, 2**30, "int64")  # bucket(low) < wanted <= bucket(high)
    step = np.float32(np.log(np.float64(np.float32((max_distance - 1) / middle))))
    while (high - low > 1).any():
        tried = (low + high) // 2
        ratio = np.maximum(tried, 1).astype("float32") / np.float32(middle)
        far = np.log(ratio.astype("float64")).astype("float32") / step * np.float32(middle - 1)
        reached = np.where(tried <= middle, tried, np.ceil(far) + middle) >= wanted
        low, high = np.where(reached, low, tried), np.where(reached, tried, high)
    return high.astype("int32")


@register
class DistanceEmbedding(Layer):
    """Look up a vector for each distance that occurs in a sequence, 2n - 1 in all.

    Row i of the output belongs to the keys that are i - (n - 1) positions behind their query. A row of the table
    belongs to one distance, or, with `max_distance`, to a bucket of distances whose size grows with their logarithm.

    Mask in: it is ignored. Mask out: None, because the output has no batch axis.

    Arguments:
        input_dim: int. The number of rows of the table, which is even: one half for keys behind the query.
        output_dim: int. The size of a vector.
        max_distance: int or None. The distance at which logarithmic buckets are used up; None means that each distance
            has its own row. Farther distances share the last row.
        embeddings_initializer: str or initializer. It is used for the table.

    Weights: embeddings, [input_dim, output_dim].

    Raises:
        ValueError: input_dim is odd, or `max_distance` leaves nothing to the logarithmic buckets.

    Example:
        >>> x = ops.ones((2, 5, 16))
        >>> rows = DistanceEmbedding(input_dim=16, output_dim=8, max_distance=20)(x)  # [9, 8]

    Reference: He et al., DeBERTa, https://arxiv.org/abs/2006.03654, https://github.com/microsoft/DeBERTa
    """

    matrix_axes = {"embeddings": (-1,)}

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        max_distance: int | None = None,
        embeddings_initializer: Initializer = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if input_dim < 2 or input_dim % 2:
            raise ValueError(f"{self.name}: input_dim={input_dim}, expected an even number, 2 or more")
        if max_distance is not None and not 2 <= input_dim // 2 <= 2 * (max_distance - 2) + 1:
            raise ValueError(
                f"{self.name}: max_distance={max_distance}, input_dim={input_dim}: logarithmic buckets need an "
                "input_dim from 4 on, and a max_distance above 1 + input_dim // 4"
            )
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.max_distance = max_distance
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self._starts = None if max_distance is None else bucket_starts(input_dim // 2, max_distance)

    def build(self, input_shape: Any) -> None:
        """Make the table, [input_dim, output_dim]."""
        self.add_matrix("embeddings", (self.input_dim, self.output_dim), initializer=self.embeddings_initializer)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Look up the vectors.

        Arguments:
            inputs: [batch, n, ...]. The sequence. Only its length is read.

        Returns:
            float, [2n - 1, output_dim].
        """
        n = ops.shape(inputs)[1]
        ahead = (n - 1) - ops.arange(0, 2 * n - 1, dtype="int32")  # [2n - 1], query minus key: n - 1 … -(n - 1)
        rows = ops.take(
            ops.convert_to_tensor(self.matrix("embeddings")), self.bucket(ahead), axis=0
        )  # [2n - 1, output_dim]
        return ops.cast(rows, self.compute_dtype)

    def bucket(self, distance: Tensor) -> Tensor:
        """Return the row of the table for each distance.

        Arguments:
            distance: int32, [c]. The position of a query minus the position of a key.

        Returns:
            int32, [c]. The rows, from 0 to input_dim - 1.
        """
        half = self.input_dim // 2
        if self._starts is not None:
            starts = ops.convert_to_tensor(self._starts)  # [half]
            reached = ops.expand_dims(ops.abs(distance), -1) >= ops.expand_dims(starts, 0)  # [c, half]
            distance = ops.sign(distance) * ops.sum(ops.cast(reached, "int32"), axis=-1)
        return ops.clip(distance, -half, half - 1) + half

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None, because the output has no batch axis."""
        return None

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of the vectors."""
        n = input_shape[1]
        return (None if n is None else 2 * n - 1, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(
            input_dim=self.input_dim,
            output_dim=self.output_dim,
            max_distance=self.max_distance,
            embeddings_initializer=keras.initializers.serialize(self.embeddings_initializer),
        )
        return config


@register
class DisentangledAttention(MultiHeadAttention):
    """Attend from contents to contents, from contents to relative positions and from positions to contents.

    The score of a query and a key is the sum of their product and of up to two more: 'c2p' is the query's product with
    a vector of their distance, 'p2c' is the key's product with another vector of it. `attention_scale` multiplies the
    sum; DeBERTa divides it by the square root of (1 + the number of terms) · key_size.

    Masks in: one for each input, or None. The mask of the values hides keys; the mask of the queries is only handed on.
    Mask out: the mask of the queries.

    Arguments:
        position_terms: list of str. 'c2p', 'p2c' or both, in the order of their inputs.
        shared_projections: bool. Whether the vectors of distances are projected here, for 'c2p' as keys and for 'p2c'
            as queries are. False means that they are the inputs already projected.
        kwargs: the arguments of `MultiHeadAttention`.

    Weights: query, key, value, output; each has a kernel and a bias.

    Raises:
        ValueError: a term is unknown.

    Example:
        >>> x = keras.Input((None, 16))
        >>> rows = DistanceEmbedding(input_dim=8, output_dim=16)(x)
        >>> layer = DisentangledAttention(heads=2, head_size=8, position_terms=["c2p"], shared_projections=True)
        >>> y = layer([x, x, x, rows], p_bias="disentangled")  # [batch, n, 16]

    Reference: He et al., DeBERTa, https://arxiv.org/abs/2006.03654, https://github.com/microsoft/DeBERTa
    """

    def __init__(
        self,
        *args: Any,
        position_terms: Sequence[str] = POSITION_TERMS,
        shared_projections: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not position_terms or set(position_terms) - set(POSITION_TERMS):
            raise ValueError(f"{self.name}: position_terms={position_terms!r}, expected a list of 'c2p' and 'p2c'")
        self.position_terms = list(position_terms)
        self.shared_projections = shared_projections

    def pay_attention_to(
        self,
        inputs: Sequence[Tensor],
        mask: Any = None,
        a_bias: bool | None = None,
        p_bias: str | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend between projected heads.

        Arguments:
            inputs: list of tensors. [qw, kw, vw], then the attention bias if `a_bias`, then for each position term the
                vectors of the distances, [2n - 1, heads · key_size], or what `shared_projections` projects to it.
                qw is [batch, n, heads, key_size], kw too, and vw is [batch, n, heads, head_size].
            mask: list of two masks. The mask of the queries, bool [batch, n] or None, and the mask of the values, bool
                [batch, n] or None.
            a_bias: bool, or None. True if the inputs hold an attention bias.
            p_bias: str. 'disentangled'.
            training: bool, or None. Keras' flag of a call.

        Returns:
            A pair: float, [batch, n, heads, head_size], and the scores, [batch, heads, n, n], or None if a fused kernel
            did not compute them.

        Raises:
            ValueError: another `p_bias`.
        """
        if p_bias != "disentangled":
            raise ValueError(f"{self.name}: p_bias={p_bias!r}, expected 'disentangled'")
        qw, kw, vw = inputs[:3]
        rest = list(inputs[3:])
        bias = rest.pop(0) if a_bias else None
        if bias is not None and len(bias.shape) == 3:
            bias = ops.expand_dims(bias, 1)  # [b, 1, n, n]
        position = self._position_scores(qw, kw, rest)  # [b, h, n, n]
        if self.return_attention_scores or self.normalization != "softmax":
            return self._explicit(qw, kw, vw, mask[1], bias, position, "t5_relative", training)
        position = position * self._scale  # [b, h, n, n]
        bias = position if bias is None else bias + position  # [b, h, n, n]
        return attention(qw, kw, vw, mask[1], bias, self._scale, self.dropout, training), None

    def _position_scores(self, qw: Tensor, kw: Tensor, rows: Sequence[Tensor]) -> Tensor:
        """Add up the scores of the position terms, [batch, heads, n, n]. `rows` has the vectors for each term."""
        total = None
        for term, vectors in zip(self.position_terms, rows):
            if self.shared_projections:
                vectors = call_layer(self.k_dense if term == "c2p" else self.q_dense, vectors)  # [2n - 1, h · key_size]
            vectors = split_heads(ops.expand_dims(vectors, 0), self.heads)[0]  # [2n - 1, h, key_size]
            if term == "c2p":
                scores = align(ops.einsum("bnhd,chd->bhnc", qw, vectors))  # [b, h, n, n]
            else:  # from the side of a key the distances run backwards
                scores = align(ops.einsum("bmhd,chd->bhmc", kw, ops.flip(vectors, axis=0)))  # [b, h, m, n]
                scores = ops.swapaxes(scores, -1, -2)  # [b, h, n, m]
            total = scores if total is None else total + scores
        return total

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(position_terms=self.position_terms, shared_projections=self.shared_projections)
        return config


def align(products: Tensor) -> Tensor:
    """Move the products of each query with all distances to the keys at these distances.

    With one more column, what the next query needs begins one place earlier in its row. So all that is needed stands in
    steps of 2n - 1 numbers, and no index is computed. With n = 2, where x is not needed and 0 is the new column:

        the rows one after the other                 [x a b 0 c d x 0]
        without the first n - 1 and the last number  [a b 0 c d x]
        in steps of 2n - 1                           [a b 0], [c d x]
        the first n of each step                     [a b], [c d]

    Arguments:
        products: float, [batch, heads, n, 2n - 1]. Column c belongs to the key c - (n - 1) positions behind the query.

    Returns:
        float, [batch, heads, n, n].

    Example:
        >>> from b4k3.layers.disentangled import align
        >>> scores = align(ops.ones((1, 2, 3, 5)))  # [1, 2, 3, 3]
    """
    heads, n = products.shape[1], ops.shape(products)[2]
    padded = ops.concatenate([products, ops.zeros_like(products[:, :, :, :1])], axis=-1)  # [b, h, n, 2n]
    steps = ops.reshape(padded, (-1, heads, 2 * n * n))[:, :, n - 1 : -1]  # [b, h, n · (2n - 1)]
    return ops.reshape(steps, (-1, heads, n, 2 * n - 1))[:, :, :, :n]  # [b, h, n, n]
