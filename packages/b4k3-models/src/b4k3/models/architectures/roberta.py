"""RoBERTa as its authors have it, XLM-RoBERTa and CamemBERT: BERT whose positions begin after the padding id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.layers import PaddedPositionEmbedding

from ..keys import padding_id_after
from ..networks.roberta import ROBERTA as NETWORK
from .bert import BERT, refuse_heads

if TYPE_CHECKING:
    from b4k3.backend import Tensor


class RoBERTa(BERT):
    """RoBERTa, XLM-RoBERTa and CamemBERT: BERT with another way to count positions.

    Chinese publishers call BERT's own network RoBERTa; use `BERT` for their files.

    The inputs and outputs are the same as in `BERT`. Positions are counted over the tokens that are not padding, and
    the first position has the row after the padding id in the table of positions. Position ids given with
    custom_position_ids are counted from 0.

    Arguments:
        pad_token_id: int or None. The id of padding; None is 1, as in the published files.
        kwargs: the arguments of `BERT`, without the next-sentence head.

    Raises:
        ConfigError: with_nsp is asked for, which the network was not trained with.

    Example:
        >>> from b4k3.models import RoBERTa
        >>> roberta = RoBERTa(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                   intermediate_size=16, hidden_act="gelu", max_position=34, segment_vocab_size=1)
        >>> roberta.build()
        >>> roberta.model.output_shape
        (None, None, 8)

    Reference: Liu et al., RoBERTa, https://arxiv.org/abs/1907.11692; Conneau et al., XLM-R,
        https://arxiv.org/abs/1911.02116; Martin et al., CamemBERT, https://arxiv.org/abs/1911.03894
    """

    model_key = "roberta"
    network = NETWORK
    absent_heads = {"with_nsp": "it was trained without sentence pairs"}

    def __init__(self, *, pad_token_id: int | None = 1, **kwargs: Any) -> None:
        refuse_heads(type(self), kwargs)
        super().__init__(pad_token_id=1 if pad_token_id is None else pad_token_id, **kwargs)
        self.uncounted_id = self.full_pad_token_id  # no position is counted for it; it is an id before `keep_tokens`

    # ---------------------------------------------------------------------------------------------- embeddings

    def embed_positions(self, x: Tensor, position_ids: Tensor | None) -> Tensor:
        """Add the position embeddings, counted over the tokens that are not padding.

        Arguments:
            x: tensor, [batch, n, embedding_size].
            position_ids: tensor, [batch, n]; None counts the tokens that are not padding.

        Returns:
            Tensor, [batch, n, embedding_size].
        """
        ids = self.inputs[self.token_input] if position_ids is None else position_ids  # [batch, n]
        return self.apply(
            [x, ids],
            PaddedPositionEmbedding,
            input_dim=self.max_position,
            output_dim=self.embedding_size,
            merge_mode="add",
            padding_id=padding_id_after(self.uncounted_id, self.keep_tokens),
            first_row=self.uncounted_id + 1,
            embeddings_initializer=self.initializer,
            custom_position_ids=self.custom_position_ids,
            name="Embedding-Position",
        )
