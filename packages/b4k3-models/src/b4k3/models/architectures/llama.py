"""Llama and the decoders that share its blocks: Qwen2, Qwen3, Mistral and SmolLM3.

Each block computes x = x + attention(Norm(x)) and x = x + feed_forward(Norm(x)), where Norm is RMS normalisation and
the feed-forward layer is gated. Queries and keys are rotated by their positions. There are fewer heads of keys
and values than of queries, and generation caches these alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

from b4k3.backend import activations, keras
from b4k3.layers import Embedding, LanguageModelMask, RotaryPositionEmbedding

from ..errors import ConfigError
from ..keys import NO_PADDING
from ..language_models import LM_Mask
from ..networks import llama as networks
from ..transformer import Transformer

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from .bert import Head


class Llama(LM_Mask, Transformer):
    """Llama 1, 2 and 3, and models with its network under other names: Yi, SmolLM 1 and 2, TinyLlama, Vicuna.

    The input is the token ids, [batch, n]. The output is the probabilities of the next token at each position,
    [batch, n, vocab_size]; without with_lm the normalised last block, [batch, n, hidden_size].

    Arguments:
        max_position: int. The length of the texts that the model was trained with. It limits nothing.
        with_lm: bool, str or callable. Whether the output is projected to the vocabulary; True has the activation
            softmax, "linear" gives logits.
        num_key_value_heads: int or None. The number of heads of keys and values, a divisor of num_attention_heads; None
            means num_attention_heads.
        rope_parameters: dict or None. The rotary positions: rope_theta, the base of the frequencies, and the keys of
            `rotary_frequencies`. None means the base 10000 and no scaling.
        attention_bias: bool. Whether the Dense layers of attention have biases.
        mlp_bias: bool. Whether the Dense layers of the feed-forward layer have biases.
        attention_windows: list of int or None, or None. For each block, how many positions a position sees, itself
            included; None for all before it.
        unrotated_blocks: list of int, or None. The numbers of the blocks that do not rotate queries and keys.
        pad_token_id: int or None. The id that is padding; -1 means that no id is.
        kwargs: the arguments of `Transformer`. hidden_act is the activation of the gate; the default is "swish".

    Raises:
        ConfigError: an argument is unknown, `attention_windows` has too few elements, or biases are asked for that the
            network does not have.

    Example:
        >>> from b4k3.models import Llama
        >>> llama = Llama(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=4,
        ...               num_key_value_heads=2, intermediate_size=24)
        >>> llama.build()
        >>> llama.model.output_shape
        (None, None, 20)
        >>> tokens = llama.generate([[5, 6, 7]], max_new_tokens=4)  # [1, 4]

    Reference: Touvron et al., Llama 2, https://arxiv.org/abs/2307.09288; Grattafiori et al., The Llama 3 Herd of
        Models, https://arxiv.org/abs/2407.21783
    """

    model_key: str | None = "llama"
    network = networks.LLAMA
    position_kind = "rotary_halves"
    block_epsilon = 1e-6
    qkv_bias: bool | None = None  # whether queries, keys and values have biases; None asks `attention_bias`
    query_key_norm = False  # whether queries and keys are normalised
    absent_biases: tuple[str, ...] = ()  # the arguments that the network cannot have

    def __init__(
        self,
        *,
        max_position: int = 2048,
        with_lm: Head = True,
        num_key_value_heads: int | None = None,
        rope_parameters: dict[str, Any] | None = None,
        attention_bias: bool = False,
        mlp_bias: bool = False,
        attention_windows: Sequence[int | None] | None = None,
        unrotated_blocks: Sequence[int] | None = None,
        pad_token_id: int | None = NO_PADDING,
        **kwargs: Any,
    ) -> None:
        super().__init__(pad_token_id=NO_PADDING if pad_token_id is None else pad_token_id, **kwargs)
        gate = "swish" if self.hidden_act is None else self.hidden_act
        self.hidden_act = gate if isinstance(gate, (list, tuple)) else [gate, "linear"]
        self.max_position = max_position
        self.with_lm = with_lm
        self.num_key_value_heads = num_key_value_heads or self.num_attention_heads
        self.rope_parameters = dict(rope_parameters or {"rope_type": "default", "rope_theta": 10000.0})
        self.attention_bias_wanted = attention_bias
        self.mlp_bias = mlp_bias
        self.use_bias = mlp_bias  # of the feed-forward layers
        for name in self.absent_biases:
            if {"attention_bias": attention_bias, "mlp_bias": mlp_bias}[name]:
                raise ConfigError(f"{name}: {type(self).__name__} has no such biases; insist with {name}=False")
        self.attention_windows = list(attention_windows or [])
        self.unrotated_blocks = list(unrotated_blocks or [])
        if self.attention_windows and len(self.attention_windows) < self.num_hidden_layers:
            raise ConfigError(
                f"attention_windows has {len(self.attention_windows)} elements for {self.num_hidden_layers} blocks"
            )

    # -------------------------------------------------------------------------------------------------- inputs

    def get_inputs(self) -> Tensor:
        """Make the input tensor.

        Returns:
            Tensor, [batch, n]: the token ids.
        """
        return self.input_ids("Input-Token")

    # ---------------------------------------------------------------------------------------------- embeddings

    def apply_embeddings(self, inputs: Tensor) -> Tensor:
        """Embed the tokens.

        Arguments:
            inputs: tensor, [batch, n]. The token ids.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        return self.apply(
            inputs,
            Embedding,
            input_dim=self.vocab_size,
            output_dim=self.hidden_size,
            embeddings_initializer=self.initializer,
            mask_zero=True,
            padding_id=self.pad_token_id,
            name="Embedding-Token",
        )

    def compute_position_bias(self, inputs: Tensor | None = None) -> Tensor:
        """Compute the sines and cosines by which queries and keys are rotated; all blocks share them.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The input of a block.

        Returns:
            Tensor, [batch or 1, n, attention_key_size].
        """
        if self.position_bias is None:
            rope = self.rope_parameters
            scaling = {key: value for key, value in rope.items() if key != "rope_theta"}
            self.position_bias = self.apply(
                inputs,
                RotaryPositionEmbedding,
                output_dim=self.attention_key_size,
                base=rope.get("rope_theta", 10000.0),
                scaling=scaling if scaling.get("rope_type", "default") != "default" else None,
                name="Embedding-Rotary-Position",
            )
        return self.position_bias

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_main_layers(self, inputs: Tensor, index: int) -> Tensor:
        """Apply one block.

        Arguments:
            inputs: tensor, [batch, n, hidden_size].
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        name = f"Transformer-{index}-MultiHeadSelfAttention"
        y = self.normalize(inputs, f"{name}-Norm")  # [batch, n, hidden_size]
        x = self.add(inputs, self.apply_attention(y, name, index), name)  # [batch, n, hidden_size]
        name = f"Transformer-{index}-FeedForward"
        y = self.normalize(x, f"{name}-Norm")  # [batch, n, hidden_size]
        return self.add(x, self.feed_forward(y, name), name)  # [batch, n, hidden_size]

    def apply_attention(self, x: Tensor, name: str, index: int) -> Tensor:
        """Apply multi-head self-attention.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            name: str. The name of the attention layer.
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        bias = self.attention_bias_wanted if self.qkv_bias is None else self.qkv_bias
        return self.attend(
            x,
            x,
            name,
            self.compute_attention_bias(index),
            None if index in self.unrotated_blocks else self.compute_position_bias(x),
            key_value_heads=self.num_key_value_heads,
            use_bias=bias,
            use_output_bias=self.attention_bias_wanted,
            query_key_epsilon=self.epsilon if self.query_key_norm else None,
        )

    def compute_attention_bias(self, inputs: int | None = None) -> Tensor:
        """Compute the attention bias of a block; all blocks with the same window share it.

        Arguments:
            inputs: int. The number of the block.

        Returns:
            Tensor, [1, 1, n, n]: 0 where a position may be seen, a large negative number elsewhere.
        """
        window = self.attention_windows[inputs or 0] if self.attention_windows else None
        biases = self.attention_bias = self.attention_bias or {}
        if window not in biases:
            name = "Attention-LM-Mask" if window is None else f"Attention-Window-Mask-{window}"
            biases[window] = self.apply(self.inputs[0], LanguageModelMask, window=window, name=name)
        return biases[window]

    def normalize(self, x: Tensor, name: str, epsilon: float = 1e-6, **kwargs: Any) -> Tensor:
        """Apply RMS normalisation.

        Arguments:
            x: tensor, [batch, n, d].
            name: str. The name of the layer.
            epsilon: float. The epsilon of the architecture; `layer_norm_eps` replaces it.
            kwargs: further arguments of `LayerNormalization`.

        Returns:
            Tensor, [batch, n, d].
        """
        return super().normalize(x, name, epsilon, zero_mean=False, offset=False, **kwargs)

    @property
    def epsilon(self) -> float:
        """The epsilon of every normalisation."""
        return self.block_epsilon if self.layer_norm_eps is None else self.layer_norm_eps

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor) -> Tensor:
        """Normalise the last block, and project it to the vocabulary if the model shall predict tokens.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block.

        Returns:
            Tensor, [batch, n, vocab_size], in float32; without with_lm [batch, n, hidden_size].
        """
        x = self.normalize(inputs, "Output-Norm")  # [batch, n, hidden_size]
        if not self.with_lm:
            return x
        x = self.project_to_vocabulary(x, "LM-Output")  # [batch, n, vocab_size]
        activation = activations.get("softmax" if self.with_lm is True else self.with_lm)
        return self.apply(x, keras.layers.Activation, activation=activation, dtype="float32", name="LM-Activation")

    # ------------------------------------------------------------------------------------------------- weights

    @property
    def sizes(self) -> dict[str, Any]:
        """The dict of the arguments that a description reads, under our names, and the sizes that follow from them."""
        return dict(super().sizes, attention_bias=self.attention_bias_wanted)


class Qwen2(Llama):
    """Qwen1.5, Qwen2 and Qwen2.5: Llama with biases of queries, keys and values.

    Arguments:
        kwargs: the arguments of `Llama`, without attention_bias and mlp_bias.

    Raises:
        ConfigError: an argument is unknown.

    Example:
        >>> from b4k3.models import Qwen2
        >>> qwen = Qwen2(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=4,
        ...              num_key_value_heads=2, intermediate_size=24)
        >>> qwen.build()
        >>> qwen.model.output_shape
        (None, None, 20)

    Reference: Qwen2 Technical Report, https://arxiv.org/abs/2407.10671
    """

    model_key = "qwen2"
    network = networks.QWEN2
    qkv_bias = True
    absent_biases = ("attention_bias", "mlp_bias")


class Qwen3(Llama):
    """Qwen3: Llama whose queries and keys are normalised, each head by itself.

    Arguments:
        kwargs: the arguments of `Llama`, without mlp_bias.

    Raises:
        ConfigError: an argument is unknown.

    Example:
        >>> from b4k3.models import Qwen3
        >>> qwen = Qwen3(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=4,
        ...              num_key_value_heads=2, intermediate_size=24)
        >>> qwen.build()
        >>> qwen.model.output_shape
        (None, None, 20)

    Reference: Qwen3 Technical Report, https://arxiv.org/abs/2505.09388
    """

    model_key = "qwen3"
    network = networks.QWEN3
    absent_biases = ("mlp_bias",)
    query_key_norm = True


class Mistral(Llama):
    """Mistral: Llama in which each position sees only the last positions, if the config has a sliding_window.

    Arguments:
        kwargs: the arguments of `Llama`, without attention_bias and mlp_bias.

    Raises:
        ConfigError: an argument is unknown.

    Example:
        >>> from b4k3.models import Mistral
        >>> mistral = Mistral(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=4,
        ...                   num_key_value_heads=2, intermediate_size=24, attention_windows=[3])
        >>> mistral.build()
        >>> mistral.model.output_shape
        (None, None, 20)

    Reference: Jiang et al., Mistral 7B, https://arxiv.org/abs/2310.06825
    """

    model_key = "mistral"
    network = networks.MISTRAL
    absent_biases = ("attention_bias", "mlp_bias")


class SmolLM3(Llama):
    """SmolLM3: Llama without rotation in some blocks, in every fourth one in the published models.

    Arguments:
        kwargs: the arguments of `Llama`.

    Raises:
        ConfigError: an argument is unknown.

    Example:
        >>> from b4k3.models import SmolLM3
        >>> smollm = SmolLM3(vocab_size=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
        ...                  num_key_value_heads=2, intermediate_size=24, unrotated_blocks=[1])
        >>> smollm.build()
        >>> smollm.model.output_shape
        (None, None, 20)

    Reference: https://huggingface.co/HuggingFaceTB/SmolLM3-3B
    """

    model_key = "smollm3"
    network = networks.SMOLLM3
