"""Pick the vector of one token of each row by its id."""

from __future__ import annotations

from typing import Any

from b4k3.backend import Layer, Tensor, ops, register


@register
class PickToken(Layer):
    """Pick the vector of the last token that has an id, or of the last one that has another id.

    The last token whose id is not the padding id is the last token of the text, on whichever side the padding is. For
    example, with `token_id=0, equal=False` the row 7 5 8 0 0 gives the vector of the token 8. A row without such a
    token gives zeros.

    Mask in: it is ignored. Mask out: None.

    Arguments:
        token_id: int. The id; -1 is the id of no token.
        equal: bool. Whether the token has this id; False means that it has another one.

    Example:
        >>> ids = keras.Input((None,))
        >>> x = keras.Input((None, 8))
        >>> y = PickToken(0, equal=False)([x, ids])  # [batch, 8]
    """

    def __init__(self, token_id: int, equal: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.token_id, self.equal = token_id, equal
        self.supports_masking = True

    def call(self, inputs: list[Tensor], mask: Any = None) -> Tensor:
        """Pick the vectors.

        Arguments:
            inputs: list of float, [batch, n, d]: the vectors of the tokens; and float or int, [batch, n]: the ids.
            mask: it is not read.

        Returns:
            float, [batch, d].
        """
        x, ids = inputs  # [b, n, d], [b, n]
        same = ops.cast(ops.equal(ops.cast(ids, "int32"), self.token_id), "float32")  # [b, n]
        hits = same if self.equal else 1.0 - same  # [b, n]
        counted = ops.cumsum(hits, axis=1)  # [b, n]
        hits = hits * ops.cast(ops.equal(counted, counted[:, -1:]), "float32")  # [b, n]; 1 at the last hit only
        picked = ops.sum(ops.expand_dims(hits, -1) * ops.cast(x, "float32"), axis=1)  # [b, d]
        return ops.cast(picked, x.dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None, because a vector has no mask."""
        return None

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of the vectors."""
        return (input_shape[0][0], input_shape[0][-1])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the layer anew."""
        return dict(super().get_config(), token_id=self.token_id, equal=self.equal)
