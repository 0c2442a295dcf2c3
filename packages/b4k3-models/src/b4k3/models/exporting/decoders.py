"""Decoders and encoder-decoders as graphs, with their caches as inputs and outputs.

The names are the ones that Optimum gives, so that programs which know its files know ours:

    decoder            model.onnx                    ids, mask, positions, cache -> logits, the longer cache
    encoder-decoder    encoder_model.onnx            ids, mask -> last_hidden_state
                       decoder_model.onnx            the first run: ids, last_hidden_state -> logits, both caches
                       decoder_with_past_model.onnx  the later runs: ids, both caches -> logits, the decoder's cache

A decoder has one graph, because a first run is a run after no token. An encoder-decoder has two for its decoder, as the
first run computes the keys and values of the encoder's outputs, which the later ones are given.

Reference: https://github.com/huggingface/optimum-onnx
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Mapping, NamedTuple, Sequence

from b4k3.backend import ops
from b4k3.backend.types import GraphTensor
from b4k3.layers import PositionEmbedding, SinusoidalPositionEmbedding

from ..generation.network import Network, in_step
from ..generation.steps import DecodingStep, EncoderStep
from .cached_step import CachedStep
from .handed_model import load_model, refuse_other_dtypes, save_model
from .rebuilding import construction_of, rebuilt

if TYPE_CHECKING:
    from typing import Callable

    from b4k3.backend import Tensor

ROWS, NEW, PAST, ALL, SOURCE = "batch", "sequence", "past", "past + sequence", "encoder_sequence"
PLAN = "construction.json"


class CacheShape(NamedTuple):
    """What one attention caches: [batch, heads, length, key_size] and [batch, heads, length, value_size].

    Attributes:
        heads: int. The number of heads of keys and values.
        key_size: int.
        value_size: int.

    Example:
        >>> CacheShape(2, 64, 64).heads
        2
    """

    heads: int
    key_size: int
    value_size: int

    def ports(self, name: str, length: str) -> list[GraphTensor]:
        """Describe the two tensors of a graph.

        Arguments:
            name: str. The name of both, without its last part.
            length: str. The name of the axis of the cached tokens.

        Returns:
            list of two `GraphTensor`s, `name`.key and `name`.value.
        """
        sizes = {"key": self.key_size, "value": self.value_size}
        return [GraphTensor(f"{name}.{k}", (ROWS, self.heads, length, n), "float32") for k, n in sizes.items()]


class _Measuring(DecodingStep):
    """A run that caches nothing, and notes what each attention would cache."""

    def __init__(self, positions: Tensor) -> None:
        self.positions = self.key_positions = positions
        self.own: list[CacheShape] = []
        self.cross: list[CacheShape] = []

    def update_cache(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Note the sizes of a self-attention."""
        self.own.append(shape_of(key, value))
        return key, value, None

    def cached_context(self, project: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor | None]:
        """Note the sizes of an attention to the encoder."""
        key, value = project()
        self.cross.append(shape_of(key, value))
        return key, value, None


def shape_of(key: Tensor, value: Tensor) -> CacheShape:
    """Return what is cached of keys and values.

    Arguments:
        key: [batch, n, heads, size], or [batch, n, size] of a layer without heads.
        value: the same.

    Returns:
        `CacheShape`.
    """
    return CacheShape(int(key.shape[2]) if len(key.shape) == 4 else 1, int(key.shape[-1]), int(value.shape[-1]))


class GenerativeGraph:
    """The base of the graphs of a model that generates.

    Arguments:
        transformer: a built `Transformer` that generates.
        metadata: dict from str to str, or None. It is stored in formats that have a place for it.

    Raises:
        ConfigError: the model does not generate, or does not compute in float32.

    Example:
        >>> from b4k3.models import GPT2
        >>> from b4k3.models.exporting.decoders import graphs_of
        >>> gpt2 = GPT2(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...             intermediate_size=32, hidden_act="gelu_tanh")
        >>> gpt2.build()
        >>> [(name, [port.name for port in graph.outputs]) for name, graph in graphs_of(gpt2).items()]
        [('model', ['logits', 'present.0.key', 'present.0.value'])]
    """

    def __init__(self, transformer: Any, metadata: Mapping[str, str] | None = None) -> None:
        self.transformer, self.metadata = transformer, dict(metadata or {})
        self.network = Network(transformer)
        refuse_other_dtypes(transformer.model)

    @property
    def layers(self) -> list[Any]:
        """The Keras models whose weights the graph reads."""
        return [self.transformer.model]

    @property
    def limits(self) -> dict[str, int]:
        """The largest size of each axis that has one."""
        return {}

    @property
    def inputs(self) -> list[GraphTensor]:
        """The inputs of the graph, as `GraphTensor`s."""
        raise NotImplementedError

    @property
    def outputs(self) -> list[GraphTensor]:
        """The outputs of the graph, as `GraphTensor`s."""
        raise NotImplementedError

    def run(self, given: dict[str, Tensor]) -> list[Tensor]:
        """Compute the outputs.

        Arguments:
            given: dict from the name of each input to its tensor.

        Returns:
            list of tensors, one for each of `outputs`.
        """
        raise NotImplementedError

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        """Compute the outputs.

        Arguments:
            tensors: one for each of `inputs`.

        Returns:
            list of tensors, one for each of `outputs`.
        """
        return self.run(dict(zip([port.name for port in self.inputs], tensors)))

    def measured(self) -> _Measuring:
        """Run two tokens, and note what the attentions cache.

        Returns:
            `_Measuring`. Its `own` and `cross` are lists of `CacheShape`.
        """
        zero = ops.zeros((1, 2), dtype="int32")
        encoder = self.network.encoder
        context = None if encoder is None else ops.zeros((1, 2, encoder.hidden_size))
        step = _Measuring(zero)
        self.network.logits(step, zero, zero, zero, context)
        return step

    def save(self, folder: str) -> None:
        """Write the graph for another process, which `load` reads.

        Arguments:
            folder: str. An empty folder.

        Raises:
            ConfigError: the other process could not make the network again.
        """
        plan = {"construction": construction_of(self.transformer), "metadata": self.metadata}
        save_model(self.transformer.model, folder)
        with open(os.path.join(folder, PLAN), "w", encoding="utf-8") as file:
            json.dump(plan, file)

    @classmethod
    def load(cls, folder: str) -> GenerativeGraph:
        """Read what `save` wrote.

        Arguments:
            folder: str.

        Returns:
            The graph.
        """
        with open(os.path.join(folder, PLAN), encoding="utf-8") as file:
            plan = json.load(file)
        return cls(rebuilt(plan["construction"], load_model(folder)), plan["metadata"])


class DecoderGraph(GenerativeGraph):
    """A decoder: new tokens after any number of cached ones, none for the first run.

    The positions of tokens are counted by `attention_mask`, so a batch may be padded on either side. Learned and rotary
    positions are the input `position_ids`; relative positions need none.

    Arguments:
        transformer: as for `GenerativeGraph`.
        metadata: as for `GenerativeGraph`.

    Example:
        >>> from b4k3.models import GPT2
        >>> gpt2 = GPT2(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...             intermediate_size=32, hidden_act="gelu_tanh")
        >>> gpt2.build()
        >>> [port.name for port in DecoderGraph(gpt2).inputs][:3]
        ['input_ids', 'attention_mask', 'position_ids']
    """

    def __init__(self, transformer: Any, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(transformer, metadata)
        self.caches = self.measured().own

    @property
    def has_positions(self) -> bool:
        """Whether `position_ids` is an input: whether positions are learned, computed or rotary, not just relative."""
        absolute = (PositionEmbedding, SinusoidalPositionEmbedding)
        layers = self.network.decoder.layers.values()
        return "Input-Position" in self.network.input_names or any(isinstance(x, absolute) for x in layers)

    @property
    def limits(self) -> dict[str, int]:
        """The largest size of each axis that has one."""
        limit = self.network.position_limit
        return {} if limit is None else {ALL: limit}

    @property
    def inputs(self) -> list[GraphTensor]:
        """The inputs of the graph, as `GraphTensor`s."""
        ports = [GraphTensor("input_ids", (ROWS, NEW)), GraphTensor("attention_mask", (ROWS, ALL))]
        if self.has_positions:
            ports.append(GraphTensor("position_ids", (ROWS, NEW)))
        if self.network.has_segments:
            ports.append(GraphTensor("token_type_ids", (ROWS, NEW)))
        return ports + cache_ports(self.caches, "past_key_values.{}", PAST)

    @property
    def outputs(self) -> list[GraphTensor]:
        """The outputs of the graph, as `GraphTensor`s."""
        logits = GraphTensor("logits", (ROWS, NEW, self.network.decoder.vocab_size), "float32")
        return [logits] + cache_ports(self.caches, "present.{}", ALL)

    def run(self, given: dict[str, Tensor]) -> list[Tensor]:
        """Compute the outputs.

        Arguments:
            given: dict from the name of each input to its tensor.

        Returns:
            list of tensors, one for each of `outputs`.
        """
        ids, mask = given["input_ids"], ops.not_equal(given["attention_mask"], 0)  # [b, n], [b, m]
        past = pairs_of(given, cache_ports(self.caches, "past_key_values.{}", PAST))
        key_positions = positions_of(mask)  # [b, m]
        positions = given["position_ids"] if self.has_positions else key_positions[:, -ops.shape(ids)[1] :]  # [b, n]
        positions = ops.cast(positions, "int32")
        step = CachedStep(past, ops.shape(past[0][0])[2], positions, key_positions, mask)
        logits = self.network.logits(step, ids, given.get("token_type_ids"), positions, None)  # [b, n, vocabulary]
        return [ops.cast(logits, "float32")] + flat(step.present)


class EncoderGraph(GenerativeGraph):
    """The encoder of an encoder-decoder.

    Arguments:
        transformer: as for `GenerativeGraph`.
        metadata: as for `GenerativeGraph`.

    Example:
        >>> from b4k3.models import T5
        >>> t5 = T5(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...         intermediate_size=16, hidden_act="relu")
        >>> t5.build()
        >>> [port.name for port in EncoderGraph(t5).outputs]
        ['last_hidden_state']
    """

    @property
    def limits(self) -> dict[str, int]:
        """The largest size of each axis that has one."""
        limit = self.network.source_limit
        return {} if limit is None else {SOURCE: limit}

    @property
    def inputs(self) -> list[GraphTensor]:
        """The inputs of the graph, as `GraphTensor`s."""
        return [GraphTensor("input_ids", (ROWS, SOURCE)), GraphTensor("attention_mask", (ROWS, SOURCE))]

    @property
    def outputs(self) -> list[GraphTensor]:
        """The outputs of the graph, as `GraphTensor`s."""
        return [GraphTensor("last_hidden_state", (ROWS, SOURCE, self.network.encoder.hidden_size), "float32")]

    def run(self, given: dict[str, Tensor]) -> list[Tensor]:
        """Compute the outputs.

        Arguments:
            given: dict from the name of each input to its tensor.

        Returns:
            list of one tensor.
        """
        ids, mask = given["input_ids"], ops.not_equal(given["attention_mask"], 0)  # [b, c], [b, c]
        return [in_step(self.network.encoder, EncoderStep(mask), [ids]).call(ids)]


class FirstStepGraph(GenerativeGraph):
    """The first run of the decoder of an encoder-decoder: it computes both caches.

    Arguments:
        transformer: as for `GenerativeGraph`.
        metadata: as for `GenerativeGraph`.

    Example:
        >>> from b4k3.models import T5
        >>> t5 = T5(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...         intermediate_size=16, hidden_act="relu")
        >>> t5.build()
        >>> [port.name for port in FirstStepGraph(t5).outputs][:2]
        ['logits', 'present.0.decoder.key']
    """

    has_past = False

    def __init__(self, transformer: Any, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(transformer, metadata)
        measured = self.measured()
        self.caches, self.cross = measured.own, measured.cross

    @property
    def inputs(self) -> list[GraphTensor]:
        """The inputs of the graph, as `GraphTensor`s."""
        ports = [GraphTensor("encoder_attention_mask", (ROWS, SOURCE)), GraphTensor("input_ids", (ROWS, NEW))]
        if self.has_past:
            return ports + self._both("past_key_values", PAST)
        size = self.network.encoder.hidden_size
        return ports + [GraphTensor("encoder_hidden_states", (ROWS, SOURCE, size), "float32")]

    @property
    def outputs(self) -> list[GraphTensor]:
        """The outputs of the graph, as `GraphTensor`s."""
        logits = GraphTensor("logits", (ROWS, NEW, self.network.decoder.vocab_size), "float32")
        if self.has_past:
            return [logits] + cache_ports(self.caches, "present.{}.decoder", ALL)
        return [logits] + self._both("present", NEW)

    def _both(self, name: str, length: str) -> list[GraphTensor]:
        """Describe both caches, block by block as Optimum orders them."""
        ports = []
        for i, (own, cross) in enumerate(zip(self.caches, self.cross)):
            ports += own.ports(f"{name}.{i}.decoder", length) + cross.ports(f"{name}.{i}.encoder", SOURCE)
        return ports

    def run(self, given: dict[str, Tensor]) -> list[Tensor]:
        """Compute the outputs.

        Arguments:
            given: dict from the name of each input to its tensor.

        Returns:
            list of tensors, one for each of `outputs`.
        """
        ids, encoder_mask = given["input_ids"], ops.not_equal(given["encoder_attention_mask"], 0)  # [b, n], [b, c]
        past, cross, past_length = self.cached(given)
        end = past_length + ops.shape(ids)[1]
        key_positions = ops.arange(0, end, dtype="int32")[None]  # [1, m]
        positions = key_positions[:, past_length:]  # [1, n]
        step = CachedStep(past, past_length, positions, key_positions, None, cross, encoder_mask)
        context = given.get("encoder_hidden_states")
        if context is None:  # only its length is read any more
            context = ops.cast(encoder_mask, "float32")[:, :, None]  # [b, c, 1]
        logits = self.network.logits(step, ids, None, positions, context)  # [b, n, vocabulary]
        pairs = step.present
        if not self.has_past:
            pairs = [pair for both in zip(step.present, step.cross_present) for pair in both]
        return [ops.cast(logits, "float32")] + flat(pairs)

    def cached(self, given: dict[str, Tensor]) -> tuple[list[Any], list[Any] | None, Any]:
        """Return what is cached before this run.

        Arguments:
            given: dict from the name of each input to its tensor.

        Returns:
            (pairs of the self-attentions, or None in their place; pairs of the attentions to the encoder, or None; the
            number of cached tokens).
        """
        return [None] * len(self.caches), None, 0


class NextStepGraph(FirstStepGraph):
    """The later runs of the decoder of an encoder-decoder.

    Arguments:
        transformer: as for `GenerativeGraph`.
        metadata: as for `GenerativeGraph`.

    Example:
        >>> from b4k3.models import T5
        >>> t5 = T5(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...         intermediate_size=16, hidden_act="relu")
        >>> t5.build()
        >>> [port.name for port in NextStepGraph(t5).outputs]
        ['logits', 'present.0.decoder.key', 'present.0.decoder.value']
    """

    has_past = True

    def cached(self, given: dict[str, Tensor]) -> tuple[list[Any], list[Any] | None, Any]:
        """Return what is cached before this run.

        Arguments:
            given: dict from the name of each input to its tensor.

        Returns:
            (pairs of the self-attentions; pairs of the attentions to the encoder; the number of cached tokens).
        """
        own = pairs_of(given, cache_ports(self.caches, "past_key_values.{}.decoder", PAST))
        cross = pairs_of(given, cache_ports(self.cross, "past_key_values.{}.encoder", SOURCE))
        return own, cross, ops.shape(own[0][0])[2]


def generates(model: Any) -> bool:
    """Return whether a model predicts the next token, so that it is written with its caches.

    Arguments:
        model: `Transformer` or Keras model.

    Returns:
        bool. False for a Keras model, and for a decoder without its encoder or without the scores of the vocabulary.
    """
    decoder = getattr(model, "_decoder", model)
    if not getattr(decoder, "generates", False) or (decoder is model and "Input-Context" in names_of(model)):
        return False
    return any(len(x.shape) == 3 and x.shape[-1] == decoder.vocab_size for x in decoder.outputs)


def names_of(transformer: Any) -> list[str]:
    """Return the names of a transformer's layers, without its prefix.

    Arguments:
        transformer: `Transformer`.

    Returns:
        list of str.
    """
    return [name[len(transformer.prefix) :] for name in transformer.layers]


def graphs_of(transformer: Any, metadata: Mapping[str, str] | None = None) -> dict[str, GenerativeGraph]:
    """Make the graphs of a model that generates.

    Arguments:
        transformer: a built `Transformer`.
        metadata: dict from str to str, or None.

    Returns:
        dict from the name of a file, without its suffix, to the graph.

    Raises:
        ConfigError: the model does not generate.
    """
    if getattr(transformer, "_encoder", None) is None:
        return {"model": DecoderGraph(transformer, metadata)}
    return {
        "encoder_model": EncoderGraph(transformer, metadata),
        "decoder_model": FirstStepGraph(transformer, metadata),
        "decoder_with_past_model": NextStepGraph(transformer, metadata),
    }


def cache_ports(shapes: Sequence[CacheShape], name: str, length: str) -> list[GraphTensor]:
    """Describe the caches of all blocks.

    Arguments:
        shapes: list of `CacheShape`.
        name: str. The names, with {} for the number of a block.
        length: str. The name of the axis of the cached tokens.

    Returns:
        list of `GraphTensor`s, keys and values in turn.
    """
    return [port for i, shape in enumerate(shapes) for port in shape.ports(name.format(i), length)]


def pairs_of(given: Mapping[str, Tensor], ports: Sequence[GraphTensor]) -> list[tuple[Tensor, Tensor]]:
    """Pick keys and values.

    Arguments:
        given: dict from name to tensor.
        ports: list of `GraphTensor`s, keys and values in turn.

    Returns:
        list of (keys, values).
    """
    tensors = [given[port.name] for port in ports]
    return list(zip(tensors[::2], tensors[1::2]))


def flat(pairs: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Put keys and values in turn into one list.

    Arguments:
        pairs: list of (keys, values).

    Returns:
        list of tensors.
    """
    return [x for pair in pairs for x in pair]


def positions_of(mask: Tensor) -> Tensor:
    """Count the tokens before each token; padding before the first one has position 0.

    Arguments:
        mask: bool, [batch, m]. True at tokens.

    Returns:
        int32, [batch, m].
    """
    return ops.maximum(ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1, 0)
