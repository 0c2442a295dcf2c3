"""T5, T5.1.1, mT5 and T5-PEGASUS: encoder, decoder and the two together."""

from __future__ import annotations

from b4k3.backend import activations, keras
from b4k3.layers import Embedding, RelativePositionEmbeddingT5, ScaleOffset, ZeroPadding

from ..config import ConfigError
from ..masks import LM_Mask
from ..transformer import Transformer, as_list


class Version:
    """What the published versions differ in.

    Arguments:
        gated: whether the feed-forward layer is gated, and the projection to the vocabulary not the tied embeddings.
        norm, final_norm: what the files call a block's normalisation, and that at the end of a stack.
        cross_position_bias: whether attention to the encoder has a position bias.
        logit_scale: whether logits are scaled by hidden_size ** -0.5.
        tanh: whether 'gelu' in a configuration means its tanh form.
    """

    def __init__(self, gated, norm, final_norm, cross_position_bias, logit_scale, tanh):
        self.gated = gated
        self.norm = norm
        self.final_norm = final_norm
        self.cross_position_bias = cross_position_bias
        self.logit_scale = logit_scale
        self.tanh = tanh


VERSIONS = {
    "t5.1.0": Version(False, "layer_norm", "final_layer_norm", False, True, True),
    "t5.1.1": Version(True, "layer_norm", "final_layer_norm", False, False, True),
    "mt5.1.1": Version(True, "rms_norm", "rms_norm", False, False, True),
    "t5_pegasus": Version(True, "rms_norm", "rms_norm", True, True, False),
}


class T5_Base(Transformer):  # noqa: N801 (a name of bert4keras)
    """What the parts of T5 have in common.

    Arguments:
        version: 't5.1.0', 't5.1.1', 'mt5.1.1' or 't5_pegasus'; the names for `model=` choose it.
        num_decoder_layers: number of the decoder's blocks, num_hidden_layers by default.
        relative_attention_num_buckets: rows of the tables of relative positions.
        relative_attention_max_distance: distances from here on share a row.
        kwargs: those of `Transformer`. In a configuration, unlike in the call, 'gelu' is its tanh form, as Google's
            code computes it; of t5_pegasus it is the erf form.

    Raises:
        ConfigError: an unknown version.

    Reference: Raffel et al., T5, https://arxiv.org/abs/1910.10683,
        https://github.com/google-research/text-to-text-transfer-transformer; Xue et al., mT5,
        https://arxiv.org/abs/2010.11934; T5-PEGASUS, https://github.com/ZhuiyiTechnology/t5-pegasus
    """

    model_key = version = "t5.1.0"
    applications = ("encoder",)
    use_bias = False
    attention_scale = False
    position_kind = "t5_relative"

    def __init__(
        self,
        version=None,
        num_decoder_layers=None,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=128,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.model_key = self.version = version or self.version
        if self.version not in VERSIONS:
            raise ConfigError("version=%r, expected one of %s" % (version, ", ".join(map(repr, VERSIONS))))
        self.traits = VERSIONS[self.version]
        self.num_decoder_layers = self.num_hidden_layers if num_decoder_layers is None else num_decoder_layers
        self.relative_attention_num_buckets = relative_attention_num_buckets
        self.relative_attention_max_distance = relative_attention_max_distance

    @classmethod
    def published_activation(cls, hidden_act):
        """The activation that a published configuration means. Arguments and Returns: name, list of them or None."""
        if hidden_act is None:
            hidden_act = ["gelu", "linear"] if VERSIONS[cls.version].gated else "relu"
        if isinstance(hidden_act, (list, tuple)):
            return [cls.published_activation(name) for name in hidden_act]
        return "gelu_tanh" if hidden_act == "gelu" and VERSIONS[cls.version].tanh else hidden_act

    # ---------------------------------------------------------------------------------------------- embeddings

    def embed(self, ids, part):
        """Token embeddings. Arguments: ids [batch, n]; 'Encoder' or 'Decoder'. Returns: [batch, n, hidden_size]."""
        x = self.apply(
            ids,
            Embedding,
            input_dim=self.vocab_size,
            output_dim=self.embedding_size,
            embeddings_initializer=self.initializer,
            mask_zero=True,
            name="Embedding-Token",
        )
        x = self.drop(x, "%s-Embedding-Dropout" % part)
        if self.embedding_size == self.hidden_size:
            return x
        return self.dense(x, self.hidden_size, "%s-Embedding-Mapping" % part)

    def relative_positions(self, x, keys, part):
        """A bias for each distance and head. Arguments: x [batch, n, …]; keys [batch, m, …]. Returns: [n, m, heads]."""
        return self.apply(
            [x, keys],
            RelativePositionEmbeddingT5,
            input_dim=self.relative_attention_num_buckets,
            output_dim=self.num_attention_heads,
            max_distance=self.relative_attention_max_distance,
            bidirectional=part == "Encoder",
            embeddings_initializer=self.initializer,
            name="%s-Embedding-Relative-Position" % part,
        )

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_attention(self, x, name, keys=None, bias=None, position=None):
        """Norm, attention, Dropout, Add.

        Arguments:
            x: [batch, n, hidden_size].
            name: of the attention layer.
            keys: [batch, m, hidden_size], what is looked at; None for x itself.
            bias, position: as of `attend`.
        """
        y = self.normalize(x, "%s-Norm" % name)
        return self.add(x, self.attend(y, y if keys is None else keys, name, bias, position), name)

    def apply_feed_forward(self, x, name):
        """Norm, FeedForward, Dropout, Add. Arguments: x [batch, n, hidden_size]; name of the layer."""
        return self.add(x, self.feed_forward(self.normalize(x, "%s-Norm" % name), name), name)

    def normalize(self, x, name, epsilon=1e-6, **kwargs):
        """RMS normalisation."""
        return super().normalize(x, name, epsilon, zero_mean=False, offset=False, **kwargs)

    # ------------------------------------------------------------------------------------------------- weights

    def load_variable(self, checkpoint, name):
        value = super().load_variable(checkpoint, name)
        if name == "shared/embedding":
            return self.load_embeddings(value)
        if name == "decoder/logits/kernel":
            return self.load_embeddings(value.T).T
        return value.T if name.endswith("/relative_attention_bias") else value

    def create_variable(self, name, value, dtype=None):
        value = super().create_variable(name, value, dtype)
        return value.T if name.endswith("/relative_attention_bias") else value

    def variable_mapping(self):
        mapping = {"Embedding-Token": ["shared/embedding"], "Decoder-Output-LM": ["decoder/logits/kernel"]}
        stacks = {
            "Encoder": (self.num_hidden_layers, ["MultiHeadSelfAttention", "FeedForward"]),
            "Decoder": (self.num_decoder_layers, ["MultiHeadSelfAttention", "MultiHeadCrossAttention", "FeedForward"]),
        }
        for part, (blocks, layers) in stacks.items():
            scope = part.lower()
            mapping["%s-Output-Norm" % part] = ["%s/%s/scale" % (scope, self.traits.final_norm)]
            table = scope + "/block_000/layer_000/SelfAttention/relative_attention_bias"
            mapping["%s-Embedding-Relative-Position" % part] = [table]
            for i in range(blocks):
                for j, layer in enumerate(layers):
                    name = "%s-Transformer-%d-%s" % (part, i, layer)
                    where = "%s/block_%03d/layer_%03d/" % (scope, i, j)
                    mapping[name] = [where + variable for variable in self.layer_variables(layer)]
                    mapping[name + "-Norm"] = [where + self.traits.norm + "/scale"]
        return mapping

    def layer_variables(self, layer):
        """The variables of a kind of layer, in the scope of its sublayer."""
        if layer == "FeedForward":
            inner = ("wi_0", "wi_1") if self.traits.gated else ("wi",)
            return ["DenseReluDense/%s/kernel" % name for name in inner + ("wo",)]
        kind = "EncDecAttention" if layer == "MultiHeadCrossAttention" else "SelfAttention"
        return ["%s/%s" % (kind, name) for name in "qkvo"]


class T5_Encoder(T5_Base):  # noqa: N801
    """The encoder of T5.

    Inputs: token ids [batch, n]. Output: [batch, n, hidden_size], zeros at padding.

    Arguments:
        kwargs: those of `T5_Base`.
    """

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
        kwargs: those of `T5_Base`.
    """

    token_input = 1

    def __init__(self, with_lm=True, cross_position_bias=None, logit_scale=None, **kwargs):
        super().__init__(**kwargs)
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
            cross = self.relative_positions(x, context, "Decoder") if self.cross_position_bias else None
            self.position_bias = (self.relative_positions(x, x, "Decoder"), cross)
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
        if self.traits.gated:
            return self.dense(x, self.vocab_size, "Decoder-Output-LM", activation, use_bias=False)
        x = self.apply(x, Embedding, arguments={"mode": "dense"}, name="Embedding-Token")
        return self.apply(
            x, keras.layers.Activation, activation=activation, dtype="float32", name="Decoder-Output-LM-Activation"
        )


class T5(T5_Base):
    """T5, encoder and decoder.

    Inputs: the encoder's token ids [batch, m]; the decoder's [batch, n]. Output: that of `T5_Decoder`.

    Arguments:
        with_lm, cross_position_bias, logit_scale: as of `T5_Decoder`.
        kwargs: those of `T5_Base`.

    Attributes (after `build`):
        encoder, decoder: the Keras models of the two, which share their layers with `model`.
    """

    def __init__(self, with_lm=True, cross_position_bias=None, logit_scale=None, **kwargs):
        super().__init__(**kwargs)
        shared = dict(kwargs, layers=self.layers, version=self.version)
        self._encoder = T5_Encoder(**dict(shared, name=self.name_of("Encoder")))
        head = {"with_lm": with_lm, "cross_position_bias": cross_position_bias, "logit_scale": logit_scale}
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
        classes.append(type("%s_%s" % (base.__name__, version.replace(".", "_")), (base,), own))
    return classes


T5_1_1, T5_1_1_Encoder, T5_1_1_Decoder = classes_of("t5.1.1")
MT5, MT5_Encoder, MT5_Decoder = classes_of("mt5.1.1")
T5_Pegasus, T5_Pegasus_Encoder, T5_Pegasus_Decoder = classes_of("t5_pegasus")
