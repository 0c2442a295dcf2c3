"""Decoders of the GPT kind: OpenAI's first (CDial-GPT), GPT-2 (CPM-LM) and the one of gpt2-ml."""

from __future__ import annotations

from b4k3.backend import activations, keras

from ..masks import LM_Mask
from ..networks import gpt as networks
from .bert import BERT, refuse_heads


class GPT(LM_Mask, BERT):
    """OpenAI's GPT: BERT's blocks, each position of which sees the positions up to itself.

    Inputs: token ids [batch, n]; segment ids [batch, n] unless segment_vocab_size is 0; position ids [batch, n] with
    custom_position_ids. Output: probabilities of the next token [batch, n, vocab_size], by the tied embeddings.

    Normalisation has the epsilon of bert4keras, 1e-12; transformers has 1e-5, which `layer_norm_eps=1e-5` gives.

    Arguments:
        final_activation: activation of the output: 'softmax', or 'linear' for logits.
        kwargs: those of `BERT`, without its heads. CDial-GPT has shared_segment_embeddings, with the ids of the
            speakers' tokens as segments.

    Raises:
        ConfigError: a head of BERT.

    Reference: Radford et al., Improving Language Understanding by Generative Pre-Training,
        https://github.com/openai/finetune-transformer-lm; CDial-GPT, https://github.com/thu-coai/CDial-GPT
    """

    model_key = "gpt"
    network = networks.GPT
    untied_bias = False
    absent_heads = {
        "with_pool": "its output is the next token",
        "with_nsp": "its output is the next token",
        "with_mlm": "its output is the next token; final_activation is the activation of it",
    }

    def __init__(self, *, final_activation="softmax", **kwargs):
        refuse_heads(type(self), kwargs)
        super().__init__(**kwargs)
        self.final_activation = final_activation

    # ---------------------------------------------------------------------------------------------- embeddings

    def normalize_embeddings(self, x):
        return x

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs):
        x = self.project_to_vocabulary(inputs, "LM-Output")
        activation = activations.get(self.final_activation)
        return self.apply(x, keras.layers.Activation, activation=activation, dtype="float32", name="LM-Activation")


class GPT2(GPT):
    """GPT-2: normalisation stands before attention and feed-forward, and once more at the end.

    Inputs: token ids [batch, n]; position ids [batch, n] with custom_position_ids. Output: as of `GPT`.

    Arguments:
        scale_attn_weights: whether scores are divided by the square root of the key size.
        scale_attn_by_inverse_layer_idx: whether those of block i, counted from 1, are also divided by i.
        kwargs: those of `GPT`; there are no segments.

    Raises:
        ConfigError: a head of BERT.

    Reference: Radford et al., Language Models are Unsupervised Multitask Learners, https://github.com/openai/gpt-2;
        CPM-LM, https://github.com/TsinghuaAI/CPM-1-Generate, https://github.com/bojone/CPM_LM_bert4keras
    """

    model_key = "gpt2"
    network = networks.GPT2
    block_epsilon = 1e-5

    def __init__(self, *, scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False, **kwargs):
        super().__init__(**dict(kwargs, segment_vocab_size=0))
        self.scale_attn_weights = scale_attn_weights
        self.scale_attn_by_inverse_layer_idx = scale_attn_by_inverse_layer_idx

    # ---------------------------------------------------------------------------------------------- embeddings

    def drop_embeddings(self, x):
        return x

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_block(self, x, block, index):
        """Norm, attention, Dropout, Add; Norm, FeedForward, Dropout, Add. Arguments: as of `BERT.apply_block`."""
        name = "%s-MultiHeadSelfAttention" % block
        y = self.normalize(x, "%s-Norm" % name, self.block_epsilon)
        x = self.add(x, self.apply_attention(y, name, index), name)
        name = "%s-FeedForward" % block
        y = self.normalize(x, "%s-Norm" % name, self.block_epsilon)
        return self.add(x, self.feed_forward(y, name), name)

    def attention_scale_of(self, index):
        if not self.scale_attn_by_inverse_layer_idx:
            return self.scale_attn_weights
        return (self.attention_key_size**-0.5 if self.scale_attn_weights else 1.0) / (index + 1)

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs):
        x = self.normalize(inputs, "Output-Norm", self.block_epsilon)
        return super().apply_final_layers(self.drop(x, "Output-Dropout"))


class GPT2_ML(GPT):  # noqa: N801 (a name of bert4keras)
    """The network of gpt2-ml, which is Grover's: the sum after attention is not normalised, its copy for the
    feed-forward layer is, and so is the end of the block.

    Inputs and output: as of `GPT2`.

    Arguments:
        kwargs: those of `GPT`; there are no segments.

    Raises:
        ConfigError: a head of BERT.

    Reference: https://github.com/imcaspar/gpt2-ml; Zellers et al., https://arxiv.org/abs/1905.12616
    """

    model_key = "gpt2_ml"
    network = networks.GPT2_ML
    embedding_epsilon = block_epsilon = 1e-5

    def __init__(self, **kwargs):
        super().__init__(**dict(kwargs, segment_vocab_size=0))

    # ---------------------------------------------------------------------------------------------- embeddings

    def normalize_embeddings(self, x):
        return self.normalize(x, "Embedding-Norm", self.embedding_epsilon)

    def drop_embeddings(self, x):
        return x

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_block(self, x, block, index):
        """Attention, Dropout, Add; Norm, FeedForward, Dropout, Add, Norm. Arguments: as of `BERT.apply_block`."""
        name = "%s-MultiHeadSelfAttention" % block
        x = self.add(x, self.apply_attention(x, name, index), name)
        name = "%s-FeedForward" % block
        y = self.normalize(x, "%s-Norm-0" % name, self.block_epsilon)
        x = self.add(x, self.feed_forward(y, name), name)
        return self.normalize(x, "%s-Norm-1" % name, self.block_epsilon)
