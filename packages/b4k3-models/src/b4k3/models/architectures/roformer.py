"""RoFormer: BERT with rotary positions. RoFormerV2 also has no biases and no weights of normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import activations, keras
from b4k3.layers import DeepTruncatedNormal, RotaryPositionEmbedding

from ..networks import roformer as networks
from ..transformer import as_list
from .bert import BERT

if TYPE_CHECKING:
    from b4k3.backend import Tensor


class RoFormer(BERT):
    """RoFormer: BERT whose attention rotates queries and keys by an angle that depends on their position.

    It differs from BERT in the positions alone: they are not embedded. The inputs, outputs and heads are the same as in
    `BERT`.

    Arguments:
        kwargs: the arguments of `BERT`. max_position limits nothing, because there is no table of positions.

    Raises:
        ConfigError: an argument is unknown.

    Example:
        >>> from b4k3.models import RoFormer
        >>> roformer = RoFormer(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                     intermediate_size=16, hidden_act="gelu")
        >>> roformer.build()
        >>> roformer.model.output_shape
        (None, None, 8)

    Reference: Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding,
        https://arxiv.org/abs/2104.09864, https://github.com/ZhuiyiTechnology/roformer
    """

    model_key = "roformer"
    network = networks.ROFORMER
    embedding_epsilon = block_epsilon = 1e-7
    position_kind = "rotary"

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
        """Compute the sines and cosines by which queries and keys are rotated; all blocks share them.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The input of a block.

        Returns:
            Tensor, [batch or 1, n, attention_key_size].
        """
        if self.position_bias is None:
            ids = self.position_input(self.inputs)  # [batch, n] or None
            self.position_bias = self.apply(
                self.simplify([inputs, ids]),
                RotaryPositionEmbedding,
                output_dim=self.attention_key_size,
                custom_position_ids=ids is not None,
                name="Embedding-Rotary-Position",
            )
        return self.position_bias


class RoFormerV2(RoFormer):
    """RoFormerV2: RoFormer without biases, and with an RMS normalisation that has no weights.

    The inputs and outputs are the same as in `BERT`. The masked-language-model head consists of the tied token
    embeddings alone. The published files have no pooler.

    Arguments:
        kwargs: the arguments of `BERT`.

    Raises:
        ConfigError: an argument is unknown.

    Example:
        >>> from b4k3.models import RoFormerV2
        >>> roformer = RoFormerV2(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                       intermediate_size=16, hidden_act="relu", with_mlm=True)
        >>> roformer.build()
        >>> roformer.model.output_shape
        (None, None, 20)

    Reference: https://github.com/ZhuiyiTechnology/roformer-v2
    """

    model_key = "roformer_v2"
    network = networks.ROFORMER_V2
    use_bias = untied_bias = False
    initializer_order = 2

    # ---------------------------------------------------------------------------------------------- embeddings

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Embed tokens and segments; drop out, normalise and map to the width of the blocks.

        Arguments:
            inputs: tensors, [batch, n] each. What `get_inputs` returned.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        x = self.embed_tokens(as_list(inputs))  # [batch, n, embedding_size]
        x = self.drop_embeddings(x)  # [batch, n, embedding_size]
        x = self.normalize(x, "Embedding-Norm")  # [batch, n, embedding_size]
        return self.map_embeddings(x)  # [batch, n, hidden_size]

    # -------------------------------------------------------------------------------------------------- blocks

    def normalize(self, x: Tensor, name: str, epsilon: float = 1e-7, **kwargs: Any) -> Tensor:
        """Apply RMS normalisation.

        Conditional normalisation needs a scale and an offset that the condition changes: they are 1 and 0 then.

        Arguments:
            x: tensor, [batch, n, d].
            name: str. The name of the layer.
            epsilon: float. The epsilon of the architecture; `layer_norm_eps` replaces it.
            kwargs: further arguments of `LayerNormalization`.

        Returns:
            Tensor, [batch, n, d].
        """
        conditional = self.layer_norm_conds[0] is not None
        scale, offset = (1.0, 0.0) if conditional else (False, False)
        return super().normalize(x, name, epsilon, zero_mean=False, scale=scale, offset=offset, **kwargs)

    # --------------------------------------------------------------------------------------------------- heads

    def apply_mlm(self, x: Tensor) -> Tensor:
        """Apply the masked-language-model head.

        Arguments:
            x: tensor, [batch, n, hidden_size].

        Returns:
            Tensor, [batch, n, vocab_size], in float32.
        """
        if self.embedding_size != self.hidden_size:
            x = self.dense(x, self.embedding_size, "Output-Mapping", use_bias=False)  # [batch, n, embedding_size]
        x = self.drop(x, "Output-MLM-Dropout")  # [batch, n, embedding_size]
        x = self.project_to_vocabulary(x, "MLM-Decoder")  # [batch, n, vocab_size]
        activation = activations.get("softmax" if self.with_mlm is True else self.with_mlm)
        return self.apply(
            x, keras.layers.Activation, activation=activation, dtype="float32", name="Output-MLM-Activation"
        )

    # ------------------------------------------------------------------------------------------------- weights

    @property
    def initializer(self) -> Any:
        """An initializer of normal values; the deeper the network, the smaller the values."""
        return DeepTruncatedNormal(self.num_hidden_layers, self.initializer_order)
