"""MPNet: BERT without segments, with RoBERTa's positions and one table of relative positions for all blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.layers import RelativePositionEmbeddingT5

from ..networks.mpnet import BUCKETS, MPNET as NETWORK, UNCOUNTED_ID
from .roberta import RoBERTa

if TYPE_CHECKING:
    from b4k3.backend import Tensor


class MPNet(RoBERTa):
    """MPNet: BERT without segments, with RoBERTa's positions and a bias for the distance of two tokens.

    The inputs are the token ids [batch, n] and, with custom_position_ids, the position ids [batch, n], from which the
    distances are computed too. The outputs and heads are the same as in `RoBERTa`. Positions are counted over the
    tokens whose id is not 1, and the first one has row 2 of the table. The biases are learned: one for each head and
    each of 32 ranges of distances, as in T5. All blocks share them.

    Arguments:
        kwargs: the arguments of `RoBERTa`. segment_vocab_size is always 0.

    Raises:
        ConfigError: with_nsp is asked for, which the network was not trained with.

    Example:
        >>> from b4k3.models import MPNet
        >>> mpnet = MPNet(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu", max_position=34, with_mlm="linear")
        >>> mpnet.build()
        >>> mpnet.model.output_shape
        (None, None, 20)

    Reference: Song et al., MPNet: Masked and Permuted Pre-training for Language Understanding,
        https://arxiv.org/abs/2004.09297, https://github.com/microsoft/MPNet
    """

    model_key = "mpnet"
    network = NETWORK
    position_kind = "mpnet_relative"

    def __init__(self, **kwargs: Any) -> None:
        kwargs["segment_vocab_size"] = 0
        super().__init__(**kwargs)
        self.uncounted_id = UNCOUNTED_ID

    # ---------------------------------------------------------------------------------------------- embeddings

    def compute_position_bias(self, inputs: Tensor | None = None) -> Tensor:
        """Look up the bias of each distance and head once; all blocks share it.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The input of a block.

        Returns:
            Tensor, [n, n, num_attention_heads]; with custom_position_ids [batch, n, n, num_attention_heads].
        """
        if self.position_bias is None:
            ids = self.position_input(self.inputs)  # [batch, n] or None
            x = inputs if ids is None else ids
            self.position_bias = self.apply(
                [x, x],
                RelativePositionEmbeddingT5,
                input_dim=BUCKETS,
                output_dim=self.num_attention_heads,
                embeddings_initializer=self.initializer,
                custom_position_ids=ids is not None,
                name="Embedding-Relative-Position",
            )
        return self.position_bias
