"""T5, T5.1.1, mT5 and T5-PEGASUS: encoder, decoder and the two together."""

from __future__ import annotations

from b4k3.backend import activations, keras
from b4k3.layers import ScaleOffset, ZeroPadding

from ..masks import LM_Mask
from ..networks import t5 as networks
from ..registry import network
from ..transformer import as_list
from .t5_base import T5_Base


class T5_Encoder(T5_Base):  # noqa: N801
    """The encoder of T5.

    Inputs: token ids [batch, n]. Output: [batch, n, hidden_size], zeros at padding.

    Arguments:
        kwargs: those of `T5_Base`.
    """

    network = networks.T5_1_0_ENCODER
    side = "_encoder"

    # -------------------------------------------------------------------------------------------------- inputs

    def get_inputs(self):
        return self.input_ids("Encoder-Input-Token")

    # ---------------------------------------------------------------------------------------------- embeddings

    def apply_embeddings(self, inputs):
        return self.embed(as_list(inputs)[0], "Encoder")

    def compute_position_bias(self, inputs=None):
        """Relative positions, the same for all blocks. Arguments: inputs [batch, n, …]."""
        if self.position_bias is None:
            self.position_bias = self.relative_positions(inputs, inputs, "Encoder")
        return self.position_bias

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_main_layers(self, inputs, index):
        block = "Encoder-Transformer-%d" % index
        bias, position = self.compute_attention_bias(index), self.compute_position_bias(inputs)
        x = self.apply_attention(inputs, "%s-MultiHeadSelfAttention" % block, bias=bias, position=position)
        return self.apply_feed_forward(x, "%s-FeedForward" % block)

    def apply_final_layers(self, inputs):
        x = self.normalize(inputs, "Encoder-Output-Norm")
        x = self.drop(x, "Encoder-Output-Dropout")
        return self.apply(x, ZeroPadding, name="Encoder-Output-Masked")


class T5_Decoder(LM_Mask, T5_Base):  # noqa: N801
    """The decoder of T5.

    Inputs: the encoder's output [batch, m, hidden_size], in which vectors of zeros are padding; token ids [batch, n],
    of which the first one, usually 0, counts as a token. Output: probabilities of the next token
    [batch, n, vocab_size], or without with_lm the last block [batch, n, hidden_size].

    Arguments:
        with_lm: True (softmax), False, or the activation of the output: 'linear' for logits.
        cross_position_bias: whether attention to the encoder has the decoder's position bias. None: only in
            t5_pegasus; bert4keras has it everywhere unless told otherwise.
        logit_scale: factor on the decoder's output; True for hidden_size ** -0.5, False for 1. None: True in t5.1.0
            and t5_pegasus, False in t5.1.1 and mt5.1.1, where bert4keras has it too.
        decoder_start_token_id: what `generate` starts from, the padding id by default.
        kwargs: those of `T5_Base`.
    """

    network = networks.T5_1_0_DECODER
    side = "_decoder"
    token_input = 1

    def __init__(
        self, *, with_lm=True, cross_position_bias=None, logit_scale=None, decoder_start_token_id=None, **kwargs
    ):
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

    # -------------------------------------------------------------------------------------------------- inputs

    def get_inputs(self):
        shape = (self.sequence_length, self.hidden_size)
        context = self.apply(layer=keras.layers.Input, shape=shape, name="Input-Context")
        return [context, self.input_ids("Decoder-Input-Token")]

    # ---------------------------------------------------------------------------------------------- embeddings

    def apply_embeddings(self, inputs):
        context, ids = inputs[:2]
        context = self.apply(context, keras.layers.Masking, mask_value=0.0, name="Masked-Context")
        return [context, self.embed(ids, "Decoder")]

    def compute_position_bias(self, inputs=None):
        """Relative positions, the same for all blocks.

        Arguments:
            inputs: [x [batch, n, …], context [batch, m, …]].

        Returns:
            (those of x, those of x to the context or None)
        """
        if self.position_bias is None:
            x, context = inputs
            # In this order: a saved model is rebuilt from what depends on little to what depends on more.
            own = self.relative_positions(x, x, "Decoder")
            cross = self.relative_positions(x, context, "Decoder") if self.cross_position_bias else None
            self.position_bias = own, cross
        return self.position_bias

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_main_layers(self, inputs, index):
        """Block number `index`. Arguments: inputs: [context, x [batch, n, hidden_size]]. Returns: likewise."""
        context, x = inputs
        block = "Decoder-Transformer-%d" % index
        bias, (position, cross) = self.compute_attention_bias(index), self.compute_position_bias([x, context])
        x = self.apply_attention(x, "%s-MultiHeadSelfAttention" % block, bias=bias, position=position)
        x = self.apply_attention(x, "%s-MultiHeadCrossAttention" % block, keys=context, position=cross)
        return [context, self.apply_feed_forward(x, "%s-FeedForward" % block)]

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs):
        x = self.normalize(inputs[1], "Decoder-Output-Norm")
        x = self.drop(x, "Decoder-Output-Dropout")
        if self.logit_scale != 1:
            x = self.apply(x, ScaleOffset, scale=self.logit_scale, offset=False, name="Decoder-Output-Scale")
        return self.apply_lm(x) if self.with_lm else x

    def apply_lm(self, x):
        """The output over the vocabulary. Arguments: x [batch, n, hidden_size]. Returns: [batch, n, vocab_size]."""
        if self.embedding_size != self.hidden_size:
            x = self.dense(x, self.embedding_size, "Decoder-Output-Mapping")
        activation = activations.get("softmax" if self.with_lm is True else self.with_lm)
        if not self.tie_word_embeddings:
            return self.dense(x, self.vocab_size, "Decoder-Output-LM", activation, use_bias=False)
        x = self.project_to_vocabulary(x, "Decoder-Output-LM")
        return self.apply(
            x, keras.layers.Activation, activation=activation, dtype="float32", name="Decoder-Output-LM-Activation"
        )


class T5(T5_Base):
    """T5, encoder and decoder.

    Inputs: the encoder's token ids [batch, m]; the decoder's [batch, n]. Output: that of `T5_Decoder`.

    Arguments:
        with_lm, cross_position_bias, logit_scale, decoder_start_token_id: as of `T5_Decoder`.
        kwargs: those of `T5_Base`.

    Attributes (after `build`):
        encoder, decoder: the Keras models of the two, which share their layers with `model`.
    """

    network = networks.T5_1_0
    has_two_halves = True  # `encoder` and `decoder`, which can be run apart

    def __init__(
        self, *, with_lm=True, cross_position_bias=None, logit_scale=None, decoder_start_token_id=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.with_lm, self.decoder_start_token_id = with_lm, decoder_start_token_id
        shared = dict(kwargs, layers=self.layers, version=self.version)
        self._encoder = T5_Encoder(**dict(shared, name=self.name_of("Encoder")))
        head = {"with_lm": with_lm, "cross_position_bias": cross_position_bias, "logit_scale": logit_scale}
        head["decoder_start_token_id"] = decoder_start_token_id
        self._decoder = T5_Decoder(**dict(shared, name=self.name_of("Decoder"), **head))

    def name_of(self, part):
        return part if self.name is None else "%s_%s" % (self.name, part)

    def build(self, **kwargs):
        """Make the three Keras models. Arguments: as of `Transformer.build`. A second call does nothing."""
        if self.built:
            return
        self._encoder.uninitialized = self._decoder.uninitialized = self.uninitialized
        self._encoder.build(**kwargs)
        self._decoder.build(**kwargs)
        self.encoder, self.decoder = self._encoder.model, self._decoder.model
        ids = self._encoder.inputs[0], self._decoder.inputs[1]
        self.set_inputs(list(ids), self._encoder.inputs[1:])
        self._decoder.position_bias = None  # it depends on the context, which is another one now
        self.set_outputs(self._decoder.call([self._encoder.output, ids[1]]))
        self.model = keras.models.Model(self.input, self.output, name=self.name)
        self.built = True


def classes_of(version):
    """(T5, T5_Encoder, T5_Decoder) of another version than t5.1.0."""
    classes = []
    for base in (T5, T5_Encoder, T5_Decoder):
        own = {"version": version, "model_key": version, "__module__": __name__, "__doc__": base.__doc__}
        own["network"] = network(version + base.side)
        classes.append(type("%s_%s" % (base.__name__, version.replace(".", "_")), (base,), own))
    return classes


T5_1_1, T5_1_1_Encoder, T5_1_1_Decoder = classes_of("t5.1.1")
MT5, MT5_Encoder, MT5_Decoder = classes_of("mt5.1.1")
T5_Pegasus, T5_Pegasus_Encoder, T5_Pegasus_Decoder = classes_of("t5_pegasus")
