"""NEZHA: BERT with relative positions in every attention."""

from __future__ import annotations

from b4k3.backend import Sinusoidal
from b4k3.layers import RelativePositionEmbedding

from ..errors import ConfigError
from ..networks.nezha import NEZHA as NETWORK
from .bert import BERT


class NEZHA(BERT):
    """NEZHA. Inputs, outputs and heads are BERT's.

    Normalisation of embeddings and blocks has the epsilon of bert4keras, 1e-7; Huawei's own code has 1e-12, which
    `layer_norm_eps=1e-12` gives.

    Arguments:
        max_relative_position: distances beyond it count as it; 64 in the Chinese releases, 127 in the English one.
        use_relative_position: True; the configs say so.
        kwargs: those of `BERT`.

    Raises:
        ConfigError: use_relative_position is false, which is BERT; or keys and values of different sizes.

    Reference: Wei et al., NEZHA, https://arxiv.org/abs/1909.00204,
        https://github.com/huawei-noah/Pretrained-Language-Model
    """

    model_key = "nezha"
    network = NETWORK
    embedding_epsilon = block_epsilon = 1e-7
    position_kind = "typical_relative"

    def __init__(self, *, max_relative_position=64, use_relative_position=True, **kwargs):
        super().__init__(**kwargs)
        self.max_relative_position = max_relative_position
        if not use_relative_position:
            raise ConfigError("use_relative_position is false: that network is BERT, model='bert'")
        if self.attention_key_size != self.attention_head_size:
            raise ConfigError(
                "attention_key_size=%d, attention_head_size=%d: NEZHA adds the same vectors to keys and values"
                % (self.attention_key_size, self.attention_head_size)
            )

    # ---------------------------------------------------------------------------------------------- embeddings

    def embed_positions(self, x, position_ids):
        return x

    def compute_position_bias(self, inputs=None):
        """A fixed vector for each distance, the same for all blocks. Arguments: inputs [batch, n, …]."""
        if self.position_bias is None:
            ids = self.position_input(self.inputs)
            x = inputs if ids is None else ids
            self.position_bias = self.apply(
                [x, x],
                RelativePositionEmbedding,
                input_dim=2 * self.max_relative_position + 1,
                output_dim=self.attention_key_size,
                embeddings_initializer=Sinusoidal(),
                custom_position_ids=ids is not None,
                name="Embedding-Relative-Position",
                trainable=False,
            )
        return self.position_bias
