"""Position embeddings: learned, sinusoidal, rotary and relative."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from b4k3.backend import (
    Layer,
    Sinusoidal,
    Tensor,
    assert_at_most,
    checked_ids,
    keras,
    nan_unless,
    ops,
    register,
    sinusoidal_embeddings,
)
from b4k3.backend.types import Initializer

FARTHEST = 2**30  # the largest position on either side of 0, so that int32 holds the distance between any two


def split_positions(inputs: Any, custom: bool) -> tuple[Tensor, Tensor | None]:
    """Split the inputs of a position layer.

    Arguments:
        inputs: tensor, or list of two tensors. x, or [x, ids].
        custom: bool. Whether the inputs are a list.

    Returns:
        A pair: x, and the ids or None.
    """
    return tuple(inputs) if custom else (inputs, None)


def merge_positions(x: Tensor, positions: Tensor, mode: str) -> Tensor:
    """Merge position embeddings with the embeddings of tokens.

    Arguments:
        x: float, [batch, n, d]. The embeddings of the tokens.
        positions: float, [1 or batch, n, output_dim]. The embeddings of their positions.
        mode: str. 'add' gives x + p, 'mul' x · (p + 1), 'zero' p alone; any other name concatenates x and p.

    Returns:
        float, [batch, n, d]; [batch, n, output_dim] for 'zero'; [batch, n, d + output_dim] for another name.
    """
    if mode == "add":
        return x + positions  # [b, n, d]
    if mode == "mul":
        return x * (positions + 1.0)  # [b, n, d]
    positions = positions + ops.zeros_like(x[..., :1])  # [b, n, output_dim]; the batch axis is not 1 any more
    return positions if mode == "zero" else ops.concatenate([x, positions], axis=-1)  # [b, n, d + output_dim]


def positions_in(x: Tensor) -> Tensor:
    """Return the positions of a sequence, counted from 0.

    Arguments:
        x: [batch, n, ...]. The sequence, of which only the length is read.

    Returns:
        int32, [n].
    """
    return ops.arange(0, ops.shape(x)[1], dtype="int32")


class _Positions(Layer):
    """The base of layers that merge positions with x; the inputs are x or [x, ids], and the mask of x is kept."""

    reads_ids = True

    def __init__(
        self, output_dim: int, merge_mode: str = "add", custom_position_ids: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.output_dim = output_dim
        self.merge_mode = merge_mode
        self.custom_position_ids = custom_position_ids

    @property
    def takes_ids(self) -> bool:
        """Whether the inputs are [x, ids] rather than x."""
        return self.custom_position_ids

    def positions(self, x: Tensor, position_ids: Tensor | None) -> Tensor:
        """Return the embeddings of the positions. A subclass overrides this method.

        Arguments:
            x: float, [batch, n, d]. The embeddings of the tokens.
            position_ids: [batch, n], or None. The positions; None counts them from 0.

        Returns:
            float, [1 or batch, n, output_dim].
        """
        raise NotImplementedError(f"{type(self).__name__}: override positions(self, x, position_ids)")

    def call(self, inputs: Any) -> Tensor:
        """Merge x with the embeddings of its positions.

        Arguments:
            inputs: float, [batch, n, d], or a list. x; with `custom_position_ids` a list of x and the position ids,
                [batch, n].

        Returns:
            float, [batch, n, d]; [batch, n, output_dim] for the merge mode 'zero'; [batch, n, d + output_dim] if x and
            the embeddings are concatenated.
        """
        return self._with_positions(*split_positions(inputs, self.custom_position_ids))

    def decode(self, inputs: Any, session: Any) -> Tensor:
        """Do what `call` does for the newest tokens alone.

        Arguments:
            inputs: the inputs of `call`, for the newest tokens.
            session: object. It knows the positions of these tokens, as `Step` of b4k3.models.generation does.

        Returns:
            The output of `call`, for the newest tokens.
        """
        if self.custom_position_ids:
            return self.call(inputs)
        return self._with_positions(inputs, session.positions)

    def _with_positions(self, x: Tensor, position_ids: Tensor | None) -> Tensor:
        """Look up the positions, and merge them with x."""
        return self._merged(x, self.positions(x, position_ids))

    def _merged(self, x: Tensor, positions: Tensor) -> Tensor:
        """Cast both tensors to the compute dtype, and merge them."""
        x, positions = (ops.cast(a, self.compute_dtype) for a in (x, positions))
        return merge_positions(x, positions, self.merge_mode)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Tensor | None:
        """Return the mask of x."""
        return mask[0] if self.takes_ids and mask is not None else mask

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of the output, which depends on the merge mode."""
        shape = tuple(input_shape[0] if self.takes_ids else input_shape)
        if self.merge_mode in ("add", "mul"):
            return shape
        return shape[:2] + ((self.output_dim if self.merge_mode == "zero" else shape[2] + self.output_dim),)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(
            output_dim=self.output_dim, merge_mode=self.merge_mode, custom_position_ids=self.custom_position_ids
        )
        return config


@register
class PositionEmbedding(_Positions):
    """Merge x with learned embeddings of its absolute positions.

    Mask in: the mask of x. Mask out: the mask of x.

    Position ids are whole numbers from 0 to `position_limit` - 1. Another one is an error, or gives NaN in a compiled
    graph, as with `Embedding`.

    Arguments:
        input_dim: int. The number of rows of the table.
        output_dim: int. The size of an embedding.
        merge_mode: str. 'add' gives x + p, 'mul' x · (p + 1), 'zero' p alone; any other name concatenates x and p.
        hierarchical: float, bool or None. The weight alpha, by which position i is composed of the rows i // input_dim
            and i % input_dim, so that the table serves input_dim² positions; True means 0.4, None is without it.
        embeddings_initializer: str or initializer. It is used for the table.
        custom_position_ids: bool. Whether the inputs are [x, position ids].

    Raises:
        ValueError: a sequence has more than `position_limit` tokens.

    Weights: embeddings, [input_dim, output_dim].

    Example:
        >>> y = PositionEmbedding(512, 8)(keras.Input((None, 8)))  # [batch, n, 8]

    Reference: Devlin et al., BERT, https://arxiv.org/abs/1810.04805; for hierarchical https://spaces.ac.cn/archives/7947
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        merge_mode: str = "add",
        hierarchical: float | bool | None = None,
        embeddings_initializer: Initializer = "zeros",
        custom_position_ids: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(output_dim, merge_mode, custom_position_ids, **kwargs)
        self.input_dim = input_dim
        self.hierarchical = hierarchical
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape: Any) -> None:
        """Make the table, [input_dim, output_dim]."""
        self.embeddings = self.add_weight(
            name="embeddings", shape=(self.input_dim, self.output_dim), initializer=self.embeddings_initializer
        )
        self.built = True

    @property
    def position_limit(self) -> int:
        """How long a sequence may be, in tokens."""
        return self.input_dim**2 if self.hierarchical else self.input_dim

    def positions(self, x: Tensor, position_ids: Tensor | None) -> Tensor:
        """Look up the embeddings of the positions.

        Arguments:
            x: float, [batch, n, d]. The embeddings of the tokens, of which only the length is read.
            position_ids: [batch, n], or None. The positions; None counts them from 0.

        Returns:
            float, [1 or batch, n, output_dim].

        Raises:
            ValueError: the sequence is longer than `position_limit`, or a position id has no row.
        """
        if position_ids is not None:
            ids, valid = checked_ids(position_ids, self.name, 0, self.position_limit - 1)  # [b, n]
            return nan_unless(valid, self._rows(ops.convert_to_tensor(self.embeddings), ids))  # [b, n, output_dim]
        n = ops.shape(x)[1]
        table = self._table_for(n)  # [input_dim, output_dim]
        if self.hierarchical:
            return ops.expand_dims(self._rows(table, ops.arange(0, n, dtype="int32")), 0)  # [1, n, output_dim]
        return ops.expand_dims(table[:n], 0)  # [1, n, output_dim]

    def _table_for(self, n: Any) -> Tensor:
        """Return the table, and refuse a sequence of more tokens than it has positions."""
        limit = self.position_limit
        message = f"{self.name}: the sequence is longer than its {limit} positions; cut the input"
        return assert_at_most(ops.convert_to_tensor(self.embeddings), n, limit, message)

    def _rows(self, table: Tensor, ids: Tensor) -> Tensor:
        """Return the embeddings of positions, each of them a row or composed of two rows."""
        if not self.hierarchical:
            return ops.take(table, ids, axis=0)  # [..., output_dim]
        alpha = 0.4 if self.hierarchical is True else self.hierarchical
        base = (table - alpha * table[:1]) / (1 - alpha)  # [input_dim, output_dim]
        high = ops.take(base, ids // self.input_dim, axis=0)  # [..., output_dim]
        low = ops.take(base, ids % self.input_dim, axis=0)  # [..., output_dim]
        return alpha * high + (1 - alpha) * low  # [..., output_dim]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(
            input_dim=self.input_dim,
            hierarchical=self.hierarchical,
            embeddings_initializer=keras.initializers.serialize(self.embeddings_initializer),
        )
        return config


@register
class PaddedPositionEmbedding(PositionEmbedding):
    """Merge x with learned embeddings of positions that are counted over the tokens that are not padding.

    RoBERTa's tables are read in this way: row `padding_id` is for padding, the first token has the row after it, and
    the rows before it are never read. With padding_id=1:

        ids   0  31  97   2   1   1
        rows  2   3   4   5   1   1

    Mask in: the mask of x. Mask out: the mask of x. Padding gets zeros if the table has no row for it, which is so if
    first_row is 0. Position ids are refused as by `PositionEmbedding`.

    Arguments:
        input_dim: int. The number of rows of the table. A sequence has at most input_dim - first_row tokens.
        output_dim: int. The size of an embedding.
        padding_id: int. The token id that is padding.
        merge_mode: str. How the embedding is merged with x, as in `PositionEmbedding`.
        embeddings_initializer: str or initializer. It is used for the table.
        custom_position_ids: bool. Whether the inputs are [x, position ids counted from 0] rather than [x, token ids].
        first_row: int, or None. The row of the first token, which follows the row of padding; None means
            padding_id + 1. Another value is for a vocabulary that was cut down, which moves the padding id but not
            the rows.

    Weights: embeddings, [input_dim, output_dim].

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> x = Embedding(30, 8, mask_zero=True, padding_id=1)(ids)
        >>> y = PaddedPositionEmbedding(514, 8, padding_id=1)([x, ids])  # [batch, n, 8]

    Reference: Liu et al., RoBERTa, https://arxiv.org/abs/1907.11692, https://github.com/facebookresearch/fairseq
    """

    takes_ids = True

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        padding_id: int = 0,
        merge_mode: str = "add",
        embeddings_initializer: Initializer = "zeros",
        custom_position_ids: bool = False,
        first_row: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            merge_mode=merge_mode,
            embeddings_initializer=embeddings_initializer,
            custom_position_ids=custom_position_ids,
            **kwargs,
        )
        self.padding_id = padding_id
        self.first_row = padding_id + 1 if first_row is None else first_row

    @property
    def position_limit(self) -> int:
        """How long a sequence may be, in tokens."""
        return self.input_dim - self.first_row

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        """Merge x with the embedding of each token's position.

        Arguments:
            inputs: list of two tensors. x, float [batch, n, d], and the token ids, int [batch, n]; with
                `custom_position_ids` x and the position ids, int [batch, n].

        Returns:
            float, [batch, n, d]; [batch, n, output_dim] for the merge mode 'zero'; [batch, n, d + output_dim] if x and
            the embeddings are concatenated.
        """
        x, ids = inputs
        if self.custom_position_ids:
            return self._with_positions(x, ids)
        table = self._table_for(ops.shape(x)[1])  # [input_dim, output_dim]
        real = ops.cast(ops.not_equal(ids, self.padding_id), "int32")  # [b, n]
        rows = ops.cumsum(real, axis=1) * real + (self.first_row - 1)  # [b, n]
        found = ops.take(table, ops.maximum(rows, 0), axis=0)  # [b, n, output_dim]
        if self.first_row < 1:  # there is no row for padding
            found = ops.where(ops.expand_dims(rows >= 0, -1), found, ops.zeros_like(found))  # [b, n, output_dim]
        return self._merged(x, found)

    def decode(self, inputs: Sequence[Tensor], session: Any) -> Tensor:
        """Do what `call` does for the newest tokens alone, none of which is padding.

        Arguments:
            inputs: the inputs of `call`, for the newest tokens.
            session: object. It counts the positions of these tokens, as `Step` of b4k3.models.generation does.

        Returns:
            The output of `call`, for the newest tokens.
        """
        if self.custom_position_ids or session.positions is None:
            return self.call(inputs)
        return self._with_positions(inputs[0], session.positions)

    def _rows(self, table: Tensor, ids: Tensor) -> Tensor:
        """Return the rows of positions that are counted from 0."""
        return ops.take(table, ids + self.first_row, axis=0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        del config["hierarchical"]
        config.update(padding_id=self.padding_id, first_row=self.first_row)
        return config


@register
class SinusoidalPositionEmbedding(_Positions):
    """Merge x with fixed embeddings of its positions, in which sines and cosines alternate.

    Mask in: the mask of x. Mask out: the mask of x.

    There is no table, so position ids may be any numbers, also negative and fractional ones.

    Arguments:
        output_dim: int. The size of an embedding, which must be even.
        merge_mode: str. How the embedding is merged with x, as in `PositionEmbedding`.
        custom_position_ids: bool. Whether the inputs are [x, position ids].

    Example:
        >>> y = SinusoidalPositionEmbedding(8)(keras.Input((None, 8)))  # [batch, n, 8]

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762
    """

    def positions(self, x: Tensor, position_ids: Tensor | None) -> Tensor:
        """Compute the embeddings of the positions.

        Arguments:
            x: float, [batch, n, d]. The embeddings of the tokens, of which only the length is read.
            position_ids: [batch, n], or None. The positions; None counts them from 0.

        Returns:
            float32, [1 or batch, n, output_dim].
        """
        if position_ids is None:
            position_ids = ops.expand_dims(ops.arange(0, ops.shape(x)[1], dtype="float32"), 0)  # [1, n]
        return sinusoidal_embeddings(ops.cast(position_ids, "float32"), self.output_dim)  # [1 or b, n, output_dim]


@register
class RotaryPositionEmbedding(SinusoidalPositionEmbedding):
    """Compute the sines and cosines by which `MultiHeadAttention` with p_bias='rotary' rotates queries and keys.

    Mask in: the mask of x. Mask out: the mask of x.

    Arguments:
        output_dim: int. The key size of the attention, which must be even.
        merge_mode: str. 'zero' gives the sines and cosines alone, which is what the attention takes.
        custom_position_ids: bool. Whether the inputs are [x, position ids].

    Example:
        >>> x = keras.Input((None, 16))
        >>> positions = RotaryPositionEmbedding(8)(x)  # [batch, n, 8]
        >>> layer = MultiHeadAttention(heads=2, head_size=8)
        >>> y = layer([x, x, x, positions], p_bias="rotary")  # [batch, n, 16]

    Reference: Su et al., RoFormer, https://arxiv.org/abs/2104.09864
    """

    def __init__(
        self, output_dim: int, merge_mode: str = "zero", custom_position_ids: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(output_dim, merge_mode, custom_position_ids, **kwargs)


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
        self.embeddings = self.add_weight(
            name="embeddings", shape=(self.input_dim, self.output_dim), initializer=self.embeddings_initializer
        )
        self.built = True

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        """Look up the vector of each distance.

        Arguments:
            inputs: list of two tensors. The queries, [batch, n, ...], and the values, [batch, m, ...], of which only
                the lengths are read; with `custom_position_ids` their position ids, [batch, n] and [batch, m].

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

    def decode(self, inputs: Sequence[Tensor], session: Any) -> Tensor:
        """Do what `call` does for the newest tokens alone.

        Arguments:
            inputs: the inputs of `call`, for the newest tokens. In self-attention the two are one tensor.
            session: object. It knows the positions of these tokens and of the keys, as `Step` of b4k3.models.generation
                does.

        Returns:
            The output of `call`, for the newest tokens and all keys.
        """
        if session.positions is None:
            return self.call(inputs)
        own = inputs[0] is inputs[1]
        return self._rows(session.positions, session.key_positions if own else positions_in(inputs[1])[None])

    def _rows(self, q: Tensor, v: Tensor) -> Tensor:
        """Return the vectors of the distances of positions v from positions q: [..., n, m, output_dim]."""
        rows = ops.take(self.embeddings, self.bucket(self.distances(q, v)), axis=0)
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


__all__ = [
    "PaddedPositionEmbedding",
    "PositionEmbedding",
    "RelativePositionEmbedding",
    "RelativePositionEmbeddingT5",
    "RotaryPositionEmbedding",
    "Sinusoidal",
    "SinusoidalPositionEmbedding",
]
