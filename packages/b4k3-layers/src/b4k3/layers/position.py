"""Position embeddings: learned, sinusoidal, rotary and relative."""

from __future__ import annotations

from typing import Any

import numpy as np

from b4k3.backend import (
    Layer,
    Sinusoidal,
    assert_at_most,
    checked_ids,
    keras,
    nan_unless,
    ops,
    register,
    sinusoidal_embeddings,
)

FARTHEST = 2**30  # position from 0 on either side: int32 holds the distance of two of them


def split_positions(inputs, custom):
    """Inputs of a layer as (x, custom position ids or None)."""
    return tuple(inputs) if custom else (inputs, None)


def merge_positions(x, positions, mode):
    """Bring positions [1 or batch, n, d] into x [batch, n, d]."""
    if mode == "add":
        return x + positions
    if mode == "mul":
        return x * (positions + 1.0)
    positions = positions + ops.zeros_like(x[..., :1])  # the batch axis
    return positions if mode == "zero" else ops.concatenate([x, positions], axis=-1)


def positions_in(x):
    """The positions of x [batch, n, …] counted from 0: int32 [n]."""
    return ops.arange(0, ops.shape(x)[1], dtype="int32")


class _Positions(Layer):
    """What position layers have in common: x or [x, position ids] in, x with positions out, the mask of x kept."""

    reads_ids = True

    def __init__(self, output_dim, merge_mode="add", custom_position_ids=False, **kwargs):
        super().__init__(**kwargs)
        self.output_dim = output_dim
        self.merge_mode = merge_mode
        self.custom_position_ids = custom_position_ids

    @property
    def takes_ids(self) -> bool:
        """Whether the inputs are [x, ids] rather than x."""
        return self.custom_position_ids

    def positions(self, x, position_ids):
        """Arguments: x [batch, n, d], position_ids [batch, n] or None. Returns: float [1 or batch, n, output_dim]."""
        raise NotImplementedError

    def call(self, inputs):
        """Arguments: inputs: float [batch, n, d], or [that, ids [batch, n]].

        Returns: [batch, n, d], or for another merge mode than 'add', 'mul' and 'zero' [batch, n, d + output_dim].
        """
        return self._with_positions(*split_positions(inputs, self.custom_position_ids))

    def decode(self, inputs, session):
        """`call` on the newest tokens alone, whose positions the session knows."""
        if self.custom_position_ids:
            return self.call(inputs)
        return self._with_positions(inputs, session.positions)

    def _with_positions(self, x, position_ids):
        return self._merged(x, self.positions(x, position_ids))

    def _merged(self, x, positions):
        x, positions = (ops.cast(a, self.compute_dtype) for a in (x, positions))
        return merge_positions(x, positions, self.merge_mode)

    def compute_mask(self, inputs, mask=None):
        return mask[0] if self.takes_ids and mask is not None else mask

    def compute_output_shape(self, input_shape):
        shape = tuple(input_shape[0] if self.takes_ids else input_shape)
        if self.merge_mode in ("add", "mul"):
            return shape
        return shape[:2] + ((self.output_dim if self.merge_mode == "zero" else shape[2] + self.output_dim),)

    def get_config(self):
        config = super().get_config()
        config.update(
            output_dim=self.output_dim, merge_mode=self.merge_mode, custom_position_ids=self.custom_position_ids
        )
        return config


@register
class PositionEmbedding(_Positions):
    """Learned absolute positions.

    Mask in and out: that of x. Position ids are whole numbers from 0 to `position_limit` - 1; another one is an error,
    or gives NaN in a compiled graph, as with `Embedding`.

    Arguments:
        input_dim: number of positions.
        output_dim: size of an embedding.
        merge_mode: 'add', 'mul' (x · (p + 1)), 'zero' (p alone); any other name concatenates.
        hierarchical: None, or the weight alpha (True: 0.4) by which position i is composed of i // n and i % n, so that
            a table of n rows serves n² positions, https://spaces.ac.cn/archives/7947
        embeddings_initializer: of the table.
        custom_position_ids: whether the inputs are [x, position ids].
    """

    def __init__(
        self,
        input_dim,
        output_dim,
        merge_mode="add",
        hierarchical=None,
        embeddings_initializer="zeros",
        custom_position_ids=False,
        **kwargs,
    ):
        super().__init__(output_dim, merge_mode, custom_position_ids, **kwargs)
        self.input_dim = input_dim
        self.hierarchical = hierarchical
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            name="embeddings", shape=(self.input_dim, self.output_dim), initializer=self.embeddings_initializer
        )
        self.built = True

    @property
    def position_limit(self):
        """How long a sequence may be."""
        return self.input_dim**2 if self.hierarchical else self.input_dim

    def positions(self, x, position_ids):
        if position_ids is not None:
            ids, valid = checked_ids(position_ids, self.name, 0, self.position_limit - 1)
            return nan_unless(valid, self._rows(ops.convert_to_tensor(self.embeddings), ids))
        n = ops.shape(x)[1]
        table = self._table_for(n)
        if self.hierarchical:
            return ops.expand_dims(self._rows(table, ops.arange(0, n, dtype="int32")), 0)
        return ops.expand_dims(table[:n], 0)

    def _table_for(self, n):
        """The table; a sequence of n tokens is refused where it has fewer positions."""
        limit = self.position_limit
        message = f"{self.name}: the sequence is longer than its {limit} positions; cut the input"
        return assert_at_most(ops.convert_to_tensor(self.embeddings), n, limit, message)

    def _rows(self, table, ids):
        if not self.hierarchical:
            return ops.take(table, ids, axis=0)
        alpha = 0.4 if self.hierarchical is True else self.hierarchical
        base = (table - alpha * table[:1]) / (1 - alpha)
        high = ops.take(base, ids // self.input_dim, axis=0)
        low = ops.take(base, ids % self.input_dim, axis=0)
        return alpha * high + (1 - alpha) * low

    def get_config(self):
        config = super().get_config()
        config.update(
            input_dim=self.input_dim,
            hierarchical=self.hierarchical,
            embeddings_initializer=keras.initializers.serialize(self.embeddings_initializer),
        )
        return config


@register
class PaddedPositionEmbedding(PositionEmbedding):
    """Learned absolute positions that are counted over the tokens that are not padding.

    RoBERTa's tables are read in this way: row `padding_id` is that of padding, the first token has the row after it,
    and the rows before it are never read. With padding_id=1:

        ids   0  31  97   2   1   1
        rows  2   3   4   5   1   1

    The mask of x goes in and comes out unchanged. Padding gets zeros where the table has no row for it, that is where
    first_row is 0. Position ids are refused as by `PositionEmbedding`.

    Arguments:
        input_dim: number of rows of the table. A sequence has at most input_dim - first_row tokens.
        output_dim: size of an embedding.
        padding_id: int. The token id that is padding.
        merge_mode: how the embedding is merged with x; see `PositionEmbedding`.
        embeddings_initializer: the initializer of the table.
        custom_position_ids: whether the inputs are [x, position ids counted from 0] rather than [x, token ids].
        first_row: int. The row of the first token, and one more than that of padding; padding_id + 1 unless given. They
            are told apart for a vocabulary that was cut down, which moves the padding id but not the rows.

    Reference: Liu et al., RoBERTa, https://arxiv.org/abs/1907.11692, https://github.com/facebookresearch/fairseq

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> x = Embedding(30, 8, mask_zero=True, padding_id=1)(ids)
        >>> y = PaddedPositionEmbedding(514, 8, padding_id=1)([x, ids])  # [batch, n, 8]
    """

    takes_ids = True

    def __init__(
        self,
        input_dim,
        output_dim,
        padding_id=0,
        merge_mode="add",
        embeddings_initializer="zeros",
        custom_position_ids=False,
        first_row=None,
        **kwargs,
    ):
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

    def call(self, inputs: Any) -> Any:
        """Merge x with the embedding of each token's position.

        Arguments:
            inputs: [x float [batch, n, d], token ids int [batch, n]]; with custom_position_ids the second one is
                position ids int [batch, n].

        Returns:
            float [batch, n, d]; for a merge mode other than 'add', 'mul' and 'zero' [batch, n, d + output_dim].
        """
        x, ids = inputs
        if self.custom_position_ids:
            return self._with_positions(x, ids)
        table = self._table_for(ops.shape(x)[1])
        real = ops.cast(ops.not_equal(ids, self.padding_id), "int32")  # [b, n]
        rows = ops.cumsum(real, axis=1) * real + (self.first_row - 1)  # [b, n]
        found = ops.take(table, ops.maximum(rows, 0), axis=0)  # [b, n, output_dim]
        if self.first_row < 1:  # there is no row for padding
            found = ops.where(ops.expand_dims(rows >= 0, -1), found, ops.zeros_like(found))
        return self._merged(x, found)

    def decode(self, inputs: Any, session: Any) -> Any:
        """`call` on the newest tokens alone. None of them is padding, and the session counts their positions."""
        if self.custom_position_ids or session.positions is None:
            return self.call(inputs)
        return self._with_positions(inputs[0], session.positions)

    def _rows(self, table, ids):
        return ops.take(table, ids + self.first_row, axis=0)

    def get_config(self):
        config = super().get_config()
        del config["hierarchical"]
        config.update(padding_id=self.padding_id, first_row=self.first_row)
        return config


@register
class SinusoidalPositionEmbedding(_Positions):
    """Fixed positions, sin and cos interleaved.

    Mask in and out: that of x. There is no table: position ids may be any numbers, negative and fractional ones too.

    Arguments:
        output_dim: size of an embedding.
        merge_mode, custom_position_ids: as of `PositionEmbedding`.

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762
    """

    def positions(self, x, position_ids):
        if position_ids is None:
            position_ids = ops.expand_dims(ops.arange(0, ops.shape(x)[1], dtype="float32"), 0)
        return sinusoidal_embeddings(ops.cast(position_ids, "float32"), self.output_dim)


@register
class RotaryPositionEmbedding(SinusoidalPositionEmbedding):
    """The table of sines and cosines that `MultiHeadAttention(p_bias='rotary')` turns queries and keys by.

    Mask in and out: that of x.

    Arguments:
        output_dim: the key size of the attention.
        custom_position_ids: whether the inputs are [x, position ids].

    Reference: Su et al., RoFormer, https://arxiv.org/abs/2104.09864
    """

    def __init__(self, output_dim, merge_mode="zero", custom_position_ids=False, **kwargs):
        super().__init__(output_dim, merge_mode, custom_position_ids, **kwargs)


@register
class RelativePositionEmbedding(Layer):
    """A vector for each clipped distance between a query and a key.

    Mask out: None, as its output has no batch axis. Position ids are whole numbers up to 2**30 on either side of 0, for
    only their distances are looked up; another one is an error, or gives NaN in a compiled graph, as with `Embedding`.

    Arguments:
        input_dim: odd number of distances, 2 · max_relative_position + 1.
        output_dim: key size of the attention.
        embeddings_initializer: of the table.
        custom_position_ids: whether the inputs are position ids.

    Reference: Shaw et al., https://arxiv.org/abs/1803.02155; NEZHA, https://arxiv.org/abs/1909.00204
    """

    reads_ids = True

    def __init__(self, input_dim, output_dim, embeddings_initializer="zeros", custom_position_ids=False, **kwargs):
        super().__init__(**kwargs)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.custom_position_ids = custom_position_ids

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            name="embeddings", shape=(self.input_dim, self.output_dim), initializer=self.embeddings_initializer
        )
        self.built = True

    def call(self, inputs):
        """Arguments: inputs: [q [batch, n, …], v [batch, m, …]], read for their lengths; with custom_position_ids
        [ids of the queries [batch, n], of the keys [batch, m]].

        Returns: float [n, m, output_dim], or [batch, n, m, output_dim].
        """
        if not self.custom_position_ids:
            return self._rows(*[positions_in(x) for x in inputs])
        (q, known_q), (v, known_v) = (checked_ids(x, self.name, -FARTHEST, FARTHEST) for x in inputs)
        rows = self._rows(q, v)
        for known, axis in ((known_q, -1), (known_v, -2)):
            rows = rows if known is None else nan_unless(ops.expand_dims(known, axis), rows)
        return rows

    def decode(self, inputs, session):
        """`call` on the newest tokens alone, whose positions, and those of the keys, the session knows.

        Arguments:
            inputs: as of `call`; in self-attention q and v are one tensor.
            session: `Step` in b4k3.models.generation is one.
        """
        if session.positions is None:
            return self.call(inputs)
        own = inputs[0] is inputs[1]
        return self._rows(session.positions, session.key_positions if own else positions_in(inputs[1])[None])

    def _rows(self, q, v):
        rows = ops.take(self.embeddings, self.bucket(self.distances(q, v)), axis=0)
        return ops.cast(rows, self.compute_dtype)

    def distances(self, q, v):
        """Key position minus query position.

        Arguments:
            q, v: positions [n] and [m], or [batch, n] and [batch, m].

        Returns:
            Int32 [n, m] or [batch, n, m].
        """
        q, v = ops.cast(q, "int32"), ops.cast(v, "int32")
        return ops.expand_dims(v, -2) - ops.expand_dims(q, -1)

    def bucket(self, distance):
        """Arguments: distance: int32 [...]. Returns: int32 row of the table for each."""
        limit = (self.input_dim - 1) // 2
        return ops.clip(distance, -limit, limit) + limit

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        q, v = input_shape
        shape = (q[1], v[1], self.output_dim)
        return (q[0],) + shape if self.custom_position_ids else shape

    def get_config(self):
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
    """A vector for each bucket of distances, finer for near ones.

    Mask out: None, as its output has no batch axis.

    Arguments:
        input_dim: number of buckets.
        output_dim: number of heads.
        max_distance: distances from here on share a bucket.
        bidirectional: whether keys behind the query have buckets of their own.
        embeddings_initializer: of the table.

    Reference: Raffel et al., T5, https://arxiv.org/abs/1910.10683
    """

    def __init__(
        self, input_dim, output_dim, max_distance=128, bidirectional=True, embeddings_initializer="zeros", **kwargs
    ):
        super().__init__(input_dim, output_dim, embeddings_initializer=embeddings_initializer, **kwargs)
        self.max_distance = max_distance
        self.bidirectional = bidirectional

    def bucket(self, distance):
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

    def get_config(self):
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
