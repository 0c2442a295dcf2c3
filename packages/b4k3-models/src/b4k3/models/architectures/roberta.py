"""RoBERTa as its authors have it, XLM-R and CamemBERT: BERT with positions that begin after the padding id."""

from __future__ import annotations

from b4k3.layers import PaddedPositionEmbedding

from ..networks.roberta import ROBERTA as NETWORK
from .bert import BERT, refuse_heads


class RoBERTa(BERT):
    """RoBERTa, XLM-RoBERTa, CamemBERT. Chinese publishers call BERT's network RoBERTa: that is `BERT`.

    Inputs and outputs are BERT's. The padding id, 1 in the published files, is `pad_token_id`; positions are counted
    over the tokens that are not padding, from the row after the padding id on. Position ids given with
    custom_position_ids are counted from 0.

    Arguments:
        pad_token_id: the id of padding, 1 by default.
        kwargs: those of `BERT`, without the next-sentence head.

    Raises:
        ConfigError: with_nsp, which it was not trained with.

    Example:
        model = build_transformer_model("xlm-roberta-base", with_mlm="linear")

    Reference: Liu et al., RoBERTa, https://arxiv.org/abs/1907.11692; Conneau et al., XLM-R,
        https://arxiv.org/abs/1911.02116; Martin et al., CamemBERT, https://arxiv.org/abs/1911.03894
    """

    model_key = "roberta"
    network = NETWORK
    absent_heads = {"with_nsp": "it was trained without sentence pairs"}

    def __init__(self, *, pad_token_id=1, **kwargs):
        refuse_heads(type(self), kwargs)
        super().__init__(pad_token_id=1 if pad_token_id is None else pad_token_id, **kwargs)

    # ---------------------------------------------------------------------------------------------- embeddings

    def embed_positions(self, x, position_ids):
        ids = self.inputs[self.token_input] if position_ids is None else position_ids
        return self.apply(
            [x, ids],
            PaddedPositionEmbedding,
            input_dim=self.max_position,
            output_dim=self.embedding_size,
            merge_mode="add",
            padding_id=self.pad_token_id,
            first_row=self.full_pad_token_id + 1,
            embeddings_initializer=self.initializer,
            custom_position_ids=self.custom_position_ids,
            name="Embedding-Position",
        )
