"""The loop of decoding: prefill, then step by step, in compiled functions that are kept on the Transformer."""

from __future__ import annotations

import numpy as np

from b4k3.backend import compiled, ops, runs_eagerly, while_loop

from ..errors import ConfigError
from . import beams, single
from .checks import id_within
from .network import Network
from .progress import bar
from .request import NO_PADDING, Prompts, Request

# Compiled functions are made for rounded sizes, so that prompts and outputs of nearby lengths share them.
PROMPT_UNIT, TOTAL_UNIT = 32, 64


def generate(transformer, ids, max_new_tokens, start_id=None, segment_ids=None, progress=False, **kwargs):
    """`Transformer.generate`; see there."""
    if transformer.engine is None:
        transformer.engine = Engine(Network(transformer))
    request = Request(max_new_tokens, **kwargs)
    return transformer.engine.generate(request, ids, start_id, segment_ids, progress)


def streamed(run):
    """Yields: int array [rows], the next token of each row, the padding id where it has ended."""
    yield run.newest()
    while run.unfinished():
        run.advance(run.count + 1)
        yield run.newest()


def start_of(decoder):
    """The id that the decoder of an encoder-decoder starts from where the caller gives none."""
    start_id = getattr(decoder, "decoder_start_token_id", None)
    return max(decoder.pad_token_id, 0) if start_id is None else start_id


def rounded_up(n, unit):
    """n where nothing is compiled, else the next multiple of the unit."""
    return n if runs_eagerly else -(-n // unit) * unit


class Engine:
    """A `Network` with the functions compiled for it."""

    def __init__(self, network):
        self.network = network
        self.functions = {}

    def generate(self, request, ids, start_id=None, segment_ids=None, progress=False):
        """Arguments: request: `Request`; the others as of `Transformer.generate`. Returns: as there."""
        run = self.begin(request, ids, segment_ids, start_id)
        if request.stream:
            return streamed(run)
        with bar(request.max_new, progress) as show:
            while progress and run.unfinished():
                run.advance(run.count + 1)
                show(run.count)
            run.advance(request.max_new)
        return run.result()

    def begin(self, request, ids, segment_ids, start_id):
        """Check the prompts and generate the first token. Returns: Run."""
        network = self.network
        decoder, encoder = network.decoder, network.encoder
        if segment_ids is not None and not network.has_segments:
            raise ConfigError("segment_ids were given, but the model has no segments")
        request.check_ids(decoder.vocab_size)
        first = {}
        if encoder is not None:
            source = Prompts(ids, None, None, encoder.vocab_size, padding_id=encoder.pad_token_id)
            source.resize(rounded_up(source.lengths.max(), PROMPT_UNIT))
            first["source"] = source.ids
            name = "decoder_start_token_id" if start_id is None else "start_id"
            start_id = id_within(name, start_of(decoder) if start_id is None else start_id, decoder.vocab_size)
            ids, start_id = np.full((len(source.ids), 1), start_id), None
        new_segment = getattr(decoder, "generated_segment", None)
        padding_id = decoder.pad_token_id
        fill = padding_id if padding_id != NO_PADDING else (request.end_ids or [0])[0]  # what follows an end id
        segments = network.segment_limit if network.has_segments else None
        prompts = Prompts(ids, segment_ids, start_id, decoder.vocab_size, new_segment, padding_id, segments)
        room = self.make_room(prompts, request.max_new)
        options = request.options._replace(room=room)
        rows = len(prompts.ids) * options.copies
        numbers = dict(request.numbers, uniform=request.uniform(rows, room), padding_id=fill)
        numbers["segments"] = np.repeat(prompts.new_segments, options.copies)
        first.update(ids=prompts.ids, segments=prompts.segments, lengths=prompts.lengths)
        if options.penalty:
            first["seen"] = prompts.seen(decoder.vocab_size, options.copies)
        holes = bool((prompts.ids == padding_id).any())
        return Run(self.compiled_for(options, holes), first, numbers, request)

    def make_room(self, prompts, max_new):
        """Pad the prompts; return for how many new tokens there shall be room."""
        n, limit = int(prompts.lengths.max()), self.network.position_limit
        if limit is not None and n + max_new - 1 > limit:
            raise ConfigError(
                "the longest prompt has %d tokens and max_new_tokens=%d, but the model has %d positions: shorten either"
                % (n, max_new, limit)
            )
        width = rounded_up(n, PROMPT_UNIT) if n > 1 else 1  # 1: the start id of an encoder-decoder
        width = width if limit is None else min(width, limit)
        prompts.resize(width)
        return rounded_up(width + max_new, TOTAL_UNIT) - width

    def compiled_for(self, options, holes):
        """(start, advance) for these options."""
        key = options, holes and runs_eagerly
        if key not in self.functions:
            start, advance = functions(self.network, options, holes)
            variables = self.network.variables
            self.functions[key] = compiled(start, variables), compiled(advance, variables, donate=True)
        return self.functions[key]


def functions(network, options, holes):
    """The functions that get compiled.

    Returns:
        start(first, numbers) -> (state, fixed): the first token.
        advance(state, fixed, numbers, until) -> state: tokens until there are `until`, or all rows are done.
    """
    kind = beams if options.beams > 1 else single

    def start(first, numbers):
        context = network.encode(first["source"]) if "source" in first else ()
        logits, fixed, own = network.prefill(first["ids"], first["segments"], first["lengths"], options.room, *context)
        if options.copies > 1:
            logits, fixed, own = repeated([logits, fixed, own], options.copies)
        state = kind.begin(logits, first.get("seen"), own, options.room, options, numbers)
        return dict(state, count=1 if runs_eagerly else ops.ones((), dtype="int32")), fixed

    def advance(state, fixed, numbers, until):
        def unfinished(state):
            more = state["count"] < until
            if runs_eagerly and (not more or not options.ends):
                return more
            return ops.logical_and(more, ops.logical_not(ops.all(state["done"])))

        def step(state):
            count = state["count"]
            logits, own = network.step(
                state["newest"], numbers["segments"], count, state["own"], fixed, options.room, holes
            )
            return dict(kind.advance(dict(state, own=own), logits, count, options, numbers), count=count + 1)

        return while_loop(unfinished, step, state)

    return start, advance


def repeated(nest, copies):
    """Each row of the tensors in a nest `copies` times."""
    if isinstance(nest, dict):
        return {key: repeated(value, copies) for key, value in nest.items()}
    if isinstance(nest, list):
        return [repeated(value, copies) for value in nest]
    return ops.repeat(nest, copies, axis=0)


class Run:
    """The generation of one batch."""

    def __init__(self, functions, first, numbers, request):
        start, self.function = functions
        self.request = request
        self.numbers = as_arguments(numbers)
        self.state, self.fixed = start(as_arguments(first), self.numbers)
        self.count = 1

    def advance(self, until):
        """Generate until there are so many tokens."""
        if self.count < until:
            until = until if runs_eagerly else np.asarray(until, dtype="int32")
            self.state = self.function(self.state, self.fixed, self.numbers, until)
            self.count = int(ops.convert_to_numpy(self.state["count"]))

    def unfinished(self):
        return self.count < self.request.max_new and not numpy_of(self.state["done"]).all()

    def newest(self):
        """int array [rows]"""
        return numpy_of(self.state["newest"])

    def result(self):
        """int array [rows, new tokens], and with `return_scores` a pair of it and float32 [rows]."""
        if self.request.beams == 1:
            tokens, sums = self.state["tokens"], self.state.get("sums")
        else:
            tokens, sums = self.state["pool_tokens"], self.state["pool_sums"]
        tokens = numpy_of(tokens)[..., : self.count]
        tokens, sums = (self.best(x) for x in (tokens, None if sums is None else numpy_of(sums)))
        ended = np.isin(tokens, self.request.end_ids)
        lengths = np.where(ended.any(axis=1), ended.argmax(axis=1) + 1, self.count)
        tokens = tokens[:, : lengths.max()]
        return (tokens, sums) if self.request.return_scores else tokens

    def best(self, x):
        """Of beam search, the n best of each row."""
        if x is None or self.request.beams == 1:
            return x
        x = x[:, : self.request.returned]
        return x.reshape((-1,) + x.shape[2:])


def numpy_of(x):
    return np.asarray(ops.convert_to_numpy(x))


def as_arguments(values):
    """A dict of arrays and numbers as the compiled functions take it: float32, int32 and bool."""
    if runs_eagerly:
        return {k: ops.convert_to_tensor(v) if isinstance(v, np.ndarray) else v for k, v in values.items()}
    dtypes = {"f": "float32", "i": "int32", "b": "bool"}
    return {k: np.asarray(v, dtype=dtypes[np.asarray(v).dtype.kind]) for k, v in values.items()}
