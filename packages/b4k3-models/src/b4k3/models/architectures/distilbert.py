"""DistilBERT: half of BERT's blocks, without segments and pooler."""

from __future__ import annotations

from ..networks.distilbert import DISTILBERT as NETWORK
from .bert import BERT, refuse_heads


class DistilBERT(BERT):
    """DistilBERT.

    Inputs: token ids [batch, n]; position ids [batch, n] with custom_position_ids. Outputs: as of `BERT`.

    Arguments:
        kwargs: those of `BERT`, without pooler and next-sentence head; there are no segments.

    Raises:
        ConfigError: a head that it does not have.

    Example:
        model = build_transformer_model("distilbert-base-multilingual-cased", with_mlm="linear")

    Reference: Sanh et al., DistilBERT, https://arxiv.org/abs/1910.01108
    """

    model_key = "distilbert"
    network = NETWORK
    absent_heads = {
        "with_pool": "the first token's vector is output[:, 0]",
        "with_nsp": "it was trained without sentence pairs",
    }

    def __init__(self, **kwargs):
        refuse_heads(type(self), kwargs)
        super().__init__(**dict(kwargs, segment_vocab_size=0))
