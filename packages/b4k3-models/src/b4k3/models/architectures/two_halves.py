"""What the networks of an encoder and a decoder have in common: three Keras models that share their layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import Functional, keras

from ..language_models import LM_Mask
from ..transformer import as_list

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from ..transformer import Transformer

    Mixin = Transformer
else:
    Mixin = object


class EncoderHalf(Mixin):
    """A mixin for the encoder of a `TwoHalves`. The other base has a method `embed`, from ids and a side to vectors.

    Example:
        >>> from b4k3.models import T5_Encoder
        >>> issubclass(T5_Encoder, EncoderHalf)
        True
    """

    if TYPE_CHECKING:  # what the other base adds, for type checkers
        embed: Any

    # -------------------------------------------------------------------------------------------------- inputs

    def get_inputs(self) -> Tensor | list[Tensor]:
        """Make the input tensor.

        Returns:
            The token ids, [batch, n].
        """
        return self.input_ids("Encoder-Input-Token")

    # ---------------------------------------------------------------------------------------------- embeddings

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Embed the tokens.

        Arguments:
            inputs: tensor, [batch, n]. The token ids.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        return self.embed(as_list(inputs)[0], "Encoder")


class DecoderHalf(LM_Mask):
    """A mixin for the decoder of a `TwoHalves`: position i sees the positions up to i, and the encoder's output.

    Example:
        >>> from b4k3.models import T5_Decoder
        >>> issubclass(T5_Decoder, DecoderHalf), T5_Decoder.generates
        (True, True)
    """

    token_input = 1

    if TYPE_CHECKING:  # what the other base adds, for type checkers
        embed: Any

    # -------------------------------------------------------------------------------------------------- inputs

    def get_inputs(self) -> Tensor | list[Tensor]:
        """Make the input tensors.

        Returns:
            The list of the encoder's output, [batch, m, hidden_size], and the token ids, [batch, n].
        """
        shape = (self.sequence_length, self.hidden_size)
        context = self.apply(layer=keras.layers.Input, shape=shape, name="Input-Context")  # [batch, m, hidden_size]
        return [context, self.input_ids("Decoder-Input-Token")]

    # ---------------------------------------------------------------------------------------------- embeddings

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Mask the padding of the encoder's output and embed the tokens.

        Arguments:
            inputs: list of tensors. What `get_inputs` returned.

        Returns:
            The list of the encoder's output, [batch, m, hidden_size], and the embeddings, [batch, n, hidden_size].
        """
        context, ids = inputs[:2]  # [batch, m, hidden_size], [batch, n]
        context = self.apply(context, keras.layers.Masking, mask_value=0.0, name="Masked-Context")
        return [context, self.embed(ids, "Decoder")]  # [batch, m, hidden_size], [batch, n, hidden_size]


class TwoHalves(Mixin):
    """A mixin for a `Transformer` that consists of an encoder and a decoder, each of them a `Transformer` too.

    A subclass makes the halves in its constructor, as `_encoder` and `_decoder`, with its own dict of layers. The first
    input of each decoder is the output of the encoder, the second one its token ids.

    Attributes (after `build`):
        encoder: Keras model. From the token ids of the encoder to its output; it shares its layers with `model`.
        decoder: Keras model. From the encoder's output and token ids to the output; it shares its layers with `model`.

    Example:
        >>> from b4k3.models import T5
        >>> t5 = T5(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...         intermediate_size=16, hidden_act="relu")
        >>> t5.build()
        >>> [len(model.inputs) for model in (t5.encoder, t5.decoder, t5.model)]
        [1, 2, 2]
    """

    has_two_halves = True  # `encoder` and `decoder` can be run separately
    _encoder: Any
    _decoder: Any

    def name_of(self, part: str) -> str:
        """Make the name of the Keras model of one half.

        Arguments:
            part: str. "Encoder" or "Decoder".

        Returns:
            str. It begins with the name of the whole model, if that has one.
        """
        return part if self.name is None else f"{self.name}_{part}"

    def build(self, **kwargs: Any) -> None:
        """Make the three Keras models `model`, `encoder` and `decoder`. A second call does nothing.

        Arguments:
            kwargs: the arguments of `Transformer.build`.
        """
        if self.built:
            return
        self._encoder.uninitialized = self._decoder.uninitialized = self.uninitialized
        self._encoder.build(**kwargs)
        self._decoder.build(**kwargs)
        self.encoder, self.decoder = self._encoder.model, self._decoder.model
        ids = self._encoder.inputs[0], self._decoder.inputs[1]  # [batch, m], [batch, n]
        self.set_inputs(list(ids), self._encoder.inputs[1:])
        self._decoder.position_bias = None  # the context is a different tensor now, so the bias is computed again
        self.set_outputs(self._decoder.call([self._encoder.output, ids[1]]))
        self.model = Functional(self.input, self.output, name=self.name)
        self.built = True
