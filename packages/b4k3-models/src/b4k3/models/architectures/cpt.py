"""CPT: the encoder of BERT, whose last blocks are for understanding, and a small decoder of BART."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import Functional, activations, keras
from b4k3.layers import TaskEmbedding, ZeroPadding

from ..errors import ConfigError
from ..networks import cpt as networks
from .bart import BART_Decoder
from .bart_base import BART_Base
from .bert import BERT
from .two_halves import TwoHalves

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from .bert import Head


class CPT_Encoder(BERT):  # noqa: N801 (as BART_Encoder)
    """The shared encoder of CPT: the first blocks of a BERT in which all tokens are of one segment.

    The input is the token ids [batch, n]. The output is [batch, n, hidden_size], with zeros at the padding, by which
    the decoder recognises it.

    Arguments:
        encoder_segment: int. The segment of all tokens, 0 or 1.
        kwargs: the arguments of `BERT`.

    Raises:
        ConfigError: encoder_segment is neither 0 nor 1.

    Example:
        >>> from b4k3.models import CPT
        >>> cpt = CPT(vocab_size=20, hidden_size=8, num_hidden_layers=2, num_decoder_layers=1, num_attention_heads=2,
        ...           intermediate_size=16, hidden_act="gelu", max_position=32)
        >>> cpt.build()
        >>> cpt.encoder.output_shape
        (None, None, 8)

    Reference: Shao et al., CPT, https://arxiv.org/abs/2109.05729
    """

    network = networks.CPT

    def __init__(self, *, encoder_segment: int = 1, **kwargs: Any) -> None:
        super().__init__(segment_vocab_size=0, **kwargs)
        if encoder_segment not in range(networks.SEGMENTS):
            raise ConfigError(f"encoder_segment={encoder_segment!r}, expected 0 or 1")
        self.encoder_segment = encoder_segment

    # -------------------------------------------------------------------------------------------------- inputs

    def get_inputs(self) -> Tensor | list[Tensor]:
        """Make the input tensor.

        Returns:
            The token ids, [batch, n].
        """
        return self.input_ids("Encoder-Input-Token")

    # ---------------------------------------------------------------------------------------------- embeddings

    def embed_tokens(self, inputs: list[Tensor]) -> Tensor:
        """Add the embedding of the segment to the embeddings of the tokens.

        Arguments:
            inputs: list of one tensor, [batch, n]. The token ids.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        return self.apply(
            super().embed_tokens(inputs),
            TaskEmbedding,
            input_dim=networks.SEGMENTS,
            output_dim=self.hidden_size,
            task_id=self.encoder_segment,
            embeddings_initializer=self.initializer,
            name="Embedding-Segment",
        )

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor) -> Tensor | list[Tensor]:
        """Set the padding to zero.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        return self.apply(inputs, ZeroPadding, name="Encoder-Output-Masked")


class CPT_Decoder(BART_Decoder):  # noqa: N801 (as BART_Decoder)
    """The decoder of CPT for generation: BART's, with the token embeddings of the encoder.

    Its inputs and its output are the same as in `BART_Decoder`.

    Arguments:
        kwargs: the arguments of `BART_Decoder`.

    Raises:
        ConfigError: an argument is wrong.

    Example:
        >>> from b4k3.models import CPT
        >>> cpt = CPT(vocab_size=20, hidden_size=8, num_hidden_layers=2, num_decoder_layers=1, num_attention_heads=2,
        ...           intermediate_size=16, hidden_act="gelu", max_position=32)
        >>> cpt.build()
        >>> cpt.decoder.output_shape
        (None, None, 20)

    Reference: Shao et al., CPT, https://arxiv.org/abs/2109.05729
    """

    network = networks.CPT
    own_tables = False


class CPT(TwoHalves, BART_Base):
    """CPT: a deep encoder that ends in blocks for understanding, and a small decoder for generation.

    The encoder is BERT's. Its last num_decoder_layers blocks, the decoder for understanding, are computed by the model
    `understanding` alone. The decoder for generation is BART's; it reads the output of the blocks before them.

    The inputs are the token ids of the encoder [batch, m] and of the decoder [batch, n]. The output is the same as in
    `BART_Decoder`, [batch, n, vocab_size].

    Arguments:
        encoder_max_position: int or None. The number of positions of the encoder; None takes max_position. The first
            files have 512, though their configs say 1024.
        encoder_segment: int. The segment of all tokens of the encoder. CPT was trained with 1. The `generate` of its
            authors' code leaves the segments out, which means 0.
        with_mlm: bool, str or callable. Whether the output of `understanding` is projected to the vocabulary; True has
            the activation softmax, "linear" gives logits.
        with_lm: bool, str or callable. An argument of `BART_Decoder`.
        final_logits_bias: bool. An argument of `BART_Decoder`; it is added in both decoders.
        decoder_start_token_id: int or None. An argument of `BART_Decoder`.
        forced_bos_token_id: int or None. An argument of `BART_Decoder`.
        forced_eos_token_id: int or None. An argument of `BART_Decoder`.
        kwargs: the arguments of `BART_Base`. num_hidden_layers counts the blocks for understanding too, so it is 12 in
            cpt-base. hidden_act is of the decoder; the encoder always has gelu.

    Attributes (after `build`):
        encoder: Keras model. From the token ids of the encoder to the output of its shared blocks.
        decoder: Keras model. From the encoder's output and token ids to the output.
        understanding: Keras model. From the token ids of the encoder to the output of its last block,
            [batch, m, hidden_size]; with_mlm to [batch, m, vocab_size]. All of these share their layers with `model`.

    Raises:
        ConfigError: an argument is wrong, or the encoder has no more blocks than the decoder.

    Example:
        >>> from b4k3.models import CPT
        >>> cpt = CPT(vocab_size=20, hidden_size=8, num_hidden_layers=2, num_decoder_layers=1, num_attention_heads=2,
        ...           intermediate_size=16, hidden_act="gelu", max_position=32)
        >>> cpt.build()
        >>> cpt.model.output_shape, cpt.understanding.output_shape
        ((None, None, 20), (None, None, 8))

    Reference: Shao et al., CPT: A Pre-Trained Unbalanced Transformer for Both Chinese Language Understanding and
        Generation, https://arxiv.org/abs/2109.05729, https://github.com/fastnlp/CPT
    """

    model_key = "cpt"
    network = networks.CPT

    def __init__(
        self,
        *,
        encoder_max_position: int | None = None,
        encoder_segment: int = 1,
        with_mlm: Head = False,
        with_lm: Head = True,
        final_logits_bias: bool = False,
        decoder_start_token_id: int | None = None,
        forced_bos_token_id: int | None = None,
        forced_eos_token_id: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.encoder_max_position = self.max_position if encoder_max_position is None else encoder_max_position
        self.encoder_segment = encoder_segment
        self.with_mlm, self.with_lm, self.final_logits_bias = with_mlm, with_lm, final_logits_bias
        self.decoder_start_token_id = decoder_start_token_id
        self.forced_bos_token_id, self.forced_eos_token_id = forced_bos_token_id, forced_eos_token_id
        shared_blocks = self.num_hidden_layers - self.num_decoder_layers
        if shared_blocks < 1:
            raise ConfigError(
                f"num_hidden_layers={self.num_hidden_layers} and num_decoder_layers={self.num_decoder_layers}: the "
                "encoder of CPT has more blocks than the decoder; build a BART with model='bart'"
            )
        shared = dict(kwargs, layers=self.layers)
        bert = {key: value for key, value in shared.items() if key not in networks.DECODER_KEYS}
        bert.update(num_hidden_layers=shared_blocks, max_position=self.encoder_max_position, hidden_act="gelu_erf")
        bert.update(pad_token_id=self.full_pad_token_id, name=self.name_of("Encoder"))
        self._encoder = CPT_Encoder(encoder_segment=encoder_segment, **bert)
        self._decoder = CPT_Decoder(
            with_lm=with_lm,
            final_logits_bias=final_logits_bias,
            decoder_start_token_id=decoder_start_token_id,
            forced_bos_token_id=forced_bos_token_id,
            forced_eos_token_id=forced_eos_token_id,
            **dict(shared, name=self.name_of("Decoder")),
        )

    def build(self, **kwargs: Any) -> None:
        """Make the Keras models `model`, `encoder`, `decoder` and `understanding`. A second call does nothing.

        Arguments:
            kwargs: the arguments of `Transformer.build`.
        """
        if self.built:
            return
        super().build(**kwargs)
        x = self._encoder.output  # [batch, m, hidden_size]
        for index in range(self._encoder.num_hidden_layers, self.num_hidden_layers):
            x = self._encoder.apply_main_layers(x, index)  # [batch, m, hidden_size]
        outputs = self.apply_mlm(x) if self.with_mlm else x
        self.understanding = Functional(self._encoder.input, outputs, name=self.name_of("Understanding"))

    # --------------------------------------------------------------------------------------------------- heads

    def apply_mlm(self, x: Tensor) -> Tensor:
        """Project the output of the last block of the encoder to the vocabulary, as the decoder does.

        Arguments:
            x: tensor, [batch, m, hidden_size].

        Returns:
            Tensor, [batch, m, vocab_size], in float32.
        """
        x = self._decoder.project(x)  # [batch, m, vocab_size]
        activation = activations.get("softmax" if self.with_mlm is True else self.with_mlm)
        return self.apply(x, keras.layers.Activation, activation=activation, dtype="float32", name="MLM-Activation")
