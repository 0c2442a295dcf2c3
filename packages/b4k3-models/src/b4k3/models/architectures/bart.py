"""BART: the encoder, the decoder, and both together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

from b4k3.backend import activations, keras
from b4k3.layers import ScaleOffset, ZeroPadding

from ..errors import ConfigError
from ..keys import padding_id_after
from ..networks import bart as networks
from .bart_base import BART_Base
from .two_halves import DecoderHalf, EncoderHalf, TwoHalves

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from .bert import Head


class BART_Encoder(EncoderHalf, BART_Base):  # noqa: N801
    """The encoder of BART.

    The input is the token ids [batch, n]. The output is [batch, n, hidden_size], with zeros at the padding, by which
    `BART_Decoder` recognises it.

    Arguments:
        kwargs: the arguments of `BART_Base`.

    Raises:
        ConfigError: an argument is wrong.

    Example:
        >>> from b4k3.models import BART_Encoder
        >>> encoder = BART_Encoder(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                        intermediate_size=16, hidden_act="gelu", max_position=32)
        >>> encoder.build()
        >>> encoder.model.output_shape
        (None, None, 8)

    Reference: Lewis et al., BART, https://arxiv.org/abs/1910.13461
    """

    model_key = "bart_encoder"
    network = networks.BART_ENCODER

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_main_layers(self, inputs: Tensor, index: int) -> Tensor:
        """Apply one block: self-attention and feed-forward.

        Arguments:
            inputs: tensor, [batch, n, hidden_size].
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        name = f"Encoder-Transformer-{index}-MultiHeadSelfAttention"
        x = self.residual(inputs, self.attend(inputs, inputs, name), name)  # [batch, n, hidden_size]
        name = f"Encoder-Transformer-{index}-FeedForward"
        return self.residual(x, self.feed_forward(x, name), name)  # [batch, n, hidden_size]

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor) -> Tensor | list[Tensor]:
        """Set the padding to zero.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        return self.apply(inputs, ZeroPadding, name="Encoder-Output-Masked")


class BART_Decoder(DecoderHalf, BART_Base):  # noqa: N801
    """The decoder of BART.

    Inputs:
        the output of the encoder: [batch, m, hidden_size]; vectors of zeros are padding.
        token ids: [batch, n]. The first one is usually the end id `</s>` or `[SEP]`, with which BART begins.

    Output:
        The probabilities of the next token, [batch, n, vocab_size]; without with_lm the last block,
        [batch, n, hidden_size].

    Arguments:
        with_lm: bool, str or callable. Whether the output is projected to the vocabulary; True has the activation
            softmax, "linear" gives logits.
        final_logits_bias: bool. Whether a bias is added to the logits. Files of transformers have one, usually zeros.
        decoder_start_token_id: int or None. The id that `generate` starts from; None is the padding id. A config of
            transformers without the key means 2.
        forced_bos_token_id: int or None. The id that `generate` gives as the first token, whatever the scores are;
            None or -1 is none.
        forced_eos_token_id: int or None. The id that `generate` gives as the last of `max_new_tokens` tokens if it is
            an `end_id` of the call; None or -1 is none. A config of transformers without the key means 2.
        kwargs: the arguments of `BART_Base`.

    Raises:
        ConfigError: an argument is wrong, or `keep_tokens` lacks the id that `generate` starts from or a forced one.

    Example:
        >>> from b4k3.models import BART_Decoder
        >>> decoder = BART_Decoder(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                        intermediate_size=16, hidden_act="gelu", max_position=32)
        >>> decoder.build()
        >>> decoder.model.output_shape
        (None, None, 20)

    Reference: Lewis et al., BART, https://arxiv.org/abs/1910.13461
    """

    model_key = "bart_decoder"
    network = networks.BART_DECODER

    def __init__(
        self,
        *,
        with_lm: Head = True,
        final_logits_bias: bool = False,
        decoder_start_token_id: int | None = None,
        forced_bos_token_id: int | None = None,
        forced_eos_token_id: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.with_lm, self.final_logits_bias = with_lm, final_logits_bias
        self.num_hidden_layers = self.num_decoder_layers
        self.num_attention_heads = self.num_decoder_attention_heads
        self.intermediate_size = self.decoder_intermediate_size
        self.attention_head_size = self.attention_key_size = self.hidden_size // self.num_attention_heads
        for name, value in (
            ("decoder_start_token_id", decoder_start_token_id),
            ("forced_bos_token_id", forced_bos_token_id),
            ("forced_eos_token_id", forced_eos_token_id),
        ):
            setattr(self, name, kept_id(name, value, self.keep_tokens))

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_main_layers(self, inputs: list[Tensor], index: int) -> list[Tensor]:
        """Apply one block: self-attention, attention to the encoder and feed-forward.

        Arguments:
            inputs: list of the encoder's output, [batch, m, hidden_size], and x, [batch, n, hidden_size].
            index: int. The number of the block.

        Returns:
            The list of the encoder's output, unchanged, and the new x, [batch, n, hidden_size].
        """
        context, x = inputs
        block = f"Decoder-Transformer-{index}"
        name = f"{block}-MultiHeadSelfAttention"
        bias = self.compute_attention_bias(index)  # [1, 1, n, n]
        x = self.residual(x, self.attend(x, x, name, bias), name)  # [batch, n, hidden_size]
        name = f"{block}-MultiHeadCrossAttention"
        x = self.residual(x, self.attend(x, context, name), name)  # [batch, n, hidden_size]
        name = f"{block}-FeedForward"
        return [context, self.residual(x, self.feed_forward(x, name), name)]

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: list[Tensor]) -> Tensor | list[Tensor]:
        """Project the last block to the vocabulary.

        Arguments:
            inputs: list of the encoder's output and the last block, [batch, n, hidden_size].

        Returns:
            Tensor, [batch, n, vocab_size]; without with_lm [batch, n, hidden_size].
        """
        return self.apply_lm(inputs[1]) if self.with_lm else inputs[1]

    def apply_lm(self, x: Tensor) -> Tensor:
        """Project vectors to the vocabulary.

        Arguments:
            x: tensor, [batch, n, hidden_size].

        Returns:
            Tensor, [batch, n, vocab_size], in float32.
        """
        x = self.project(x)  # [batch, n, vocab_size]
        activation = activations.get("softmax" if self.with_lm is True else self.with_lm)
        return self.apply(
            x, keras.layers.Activation, activation=activation, dtype="float32", name="Decoder-Output-LM-Activation"
        )

    def project(self, x: Tensor) -> Tensor:
        """Compute logits.

        Arguments:
            x: tensor, [batch, n, hidden_size].

        Returns:
            Tensor, [batch, n, vocab_size].
        """
        x = self.project_to_vocabulary(x, "Decoder-Output-LM")  # [batch, n, vocab_size]
        if not self.final_logits_bias:
            return x
        return self.apply(x, ScaleOffset, scale=False, name="Decoder-Output-LM-Bias")  # [batch, n, vocab_size]


def kept_id(name: str, value: int | None, keep_tokens: Sequence[int] | None) -> int | None:
    """Find the id of a token after `keep_tokens`.

    Arguments:
        name: str. The name of the argument, for the error message.
        value: int or None. The id in the whole vocabulary; -1 is none.
        keep_tokens: list of int, or None. The ids that are kept.

    Returns:
        int or None.

    Raises:
        ConfigError: its row is not kept.
    """
    if value is None or value == networks.NO_TOKEN:
        return None
    kept = padding_id_after(value, keep_tokens)
    if kept < 0:
        raise ConfigError(f"{name}={value} is not in keep_tokens: add it, or say another one")
    return kept


class BART(TwoHalves, BART_Base):
    """BART: the encoder and the decoder in one model.

    The main differences from BERT are: a decoder reads the output of the encoder; each side has learned positions of
    its own, and there are no segments. Dropout comes after each sublayer and on attention weights; the dropout within
    the feed-forward layers and the dropping of whole layers, with which BART was trained, are left out.

    The inputs are the token ids of the encoder [batch, m] and of the decoder [batch, n]. The output is the same as in
    `BART_Decoder`, [batch, n, vocab_size].

    Arguments:
        with_lm: bool, str or callable. An argument of `BART_Decoder`.
        final_logits_bias: bool. An argument of `BART_Decoder`.
        decoder_start_token_id: int or None. An argument of `BART_Decoder`.
        forced_bos_token_id: int or None. An argument of `BART_Decoder`.
        forced_eos_token_id: int or None. An argument of `BART_Decoder`.
        kwargs: the arguments of `BART_Base`.

    Attributes (after `build`):
        encoder: Keras model. From the token ids of the encoder to its output; it shares its layers with `model`.
        decoder: Keras model. From the encoder's output and token ids to the output; it shares its layers with `model`.

    Raises:
        ConfigError: an argument is wrong.

    Example:
        >>> from b4k3.models import BART
        >>> bart = BART(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...             intermediate_size=16, hidden_act="gelu", max_position=32, decoder_start_token_id=2)
        >>> bart.build()
        >>> bart.model.output_shape, bart.encoder.output_shape
        ((None, None, 20), (None, None, 8))
        >>> bart.generate([[0, 5, 6, 2]], max_new_tokens=4, end_id=2).shape[0]
        1

    Reference: Lewis et al., BART: Denoising Sequence-to-Sequence Pre-training for Natural Language Generation,
        Translation, and Comprehension, https://arxiv.org/abs/1910.13461; the Chinese one: Shao et al., CPT,
        https://arxiv.org/abs/2109.05729, https://github.com/fastnlp/CPT
    """

    network = networks.BART

    def __init__(
        self,
        *,
        with_lm: Head = True,
        final_logits_bias: bool = False,
        decoder_start_token_id: int | None = None,
        forced_bos_token_id: int | None = None,
        forced_eos_token_id: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.with_lm, self.final_logits_bias = with_lm, final_logits_bias
        self.decoder_start_token_id = decoder_start_token_id
        self.forced_bos_token_id, self.forced_eos_token_id = forced_bos_token_id, forced_eos_token_id
        shared = dict(kwargs, layers=self.layers)
        self._encoder = BART_Encoder(**dict(shared, name=self.name_of("Encoder")))
        self._decoder = BART_Decoder(
            with_lm=with_lm,
            final_logits_bias=final_logits_bias,
            decoder_start_token_id=decoder_start_token_id,
            forced_bos_token_id=forced_bos_token_id,
            forced_eos_token_id=forced_eos_token_id,
            **dict(shared, name=self.name_of("Decoder")),
        )
