"""The loop of decoding: prefill, then token by token, in compiled functions that are kept on the Transformer."""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping

import numpy as np

from b4k3.backend import compiled, lora_version, ops, runs_eagerly, while_loop
from b4k3.backend._progress import ProgressBar

from ..errors import ConfigError
from . import beams, greedy
from .argument_checks import id_within
from .network import Network
from .request import NO_PADDING, Prompts, Request
from .sampling import NOT_FORCED

if TYPE_CHECKING:
    from typing import Tuple, Union

    from numpy.typing import ArrayLike, NDArray

    from ..transformer import Transformer
    from .request import Options

    Functions = Tuple[Callable[..., Any], Callable[..., Any]]  # start, advance
    Tokens = NDArray[np.int32]
    Generated = Union[Tokens, Tuple[Tokens, NDArray[np.float32]], Iterator[Tokens]]

# Compiled functions are made for rounded sizes, so that prompts and outputs of nearby lengths share them.
PROMPT_UNIT, TOTAL_UNIT = 32, 64
# How many pairs of compiled functions a model keeps. Each is for one combination of options and rounded sizes.
MOST_COMPILED = 64


def generate(transformer: Transformer, given: Mapping[str, Any]) -> Generated:
    """Do what `Transformer.generate` says.

    Arguments:
        transformer: a built `Transformer`. Its engine is made by the first call.
        given: mapping from the name of each argument of `Transformer.generate` to its value.

    Returns:
        What `Transformer.generate` returns.

    Raises:
        ConfigError: as `Transformer.generate`.
    """
    if transformer.engine is None:
        transformer.engine = Engine(Network(transformer))
    ids, start_id, segment_ids = given["ids"], given["start_id"], given["segment_ids"]
    return transformer.engine.generate(Request(given), ids, start_id, segment_ids, given["progress"])


def streamed(run: Run) -> Iterator[Tokens]:
    """Generate token by token.

    Arguments:
        run: `Run`. It has its first token.

    Yields:
        int32, [rows]. The next token of each row; the padding id where the output has ended.
    """
    yield run.newest()
    while run.unfinished():
        run.advance(run.count + 1)
        yield run.newest()


def start_of(decoder: Any) -> int:
    """Find the id that the decoder of an encoder-decoder starts from if the caller gives none.

    Arguments:
        decoder: `Transformer`.

    Returns:
        int. Its `decoder_start_token_id`; without it the padding id, or 0 if there is none.
    """
    start_id = getattr(decoder, "decoder_start_token_id", None)
    return max(decoder.pad_token_id, 0) if start_id is None else start_id


def forced_by(decoder: Any, request: Request) -> dict[str, int]:
    """Find the tokens that a decoder gives whatever the scores are, as BART's configs say.

    Arguments:
        decoder: `Transformer`. Its `forced_bos_token_id` is the first token. Its `forced_eos_token_id` is the last one
            of `max_new_tokens` tokens, if it is an end id.
        request: `Request`.

    Returns:
        dict: "forced_first" and "forced_last", ids or -1 for none.
    """
    first, last = (getattr(decoder, f"forced_{name}_token_id", None) for name in ("bos", "eos"))
    return {
        "forced_first": NOT_FORCED if first is None else first,
        "forced_last": last if last in request.end_ids else NOT_FORCED,
    }


def rounded_up(n: int, unit: int) -> int:
    """Round a size up where functions are compiled.

    Arguments:
        n: int. The size.
        unit: int. Compiled sizes are multiples of it.

    Returns:
        int. The next multiple of the unit; n itself where nothing is compiled.
    """
    return n if runs_eagerly else -(-n // unit) * unit


class Engine:
    """A `Network`, and the functions that were compiled for it.

    Each combination of options, batch size and rounded lengths has its own compiled functions. The engine keeps the
    ones that were used last, so that a server of many sizes does not fill the memory. TensorFlow 1 cannot remove a
    function from its graph, so there all of them are kept.

    Arguments:
        network: `Network`.
        most: int. How many pairs of compiled functions are kept.

    Attributes:
        functions: dict from what a pair of functions was compiled for to the pair, the least recently used first.

    Example:
        >>> from b4k3.models import GPT
        >>> gpt = GPT(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        ...           max_position=64, segment_vocab_size=0, hidden_act="gelu")
        >>> gpt.build()
        >>> gpt.generate([[5, 6, 7]], max_new_tokens=4).shape
        (1, 4)
        >>> len(gpt.engine.functions)
        1
    """

    def __init__(self, network: Network, most: int = MOST_COMPILED) -> None:
        self.network = network
        self.most = most
        self.functions: collections.OrderedDict[Any, Functions] = collections.OrderedDict()
        self._lock = threading.Lock()

    def generate(
        self,
        request: Request,
        ids: ArrayLike,
        start_id: int | None = None,
        segment_ids: ArrayLike | None = None,
        progress: bool = False,
    ) -> Generated:
        """Generate tokens.

        Arguments:
            request: `Request`. The arguments that do not depend on the model.
            ids: int, [batch, n]. The prompts; see `Transformer.generate`.
            start_id: int or None. See `Transformer.generate`.
            segment_ids: int, [batch, n], or None. See `Transformer.generate`.
            progress: bool. Whether a bar is shown on a terminal.

        Returns:
            What `Transformer.generate` returns.

        Raises:
            ConfigError: the prompts do not fit the model.
        """
        run = self.begin(request, ids, segment_ids, start_id)
        if request.stream:
            return streamed(run)
        with ProgressBar(request.max_new, unit="tokens", shown=progress) as bar:
            while progress and run.unfinished():
                run.advance(run.count + 1)
                bar.show(run.count)
            run.advance(request.max_new)
        return run.result()

    def begin(self, request: Request, ids: ArrayLike, segment_ids: ArrayLike | None, start_id: int | None) -> Run:
        """Check the prompts and generate the first token.

        Arguments:
            request: `Request`. The arguments that do not depend on the model.
            ids: int, [batch, n]. The prompts; for an encoder-decoder, the ids of the encoder.
            segment_ids: int, [batch, n], or None. Their segment ids.
            start_id: int or None. See `Transformer.generate`.

        Returns:
            `Run`.

        Raises:
            ConfigError: the prompts do not fit the model.
        """
        network = self.network
        decoder, encoder = network.decoder, network.encoder
        if segment_ids is not None and not network.has_segments:
            raise ConfigError("segment_ids were given, but the model has no segments: leave them out")
        request.check_ids(decoder.vocab_size)
        first: dict[str, Any] = {}
        if encoder is not None:
            source = Prompts(ids, None, None, encoder.vocab_size, padding_id=encoder.pad_token_id)
            n, limit = int(source.lengths.max()), network.source_limit
            width = rounded_up(n, PROMPT_UNIT)
            source.resize(width if limit is None else max(n, min(width, limit)))
            first["source"] = source.ids
            name = "decoder_start_token_id" if start_id is None else "start_id"
            start_id = id_within(name, start_of(decoder) if start_id is None else start_id, decoder.vocab_size)
            ids, start_id = np.full((len(source.ids), 1), start_id), None
        new_segment = getattr(decoder, "generated_segment", None)
        padding_id = decoder.pad_token_id
        fill = padding_id if padding_id != NO_PADDING else (request.end_ids or [0])[0]  # the id after an end id
        segments = network.segment_limit if network.has_segments else None
        prompts = Prompts(ids, segment_ids, start_id, decoder.vocab_size, new_segment, padding_id, segments)
        cache_capacity = self.make_room(prompts, request.max_new)
        forced = forced_by(decoder, request)
        options = request.options._replace(cache_capacity=cache_capacity, forced=max(forced.values()) >= 0)
        rows = len(prompts.ids) * options.copies
        params = dict(request.params, uniform=request.uniform(rows, cache_capacity), padding_id=fill, **forced)
        params["segments"] = np.repeat(prompts.new_segments, options.copies)
        first.update(ids=prompts.ids, segments=prompts.segments, lengths=prompts.lengths)
        if options.penalty:
            first["seen"] = prompts.seen(decoder.vocab_size, options.copies)
        has_padding = bool((prompts.ids == padding_id).any())
        return Run(self.compiled_for(options, has_padding, first), first, params, request)

    def make_room(self, prompts: Prompts, max_new: int) -> int:
        """Pad the prompts to a rounded length.

        Arguments:
            prompts: `Prompts`. They are changed.
            max_new: int. How many tokens are generated at most.

        Returns:
            int. How many new tokens the cache shall hold.

        Raises:
            ConfigError: the model has too few positions.
        """
        n, limit = int(prompts.lengths.max()), self.network.position_limit
        if limit is not None and n + max_new - 1 > limit:
            raise ConfigError(
                f"the longest prompt has {n} tokens and max_new_tokens={max_new}, but the model has {limit} positions: "
                "shorten either"
            )
        width = rounded_up(n, PROMPT_UNIT) if n > 1 else 1  # 1: the start id of an encoder-decoder
        width = width if limit is None else min(width, limit)
        prompts.resize(width)
        return rounded_up(width + max_new, TOTAL_UNIT) - width

    def compiled_for(self, options: Options, has_padding: bool, first: dict[str, Any]) -> Functions:
        """Find or make the compiled functions for these options and sizes.

        Arguments:
            options: `Options`. What is compiled in.
            has_padding: bool. Whether any prompt is padded. Compiled functions do not depend on it.
            first: dict of arrays. The arguments of the first function, whose shapes are compiled in.

        Returns:
            (start, advance), see `functions`.
        """
        shapes = () if runs_eagerly else tuple((name, np.shape(first[name])) for name in sorted(first))
        key = options, has_padding and runs_eagerly, shapes, lora_version()
        with self._lock:
            if key not in self.functions:
                start, advance = functions(self.network, options, has_padding)
                variables = self.network.variables
                self.functions[key] = compiled(start, variables), compiled(advance, variables, donate=True)
            self.functions.move_to_end(key)
            found = self.functions[key]
            if len(self.functions) > self.most and not getattr(found[0], "permanent", False):
                self.functions.popitem(last=False)
            return found


def functions(network: Network, options: Options, has_padding: bool) -> Functions:
    """Make the functions that are compiled.

    Arguments:
        network: `Network`.
        options: `Options`. What is compiled in.
        has_padding: bool. Whether any prompt is padded.

    Returns:
        start(first, params) -> (state, constants), which generates the first token, and
        advance(state, constants, params, until) -> state, which generates until there are `until` tokens, or all rows
        are done.
    """
    search = beams if options.beams > 1 else greedy
    capacity = options.cache_capacity

    def start(first: dict[str, Any], params: dict[str, Any]) -> Any:
        """Run the network over the prompts, and generate the first token."""
        context = network.encode(first["source"]) if "source" in first else ()
        logits, constants, cache = network.prefill(
            first["ids"], first["segments"], first["lengths"], capacity, *context
        )
        if options.copies > 1:
            logits, constants, cache = repeated([logits, constants, cache], options.copies)
        state = search.begin(logits, first.get("seen"), cache, capacity, options, params)
        return dict(state, count=1 if runs_eagerly else ops.ones((), dtype="int32")), constants

    def advance(state: dict[str, Any], constants: dict[str, Any], params: dict[str, Any], until: Any) -> Any:
        """Generate until there are `until` tokens, or all rows are done."""

        def unfinished(state: dict[str, Any]) -> Any:
            more = state["count"] < until
            if runs_eagerly and (not more or not options.ends):
                return more
            return ops.logical_and(more, ops.logical_not(ops.all(state["done"])))

        def step(state: dict[str, Any]) -> dict[str, Any]:
            count = state["count"]
            logits, cache = network.step(
                state["newest"], params["segments"], count, state["self_cache"], constants, capacity, has_padding
            )
            state = search.advance(dict(state, self_cache=cache), logits, count, options, params)
            return dict(state, count=count + 1)

        return while_loop(unfinished, step, state)

    return start, advance


def repeated(nest: Any, copies: int) -> Any:
    """Repeat each row of the tensors in a nest.

    Arguments:
        nest: tensor, or dict or list of nests.
        copies: int. How often each row comes.

    Returns:
        The nest of the repeated tensors.
    """
    if isinstance(nest, dict):
        return {key: repeated(value, copies) for key, value in nest.items()}
    if isinstance(nest, list):
        return [repeated(value, copies) for value in nest]
    return ops.repeat(nest, copies, axis=0)


class Run:
    """The generation of one batch. It begins with the first token.

    Arguments:
        functions: (start, advance). What `Engine.compiled_for` returned.
        first: dict of arrays. The prompts.
        params: dict. The values in `Request.params`, and the values that depend on the prompts.
        request: `Request`.

    Attributes:
        state: dict of tensors. What `greedy` or `beams` returned.
        constants: dict of tensors. What `Network.prefill` returned.
        count: int. The number of tokens in the outputs.

    Example:
        >>> from b4k3.models import GPT
        >>> gpt = GPT(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        ...           max_position=64, segment_vocab_size=0, hidden_act="gelu")
        >>> gpt.build()
        >>> tokens = list(gpt.generate([[5, 6, 7]], max_new_tokens=4, stream=True))  # steps of a Run
        >>> len(tokens), tokens[0].shape
        (4, (1,))
    """

    def __init__(self, functions: Functions, first: dict[str, Any], params: dict[str, Any], request: Request) -> None:
        start, self.function = functions
        self.request = request
        self.params = as_arguments(params)
        self.state, self.constants = start(as_arguments(first), self.params)
        self.count = 1

    def advance(self, until: int) -> None:
        """Generate until the outputs have a number of tokens, or all are done.

        Arguments:
            until: int. The number of tokens.
        """
        if self.count < until:
            end = until if runs_eagerly else np.asarray(until, dtype="int32")
            self.state = self.function(self.state, self.constants, self.params, end)
            self.count = int(ops.convert_to_numpy(self.state["count"]))

    def unfinished(self) -> bool:
        """Find out whether any output can get another token.

        Returns:
            bool.
        """
        return self.count < self.request.max_new and not numpy_of(self.state["done"]).all()

    def newest(self) -> Tokens:
        """Read the newest tokens.

        Returns:
            int32, [rows].
        """
        return numpy_of(self.state["newest"])

    def result(self) -> Generated:
        """Read the outputs.

        Returns:
            int32, [rows, new tokens]; with `return_scores` a pair of them and of float32, [rows].
        """
        if self.request.beams == 1:
            tokens, sums = self.state["tokens"], self.state.get("sums")
        else:
            tokens, sums = self.state["pool_tokens"], self.state["pool_sums"]
        tokens = numpy_of(tokens)[..., : self.count]
        tokens, sums = (self._best(x) for x in (tokens, None if sums is None else numpy_of(sums)))
        ended = np.isin(tokens, self.request.end_ids)
        lengths = np.where(ended.any(axis=1), ended.argmax(axis=1) + 1, self.count)
        tokens = tokens[:, : lengths.max()]
        return (tokens, sums) if self.request.return_scores else tokens

    def _best(self, x: Any) -> Any:
        """Select the best outputs of beam search: [batch, beams, ...] -> [batch * returned, ...]."""
        if x is None or self.request.beams == 1:
            return x
        x = x[:, : self.request.returned]
        return x.reshape((-1,) + x.shape[2:])


def numpy_of(x: Any) -> NDArray[Any]:
    """Convert a tensor to numpy.

    Arguments:
        x: tensor.

    Returns:
        Array of the same shape and dtype.
    """
    return np.asarray(ops.convert_to_numpy(x))


def as_arguments(values: dict[str, Any]) -> dict[str, Any]:
    """Convert arrays and numbers to what the compiled functions take: float32, int32 and bool.

    Arguments:
        values: dict of arrays and numbers.

    Returns:
        dict of arrays; where nothing is compiled, of tensors and numbers.
    """
    if runs_eagerly:
        return {k: ops.convert_to_tensor(v) if isinstance(v, np.ndarray) else v for k, v in values.items()}
    dtypes = {"f": "float32", "i": "int32", "b": "bool"}
    return {k: np.asarray(v, dtype=dtypes[np.asarray(v).dtype.kind]) for k, v in values.items()}
