"""The base of every architecture. It builds a functional Keras model layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from b4k3.backend import Functional, TruncatedNormal, activations, keras, skip_initialization
from b4k3.layers import Add, Concatenate1D, Embedding, FeedForward, LayerNormalization, MultiHeadAttention

from .describing import DescribedNetwork
from .keys import checked_padding_id, padding_id_after, refuse_unknown
from .model_arguments import accepted_arguments
from .model_export import ModelExport
from .partial_training import PartialTraining
from .text_generation import TextGeneration
from .token_choice import check_tokens
from .weights import CheckpointWeights

if TYPE_CHECKING:
    from typing import Union

    from b4k3.backend import Tensor

    from .generation.steps import DecodingStep
    from .loading import LoadReport

    Activation = Union[str, Callable[..., Any], Sequence[Union[str, Callable[..., Any]]], None]
    Tensors = Union[Tensor, Sequence[Tensor]]

Dropout = keras.layers.Dropout


class Transformer(CheckpointWeights, TextGeneration, PartialTraining, ModelExport, DescribedNetwork):
    """The base class of all architectures, yours included.

    A subclass says what the network computes in four methods: `get_inputs`, `apply_embeddings`, `apply_main_layers` and
    `apply_final_layers`. They call layers through `apply`, by the layers' names. The attribute `network`,
    a `Network` of `b4k3.models.networks`, or a method `variable_mapping` says where the weights are stored.
    `CheckpointWeights` loads and saves them, `TextGeneration` generates, and so on for the other base classes.

    All arguments are keyword arguments.

    Arguments:
        vocab_size: int. The size of the vocabulary, before `keep_tokens`.
        hidden_size: int. The size of the vectors between the blocks.
        num_hidden_layers: int. The number of blocks.
        num_attention_heads: int. The number of heads of each attention layer.
        intermediate_size: int. The size of the hidden layer of the feed-forward blocks.
        hidden_act: str, function or list. The activation of the feed-forward blocks; a list for gated ones.
        dropout_rate: float or None. The rate of dropout. At 0 or None there is no Dropout layer.
        attention_dropout_rate: float or None. The rate of dropout on attention weights.
        embedding_size: int or None. The size of the embeddings; None means hidden_size.
        attention_head_size: int or None. The size of a head's values; None means hidden_size // num_attention_heads.
        attention_key_size: int or None. The size of a head's queries and keys; None means attention_head_size.
        sequence_length: int or None. The length of the inputs if it is fixed.
        keep_tokens: list of int, or None. Only these rows of the vocabulary are kept, in this order. An id may occur
            twice.
        compound_tokens: list of lists of ids, or of (ids, weights); or None. For each element a row is appended that
            is the mean of these rows. The ids count the rows that `keep_tokens` kept.
        residual_attention_scores: bool. Whether the scores of an attention layer are added to the scores of the next
            one, as in RealFormer, https://arxiv.org/abs/2012.11747.
        ignore_invalid_weights: bool. Whether weights that the checkpoint lacks stay as they were initialised.
        autoresize_weights: bool. Whether arrays of another shape are resized.
        layers: dict from name to layer, or None. Layers that are shared with another model.
        prefix: str or None. Put before the name of each layer.
        name: str or None. The name of the Keras model.
        layer_norm_eps: float or None. The epsilon of every layer normalisation; None means the architecture's own.
        pad_token_id: int or None. The id that is padding in the whole vocabulary, before `keep_tokens`. None means 0;
            -1 means that no id is padding.
        tie_word_embeddings: bool or None. Whether the output over the vocabulary is the product with the token
            embeddings, or has a matrix of its own. None means what the architecture is published with.
        ignore_unread_weights: bool. Whether a checkpoint is loaded although it has variables of the network that the
            architecture does not read.
        unknown: any other argument is refused.

    Raises:
        ConfigError: the class has no such argument; the message names the nearest one.

    Attributes:
        model: keras.Model. The Keras model, after `build`.
        inputs: list of tensors. The inputs of the Keras model.
        outputs: list of tensors. Its outputs.
        input: tensor, or list of tensors. The inputs; a tensor if there is only one.
        output: tensor, or list of tensors. The outputs; a tensor if there is only one.
        layers: dict from name to layer. The inputs are in it as tensors.
        load_report: `LoadReport` of the last checkpoint, or None.
        ignored_config_keys: list of str. The keys of the config file that nobody reads.
        vocab_size: int. The number of rows of the token embeddings, after `keep_tokens` and `compound_tokens`.
        pad_token_id: int. The id that is padding in the model's inputs, after `keep_tokens`.
        full_vocab_size: int. The size of the vocabulary before `keep_tokens`.
        full_pad_token_id: int. The padding id before `keep_tokens`.

    Example:
        >>> class Bag(Transformer):
        ...     "The mean of the token embeddings: a network without attention."
        ...
        ...     def get_inputs(self):
        ...         return self.input_ids("Input-Token")
        ...
        ...     def apply_embeddings(self, inputs):
        ...         sizes = {"input_dim": self.vocab_size, "output_dim": self.hidden_size}
        ...         return self.apply(inputs, Embedding, name="Embedding-Token", **sizes)
        ...
        ...     def apply_main_layers(self, inputs, index):
        ...         return inputs
        ...
        ...     def apply_final_layers(self, inputs):
        ...         return self.apply(inputs, keras.layers.GlobalAveragePooling1D, name="Mean")
        >>> bag = Bag(vocab_size=20, hidden_size=8, num_hidden_layers=0, num_attention_heads=1, intermediate_size=1)
        >>> bag.build()
        >>> y = bag.model(np.array([[5, 6, 7], [8, 9, 10]]))  # [2, 8]
        >>> sorted(bag.layers)
        ['Embedding-Token', 'Input-Token', 'Mean']
    """

    model_key: str | None = None  # the name of the architecture for `model=`
    use_bias = True  # whether attention and feed-forward layers have biases
    attention_scale: Any = True  # `attention_scale` of the attention layers
    position_kind: str | None = None  # `p_bias` of the attention layers
    attention_layer: Any = MultiHeadAttention  # the class of the attention layers
    attention_options: Mapping[str, Any] = {}  # further arguments of that class
    untied_bias = False  # whether an output matrix that is not tied has a bias

    def __init__(
        self,
        *,
        vocab_size: int,
        hidden_size: int,
        num_hidden_layers: int,
        num_attention_heads: int,
        intermediate_size: int,
        hidden_act: Activation = None,
        dropout_rate: float | None = None,
        attention_dropout_rate: float | None = None,
        embedding_size: int | None = None,
        attention_head_size: int | None = None,
        attention_key_size: int | None = None,
        sequence_length: int | None = None,
        keep_tokens: Sequence[int] | None = None,
        compound_tokens: Sequence[Any] | None = None,
        residual_attention_scores: bool = False,
        ignore_invalid_weights: bool = False,
        autoresize_weights: bool = False,
        layers: dict[str, Any] | None = None,
        prefix: str | None = None,
        name: str | None = None,
        layer_norm_eps: float | None = None,
        pad_token_id: int | None = 0,
        tie_word_embeddings: bool | None = None,
        ignore_unread_weights: bool = False,
        **unknown: Any,
    ) -> None:
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
        published = self.written_description.settings.get("tie_word_embeddings", True)
        self.tie_word_embeddings = published if tie_word_embeddings is None else tie_word_embeddings
        self.attention_bias: Any = None
        self.position_bias: Any = None
        self.attention_scores: Any = None
        self.attention_caches: Mapping[str, Sequence[Tensor]] = {}
        self.layer_norm_conds: list[Any] = [None, None, "linear"]
        self.decoding_step: DecodingStep | None = None  # in decoding, it calls the layers
        self.uninitialized: set[str] = set()
        self.load_report: LoadReport | None = None
        self.explicit: set[str] | None = None  # the keys that the caller gave; None for all
        self.ignored_config_keys: list[str] = []
        self.built = False

    # ------------------------------------------------------------------------------------------------ building

    def build(
        self,
        *,
        attention_caches: Mapping[str, Sequence[Tensor]] | None = None,
        layer_norm_cond: Tensor | None = None,
        layer_norm_cond_hidden_size: int | None = None,
        layer_norm_cond_hidden_act: Activation = None,
        additional_input_layers: Tensors | None = None,
        **unknown: Any,
    ) -> None:
        """Make the Keras model. A second call does nothing.

        Arguments:
            attention_caches: dict from the name of an attention layer to [keys, values], or None. The tensors are put
                before the keys and values of the layer.
            layer_norm_cond: [batch, c], or None. A tensor that every layer normalisation is conditioned on.
            layer_norm_cond_hidden_size: int or None. The size of a Dense layer that the condition passes first; None
                for no such layer.
            layer_norm_cond_hidden_act: str, function or None. The activation of that layer; None for no activation.
            additional_input_layers: tensor or list of tensors, or None. They are appended to the inputs of the model.
            unknown: any other argument is refused.

        Raises:
            ConfigError: there is no such argument; the message names the nearest one.
        """
        refuse_unknown(unknown, accepted_arguments(type(self), "build"), f"{type(self).__name__}.build")
        if self.built:
            return
        inputs = self.get_inputs()
        self.set_inputs(inputs, additional_input_layers)
        self.attention_caches = attention_caches or {}
        self.layer_norm_conds = [layer_norm_cond, layer_norm_cond_hidden_size, layer_norm_cond_hidden_act or "linear"]
        self.set_outputs(self.call(inputs))
        self.model = Functional(self.input, self.output, name=self.name)
        self.built = True

    def call(self, inputs: Tensors) -> Any:
        """Compute the network.

        Arguments:
            inputs: tensor or list of tensors. What `get_inputs` returned, or tensors in the same places.

        Returns:
            The outputs: a tensor or a list of tensors.
        """
        outputs = self.apply_embeddings(inputs)
        for i in range(self.num_hidden_layers):
            outputs = self.apply_main_layers(outputs, i)
        return self.apply_final_layers(outputs)

    def prefixed(self, name: str | None) -> str | None:
        """Put the prefix of this model before the name of a layer.

        Arguments:
            name: str or None.

        Returns:
            str; None for None.
        """
        return None if name is None else self.prefix + name

    def apply(
        self, inputs: Any = None, layer: Any = None, arguments: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """Call a layer by its name. The first call makes the layer, and the later ones share it.

        Arguments:
            inputs: tensor or list of tensors. None returns the layer itself.
            layer: the class of the layer.
            arguments: dict or None. Further arguments of the layer's call.
            kwargs: the arguments of the layer's constructor, `name` among them.

        Returns:
            What the layer returns. A Dropout of rate 0 returns its inputs, and is not made.
        """
        if layer is Dropout and self.dropout_rate == 0:
            return inputs
        if self.decoding_step is not None:  # this runs for every token, and all layers are made
            layer = self.layers[self.prefix + kwargs["name"]]
            return layer if inputs is None else self._call_or_attend(layer, inputs, arguments or {})
        if layer is self.attention_layer and self.residual_attention_scores:
            kwargs["return_attention_scores"] = True
        arguments = dict(arguments or {})
        if layer is getattr(keras.layers, "Lambda", None):
            kwargs["arguments"], arguments = arguments, {}
        name = kwargs["name"] = self.prefixed(kwargs.get("name"))
        with skip_initialization(name in self.uninitialized):
            if name not in self.layers:
                layer = layer(**kwargs)
                name = layer.name if name is None else name
                self.layers[name] = layer
            layer = self.layers[name]
            return layer if inputs is None else self._call_or_attend(layer, inputs, arguments)

    def _call_or_attend(self, layer: Any, inputs: Any, arguments: dict[str, Any]) -> Any:
        """Call a layer. An attention layer also gets its cached keys and its residual scores."""
        call = self._attend if isinstance(layer, MultiHeadAttention) else self._call
        return call(layer, inputs, arguments)

    def _call(self, layer: Any, inputs: Any, arguments: dict[str, Any]) -> Any:
        """Call a layer; in decoding, let the step call it."""
        if self.decoding_step is not None:
            return self.decoding_step.call(layer, inputs, arguments)
        return layer(inputs, **arguments)

    def _attend(self, layer: Any, inputs: Any, arguments: dict[str, Any]) -> Any:
        """Call an attention layer with its `attention_caches`, and with the scores of the attention layer before it."""
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
            arguments = dict(arguments, a_bias=True)
        o, self.attention_scores = self._call(layer, inputs, arguments)
        return o

    def _helper(self, layer: Any, name: str) -> Any:
        """Make a layer without weights beside an attention layer, or find it if that layer is shared."""
        if name not in self.layers:
            self.layers[name] = layer(name=name)
        return self.layers[name]

    def get_inputs(self) -> Any:
        """Make the input tensors.

        Returns:
            A tensor or a list of tensors.
        """
        raise NotImplementedError

    def apply_embeddings(self, inputs: Any) -> Any:
        """Compute the embeddings of the tokens.

        Arguments:
            inputs: tensor or list of tensors. What `get_inputs` returned.

        Returns:
            float, [batch, n, hidden_size].
        """
        raise NotImplementedError

    def apply_main_layers(self, inputs: Any, index: int) -> Any:
        """Compute one block.

        Arguments:
            inputs: float, [batch, n, hidden_size].
            index: int. The number of the block.

        Returns:
            float, [batch, n, hidden_size].
        """
        raise NotImplementedError

    def apply_final_layers(self, inputs: Any) -> Any:
        """Compute the outputs of the model.

        Arguments:
            inputs: float, [batch, n, hidden_size]. What the last block returned.

        Returns:
            A tensor or a list of tensors.
        """
        raise NotImplementedError

    def compute_attention_bias(self, inputs: Any = None) -> Any:
        """Compute the bias that is added to the attention scores.

        Arguments:
            inputs: int or tensor. The number of the block, or what the subclass needs.

        Returns:
            The attention bias, or None.
        """
        return self.attention_bias

    def compute_position_bias(self, inputs: Any = None) -> Any:
        """Compute the position input of the attention layers.

        Arguments:
            inputs: int or tensor. The number of the block, or what the subclass needs.

        Returns:
            The position input, or None.
        """
        return self.position_bias

    def input_ids(self, name: str) -> Any:
        """Make an input of ids. It is float32 under any dtype policy, because float16 cannot tell large ids apart.

        Arguments:
            name: str. The name of the input.

        Returns:
            float32, [batch, n]. A Keras tensor.
        """
        return self.apply(layer=keras.layers.Input, shape=(self.sequence_length,), name=name, dtype="float32")

    def dense(self, x: Tensor, units: int, name: str, activation: Activation = None, use_bias: bool = True) -> Any:
        """Apply a Dense layer with the model's initializer.

        Arguments:
            x: float, [..., d].
            units: int. The size of the outputs.
            name: str. The name of the layer.
            activation: str, function or None.
            use_bias: bool.

        Returns:
            float, [..., units].
        """
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

    def drop(self, x: Tensor, name: str) -> Any:
        """Apply a Dropout layer of the model's rate.

        Arguments:
            x: tensor.
            name: str. The name of the layer.

        Returns:
            Tensor of the same shape.
        """
        return self.apply(x, Dropout, rate=self.dropout_rate, name=name)

    def add(self, x: Tensor, y: Tensor, name: str) -> Any:
        """Compute x + Dropout(y), the residual connection around a layer.

        Arguments:
            x: float, [batch, n, d]. The inputs of the layer.
            y: float, [batch, n, d]. The outputs of the layer.
            name: str. The name of the layer.

        Returns:
            float, [batch, n, d].
        """
        return self.apply([x, self.drop(y, f"{name}-Dropout")], Add, name=f"{name}-Add")

    def project_to_vocabulary(self, x: Tensor, name: str) -> Any:
        """Compute the scores of the vocabulary, by the token embeddings or by a matrix of their own if it is not tied.

        Arguments:
            x: float, [batch, n, embedding_size].
            name: str. The name of the Dense layer that has the matrix.

        Returns:
            float, [batch, n, vocab_size].
        """
        if self.tie_word_embeddings:
            return self.apply(x, Embedding, arguments={"mode": "dense"}, name="Embedding-Token")
        return self.dense(x, self.vocab_size, name, use_bias=self.untied_bias)

    def attend(
        self,
        x: Tensor,
        keys: Tensor,
        name: str,
        bias: Tensor | None = None,
        position: Tensors | None = None,
        scale: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Apply multi-head attention.

        Arguments:
            x: float, [batch, n, hidden_size]. The vectors that attend.
            keys: float, [batch, m, hidden_size]. The vectors that are attended to.
            name: str. The name of the layer.
            bias: tensor or None. The attention bias.
            position: tensor, list of tensors, or None. The position inputs of the attention.
            scale: bool, float or None. `attention_scale` of `MultiHeadAttention`; None means the architecture's own.
            kwargs: further arguments of `MultiHeadAttention`.

        Returns:
            float, [batch, n, hidden_size].
        """
        kwargs.setdefault("use_bias", self.use_bias)
        return self.apply(
            self.simplify([x, keys, keys, bias] + as_list(position)),
            self.attention_layer,
            arguments={
                "a_bias": None if bias is None else True,
                "p_bias": None if position is None else self.position_kind,
            },
            heads=self.num_attention_heads,
            head_size=self.attention_head_size,
            out_dim=self.hidden_size,
            key_size=self.attention_key_size,
            attention_scale=self.attention_scale if scale is None else scale,
            attention_dropout=self.attention_dropout_rate,
            kernel_initializer=self.initializer,
            name=name,
            **dict(self.attention_options, **kwargs),
        )

    def feed_forward(self, x: Tensor, name: str) -> Any:
        """Apply the feed-forward layer.

        Arguments:
            x: float, [batch, n, hidden_size].
            name: str. The name of the layer.

        Returns:
            float, [batch, n, hidden_size].
        """
        return self.apply(
            x,
            FeedForward,
            units=self.intermediate_size,
            activation=self.hidden_act,
            use_bias=self.use_bias,
            kernel_initializer=self.initializer,
            name=name,
        )

    def normalize(self, x: Tensor, name: str, epsilon: float = 1e-12, **kwargs: Any) -> Any:
        """Apply a layer normalisation; it is conditional if the model has a `layer_norm_cond`.

        Arguments:
            x: float, [batch, n, d].
            name: str. The name of the layer.
            epsilon: float. The architecture's own epsilon, which `layer_norm_eps` overrides.
            kwargs: further arguments of `LayerNormalization`.

        Returns:
            float, [batch, n, d].
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

    def set_inputs(self, inputs: Tensors, additional_input_layers: Tensors | None = None) -> None:
        """Set the attributes `inputs` and `input`.

        Arguments:
            inputs: tensor or list of tensors.
            additional_input_layers: tensor or list of tensors, or None. They come after the others.
        """
        self.inputs = as_list(inputs) + as_list(additional_input_layers)
        self.input = self.inputs[0] if len(self.inputs) == 1 else self.inputs

    def set_outputs(self, outputs: Tensors) -> None:
        """Set the attributes `outputs` and `output`.

        Arguments:
            outputs: tensor or list of tensors.
        """
        self.outputs = as_list(outputs)
        self.output = self.outputs[0] if len(self.outputs) == 1 else self.outputs

    @property
    def initializer(self) -> Any:
        """The initializer of weights: a normal one, cut at two standard deviations of 0.02; None in decoding."""
        return TruncatedNormal(stddev=0.02) if self.decoding_step is None else None

    def simplify(self, inputs: Sequence[Any]) -> Any:
        """Drop what is None from a list of inputs.

        Arguments:
            inputs: list of tensors and None.

        Returns:
            list of tensors; if only one is left, this tensor.
        """
        inputs = [x for x in inputs if x is not None]
        return inputs[0] if len(inputs) == 1 else inputs


def as_list(x: Any) -> list[Any]:
    """Make a list of a tensor, or copy a list of tensors.

    Arguments:
        x: tensor, list or tuple of tensors, or None.

    Returns:
        list of tensors; empty for None.
    """
    if x is None:
        return []
    return list(x) if isinstance(x, (list, tuple)) else [x]
