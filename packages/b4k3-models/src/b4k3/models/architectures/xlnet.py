"""XLNet: blocks whose attention knows the distances and the segments of two tokens instead of embedding them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import activations, keras
from b4k3.layers import (
    Embedding,
    LearnedVector,
    PermutationMask,
    RelativeMultiHeadAttention,
    ScaleOffset,
    SinusoidalDistanceEmbedding,
)

from ..errors import ConfigError
from ..networks.xlnet import XLNET as NETWORK
from ..transformer import Transformer, as_list

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from .bert import Head


class XLNet(Transformer):
    """XLNet: an encoder that is trained to predict the tokens of a text in any order.

    Each block has two sublayers, attention and feed-forward. Each of them computes Norm(x + Dropout(sublayer(x))).
    Memories of earlier texts (`mems`) are no input of the model.

    Inputs:
        token ids: [batch, n]. Padding may stand on either side; XLNet was trained with it on the left.
        segment ids: [batch, n], unless segment_vocab_size is 0. Any numbers: only whether two are equal counts.
        permutation mask: [batch, n, n], with two_streams. 1 at [b, i, j] if position i does not see position j.

    Output:
        The last block, [batch, n, hidden_size], or the output of the language model, [batch, n, vocab_size]. With
        two_streams the output at a position does not depend on the token there, unless its permutation mask shows it.

    Arguments:
        segment_vocab_size: int. 0 leaves the segments out; any other number means that they are an input.
        with_lm: bool, str or callable. Whether the head of the language model is added; True has the activation
            softmax, "linear" gives logits.
        two_streams: bool. Whether a second stream, which does not know the token at its position, makes the output, as
            in the pretraining. It predicts at every position: the rows of a `target_mapping` of other code pick some.
        clamp_len: int. All distances from here on count as this one; 0 or less is no limit.
        pad_token_id: int or None. The id of padding; None is 5, as in the published vocabularies.
        kwargs: the arguments of `Transformer`, without residual_attention_scores.

    Raises:
        ConfigError: an argument is unknown, or residual_attention_scores is asked for; embedding_size or
            attention_key_size differs from hidden_size or attention_head_size; hidden_size is odd.

    Example:
        >>> from b4k3.models import XLNet
        >>> xlnet = XLNet(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu", with_lm=True)
        >>> xlnet.build()
        >>> xlnet.model.output_shape
        (None, None, 20)

    Reference: Yang et al., XLNet: Generalized Autoregressive Pretraining for Language Understanding,
        https://arxiv.org/abs/1906.08237, https://github.com/zihangdai/xlnet
    """

    model_key = "xlnet"
    network = NETWORK
    applications = ("encoder",)
    untied_bias = True

    def __init__(
        self,
        *,
        segment_vocab_size: int = 2,
        with_lm: Head = False,
        two_streams: bool = False,
        clamp_len: int = -1,
        pad_token_id: int | None = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(pad_token_id=5 if pad_token_id is None else pad_token_id, **kwargs)
        self.segment_vocab_size = segment_vocab_size
        self.with_lm = with_lm
        self.two_streams = two_streams
        self.clamp_len = clamp_len
        if self.residual_attention_scores:
            raise ConfigError("residual_attention_scores: the attention of XLNet does not hand its scores on")
        for key, other in (("embedding_size", "hidden_size"), ("attention_key_size", "attention_head_size")):
            if getattr(self, key) != getattr(self, other):
                raise ConfigError(f"{key}={getattr(self, key)}, expected {other}={getattr(self, other)}, as in XLNet")
        if self.hidden_size % 2:
            raise ConfigError(f"hidden_size={self.hidden_size}, expected an even number of sines and cosines")

    # -------------------------------------------------------------------------------------------------- inputs

    def get_inputs(self) -> Tensor | list[Tensor]:
        """Make the input tensors.

        Returns:
            The list of token ids and segment ids, [batch, n] each, and the permutation mask, [batch, n, n], as far as
            the model has them.
        """
        inputs = [self.input_ids("Input-Token")]  # [batch, n]
        if self.segment_vocab_size:
            inputs.append(self.input_ids("Input-Segment"))  # [batch, n]
        if self.two_streams:
            shape, name = (self.sequence_length, self.sequence_length), "Input-Permutation-Mask"
            inputs.append(self.apply(layer=keras.layers.Input, shape=shape, name=name, dtype="float32"))
        return inputs

    # ---------------------------------------------------------------------------------------------- embeddings

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        """Embed the tokens and drop out; begin the second stream.

        Arguments:
            inputs: list of tensors. What `get_inputs` returned.

        Returns:
            Tensor, [batch, n, hidden_size]; with two_streams the list of both streams.
        """
        x = self.apply(  # [batch, n, hidden_size]
            as_list(inputs)[0],
            Embedding,
            input_dim=self.vocab_size,
            output_dim=self.hidden_size,
            embeddings_initializer=self.initializer,
            mask_zero=True,
            padding_id=self.pad_token_id,
            mask_first=True,
            name="Embedding-Token",
        )
        streams = [x]
        if self.two_streams:
            streams.append(self.apply(x, LearnedVector, initializer=self.initializer, name="Query-Mask"))
        names = ("Embedding-Dropout", "Query-Mask-Dropout")
        return self.simplify([self.drop(stream, name) for stream, name in zip(streams, names)])

    def compute_position_bias(self, inputs: Tensor | None = None) -> Tensor:
        """Compute the vectors of the distances once; all blocks share them.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The input of a block, read for its length.

        Returns:
            Tensor, [2 * n, hidden_size].
        """
        if self.position_bias is None:
            name = "Embedding-Relative-Position"
            size = self.hidden_size
            self.position_bias = self.drop(
                self.apply(
                    [inputs, inputs], SinusoidalDistanceEmbedding, output_dim=size, clamp_len=self.clamp_len, name=name
                ),
                name + "-Dropout",
            )
        return self.position_bias

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_main_layers(self, inputs: Tensor | list[Tensor], index: int) -> Tensor | list[Tensor]:
        """Apply one block to each stream; both attend to the first one.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]; with two_streams the list of both streams.
            index: int. The number of the block.

        Returns:
            What `inputs` are, after the block.
        """
        streams, block = as_list(inputs), f"Transformer-{index}"
        return self.simplify([self.apply_block(x, streams[0], block, i) for i, x in enumerate(streams)])

    def apply_block(self, x: Tensor, keys: Tensor, block: str, stream: int) -> Tensor:
        """Apply attention, Dropout, Add and Norm, then feed-forward, Dropout, Add and Norm.

        Arguments:
            x: tensor, [batch, n, hidden_size]. The stream.
            keys: tensor, [batch, n, hidden_size]. The first stream.
            block: str. The beginning of the names of the block's layers.
            stream: int. 0 for the first stream, 1 for the second.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        name = f"{block}-MultiHeadSelfAttention"
        y = self.apply_attention(x, keys, name, self.compute_attention_bias(stream))  # [batch, n, hidden_size]
        x = self.normalize(self.add(x, y, name), f"{name}-Norm")  # [batch, n, hidden_size]
        name = f"{block}-FeedForward"
        return self.normalize(self.add(x, self.feed_forward(x, name), name), f"{name}-Norm")

    def compute_attention_bias(self, inputs: int | None = None) -> Tensor | None:
        """Compute the bias of the permutation mask once for each stream; all blocks share it.

        Arguments:
            inputs: int. 0 for the first stream, in which a position sees itself; 1 for the second.

        Returns:
            Tensor, [batch, n, n]; None without two_streams.
        """
        if not self.two_streams:
            return None
        if self.attention_bias is None:
            names = {"Attention-Content-Mask": True, "Attention-Query-Mask": False}
            self.attention_bias = [
                self.apply(self.inputs[-1], PermutationMask, own=own, name=name) for name, own in names.items()
            ]
        return self.attention_bias[inputs or 0]

    def apply_attention(self, x: Tensor, keys: Tensor, name: str, bias: Tensor | None) -> Tensor:
        """Apply multi-head attention with the distances and the segments.

        Arguments:
            x: tensor, [batch, n, hidden_size]. The vectors that attend.
            keys: tensor, [batch, n, hidden_size]. The vectors that are attended to.
            name: str. The name of the attention layer.
            bias: tensor, [batch, n, n], or None. The attention bias.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        segments = self.inputs[1] if self.segment_vocab_size else None
        return self.apply(
            self.simplify([x, keys, keys, bias, self.compute_position_bias(keys), segments]),
            RelativeMultiHeadAttention,
            arguments={"a_bias": None if bias is None else True},
            heads=self.num_attention_heads,
            head_size=self.attention_head_size,
            out_dim=self.hidden_size,
            segments=segments is not None,
            attention_dropout=self.attention_dropout_rate,
            kernel_initializer=self.initializer,
            name=name,
        )

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Drop out, and apply the head of the language model if it was asked for.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block; with two_streams the list of both streams.

        Returns:
            Tensor, [batch, n, hidden_size]; with_lm [batch, n, vocab_size]. The last stream makes it.
        """
        x = self.drop(as_list(inputs)[-1], "Output-Dropout")  # [batch, n, hidden_size]
        return self.apply_lm(x) if self.with_lm else x

    def apply_lm(self, x: Tensor) -> Tensor:
        """Project the vectors to the vocabulary.

        Arguments:
            x: tensor, [batch, n, hidden_size].

        Returns:
            Tensor, [batch, n, vocab_size], in float32.
        """
        x = self.project_to_vocabulary(x, "LM-Decoder")  # [batch, n, vocab_size]
        if self.tie_word_embeddings:
            x = self.apply(x, ScaleOffset, scale=False, name="LM-Bias")  # [batch, n, vocab_size]
        activation = activations.get("softmax" if self.with_lm is True else self.with_lm)
        return self.apply(x, keras.layers.Activation, activation=activation, dtype="float32", name="LM-Activation")
