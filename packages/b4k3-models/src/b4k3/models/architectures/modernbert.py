"""ModernBERT: an encoder for long texts, whose blocks see everything or a window of neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

from b4k3.backend import activations, keras
from b4k3.layers import (
    Add,
    FeedForward,
    LocalMultiHeadAttention,
    MultiHeadAttention,
    RotaryPositionEmbedding,
    ScaleOffset,
)

from ..errors import ConfigError
from ..networks.modernbert import DEFAULT_THETAS, EVERY, GLOBAL, LOCAL, MODERNBERT as NETWORK, kinds_of
from .bert import BERT, refuse_heads

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from .bert import Activation


class ModernBERT(BERT):
    """ModernBERT: blocks with rotary positions, gated feed-forward layers and hardly any bias.

    In a block with "full_attention" each position sees all positions. In a block with "sliding_attention" it sees
    `local_attention` // 2 positions on either side, and in long texts the time of this block grows with the length
    alone. The two kinds have angles of their own. Normalisation comes before each sublayer, except before the first
    attention, and once more after the last block:

        x = x + attention(Norm(x));  x = x + feed_forward(Norm(x))

    The inputs are the token ids [batch, n] and, with custom_position_ids, the position ids [batch, n]. The outputs
    are the same as in `BERT`. There is no pooler.

    Arguments:
        layer_types: list of str, or None. For each block "full_attention" or "sliding_attention"; None computes it
            from global_attn_every_n_layers.
        global_attn_every_n_layers: int. Without layer_types each block whose number is a multiple of it has
            "full_attention".
        local_attention: int. The size of the window.
        global_rope_theta: float. The base of the angles in the blocks with "full_attention".
        local_rope_theta: float or None. The base of the angles in the other blocks; None means global_rope_theta.
        use_attention_bias: bool. Whether the attention layers have biases; configs call it attention_bias.
        mlp_bias: bool. Whether the feed-forward layers have biases.
        norm_bias: bool. Whether the normalisations have a beta.
        decoder_bias: bool. Whether the output of the masked-language-model head has a bias.
        classifier_bias: bool. Whether the Dense layer of this head has a bias.
        mlm_act: str, callable or None. The activation of this Dense layer; None means "gelu". Configs call it
            classifier_activation.
        kwargs: the arguments of `BERT`, without the pooler and the next-sentence head. hidden_act is the activation of
            the feed-forward layers, whose gate is linear. max_position limits nothing, dropout_rate is the rate of
            dropout on the embeddings, and segment_vocab_size is always 0.

    Raises:
        ConfigError: with_pool or with_nsp is asked for, an argument has a wrong value, or the heads have an odd size.

    Example:
        >>> from b4k3.models import ModernBERT
        >>> modernbert = ModernBERT(vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        ...                         intermediate_size=16, hidden_act="gelu", local_attention=4, with_mlm="linear")
        >>> modernbert.build()
        >>> modernbert.model.output_shape
        (None, None, 20)

    Reference: Warner et al., Smarter, Better, Faster, Longer: A Modern Bidirectional Encoder,
        https://arxiv.org/abs/2412.13663, https://github.com/AnswerDotAI/ModernBERT
    """

    model_key = "modernbert"
    network = NETWORK
    applications = ("encoder",)
    embedding_epsilon = block_epsilon = 1e-5
    position_kind = "rotary_halves"
    absent_heads = {
        "with_pool": "the first token's vector is output[:, 0]",
        "with_nsp": "it was trained without sentence pairs",
    }

    def __init__(
        self,
        *,
        layer_types: Sequence[str] | None = None,
        global_attn_every_n_layers: int = EVERY,
        local_attention: int = 128,
        global_rope_theta: float = DEFAULT_THETAS[GLOBAL],
        local_rope_theta: float | None = DEFAULT_THETAS[LOCAL],
        use_attention_bias: bool = False,
        mlp_bias: bool = False,
        norm_bias: bool = False,
        decoder_bias: bool = True,
        classifier_bias: bool = False,
        mlm_act: Activation | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_heads(type(self), kwargs)
        kwargs["segment_vocab_size"] = 0
        super().__init__(mlm_act=mlm_act or "gelu", **kwargs)
        self.layer_types = layer_types
        self.global_attn_every_n_layers = global_attn_every_n_layers
        self.kinds = kinds_of(layer_types, global_attn_every_n_layers, self.num_hidden_layers)
        self.local_attention = local_attention
        self.global_rope_theta = global_rope_theta
        self.local_rope_theta = local_rope_theta
        self.use_bias = self.use_attention_bias = use_attention_bias
        self.mlp_bias = mlp_bias
        self.norm_bias = norm_bias
        self.untied_bias = self.decoder_bias = decoder_bias
        self.classifier_bias = classifier_bias
        if self.attention_key_size % 2:
            raise ConfigError(
                f"a head has {self.attention_key_size} features, and rotary positions need an even number"
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

    def compute_position_bias(self, inputs: Tensor | None = None, index: int = 0) -> Tensor:
        """Compute the sines and cosines by which queries and keys are rotated; blocks of one kind share them.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The input of a block.
            index: int. The number of the block.

        Returns:
            Tensor, [batch or 1, n, attention_key_size].
        """
        kind, theta = self.kinds[index], self.global_rope_theta
        if kind == LOCAL and self.local_rope_theta is not None:
            theta = self.local_rope_theta
        if self.position_bias is None:
            self.position_bias = {}
        if kind not in self.position_bias:
            ids = self.position_input(self.inputs)  # [batch, n] or None
            self.position_bias[kind] = self.apply(
                self.simplify([inputs, ids]),
                RotaryPositionEmbedding,
                output_dim=self.attention_key_size,
                custom_position_ids=ids is not None,
                base=float(theta),
                name=f"Embedding-Rotary-Position-{'Local' if kind == LOCAL else 'Global'}",
            )
        return self.position_bias[kind]

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_block(self, x: Tensor, block: str, index: int) -> Tensor:
        """Apply Norm, attention and Add, then Norm, feed-forward and Add.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            block: str. The beginning of the names of the block's layers.
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        name = f"{block}-MultiHeadSelfAttention"
        y = self.normalize(x, f"{name}-Norm", self.block_epsilon) if index else x  # [batch, n, hidden_size]
        y = self.apply_attention(y, name, index)  # [batch, n, hidden_size]
        x = self.apply([x, y], Add, name=f"{name}-Add")  # [batch, n, hidden_size]
        name = f"{block}-FeedForward"
        y = self.normalize(x, f"{name}-Norm", self.block_epsilon)  # [batch, n, hidden_size]
        return self.apply([x, self.apply_feed_forward(y, name)], Add, name=f"{name}-Add")  # [batch, n, hidden_size]

    def apply_attention(self, x: Tensor, name: str, index: int) -> Tensor:
        """Apply multi-head self-attention, over all positions or within the window.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            name: str. The name of the attention layer.
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        local = self.kinds[index] == LOCAL
        arguments = {"radius": self.local_attention // 2} if local else {}
        return self.apply(
            [x, x, x, self.compute_position_bias(x, index)],
            LocalMultiHeadAttention if local else MultiHeadAttention,
            arguments={"p_bias": self.position_kind},
            heads=self.num_attention_heads,
            head_size=self.attention_head_size,
            out_dim=self.hidden_size,
            key_size=self.attention_key_size,
            use_bias=self.use_bias,
            attention_dropout=self.attention_dropout_rate,
            return_attention_scores=self.residual_attention_scores,
            kernel_initializer=self.initializer,
            name=name,
            **arguments,
        )

    def apply_feed_forward(self, x: Tensor, name: str) -> Tensor:
        """Apply the gated feed-forward layer.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            name: str. The name of the layer.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        gated = isinstance(self.hidden_act, (list, tuple))
        return self.apply(
            x,
            FeedForward,
            units=self.intermediate_size,
            activation=self.hidden_act if gated else [self.hidden_act, "linear"],
            use_bias=self.mlp_bias,
            kernel_initializer=self.initializer,
            name=name,
        )

    def normalize(self, x: Tensor, name: str, epsilon: float = 1e-5, **kwargs: Any) -> Tensor:
        """Apply a layer normalisation, with a beta if norm_bias is true.

        Arguments:
            x: tensor, [batch, n, d].
            name: str. The name of the layer.
            epsilon: float. The epsilon of the architecture; `layer_norm_eps` replaces it.
            kwargs: further arguments of `LayerNormalization`.

        Returns:
            Tensor, [batch, n, d].
        """
        return super().normalize(x, name, epsilon, offset=self.norm_bias, **kwargs)

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor) -> Tensor | list[Tensor]:
        """Normalise the last block, and apply the head if it was asked for.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block.

        Returns:
            Tensor, [batch, n, hidden_size]; with the head [batch, n, vocab_size].
        """
        return super().apply_final_layers(self.normalize(inputs, "Output-Norm", self.block_epsilon))

    def apply_mlm(self, x: Tensor) -> Tensor:
        """Apply the masked-language-model head, whose last matrix may be the token embeddings.

        Arguments:
            x: tensor, [batch, n, hidden_size].

        Returns:
            Tensor, [batch, n, vocab_size], in float32.
        """
        x = self.dense(x, self.embedding_size, "MLM-Dense", self.mlm_act, self.classifier_bias)  # [batch, n, d]
        x = self.normalize(x, "MLM-Norm", self.block_epsilon)  # [batch, n, embedding_size]
        x = self.project_to_vocabulary(x, "MLM-Decoder")  # [batch, n, vocab_size]
        if self.tie_word_embeddings and self.decoder_bias:
            x = self.apply(x, ScaleOffset, scale=False, name="MLM-Bias")  # [batch, n, vocab_size]
        activation = activations.get("softmax" if self.with_mlm is True else self.with_mlm)
        return self.apply(x, keras.layers.Activation, activation=activation, dtype="float32", name="MLM-Activation")
