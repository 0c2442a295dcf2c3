"""A Transformer as decoding runs it: once on the whole prompts, then on one new token of each row at a time."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from b4k3.backend import batch_gather, ops, runs_eagerly

from ..errors import ConfigError
from .steps import DecodingStep, EncoderStep, Prefill, TokenStep

if TYPE_CHECKING:
    from b4k3.backend import Tensor

HOW = "build with application='lm' or 'unilm', or take a model that generates, such as GPT or T5"
KNOWN_INPUTS = ("Input-Token", "Input-Segment", "Input-Position", "Input-Context", "Decoder-Input-Token")


class Network:
    """A Transformer as a function from the newest tokens to the logits of the next ones.

    Arguments:
        transformer: a built `Transformer`. An encoder-decoder has its two halves as `_encoder` and `_decoder`.

    Raises:
        ConfigError: the model does not predict the next token, or has inputs that generation cannot feed.

    Attributes:
        encoder: `Transformer`, or None.
        decoder: `Transformer`. The model itself if there is no encoder.
        head: int. Which output of the decoder holds the logits.
        input_names: list of str. The names of the decoder's inputs without the prefix of the model.

    Example:
        >>> from b4k3.models import GPT
        >>> gpt = GPT(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        ...           max_position=32, segment_vocab_size=0, hidden_act="gelu")
        >>> gpt.build()
        >>> network = Network(gpt)
        >>> ids = ops.convert_to_tensor([[5, 6, 7]])
        >>> length = ops.convert_to_tensor([3])
        >>> logits, constants, cache = network.prefill(ids, ids * 0, length, cache_capacity=4)
        >>> logits.shape[-1]
        20
    """

    def __init__(self, transformer: Any) -> None:
        self.encoder = getattr(transformer, "_encoder", None)
        self.decoder = getattr(transformer, "_decoder", transformer)
        name = type(transformer).__name__
        if not self.decoder.generates:
            raise ConfigError(f"{name} does not predict the next token: {HOW}")
        if self.decoder.attention_caches or self.decoder.layer_norm_conds[0] is not None:
            raise ConfigError(
                f"{name} was built with attention_caches or layer_norm_cond, which generate cannot feed; use "
                "AutoRegressiveDecoder of b4k3.snippets"
            )
        self.head = head_of(self.decoder, name)
        self.input_names = [input_name(self.decoder, tensor, name) for tensor in self.decoder.inputs]
        if self.encoder is None and "Input-Context" in self.input_names:
            raise ConfigError(f"{name} is a decoder alone: build the whole model, with its encoder")

    @property
    def variables(self) -> list[Any]:
        """The weights, each of them once."""
        found: dict[int, Any] = {}
        for part in (self.encoder, self.decoder):
            for layer in part.layers.values() if part is not None else ():
                found.update((id(v), v) for v in getattr(layer, "variables", getattr(layer, "weights", ())))
        return list(found.values())

    @property
    def position_limit(self) -> int | None:
        """The number of positions that the decoder has; None if there is no limit."""
        return positions_in(self.decoder)

    @property
    def source_limit(self) -> int | None:
        """The number of positions that the encoder has; None if there is no limit, or no encoder."""
        return None if self.encoder is None else positions_in(self.encoder)

    @property
    def segment_limit(self) -> int | None:
        """The number of rows of the decoder's table of segments; None if the layer is not one of b4k3."""
        shared = getattr(self.decoder, "shared_segment_embeddings", False)
        name = "Embedding-Token" if shared else "Embedding-Segment"
        return getattr(self.decoder.layers.get(self.decoder.prefixed(name)), "input_dim", None)

    @property
    def has_segments(self) -> bool:
        """Whether the decoder has an input of segment ids."""
        return "Input-Segment" in self.input_names

    def encode(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Run the encoder.

        Arguments:
            ids: int32, [batch, c]. The ids of the source texts.

        Returns:
            (the encoder's outputs, [batch, c, d]; their mask, bool [batch, c]).
        """
        mask = real_tokens(ids, self.encoder.pad_token_id)
        return in_step(self.encoder, EncoderStep(mask), [ids]).call(ids), mask

    def prefill(
        self,
        ids: Tensor,
        segments: Tensor,
        lengths: Tensor,
        cache_capacity: int,
        encoder_outputs: Tensor | None = None,
        encoder_mask: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Any], list[Any]]:
        """Run the whole prompts once, and cache the keys and values of each layer.

        Arguments:
            ids: int32, [batch, n]. The prompts, right-padded with the decoder's padding id.
            segments: int32, [batch, n]. Their segment ids.
            lengths: int32, [batch]. The lengths of the prompts.
            cache_capacity: int. How many new tokens the cache can hold.
            encoder_outputs: [batch, c, d], or None. What `encode` returned.
            encoder_mask: bool, [batch, c], or None. What `encode` returned.

        Returns:
            (logits after the last tokens, float32 [batch, vocabulary]; constants, a dict of tensors that the later
            steps read; the self-attentions' cache, which each step replaces).
        """
        step = Prefill(real_tokens(ids, self.decoder.pad_token_id), cache_capacity, encoder_mask)
        ids = ops.maximum(ids, 0)  # -1 is the padding of a vocabulary that has no padding id
        batch, n = ops.shape(ids)
        positions = ops.broadcast_to(ops.arange(0, n, dtype="int32")[None], (batch, n))
        logits = self.run(step, ids, segments, positions, encoder_outputs, lengths - 1)
        mask = ops.concatenate([step.mask, ops.ones((batch, cache_capacity), dtype="bool")], axis=1)
        constants = {"mask": mask, "lengths": lengths, "cross_cache": step.cross_cache}
        if encoder_outputs is not None:
            constants.update(encoder_outputs=encoder_outputs, encoder_mask=encoder_mask)
        return logits, constants, step.self_cache

    def step(
        self,
        tokens: Tensor,
        segments: Tensor,
        count: Any,
        self_cache: list[Any],
        constants: dict[str, Any],
        cache_capacity: int,
        has_padding: bool = True,
    ) -> tuple[Tensor, list[Any]]:
        """Run one new token of each row.

        A prompt of 3 tokens in a batch padded to n = 5 has the tokens 0 to 2 in the slots 0 to 2 of the cache, two
        masked slots, and its new tokens from slot 5 on, whose positions are 3, 4 and so on.

        Arguments:
            tokens: int32, [batch]. The newest tokens.
            segments: int32, [batch]. Their segment ids.
            count: int32, scalar. The number of tokens after the prompts, the newest ones included.
            self_cache: list of [keys, values]. The cache that the last run returned.
            constants: dict. What `prefill` returned.
            cache_capacity: int. What `prefill` was given.
            has_padding: bool. Whether any prompt is padded.

        Returns:
            (logits, float32 [batch, vocabulary]; the cache with the newest tokens).
        """
        m = ops.shape(constants["mask"])[1]
        n = m - cache_capacity
        slot = n + count - 1
        lengths = constants["lengths"][:, None]
        mask = None
        if not runs_eagerly:
            mask = ops.logical_and(constants["mask"], ops.arange(0, m, dtype="int32")[None] <= slot)
        elif has_padding:
            mask = constants["mask"][:, : slot + 1]
        positions = lengths + (count - 1)  # [b, 1]

        def key_positions() -> Tensor:
            """Return the position of the token in each slot of the cache."""
            slots = ops.arange(0, slot + 1 if runs_eagerly else m, dtype="int32")[None]
            return ops.where(slots < n, slots, lengths + slots - n)  # [b, m]

        cross_cache, encoder_mask = constants["cross_cache"], constants.get("encoder_mask")
        step = TokenStep(self_cache, cross_cache, slot, mask, positions, key_positions, encoder_mask)
        logits = self.run(step, tokens[:, None], segments[:, None], positions, constants.get("encoder_outputs"))
        return logits, step.self_cache

    def run(
        self,
        step: DecodingStep,
        ids: Tensor,
        segments: Tensor,
        positions: Tensor,
        encoder_outputs: Tensor | None,
        last: Tensor | None = None,
    ) -> Tensor:
        """Run the decoder.

        Arguments:
            step: `DecodingStep`. It calls the layers.
            ids: int32, [batch, n]. The tokens.
            segments: int32, [batch, n]. Their segment ids.
            positions: int32, [batch, n]. Their positions.
            encoder_outputs: [batch, c, d], or None.
            last: int32, [batch], or None. The index of the token whose logits are asked for; None if n is 1.

        Returns:
            float32, [batch, vocabulary]. The logits after that token.
        """
        logits = self.logits(step, ids, segments, positions, encoder_outputs, last)  # [b, 1, vocabulary]
        return ops.cast(logits[:, 0], "float32")

    def logits(
        self,
        step: DecodingStep,
        ids: Tensor,
        segments: Tensor,
        positions: Tensor,
        encoder_outputs: Tensor | None,
        last: Tensor | None = None,
    ) -> Tensor:
        """Run the decoder, and return the logits after every token, or after the last one of each row.

        Arguments:
            step: `DecodingStep`. It calls the layers.
            ids: int32, [batch, n]. The tokens.
            segments: int32, [batch, n]. Their segment ids.
            positions: int32, [batch, n]. Their positions.
            encoder_outputs: [batch, c, d], or None.
            last: int32, [batch], or None. The index of the token whose logits are asked for; None for all.

        Returns:
            float, [batch, n, vocabulary], or [batch, 1, vocabulary] with `last`.
        """
        values = {"Input-Segment": segments, "Input-Position": positions, "Input-Context": encoder_outputs}
        inputs = [values.get(name, ids) for name in self.input_names]
        decoder = in_step(self.decoder, step, inputs)
        x = decoder.apply_embeddings(inputs if len(inputs) > 1 else inputs[0])
        for i in range(decoder.num_hidden_layers):
            x = decoder.apply_main_layers(x, i)  # [b, n, d]
        if last is not None and ops.shape(ids)[1] > 1:
            x = batch_gather(x, last[:, None], checked=False)  # [b, 1, d]
        outputs = decoder.apply_final_layers(x)
        return outputs[self.head] if isinstance(outputs, (list, tuple)) else outputs  # [b, 1 or n, vocabulary]


def in_step(transformer: Any, step: DecodingStep, inputs: list[Any]) -> Any:
    """Copy a transformer so that a decoding step calls its layers.

    The copy shares the layers, but no tensor that was computed when the model was built. So threads that generate at
    the same time do not meet.

    Arguments:
        transformer: a built `Transformer`.
        step: `DecodingStep`. It calls the layers.
        inputs: list of tensors. They take the place of the model's inputs.

    Returns:
        The copy.
    """
    twin = copy.copy(transformer)
    twin.decoding_step, twin.inputs = step, inputs
    twin.attention_bias = twin.position_bias = twin.attention_scores = None
    return twin


def positions_in(transformer: Any) -> int | None:
    """Return the number of positions that a transformer has.

    Arguments:
        transformer: a built `Transformer`.

    Returns:
        int; None if there is no limit.
    """
    limits = [getattr(layer, "position_limit", None) for layer in transformer.layers.values()]
    return min((limit for limit in limits if limit is not None), default=None)


def real_tokens(ids: Tensor, padding_id: int) -> Tensor:
    """Compute the mask that `Embedding` computes.

    Arguments:
        ids: int32, [batch, n].
        padding_id: int.

    Returns:
        bool, [batch, n]. True at the first token, and at each id other than the padding id.
    """
    mask = ops.not_equal(ids, padding_id)
    return ops.concatenate([ops.ones_like(mask[:, :1]), mask[:, 1:]], axis=1)


def head_of(decoder: Any, name: str) -> int:
    """Find the output that holds scores of the vocabulary.

    Arguments:
        decoder: a built `Transformer`.
        name: str. The name of the class, for the error message.

    Returns:
        int. The index of the output.

    Raises:
        ConfigError: there is no such output.
    """
    heads = [i for i, x in enumerate(decoder.outputs) if len(x.shape) == 3 and x.shape[-1] == decoder.vocab_size]
    if not heads:
        raise ConfigError(f"{name} was built without its language model head: {HOW}")
    return heads[-1]


def input_name(decoder: Any, tensor: Tensor, name: str) -> str:
    """Find the name of an input.

    Arguments:
        decoder: a built `Transformer`.
        tensor: one of its inputs.
        name: str. The name of the class, for the error message.

    Returns:
        str. The name without the prefix of the model.

    Raises:
        ConfigError: generation cannot feed the input.
    """
    for known in KNOWN_INPUTS:
        if decoder.layers.get(decoder.prefixed(known)) is tensor:
            return known
    raise ConfigError(
        f"{name} has an input that generate cannot feed (it knows {', '.join(KNOWN_INPUTS)}); use "
        "AutoRegressiveDecoder of b4k3.snippets"
    )
