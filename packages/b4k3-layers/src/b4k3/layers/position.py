"""Embeddings of absolute positions: learned, sinusoidal and rotary."""

from __future__ import annotations

from typing import Any, Sequence

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
    rows_at,
    sinusoidal_embeddings,
)
from b4k3.backend.types import Initializer

from .rotary_scaling import rotary_frequencies


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

    def decode(self, inputs: Any, step: Any) -> Tensor:
        """Do what `call` does for the newest tokens alone.

        Arguments:
            inputs: the inputs of `call`, for the newest tokens.
            step: object. It knows the positions of these tokens, as `DecodingStep` of b4k3.models.generation does.

        Returns:
            The output of `call`, for the newest tokens.
        """
        if self.custom_position_ids:
            return self.call(inputs)
        return self._with_positions(inputs, step.positions)

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
        first_row: int. The row of the first position. BART has 2; the rows before it are never read.

    Raises:
        ValueError: a sequence has more than `position_limit` tokens, or both `hierarchical` and `first_row` are given.

    Weights: embeddings, [input_dim, output_dim].

    Example:
        >>> y = PositionEmbedding(512, 8)(keras.Input((None, 8)))  # [batch, n, 8]

    Reference: Devlin et al., BERT, https://arxiv.org/abs/1810.04805; for hierarchical https://spaces.ac.cn/archives/7947
    """

    matrix_axes = {"embeddings": (-1,)}

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        merge_mode: str = "add",
        hierarchical: float | bool | None = None,
        embeddings_initializer: Initializer = "zeros",
        custom_position_ids: bool = False,
        first_row: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(output_dim, merge_mode, custom_position_ids, **kwargs)
        if hierarchical and first_row:
            raise ValueError(f"{self.name}: hierarchical={hierarchical!r} and first_row={first_row}: give one of them")
        self.input_dim = input_dim
        self.first_row = first_row
        self.hierarchical = hierarchical
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape: Any) -> None:
        """Make the table, [input_dim, output_dim]."""
        self.add_matrix("embeddings", (self.input_dim, self.output_dim), initializer=self.embeddings_initializer)
        self.built = True

    @property
    def position_limit(self) -> int:
        """How long a sequence may be, in tokens."""
        return self.input_dim**2 if self.hierarchical else self.input_dim - self.first_row

    def positions(self, x: Tensor, position_ids: Tensor | None) -> Tensor:
        """Look up the embeddings of the positions.

        Arguments:
            x: float, [batch, n, d]. The embeddings of the tokens. Only their length is read.
            position_ids: [batch, n], or None. The positions; None counts them from 0.

        Returns:
            float, [1 or batch, n, output_dim].

        Raises:
            ValueError: the sequence is longer than `position_limit`, or a position id has no row.
        """
        if position_ids is not None:
            ids, valid = checked_ids(position_ids, self.name, 0, self.position_limit - 1)  # [b, n]
            return nan_unless(
                valid, self._rows(ops.convert_to_tensor(self.matrix("embeddings")), ids)
            )  # [b, n, output_dim]
        n = ops.shape(x)[1]
        table = self._table_for(n)  # [input_dim, output_dim]
        if self.hierarchical:
            return ops.expand_dims(self._rows(table, ops.arange(0, n, dtype="int32")), 0)  # [1, n, output_dim]
        return ops.expand_dims(table[self.first_row : self.first_row + n], 0)  # [1, n, output_dim]

    def _table_for(self, n: Any) -> Tensor:
        """Return the table, and refuse a sequence of more tokens than it has positions."""
        limit = self.position_limit
        message = f"{self.name}: the sequence is longer than its {limit} positions; cut the input"
        return assert_at_most(ops.convert_to_tensor(self.matrix("embeddings")), n, limit, message)

    def _rows(self, table: Tensor, ids: Tensor) -> Tensor:
        """Return the embeddings of positions, each of them a row or composed of two rows."""
        if not self.hierarchical:
            return rows_at(table, ids + self.first_row if self.first_row else ids)  # [..., output_dim]
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
            first_row=self.first_row,
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
            first_row=padding_id + 1 if first_row is None else first_row,
            **kwargs,
        )
        self.padding_id = padding_id

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

    def decode(self, inputs: Sequence[Tensor], step: Any) -> Tensor:
        """Do what `call` does for the newest tokens alone. None of them is padding.

        Arguments:
            inputs: the inputs of `call`, for the newest tokens.
            step: object. It counts the positions of these tokens, as `DecodingStep` of b4k3.models.generation does.

        Returns:
            The output of `call`, for the newest tokens.
        """
        if self.custom_position_ids or step.positions is None:
            return self.call(inputs)
        return self._with_positions(inputs[0], step.positions)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        del config["hierarchical"]
        config.update(padding_id=self.padding_id)
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
        base: float. The longest wavelength is 2π·base.

    Example:
        >>> y = SinusoidalPositionEmbedding(8)(keras.Input((None, 8)))  # [batch, n, 8]

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self,
        output_dim: int,
        merge_mode: str = "add",
        custom_position_ids: bool = False,
        base: float = 10000.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(output_dim, merge_mode, custom_position_ids, **kwargs)
        self.base = base

    def positions(self, x: Tensor, position_ids: Tensor | None) -> Tensor:
        """Compute the embeddings of the positions.

        Arguments:
            x: float, [batch, n, d]. The embeddings of the tokens. Only their length is read.
            position_ids: [batch, n], or None. The positions; None counts them from 0.

        Returns:
            float32, [1 or batch, n, output_dim].
        """
        if position_ids is None:
            position_ids = ops.expand_dims(ops.arange(0, ops.shape(x)[1], dtype="float32"), 0)  # [1, n]
        return self.embeddings_of(ops.cast(position_ids, "float32"))  # [1 or b, n, output_dim]

    def embeddings_of(self, positions: Tensor) -> Tensor:
        """Compute the embeddings of given positions.

        Arguments:
            positions: float32, [1 or batch, n]. The positions.

        Returns:
            float32, [1 or batch, n, output_dim].
        """
        return sinusoidal_embeddings(positions, self.output_dim, self.base)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(base=self.base)
        return config


@register
class RotaryPositionEmbedding(SinusoidalPositionEmbedding):
    """Compute the sines and cosines by which `MultiHeadAttention` rotates queries and keys.

    They serve both p_bias='rotary' and p_bias='rotary_halves'.

    Mask in: the mask of x. Mask out: the mask of x.

    Arguments:
        output_dim: int. The key size of the attention, which must be even.
        merge_mode: str. 'zero' gives the sines and cosines alone, which is what the attention takes.
        custom_position_ids: bool. Whether the inputs are [x, position ids].
        base: float. The longest wavelength is 2π·base. It is called theta elsewhere.
        scaling: dict, or None. How the frequencies are changed for sequences longer than those that the model was
            trained with; `rotary_frequencies` explains the keys.

    Example:
        >>> x = keras.Input((None, 16))
        >>> positions = RotaryPositionEmbedding(8)(x)  # [batch, n, 8]
        >>> layer = MultiHeadAttention(heads=2, head_size=8)
        >>> y = layer([x, x, x, positions], p_bias="rotary")  # [batch, n, 16]

    Reference: Su et al., RoFormer, https://arxiv.org/abs/2104.09864
    """

    def __init__(
        self,
        output_dim: int,
        merge_mode: str = "zero",
        custom_position_ids: bool = False,
        base: float = 10000.0,
        scaling: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(output_dim, merge_mode, custom_position_ids, base, **kwargs)
        self.scaling = None if scaling is None else dict(scaling)
        self.frequencies, self.factor = rotary_frequencies(output_dim, base, self.scaling)

    @property
    def position_limit(self) -> int | None:
        """How long a sequence may be, in tokens; None if there is no limit."""
        dynamic = self.scaling is not None and self.scaling.get("rope_type") == "dynamic"
        return self.scaling["max_position_embeddings"] if dynamic and self.scaling is not None else None

    def positions(self, x: Tensor, position_ids: Tensor | None) -> Tensor:
        """Compute the sines and cosines of the positions.

        Arguments:
            x: float, [batch, n, d]. The embeddings of the tokens. Only their length is read.
            position_ids: [batch, n], or None. The positions; None counts them from 0.

        Returns:
            float32, [1 or batch, n, output_dim].

        Raises:
            ValueError: the sequence is longer than `position_limit`.
        """
        found, limit = super().positions(x, position_ids), self.position_limit
        if limit is None:
            return found
        message = f"{self.name}: the sequence is longer than {limit}, from where on dynamic scaling changes the angles"
        return assert_at_most(found, ops.shape(x)[1], limit, message)

    def embeddings_of(self, positions: Tensor) -> Tensor:
        """Compute the sines and cosines of the scaled angles.

        Arguments:
            positions: float32, [1 or batch, n]. The positions.

        Returns:
            float32, [1 or batch, n, output_dim].
        """
        if self.scaling is None:
            return super().embeddings_of(positions)
        table = sinusoidal_embeddings(positions, self.output_dim, frequencies=self.frequencies)
        return table if self.factor == 1 else table * self.factor  # [1 or b, n, output_dim]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(scaling=None if self.scaling is None else dict(self.scaling))  # Keras 2 wraps it
        return config


__all__ = [
    "PaddedPositionEmbedding",
    "PositionEmbedding",
    "RotaryPositionEmbedding",
    "Sinusoidal",
    "SinusoidalPositionEmbedding",
]
