"""A Transformer as decoding runs it: once on the prompts, then on one token of each row at a time."""

from __future__ import annotations

import copy

from b4k3.backend import batch_gather, ops, runs_eagerly

from ..errors import ConfigError
from .session import Prefill, Session, Step

HOW = "build with application='lm' or 'unilm', or take a model that generates, such as GPT or T5"


class Network:
    """A Transformer as a function of the newest tokens.

    Arguments:
        transformer: a built `Transformer`; a pair of encoder and decoder has them as `_encoder` and `_decoder`.

    Raises:
        ConfigError: it does not predict the next token, or wants inputs that generation cannot give it.
    """

    def __init__(self, transformer):
        self.encoder = getattr(transformer, "_encoder", None)
        self.decoder = getattr(transformer, "_decoder", transformer)
        name = type(transformer).__name__
        if not self.decoder.generates:
            raise ConfigError("%s does not predict the next token: %s" % (name, HOW))
        if self.decoder.attention_caches or self.decoder.layer_norm_conds[0] is not None:
            raise ConfigError(
                "generate has neither attention_caches nor layer_norm_cond; AutoRegressiveDecoder of b4k3.snippets has"
            )
        self.head = head_of(self.decoder, name)
        self.input_names = [input_name(self.decoder, tensor, name) for tensor in self.decoder.inputs]
        if self.encoder is None and "Input-Context" in self.input_names:
            raise ConfigError("%s is a decoder alone: build the whole model, with its encoder" % name)

    @property
    def variables(self):
        """The weights, each once."""
        found = {}
        for part in (self.encoder, self.decoder):
            for layer in part.layers.values() if part is not None else ():
                found.update((id(v), v) for v in getattr(layer, "variables", getattr(layer, "weights", ())))
        return list(found.values())

    @property
    def position_limit(self):
        """How many positions the decoder has; None for as many as are asked for."""
        limits = [getattr(layer, "position_limit", None) for layer in self.decoder.layers.values()]
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def segment_limit(self) -> int | None:
        """How many segments the decoder's table of segments has; None if the layer is not one of b4k3."""
        shared = getattr(self.decoder, "shared_segment_embeddings", False)
        name = "Embedding-Token" if shared else "Embedding-Segment"
        return getattr(self.decoder.layers.get(self.decoder.prefixed(name)), "input_dim", None)

    @property
    def has_segments(self):
        return "Input-Segment" in self.input_names

    def encode(self, ids):
        """Run the encoder. Arguments: ids int32 [batch, c]. Returns: ([batch, c, d], bool mask [batch, c])."""
        mask = real_tokens(ids, self.encoder.pad_token_id)
        return running(self.encoder, EncoderSession(mask), [ids]).call(ids), mask

    def prefill(self, ids, segments, lengths, room, context=None, context_mask=None):
        """The first run.

        Arguments:
            ids: int32 [batch, n], prompts right-padded with the decoder's padding id.
            segments: int32 [batch, n].
            lengths: int32 [batch], those of the prompts.
            room: for how many new tokens there shall be room.
            context, context_mask: what `encode` gave, or None.

        Returns:
            (float32 logits [batch, vocabulary] after the last token, what the later runs read: a dict, the part of it
            that they change: a list)
        """
        session = Prefill(real_tokens(ids, self.decoder.pad_token_id), room, context_mask)
        ids = ops.maximum(ids, 0)  # -1 is padding where no id of the vocabulary is
        batch, n = ops.shape(ids)
        positions = ops.broadcast_to(ops.arange(0, n, dtype="int32")[None], (batch, n))
        x = self.run(session, ids, segments, positions, context, lengths - 1)
        mask = ops.concatenate([session.mask, ops.ones((batch, room), dtype="bool")], axis=1)
        fixed = {"mask": mask, "lengths": lengths, "context": session.context}
        if context is not None:
            fixed.update(states=context, context_mask=context_mask)
        return x, fixed, session.own

    def step(self, tokens, segments, count, own, fixed, room, holes=True):
        """A later run.

        Arguments:
            tokens: int32 [batch], the newest ones.
            segments: int32 [batch], theirs.
            count: scalar int, how many tokens there are after the prompts, these included.
            own, fixed: what `prefill`, and `own` the run before this one, returned.
            room: as of `prefill`.
            holes: whether any prompt is padded.

        Returns:
            (float32 logits [batch, vocabulary], own)
        """
        m = ops.shape(fixed["mask"])[1]
        n = m - room
        slot = n + count - 1
        lengths = fixed["lengths"][:, None]
        slots = ops.arange(0, slot + 1 if runs_eagerly else m, dtype="int32")[None]
        mask = None
        if not runs_eagerly:
            mask = ops.logical_and(fixed["mask"], slots <= slot)
        elif holes:
            mask = fixed["mask"][:, : slot + 1]
        positions = lengths + (count - 1)  # [b, 1]

        def key_positions():
            return ops.where(slots < n, slots, lengths + slots - n)  # [b, m]

        session = Step(own, fixed["context"], slot, mask, positions, key_positions, fixed.get("context_mask"))
        logits = self.run(session, tokens[:, None], segments[:, None], positions, fixed.get("states"))
        return logits, session.own

    def run(self, session, ids, segments, positions, context, last=None):
        """The logits [batch, vocabulary] at the positions `last` [batch], or at the only one."""
        values = {"Input-Segment": segments, "Input-Position": positions, "Input-Context": context}
        inputs = [values.get(name, ids) for name in self.input_names]
        decoder = running(self.decoder, session, inputs)
        x = decoder.apply_embeddings(inputs if len(inputs) > 1 else inputs[0])
        for i in range(decoder.num_hidden_layers):
            x = decoder.apply_main_layers(x, i)
        if last is not None and ops.shape(ids)[1] > 1:
            x = batch_gather(x, last[:, None], checked=False)  # [b, 1, d]
        outputs = decoder.apply_final_layers(x)
        logits = outputs[self.head] if isinstance(outputs, (list, tuple)) else outputs  # [b, 1, vocabulary]
        return ops.cast(logits[:, 0], "float32")


class EncoderSession(Session):
    """A run of an encoder on whole sequences, of which nothing is kept."""

    def __init__(self, mask):
        self.mask = mask

    def remember(self, key, value):
        return key, value, self.mask


def running(transformer, session, inputs):
    """The transformer with its layers called by a session; nothing that it computed when it was built is in it."""
    twin = copy.copy(transformer)
    twin.session, twin.inputs = session, inputs
    twin.attention_bias = twin.position_bias = twin.attention_scores = None
    return twin


def real_tokens(ids, padding_id):
    """The mask that `Embedding` gives: True at ids other than the padding id, and at the first one."""
    mask = ops.not_equal(ids, padding_id)
    return ops.concatenate([ops.ones_like(mask[:, :1]), mask[:, 1:]], axis=1)


def head_of(decoder, name):
    """Which of the outputs are scores of the vocabulary."""
    heads = [i for i, x in enumerate(decoder.outputs) if len(x.shape) == 3 and x.shape[-1] == decoder.vocab_size]
    if not heads:
        raise ConfigError("%s was built without its language model head: %s" % (name, HOW))
    return heads[-1]


KNOWN_INPUTS = ("Input-Token", "Input-Segment", "Input-Position", "Input-Context", "Decoder-Input-Token")


def input_name(decoder, tensor, name):
    """The name of an input without prefix."""
    for known in KNOWN_INPUTS:
        if decoder.layers.get(decoder.prefixed(known)) is tensor:
            return known
    raise ConfigError(
        "%s has an input that generate cannot feed (it knows %s); use AutoRegressiveDecoder of b4k3.snippets"
        % (name, ", ".join(KNOWN_INPUTS))
    )
