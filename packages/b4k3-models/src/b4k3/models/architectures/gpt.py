"""Decoders that predict the next token: OpenAI's GPT (CDial-GPT), GPT-2 (CPM-LM) and the network of gpt2-ml.

All three have the layers of BERT. They differ in the places of the normalisations:

    GPT      x = Norm(x + attention(x));  x = Norm(x + feed_forward(x))
    GPT-2    x = x + attention(Norm(x));  x = x + feed_forward(Norm(x)), and one more Norm after the last block
    gpt2-ml  x = x + attention(x);        x = Norm(x + feed_forward(Norm(x)))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import activations, keras

from ..language_models import LM_Mask
from ..networks import gpt as networks
from .bert import BERT, NormalizedFirst, refuse_heads

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from .bert import Activation, Scale


class GPT(LM_Mask, BERT):
    """OpenAI's GPT: the blocks of BERT, in which position i sees only the positions up to i.

    The embeddings are not normalised. Normalisation has the epsilon of bert4keras, 1e-12; transformers has 1e-5, which
    `layer_norm_eps=1e-5` sets.

    The inputs are the same as in `BERT`. The output is the probabilities of the next token at each position,
    [batch, n, vocab_size].

    Arguments:
        final_activation: str or callable. The activation of the output: "softmax", or "linear" for logits.
        kwargs: the arguments of `BERT`, without its heads. CDial-GPT has shared_segment_embeddings=True; its segment
            ids are the ids of the tokens that name the speakers.

    Raises:
        ConfigError: a head of `BERT` is asked for.

    Example:
        >>> from b4k3.models import GPT
        >>> gpt = GPT(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...           intermediate_size=32, hidden_act="gelu")
        >>> gpt.build()
        >>> gpt.model.output_shape
        (None, None, 20)

    Reference: Radford et al., Improving Language Understanding by Generative Pre-Training,
        https://github.com/openai/finetune-transformer-lm; CDial-GPT, https://github.com/thu-coai/CDial-GPT
    """

    model_key = "gpt"
    network = networks.GPT
    untied_bias = False
    absent_heads = {
        "with_pool": "its output is the next token",
        "with_nsp": "its output is the next token",
        "with_mlm": "its output is the next token, whose activation is final_activation",
    }

    def __init__(self, *, final_activation: Activation = "softmax", **kwargs: Any) -> None:
        refuse_heads(type(self), kwargs)
        super().__init__(**kwargs)
        self.final_activation = final_activation

    # ---------------------------------------------------------------------------------------------- embeddings

    def normalize_embeddings(self, x: Tensor) -> Tensor:
        """Return the embeddings as they are: the network has no normalisation here.

        Arguments:
            x: tensor, [batch, n, embedding_size].

        Returns:
            Tensor, [batch, n, embedding_size]: x.
        """
        return x

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor) -> Tensor | list[Tensor]:
        """Project the last block to the vocabulary.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block.

        Returns:
            Tensor, [batch, n, vocab_size], in float32.
        """
        x = self.project_to_vocabulary(inputs, "LM-Output")  # [batch, n, vocab_size]
        activation = activations.get(self.final_activation)
        return self.apply(x, keras.layers.Activation, activation=activation, dtype="float32", name="LM-Activation")


class GPT2(NormalizedFirst, GPT):
    """GPT-2: normalisation comes before attention and before the feed-forward layer, and once more after all blocks.

    The inputs are the token ids [batch, n] and, with custom_position_ids, the position ids [batch, n]. The output is
    the same as in `GPT`, [batch, n, vocab_size].

    Arguments:
        scale_attn_weights: bool. Whether the attention scores are divided by the square root of the key size.
        scale_attn_by_inverse_layer_idx: bool. Whether the scores of block i, counted from 1, are also divided by i.
        kwargs: the arguments of `GPT`. segment_vocab_size is always 0.

    Raises:
        ConfigError: a head of `BERT` is asked for.

    Example:
        >>> from b4k3.models import GPT2
        >>> gpt2 = GPT2(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...             intermediate_size=32, hidden_act="gelu_tanh")
        >>> gpt2.build()
        >>> gpt2.model.output_shape
        (None, None, 20)

    Reference: Radford et al., Language Models are Unsupervised Multitask Learners, https://github.com/openai/gpt-2;
        CPM-LM, https://github.com/TsinghuaAI/CPM-1-Generate, https://github.com/bojone/CPM_LM_bert4keras
    """

    model_key = "gpt2"
    network = networks.GPT2
    block_epsilon = 1e-5

    def __init__(
        self, *, scale_attn_weights: bool = True, scale_attn_by_inverse_layer_idx: bool = False, **kwargs: Any
    ) -> None:
        kwargs["segment_vocab_size"] = 0
        super().__init__(**kwargs)
        self.scale_attn_weights = scale_attn_weights
        self.scale_attn_by_inverse_layer_idx = scale_attn_by_inverse_layer_idx

    # ---------------------------------------------------------------------------------------------- embeddings

    def drop_embeddings(self, x: Tensor) -> Tensor:
        """Return the embeddings as they are: the network has no dropout here.

        Arguments:
            x: tensor, [batch, n, embedding_size].

        Returns:
            Tensor, [batch, n, embedding_size]: x.
        """
        return x

    # -------------------------------------------------------------------------------------------------- blocks

    def attention_scale_of(self, index: int) -> Scale:
        """Choose the `attention_scale` argument of `MultiHeadAttention` for a block.

        Arguments:
            index: int. The number of the block.

        Returns:
            True for the usual scale, key_size ** -0.5; False for 1; or the scale itself, a float.
        """
        if not self.scale_attn_by_inverse_layer_idx:
            return self.scale_attn_weights
        return (self.attention_key_size**-0.5 if self.scale_attn_weights else 1.0) / (index + 1)

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor) -> Tensor | list[Tensor]:
        """Normalise the last block and project it to the vocabulary.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block.

        Returns:
            Tensor, [batch, n, vocab_size], in float32.
        """
        x = self.normalize(inputs, "Output-Norm", self.block_epsilon)  # [batch, n, hidden_size]
        x = self.drop(x, "Output-Dropout")  # [batch, n, hidden_size]
        return super().apply_final_layers(x)  # [batch, n, vocab_size]


class GPT2_ML(GPT):  # noqa: N801 (a name of bert4keras)
    """The network of gpt2-ml, which comes from Grover.

    The sum after attention is not normalised; only the copy of it that enters the feed-forward layer is. The end of
    the block is normalised again. The inputs and the output are the same as in `GPT2`.

    Arguments:
        kwargs: the arguments of `GPT`. segment_vocab_size is always 0.

    Raises:
        ConfigError: a head of `BERT` is asked for.

    Example:
        >>> from b4k3.models import GPT2_ML
        >>> gpt2_ml = GPT2_ML(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                   intermediate_size=32, hidden_act="gelu")
        >>> gpt2_ml.build()
        >>> gpt2_ml.model.output_shape
        (None, None, 20)

    Reference: https://github.com/imcaspar/gpt2-ml; Zellers et al., Grover, https://arxiv.org/abs/1905.12616
    """

    model_key = "gpt2_ml"
    network = networks.GPT2_ML
    embedding_epsilon = block_epsilon = 1e-5

    def __init__(self, **kwargs: Any) -> None:
        kwargs["segment_vocab_size"] = 0
        super().__init__(**kwargs)

    # ---------------------------------------------------------------------------------------------- embeddings

    def normalize_embeddings(self, x: Tensor) -> Tensor:
        """Normalise the embeddings.

        Arguments:
            x: tensor, [batch, n, embedding_size].

        Returns:
            Tensor, [batch, n, embedding_size].
        """
        return self.normalize(x, "Embedding-Norm", self.embedding_epsilon)

    def drop_embeddings(self, x: Tensor) -> Tensor:
        """Return the embeddings as they are: the network has no dropout here.

        Arguments:
            x: tensor, [batch, n, embedding_size].

        Returns:
            Tensor, [batch, n, embedding_size]: x.
        """
        return x

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_block(self, x: Tensor, block: str, index: int) -> Tensor:
        """Apply attention, Dropout and Add, then Norm, feed-forward, Dropout, Add and Norm.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            block: str. The beginning of the names of the block's layers.
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        name = f"{block}-MultiHeadSelfAttention"
        x = self.add(x, self.apply_attention(x, name, index), name)  # [batch, n, hidden_size]
        name = f"{block}-FeedForward"
        y = self.normalize(x, f"{name}-Norm-0", self.block_epsilon)  # [batch, n, hidden_size]
        x = self.add(x, self.feed_forward(y, name), name)  # [batch, n, hidden_size]
        return self.normalize(x, f"{name}-Norm-1", self.block_epsilon)  # [batch, n, hidden_size]
