"""Embeddings of the distances between positions, for attention with relative positions."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import numpy as np

from b4k3.backend import Layer, Tensor, checked_ids, keras, nan_unless, ops, register
from b4k3.backend.types import Initializer

FARTHEST = 2**30  # the largest position on either side of 0, so that int32 holds the distance between any two


def positions_in(x: Tensor) -> Tensor:
    """Return the positions of a sequence, counted from 0.

    Arguments:
        x: [batch, n, ...]. The sequence. Only its length is read.

    Returns:
        int32, [n].
    """
    return ops.arange(0, ops.shape(x)[1], dtype="int32")


@register
class RelativePositionEmbedding(Layer):
    """Look up a vector for the distance of each key from each query; far distances share a vector.

    Masks in: they are ignored. Mask out: None, because the output has no batch axis.

    Position ids are whole numbers up to 2**30 on either side of 0, because only their distances are looked up. Another
    one is an error, or gives NaN in a compiled graph, as with `Embedding`.

    Arguments:
        input_dim: int. The number of distances, 2 · max_relative_position + 1, which is odd.
        output_dim: int. The key size of the attention.
        embeddings_initializer: str or initializer. It is used for the table.
        custom_position_ids: bool. Whether the inputs are position ids.

    Weights: embeddings, [input_dim, output_dim].

    Example:
        >>> x = ops.ones((2, 5, 16))
        >>> distances = RelativePositionEmbedding(input_dim=129, output_dim=8)([x, x])  # [5, 5, 8]
        >>> layer = MultiHeadAttention(heads=2, head_size=8)
        >>> y = layer([x, x, x, distances], p_bias="typical_relative")  # [2, 5, 16]

    Reference: Shaw et al., https://arxiv.org/abs/1803.02155; Wei et al., NEZHA, https://arxiv.org/abs/1909.00204
    """

    reads_ids = True
    matrix_axes: Mapping[str, tuple[int, ...]] = {"embeddings": (-1,)}

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Initializer = "zeros",
        custom_position_ids: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.custom_position_ids = custom_position_ids

    def build(self, input_shape: Any) -> None:
        """Make the table, [input_dim, output_dim]."""
        self.add_matrix("embeddings", (self.input_dim, self.output_dim), initializer=self.embeddings_initializer)
        self.built = True

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        """Look up the vector of each distance.

        Arguments:
            inputs: list of two tensors. The queries, [batch, n, ...], and the values, [batch, m, ...]. Only their
                lengths are read. With `custom_position_ids` their position ids, [batch, n] and [batch, m].

        Returns:
            float, [n, m, output_dim]; with `custom_position_ids` [batch, n, m, output_dim].

        Raises:
            ValueError: a position id is no whole number or too far from 0, in an eager call.
        """
        if not self.custom_position_ids:
            return self._rows(*[positions_in(x) for x in inputs])  # [n, m, output_dim]
        (q, known_q), (v, known_v) = (checked_ids(x, self.name, -FARTHEST, FARTHEST) for x in inputs)
        rows = self._rows(q, v)  # [b, n, m, output_dim]
        for known, axis in ((known_q, -1), (known_v, -2)):
            rows = rows if known is None else nan_unless(ops.expand_dims(known, axis), rows)
        return rows

    def decode(self, inputs: Sequence[Tensor], step: Any) -> Tensor:
        """Do what `call` does for the newest tokens alone.

        Arguments:
            inputs: the inputs of `call`, for the newest tokens. In self-attention the two are one tensor.
            step: object. It knows the positions of these tokens and of the keys, as `DecodingStep` of
                b4k3.models.generation does.

        Returns:
            The output of `call`, for the newest tokens and all keys.
        """
        if step.positions is None:
            return self.call(inputs)
        own = inputs[0] is inputs[1]
        return self._rows(step.positions, step.key_positions if own else positions_in(inputs[1])[None])

    def _rows(self, q: Tensor, v: Tensor) -> Tensor:
        """Return the vectors of the distances of positions v from positions q: [..., n, m, output_dim]."""
        rows = ops.take(self.matrix("embeddings"), self.bucket(self.distances(q, v)), axis=0)
        return ops.cast(rows, self.compute_dtype)

    def distances(self, q: Tensor, v: Tensor) -> Tensor:
        """Return the position of each key minus the position of each query.

        Arguments:
            q: int, [n] or [batch, n]. The positions of the queries.
            v: int, [m] or [batch, m]. The positions of the keys.

        Returns:
            int32, [n, m] or [batch, n, m].
        """
        q, v = ops.cast(q, "int32"), ops.cast(v, "int32")
        return ops.expand_dims(v, -2) - ops.expand_dims(q, -1)

    def bucket(self, distance: Tensor) -> Tensor:
        """Return the row of the table for each distance.

        Arguments:
            distance: int32, [...]. The distances.

        Returns:
            int32, [...]. The rows, from 0 to input_dim - 1.
        """
        limit = (self.input_dim - 1) // 2
        return ops.clip(distance, -limit, limit) + limit

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None, because the output has no batch axis."""
        return None

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of the vectors."""
        q, v = input_shape
        shape = (q[1], v[1], self.output_dim)
        return (q[0],) + shape if self.custom_position_ids else shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(
            input_dim=self.input_dim,
            output_dim=self.output_dim,
            embeddings_initializer=keras.initializers.serialize(self.embeddings_initializer),
            custom_position_ids=self.custom_position_ids,
        )
        return config


@register
class RelativePositionEmbeddingT5(RelativePositionEmbedding):
    """Look up a number for each head and for the bucket that the distance of each key from each query falls into.

    Near distances have a bucket each; farther ones share buckets that grow with the logarithm of the distance. With
    input_dim=32, max_distance=128 and bidirectional=False:

        distance back   0 … 15   16  17  18  19  20  21 …   113 …
        bucket          0 … 15   16  16  16  17  17  18 …   31

    Masks in: they are ignored. Mask out: None, because the output has no batch axis.

    Arguments:
        input_dim: int. The number of buckets.
        output_dim: int. The number of heads.
        max_distance: int. Distances from here on share the last bucket.
        bidirectional: bool. Whether keys after the query have buckets of their own, half of all; without it they are in
            bucket 0.
        embeddings_initializer: str or initializer. It is used for the table.

    Weights: embeddings, [input_dim, output_dim].

    Example:
        >>> x = ops.ones((2, 5, 16))
        >>> bias = RelativePositionEmbeddingT5(input_dim=32, output_dim=2)([x, x])  # [5, 5, 2]
        >>> layer = MultiHeadAttention(heads=2, head_size=8, attention_scale=False)
        >>> y = layer([x, x, x, bias], p_bias="t5_relative")  # [2, 5, 16]

    Reference: Raffel et al., T5, https://arxiv.org/abs/1910.10683
    """

    matrix_axes = {}
    float_matrices = ("embeddings",)  # a term of the scores, which stay float

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        max_distance: int = 128,
        bidirectional: bool = True,
        embeddings_initializer: Initializer = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(input_dim, output_dim, embeddings_initializer=embeddings_initializer, **kwargs)
        self.max_distance = max_distance
        self.bidirectional = bidirectional

    def bucket(self, distance: Tensor) -> Tensor:
        """Return the bucket of each distance.

        Arguments:
            distance: int32, [...]. The distances, positive for keys after the query.

        Returns:
            int32, [...]. The buckets, from 0 to input_dim - 1.
        """
        buckets = self.input_dim
        behind = -distance
        offset = 0
        if self.bidirectional:
            buckets //= 2
            offset = ops.cast(behind < 0, "int32") * buckets
            behind = ops.abs(behind)
        else:
            behind = ops.maximum(behind, 0)
        exact = buckets // 2
        far = ops.log(ops.cast(ops.maximum(behind, 1), "float32") / exact) / np.log(self.max_distance / exact)
        far = ops.minimum(exact + ops.cast(far * (buckets - exact), "int32"), buckets - 1)
        return offset + ops.where(behind < exact, behind, far)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(max_distance=self.max_distance, bidirectional=self.bidirectional)
        return config
