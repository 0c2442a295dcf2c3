"""NEZHA: BERT with relative positions in every attention layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import Sinusoidal
from b4k3.layers import RelativePositionEmbedding

from ..errors import ConfigError
from ..networks.nezha import NEZHA as NETWORK
from .bert import BERT

if TYPE_CHECKING:
    from b4k3.backend import Tensor


class NEZHA(BERT):
    """NEZHA: BERT whose attention adds a fixed vector for each distance to the keys and the values.

    It differs from BERT in the positions alone: they are not embedded. The inputs, outputs and heads are the same as in
    `BERT`. Normalisation of embeddings and blocks has the epsilon of bert4keras, 1e-7; Huawei's own code has 1e-12,
    which `layer_norm_eps=1e-12` sets.

    Arguments:
        max_relative_position: int. Greater distances share the vector of this distance. It is 64 in the Chinese models
            and 127 in the English model.
        use_relative_position: bool. Must be true; the published configs have this key.
        kwargs: the arguments of `BERT`.

    Raises:
        ConfigError: use_relative_position is false, which is BERT; or keys and values have different sizes.

    Example:
        >>> from b4k3.models import NEZHA
        >>> nezha = NEZHA(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu", max_relative_position=8)
        >>> nezha.build()
        >>> nezha.model.output_shape
        (None, None, 8)

    Reference: Wei et al., NEZHA: Neural Contextualized Representation for Chinese Language Understanding,
        https://arxiv.org/abs/1909.00204,
        https://github.com/huawei-noah/Pretrained-Language-Model
    """

    model_key = "nezha"
    network = NETWORK
    computed_layers = ("Embedding-Relative-Position",)
    embedding_epsilon = block_epsilon = 1e-7
    position_kind = "typical_relative"

    def __init__(self, *, max_relative_position: int = 64, use_relative_position: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_relative_position = max_relative_position
        if not use_relative_position:
            raise ConfigError("use_relative_position is false: that network is BERT, model='bert'")
        if self.attention_key_size != self.attention_head_size:
            raise ConfigError(
                f"attention_key_size={self.attention_key_size}, attention_head_size={self.attention_head_size}: NEZHA "
                "adds the same vectors to keys and values, so both sizes must be equal"
            )

    # ---------------------------------------------------------------------------------------------- embeddings

    def embed_positions(self, x: Tensor, position_ids: Tensor | None) -> Tensor:
        """Return the embeddings as they are: the positions enter in the attention layers.

        Arguments:
            x: tensor, [batch, n, embedding_size].
            position_ids: tensor or None. They are read in `compute_position_bias` instead.

        Returns:
            Tensor, [batch, n, embedding_size]: x.
        """
        return x

    def compute_position_bias(self, inputs: Tensor | None = None) -> Tensor:
        """Compute the vector of each distance once; all blocks share it.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The input of a block.

        Returns:
            Tensor, [n, n, attention_key_size]; with custom_position_ids [batch, n, n, attention_key_size].
        """
        if self.position_bias is None:
            ids = self.position_input(self.inputs)  # [batch, n] or None
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
