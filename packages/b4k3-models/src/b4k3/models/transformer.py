"""The base of every architecture: builds a functional Keras model layer by layer, and fills it from a checkpoint."""

from __future__ import annotations

import inspect

from b4k3.backend import TruncatedNormal, activations, keras, skip_initialization
from b4k3.layers import Add, Concatenate1D, Embedding, FeedForward, LayerNormalization, MultiHeadAttention

from .keys import checked_padding_id, padding_id_after, refuse_unknown
from .token_choice import check_tokens
from .weights import CheckpointWeights

Dropout = keras.layers.Dropout


class Transformer(CheckpointWeights):
    """Base of the architectures, and of yours.

    A subclass says what the network computes: `get_inputs`, `apply_embeddings`, `apply_main_layers`,
    `apply_final_layers`. It calls layers through `apply`, by their names. Where its weights are is said by its
    attribute `network`, a `Network` of `b4k3.models.networks`, or by a method `variable_mapping` of its own.

    Arguments (named ones only):
        vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size: int.
        hidden_act: name of the activation of the feed-forward blocks, or a list for gated ones.
        dropout_rate, attention_dropout_rate: rates, None for 0. At 0 there is no Dropout layer.
        embedding_size: size of the embeddings if not hidden_size.
        attention_head_size: size of a head's values, hidden_size // num_attention_heads by default.
        attention_key_size: size of a head's queries and keys, attention_head_size by default.
        sequence_length: length of the inputs if it is fixed.
        keep_tokens: list of ids: only these rows of the vocabulary are kept, in this order. An id may occur twice.
        compound_tokens: list of lists of ids, or of (ids, weights): rows appended as means of others, by their ids
            after `keep_tokens`.
        residual_attention_scores: whether scores of a layer are added to those of the next, as in RealFormer,
            https://arxiv.org/abs/2012.11747
        ignore_invalid_weights: whether weights that the checkpoint lacks are left as they were initialised.
        ignore_unread_weights: whether variables of the network's own that it does not read are no error.
        autoresize_weights: whether arrays of another shape are resized.
        layers: dict from name to layer: layers to share with another model.
        prefix: put before the name of each layer.
        name: name of the Keras model.
        layer_norm_eps: epsilon of every layer normalisation, instead of the architecture's own.
        pad_token_id: the id that is padding, in the whole vocabulary, before `keep_tokens`; None for 0, -1 if
            no id is padding.
        tie_word_embeddings: whether the output over the vocabulary is the product with the token embeddings; if not,
            it has a matrix of its own. None is what the architecture is published with.

    Raises:
        ConfigError: an argument that the class does not have; it names the nearest one.

    Attributes (after `build`):
        model, inputs, outputs, input, output: the Keras model and its tensors.
        layers: dict from name to layer; the inputs are in it as tensors.
        load_report: `LoadReport` of the last checkpoint, or None.
        ignored_config_keys: keys of the config file that nobody reads.
        pad_token_id: int. The id that is padding in the model's inputs, after `keep_tokens`.
        full_pad_token_id: int. The same id before `keep_tokens`.
    """

    model_key = None
    generates = False  # whether it predicts the next token: the language models do
    token_input = 0  # which of the inputs are the ids that a language model goes on with
    use_bias = True  # whether attention and feed-forward have biases
    attention_scale = True
    position_kind = None  # p_bias of the attention
    untied_bias = False  # whether an untied output has a bias of its own

    def __init__(
        self,
        *,
        vocab_size,
        hidden_size,
        num_hidden_layers,
        num_attention_heads,
        intermediate_size,
        hidden_act=None,
        dropout_rate=None,
        attention_dropout_rate=None,
        embedding_size=None,
        attention_head_size=None,
        attention_key_size=None,
        sequence_length=None,
        keep_tokens=None,
        compound_tokens=None,
        residual_attention_scores=False,
        ignore_invalid_weights=False,
        autoresize_weights=False,
        layers=None,
        prefix=None,
        name=None,
        layer_norm_eps=None,
        pad_token_id=0,
        tie_word_embeddings=None,
        ignore_unread_weights=False,
        **unknown,
    ):
        refuse_unknown(unknown, accepted_arguments(type(self), "__init__"), type(self).__name__)
        check_tokens(keep_tokens, compound_tokens, vocab_size, "the vocabulary")
        self.full_vocab_size = vocab_size
        self.full_pad_token_id = checked_padding_id(pad_token_id, vocab_size)
        self.pad_token_id = padding_id_after(self.full_pad_token_id, keep_tokens)
        self.vocab_size = vocab_size if keep_tokens is None else len(keep_tokens)
        self.vocab_size += 0 if compound_tokens is None else len(compound_tokens)
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.attention_head_size = attention_head_size or hidden_size // num_attention_heads
        self.attention_key_size = attention_key_size or self.attention_head_size
        self.intermediate_size = intermediate_size
        self.hidden_act = hidden_act
        self.dropout_rate = dropout_rate or 0
        self.attention_dropout_rate = attention_dropout_rate or 0
        self.embedding_size = embedding_size or hidden_size
        self.sequence_length = sequence_length
        self.keep_tokens = keep_tokens
        self.compound_tokens = compound_tokens
        self.residual_attention_scores = residual_attention_scores
        self.ignore_invalid_weights = ignore_invalid_weights
        self.ignore_unread_weights = ignore_unread_weights
        self.autoresize_weights = autoresize_weights
        self.layers = {} if layers is None else layers
        self.prefix = prefix or ""
        self.name = name
        self.layer_norm_eps = layer_norm_eps
        if tie_word_embeddings is None:
            tie_word_embeddings = self.written_description.settings.get("tie_word_embeddings", True)
        self.tie_word_embeddings = tie_word_embeddings
        self.attention_bias = None
        self.position_bias = None
        self.attention_scores = None
        self.attention_caches = {}
        self.layer_norm_conds = [None, None, "linear"]
        self.session = None  # of decoding: it calls the layers, on the newest tokens alone
        self.engine = None  # of `generate`
        self.uninitialized = set()
        self.load_report = None
        self.explicit = None  # the keys that the caller gave; None for all
        self.ignored_config_keys = []
        self.built = False

    # ------------------------------------------------------------------------------------------------ building

    def build(
        self,
        *,
        attention_caches=None,
        layer_norm_cond=None,
        layer_norm_cond_hidden_size=None,
        layer_norm_cond_hidden_act=None,
        additional_input_layers=None,
        **unknown,
    ):
        """Make the Keras model. A second call does nothing.

        Arguments:
            attention_caches: {name of an attention layer: [K, V]}, tensors put before its keys and values.
            layer_norm_cond: tensor [batch, c] that every layer normalisation is conditioned on.
            layer_norm_cond_hidden_size, layer_norm_cond_hidden_act: of a layer that the condition passes first.
            additional_input_layers: input tensor or list of them, appended to the model's inputs.

        Raises:
            ConfigError: an argument that there is not; it names the nearest one.
        """
        refuse_unknown(unknown, accepted_arguments(type(self), "build"), f"{type(self).__name__}.build")
        if self.built:
            return
        inputs = self.get_inputs()
        self.set_inputs(inputs, additional_input_layers)
        self.attention_caches = attention_caches or {}
        self.layer_norm_conds = [layer_norm_cond, layer_norm_cond_hidden_size, layer_norm_cond_hidden_act or "linear"]
        self.set_outputs(self.call(inputs))
        self.model = keras.models.Model(self.input, self.output, name=self.name)
        self.built = True

    def call(self, inputs):
        """The network. Arguments: inputs: tensor or list of tensors. Returns: outputs, likewise."""
        outputs = self.apply_embeddings(inputs)
        for i in range(self.num_hidden_layers):
            outputs = self.apply_main_layers(outputs, i)
        return self.apply_final_layers(outputs)

    def prefixed(self, name):
        """The name with the prefix of this model's layers."""
        return None if name is None else self.prefix + name

    def apply(self, inputs=None, layer=None, arguments=None, **kwargs):
        """Call a layer by its name; it is made at the first call and shared by the later ones.

        Arguments:
            inputs: tensor or list of tensors; None to get the layer itself.
            layer: class of the layer.
            arguments: dict of arguments of its call.
            kwargs: arguments of its constructor, `name` among them.

        Returns:
            What the layer returns. A Dropout of rate 0 is left out.
        """
        if layer is Dropout and self.dropout_rate == 0:
            return inputs
        if layer is MultiHeadAttention and self.residual_attention_scores:
            kwargs["return_attention_scores"] = True
        arguments = dict(arguments or {})
        if layer is getattr(keras.layers, "Lambda", None):
            kwargs["arguments"], arguments = arguments, {}
        name = kwargs["name"] = self.prefixed(kwargs.get("name"))
        if self.session is not None:  # all layers are there, and it runs for every token
            layer = self.layers[name]
            return layer if inputs is None else self._call_or_attend(layer, inputs, arguments)
        with skip_initialization(name in self.uninitialized):
            if name not in self.layers:
                layer = layer(**kwargs)
                name = layer.name if name is None else name
                self.layers[name] = layer
            layer = self.layers[name]
            return layer if inputs is None else self._call_or_attend(layer, inputs, arguments)

    def _call_or_attend(self, layer, inputs, arguments):
        call = self._attend if isinstance(layer, MultiHeadAttention) else self._call
        return call(layer, inputs, arguments)

    def _call(self, layer, inputs, arguments):
        if self.session is not None:
            return self.session.call(layer, inputs, arguments)
        return layer(inputs, **arguments)

    def _attend(self, layer, inputs, arguments):
        if layer.name in self.attention_caches:
            cached = zip(("-Cached-Key", "-Cached-Value"), self.attention_caches[layer.name], inputs[1:3])
            joined = [self._helper(Concatenate1D, layer.name + suffix)([cache, x]) for suffix, cache, x in cached]
            inputs = inputs[:1] + joined + inputs[3:]
        if not self.residual_attention_scores:
            return self._call(layer, inputs, arguments)
        if self.attention_scores is not None:
            bias = self.attention_scores
            if arguments.get("a_bias"):
                bias = self._call(self._helper(Add, layer.name + "-Attention-Bias"), [inputs[3], bias], {})
                inputs = inputs[:3] + inputs[4:]
            inputs = inputs[:3] + [bias] + inputs[3:]
            arguments["a_bias"] = True
        o, self.attention_scores = self._call(layer, inputs, arguments)
        return o

    def _helper(self, layer, name):
        """A layer without weights beside an attention layer, shared where that one is."""
        if name not in self.layers:
            self.layers[name] = layer(name=name)
        return self.layers[name]

    def get_inputs(self):
        """Make the input tensors. Returns: a tensor or a list of them."""
        raise NotImplementedError

    def apply_embeddings(self, inputs):
        """Arguments: inputs: what `get_inputs` returned. Returns: [batch, n, hidden_size]."""
        raise NotImplementedError

    def apply_main_layers(self, inputs, index):
        """Block number `index`. Arguments: inputs: [batch, n, hidden_size]. Returns: likewise."""
        raise NotImplementedError

    def apply_final_layers(self, inputs):
        """Arguments: inputs: [batch, n, hidden_size]. Returns: the outputs of the model, a tensor or a list."""
        raise NotImplementedError

    def compute_attention_bias(self, inputs=None):
        """The attention bias of block number `inputs`, or None."""
        return self.attention_bias

    def compute_position_bias(self, inputs=None):
        """The position input of the attention of block number `inputs`, or None."""
        return self.position_bias

    def input_ids(self, name):
        """A float32 input of ids [batch, n], under any dtype policy: float16 cannot tell large ids apart."""
        return self.apply(layer=keras.layers.Input, shape=(self.sequence_length,), name=name, dtype="float32")

    def dense(self, x, units, name, activation=None, use_bias=True):
        """A Dense layer with the model's initializer."""
        activation = activations.get(activation)
        return self.apply(
            x,
            keras.layers.Dense,
            units=units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=self.initializer,
            name=name,
        )

    def drop(self, x, name):
        """A Dropout layer of the model's rate."""
        return self.apply(x, Dropout, rate=self.dropout_rate, name=name)

    def add(self, x, y, name):
        """x + Dropout(y), the Add that follows the layer `name`."""
        return self.apply([x, self.drop(y, "%s-Dropout" % name)], Add, name="%s-Add" % name)

    def project_to_vocabulary(self, x, name):
        """Scores of the vocabulary, by the token embeddings or by a Dense layer of this name where it is untied.

        Arguments:
            x: [batch, n, embedding_size].
            name: of the Dense layer.

        Returns:
            [batch, n, vocab_size]
        """
        if self.tie_word_embeddings:
            return self.apply(x, Embedding, arguments={"mode": "dense"}, name="Embedding-Token")
        return self.dense(x, self.vocab_size, name, use_bias=self.untied_bias)

    def attend(self, x, keys, name, bias=None, position=None, scale=None):
        """Multi-head attention.

        Arguments:
            x: [batch, n, hidden_size], what asks.
            keys: [batch, m, hidden_size], what is looked at.
            name: str.
            bias: attention bias, or None.
            position: position input of the attention, or None.
            scale: as `attention_scale` of `MultiHeadAttention`; None for that of the architecture.

        Returns:
            [batch, n, hidden_size]
        """
        return self.apply(
            self.simplify([x, keys, keys, bias, position]),
            MultiHeadAttention,
            arguments={
                "a_bias": None if bias is None else True,
                "p_bias": None if position is None else self.position_kind,
            },
            heads=self.num_attention_heads,
            head_size=self.attention_head_size,
            out_dim=self.hidden_size,
            key_size=self.attention_key_size,
            use_bias=self.use_bias,
            attention_scale=self.attention_scale if scale is None else scale,
            attention_dropout=self.attention_dropout_rate,
            kernel_initializer=self.initializer,
            name=name,
        )

    def feed_forward(self, x, name):
        """The feed-forward layer. Arguments: x [batch, n, hidden_size]. Returns: likewise."""
        return self.apply(
            x,
            FeedForward,
            units=self.intermediate_size,
            activation=self.hidden_act,
            use_bias=self.use_bias,
            kernel_initializer=self.initializer,
            name=name,
        )

    def normalize(self, x, name, epsilon=1e-12, **kwargs):
        """A layer normalisation, conditional if the model has a `layer_norm_cond`.

        Arguments:
            x: [batch, n, d].
            name: str.
            epsilon: the architecture's own; `layer_norm_eps` wins.
            kwargs: further arguments of `LayerNormalization`.
        """
        cond, hidden_units, hidden_activation = self.layer_norm_conds
        return self.apply(
            self.simplify([x, cond]),
            LayerNormalization,
            conditional=cond is not None,
            hidden_units=hidden_units,
            hidden_activation=hidden_activation,
            hidden_initializer=self.initializer,
            epsilon=epsilon if self.layer_norm_eps is None else self.layer_norm_eps,
            name=name,
            **kwargs,
        )

    def set_inputs(self, inputs, additional_input_layers=None):
        """Set `inputs` and `input`."""
        self.inputs = as_list(inputs) + as_list(additional_input_layers)
        self.input = self.inputs[0] if len(self.inputs) == 1 else self.inputs

    def set_outputs(self, outputs):
        """Set `outputs` and `output`."""
        self.outputs = as_list(outputs)
        self.output = self.outputs[0] if len(self.outputs) == 1 else self.outputs

    @property
    def initializer(self):
        """Normal values of standard deviation 0.02, cut at two of them; None in decoding, which makes no layer."""
        return TruncatedNormal(stddev=0.02) if self.session is None else None

    def simplify(self, inputs):
        """A list without its None; its only element if there is one."""
        inputs = [x for x in inputs if x is not None]
        return inputs[0] if len(inputs) == 1 else inputs

    # ---------------------------------------------------------------------------------------------- generation

    def generate(
        self,
        ids,
        max_new_tokens,
        start_id=None,
        end_id=None,
        segment_ids=None,
        num_beams=1,
        length_penalty=None,
        do_sample=False,
        temperature=1.0,
        top_k=None,
        top_p=None,
        repetition_penalty=1.0,
        min_new_tokens=0,
        num_return_sequences=1,
        seed=None,
        return_scores=False,
        stream=False,
        progress=False,
    ):
        """Generate tokens by greedy decoding, sampling or beam search, with the keys and values of earlier ones kept.

        A prompt gives the same output alone and among others. The first call for a size of batch, prompt or output
        compiles; nearby lengths share what is compiled.

        Arguments:
            ids: int [batch, n], prompts right-padded with the padding id (0 unless the configuration says another); of
                an encoder-decoder, the encoder's ids.
            max_new_tokens: how many tokens are generated at most.
            start_id: of an encoder-decoder, the id that decoding starts from; unless given, the decoder's
                `decoder_start_token_id` if it has one, else the padding id. Of another model, if given, an id put after
                each prompt. It is not in the result.
            end_id: the id that ends an output, or a list of such ids; None to go on to max_new_tokens.
            segment_ids: int [batch, n], 0 unless given. A new token has segment 1 with application='unilm', else that
                of its prompt's last token.
            num_beams: how many candidates beam search keeps; 1 is greedy decoding or sampling.
            length_penalty: None for the rule of `AutoRegressiveDecoder.beam_search`: the search is over when the best
                candidate ends. A number for that of transformers: outputs are ranked by their summed log-probabilities
                / length ** length_penalty.
            do_sample: whether tokens are drawn at random.
            temperature, top_k, top_p: of sampling; scores are divided by the first, then only the top_k best, then the
                fewest with a joint probability of top_p are drawn from.
            repetition_penalty: above 1 to make tokens of prompt and output less probable, as CTRL does.
            min_new_tokens: an output does not end before it has so many tokens.
            num_return_sequences: outputs for each prompt: drawn ones, or the best of beam search.
            seed: of sampling; a row draws the same numbers whatever the rest of the batch is. None for other ones each
                time.
            return_scores: whether to return log-probabilities too.
            stream: whether to return an iterator over int [batch] arrays, the next token of each row; of greedy
                decoding and sampling only. After the end id it is the padding id.
            progress: whether to show a bar on a terminal.

        Returns:
            int array [batch · num_return_sequences, new tokens], the outputs of a prompt in a row, the best first; the
            end id is in it, and the padding id after it. With return_scores a pair of it and float32
            [batch · num_return_sequences], the summed log-probabilities of the tokens by the model alone.

        Raises:
            ConfigError: the model does not generate, a prompt is too long for it, or an argument is wrong: an id of a
                token or segment that the model does not have, for instance, which it names with its place.
        """
        from .generation import generate

        return generate(
            self,
            ids,
            max_new_tokens,
            start_id=start_id,
            segment_ids=segment_ids,
            progress=progress,
            end_id=end_id,
            num_beams=num_beams,
            length_penalty=length_penalty,
            do_sample=do_sample,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            min_new_tokens=min_new_tokens,
            num_return_sequences=num_return_sequences,
            seed=seed,
            return_scores=return_scores,
            stream=stream,
        )


def accepted_arguments(cls, *methods):
    """The names of arguments that a class and its bases take.

    Arguments:
        cls: a subclass of `Transformer`.
        methods: '__init__', 'build'; both if none is given.

    Returns:
        set of str.
    """
    names = set()
    for base in cls.__mro__:
        for method in methods or ("__init__", "build"):
            if method in vars(base) and base is not object:
                for name, parameter in inspect.signature(vars(base)[method]).parameters.items():
                    if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name != "self":
                        names.add(name)
    return names


def as_list(x):
    """None -> [], a tensor -> [tensor], a list -> a copy."""
    if x is None:
        return []
    return list(x) if isinstance(x, (list, tuple)) else [x]
