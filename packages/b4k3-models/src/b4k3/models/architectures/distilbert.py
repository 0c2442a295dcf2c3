"""DistilBERT, which has half as many blocks as BERT, no segments and no pooler."""

from __future__ import annotations

from typing import Any

from ..networks.distilbert import DISTILBERT as NETWORK
from .bert import BERT, refuse_heads


class DistilBERT(BERT):
    """DistilBERT: a smaller BERT without segments, trained to imitate BERT.

    The inputs are the token ids [batch, n] and, with custom_position_ids, the position ids [batch, n]. The outputs
    are the same as in `BERT`.

    Arguments:
        kwargs: the arguments of `BERT`, without the pooler and the next-sentence head. segment_vocab_size is always 0.

    Raises:
        ConfigError: with_pool or with_nsp is asked for.

    Example:
        >>> from b4k3.models import DistilBERT
        >>> distilbert = DistilBERT(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                         intermediate_size=16, hidden_act="gelu", with_mlm="linear")
        >>> distilbert.build()
        >>> distilbert.model.output_shape
        (None, None, 20)

    Reference: Sanh et al., DistilBERT, https://arxiv.org/abs/1910.01108
    """

    model_key = "distilbert"
    network = NETWORK
    absent_heads = {
        "with_pool": "the first token's vector is output[:, 0]",
        "with_nsp": "it was trained without sentence pairs",
    }

    def __init__(self, **kwargs: Any) -> None:
        refuse_heads(type(self), kwargs)
        kwargs["segment_vocab_size"] = 0
        super().__init__(**kwargs)
