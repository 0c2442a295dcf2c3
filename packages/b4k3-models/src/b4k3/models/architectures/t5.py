"""T5, T5.1.1, mT5, umT5 and T5-PEGASUS: the encoder, the decoder, and both together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import activations, keras
from b4k3.layers import ScaleOffset, ZeroPadding

from ..networks import t5 as networks
from ..registry import network
from .t5_base import T5_Base
from .two_halves import DecoderHalf, EncoderHalf, TwoHalves

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from .bert import Head


class T5_Encoder(EncoderHalf, T5_Base):  # noqa: N801
    """The encoder of T5.

    The input is the token ids [batch, n]. The output is [batch, n, hidden_size], with zeros at the padding, by which
    `T5_Decoder` recognises it.

    Arguments:
        kwargs: the arguments of `T5_Base`.

    Raises:
        ConfigError: the version is unknown.

    Example:
        >>> from b4k3.models import T5_Encoder
        >>> encoder = T5_Encoder(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                      intermediate_size=16, hidden_act="relu")
        >>> encoder.build()
        >>> encoder.model.output_shape
        (None, None, 8)

    Reference: Raffel et al., T5, https://arxiv.org/abs/1910.10683
    """

    network = networks.T5_1_0_ENCODER
    side = "_encoder"

    # ---------------------------------------------------------------------------------------------- embeddings

    def compute_position_bias(self, inputs: Tensor | None = None, index: int = 0) -> Tensor:
        """Compute the bias of the relative positions: in each block of umT5, otherwise once for all blocks.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The input of a block, read for its length.
            index: int. The number of the block.

        Returns:
            Tensor, [n, n, num_attention_heads].
        """
        if self.position_bias is None or self.traits.table_per_block:
            self.position_bias = self.relative_positions(inputs, inputs, "Encoder", index)
        return self.position_bias

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_main_layers(self, inputs: Tensor, index: int) -> Tensor:
        """Apply one block: self-attention and feed-forward.

        Arguments:
            inputs: tensor, [batch, n, hidden_size].
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        block = f"Encoder-Transformer-{index}"
        bias, position = self.compute_attention_bias(index), self.compute_position_bias(inputs, index)
        name = f"{block}-MultiHeadSelfAttention"
        x = self.apply_attention(inputs, name, bias=bias, position=position)  # [batch, n, hidden_size]
        return self.apply_feed_forward(x, f"{block}-FeedForward")  # [batch, n, hidden_size]

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor) -> Tensor | list[Tensor]:
        """Normalise the last block, drop out and set the padding to zero.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        x = self.normalize(inputs, "Encoder-Output-Norm")  # [batch, n, hidden_size]
        x = self.drop(x, "Encoder-Output-Dropout")  # [batch, n, hidden_size]
        return self.apply(x, ZeroPadding, name="Encoder-Output-Masked")


class T5_Decoder(DecoderHalf, T5_Base):  # noqa: N801
    """The decoder of T5.

    Inputs:
        the output of the encoder: [batch, m, hidden_size]; vectors of zeros are padding.
        token ids: [batch, n]. The first one, usually 0, counts as a token even if it is the padding id.

    Output:
        The probabilities of the next token, [batch, n, vocab_size]; without with_lm the last block,
        [batch, n, hidden_size].

    Arguments:
        with_lm: bool, str or callable. Whether the output is projected to the vocabulary; True has the activation
            softmax, "linear" gives logits.
        cross_position_bias: bool or None. Whether the attention to the encoder has the position bias of the decoder.
            None: only t5_pegasus has it. bert4keras has it in every version unless told otherwise.
        logit_scale: float, bool or None. A factor on the decoder's output; True is hidden_size ** -0.5, False is 1.
            None: True in t5.1.0 and t5_pegasus, False in t5.1.1, mt5.1.1 and umt5. bert4keras has True everywhere.
        decoder_start_token_id: int or None. The id that `generate` starts from; None is the padding id.
        kwargs: the arguments of `T5_Base`.

    Raises:
        ConfigError: the version is unknown.

    Example:
        >>> from b4k3.models import T5_Decoder
        >>> decoder = T5_Decoder(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                      intermediate_size=16, hidden_act="relu")
        >>> decoder.build()
        >>> decoder.model.output_shape
        (None, None, 20)

    Reference: Raffel et al., T5, https://arxiv.org/abs/1910.10683
    """

    network = networks.T5_1_0_DECODER
    side = "_decoder"
    position_bias: Any  # a pair: for the self-attention and for the attention to the encoder

    def __init__(
        self,
        *,
        with_lm: Head = True,
        cross_position_bias: bool | None = None,
        logit_scale: float | bool | None = None,
        decoder_start_token_id: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.decoder_start_token_id = decoder_start_token_id
        self.num_hidden_layers = self.num_decoder_layers
        self.with_lm = with_lm
        if cross_position_bias is None:
            cross_position_bias = self.traits.cross_position_bias
        self.cross_position_bias = cross_position_bias
        if logit_scale is None:
            logit_scale = self.traits.logit_scale
        self.logit_scale = self.hidden_size**-0.5 if logit_scale is True else float(logit_scale or 1)

    # ---------------------------------------------------------------------------------------------- embeddings

    def compute_position_bias(self, inputs: Any = None, index: int = 0) -> Any:
        """Compute the biases of the relative positions: in each block of umT5, otherwise once for all blocks.

        Arguments:
            inputs: list of x, [batch, n, hidden_size], and the encoder's output, [batch, m, hidden_size]. They are read
                for their lengths.
            index: int. The number of the block.

        Returns:
            The bias of the self-attention, [n, n, num_attention_heads], and the bias of the attention to the encoder,
            [n, m, num_attention_heads], or None without cross_position_bias.
        """
        if self.position_bias is None or self.traits.table_per_block:
            x, context = inputs
            # The order matters: a saved model is rebuilt layer by layer, and a layer that depends on fewer inputs
            # must come first.
            own = self.relative_positions(x, x, "Decoder", index)  # [n, n, heads]
            cross = None
            if self.cross_position_bias:
                cross = self.relative_positions(x, context, "Decoder", index)  # [n, m, heads]
            self.position_bias = own, cross
        return self.position_bias

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
        bias = self.compute_attention_bias(index)
        position, cross = self.compute_position_bias([x, context], index)
        name = f"{block}-MultiHeadSelfAttention"
        x = self.apply_attention(x, name, bias=bias, position=position)  # [batch, n, hidden_size]
        name = f"{block}-MultiHeadCrossAttention"
        x = self.apply_attention(x, name, keys=context, position=cross)  # [batch, n, hidden_size]
        return [context, self.apply_feed_forward(x, f"{block}-FeedForward")]

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: list[Tensor]) -> Tensor | list[Tensor]:
        """Normalise the last block, scale it and project it to the vocabulary.

        Arguments:
            inputs: list of the encoder's output and the last block, [batch, n, hidden_size].

        Returns:
            Tensor, [batch, n, vocab_size]; without with_lm [batch, n, hidden_size].
        """
        x = self.normalize(inputs[1], "Decoder-Output-Norm")  # [batch, n, hidden_size]
        x = self.drop(x, "Decoder-Output-Dropout")  # [batch, n, hidden_size]
        if self.logit_scale != 1:
            x = self.apply(x, ScaleOffset, scale=self.logit_scale, offset=False, name="Decoder-Output-Scale")
        return self.apply_lm(x) if self.with_lm else x

    def apply_lm(self, x: Tensor) -> Tensor:
        """Project the decoder's output to the vocabulary.

        Arguments:
            x: tensor, [batch, n, hidden_size].

        Returns:
            Tensor, [batch, n, vocab_size].
        """
        if self.embedding_size != self.hidden_size:
            x = self.dense(x, self.embedding_size, "Decoder-Output-Mapping")  # [batch, n, embedding_size]
        activation = activations.get("softmax" if self.with_lm is True else self.with_lm)
        if not self.tie_word_embeddings:
            return self.dense(x, self.vocab_size, "Decoder-Output-LM", activation, use_bias=False)
        x = self.project_to_vocabulary(x, "Decoder-Output-LM")  # [batch, n, vocab_size]
        return self.apply(
            x, keras.layers.Activation, activation=activation, dtype="float32", name="Decoder-Output-LM-Activation"
        )


class T5(TwoHalves, T5_Base):
    """T5: the encoder and the decoder in one model.

    The main differences from BERT are: a decoder reads the output of the encoder; the positions are a bias of the
    attention scores; an RMS normalisation comes before each sublayer, not after it; and nothing else has a bias.

    The inputs are the token ids of the encoder [batch, m] and of the decoder [batch, n]. The output is the same as in
    `T5_Decoder`, [batch, n, vocab_size].

    Arguments:
        with_lm: bool, str or callable. An argument of `T5_Decoder`.
        cross_position_bias: bool or None. An argument of `T5_Decoder`.
        logit_scale: float, bool or None. An argument of `T5_Decoder`.
        decoder_start_token_id: int or None. An argument of `T5_Decoder`.
        kwargs: the arguments of `T5_Base`.

    Attributes (after `build`):
        encoder: Keras model. From the token ids of the encoder to its output; it shares its layers with `model`.
        decoder: Keras model. From the encoder's output and token ids to the output; it shares its layers with `model`.

    Raises:
        ConfigError: the version is unknown.

    Example:
        >>> from b4k3.models import T5
        >>> t5 = T5(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...         intermediate_size=16, hidden_act="relu")
        >>> t5.build()
        >>> t5.model.output_shape, t5.encoder.output_shape
        ((None, None, 20), (None, None, 8))

    Reference: Raffel et al., T5, https://arxiv.org/abs/1910.10683
    """

    network = networks.T5_1_0

    def __init__(
        self,
        *,
        with_lm: Head = True,
        cross_position_bias: bool | None = None,
        logit_scale: float | bool | None = None,
        decoder_start_token_id: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.with_lm, self.decoder_start_token_id = with_lm, decoder_start_token_id
        shared = dict(kwargs, layers=self.layers, version=self.version)
        self._encoder = T5_Encoder(**dict(shared, name=self.name_of("Encoder")))
        head = {"with_lm": with_lm, "cross_position_bias": cross_position_bias, "logit_scale": logit_scale}
        head["decoder_start_token_id"] = decoder_start_token_id
        self._decoder = T5_Decoder(**dict(shared, name=self.name_of("Decoder"), **head))


def classes_of(version: str) -> tuple[type[T5], type[T5_Encoder], type[T5_Decoder]]:
    """Make the classes of another version than t5.1.0.

    Arguments:
        version: str. A key of `VERSIONS` of `b4k3.models.networks.t5`.

    Returns:
        The classes T5, T5_Encoder and T5_Decoder of this version.
    """

    def derived(base: type[T5_Base]) -> Any:
        """Make the subclass of the version."""
        own = {"version": version, "model_key": version, "__module__": __name__, "__doc__": base.__doc__}
        own["network"] = network(version + base.side)
        version_name = version.replace(".", "_")
        return type(f"{base.__name__}_{version_name}", (base,), own)

    return derived(T5), derived(T5_Encoder), derived(T5_Decoder)


T5_1_1, T5_1_1_Encoder, T5_1_1_Decoder = classes_of("t5.1.1")
MT5, MT5_Encoder, MT5_Decoder = classes_of("mt5.1.1")
UMT5, UMT5_Encoder, UMT5_Decoder = classes_of("umt5")
T5_Pegasus, T5_Pegasus_Encoder, T5_Pegasus_Decoder = classes_of("t5_pegasus")
