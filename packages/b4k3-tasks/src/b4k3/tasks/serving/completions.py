"""`/v1/completions`: whole, or as a stream of server-sent events."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import uuid
from typing import Any, AsyncIterator, NamedTuple

from .fields import Fields, refuse
from .model_thread import Call, Row
from .refusals import Refusal
from .served_generation import Finish, Prompt, check_room, generate, stream
from .served_tasks import ServedTask
from .state import State

MAX_STOPS = 4
ALONE = itertools.count()  # a request with a seed is computed alone: in a batch it would draw other numbers


class Completion(NamedTuple):
    """What `/v1/completions` is asked for.

    Attributes:
        task: `ServedTask`.
        prompts: list of `Prompt`.
        rows: list of `Row`, with the number of tokens of each prompt.
        max_tokens: int. How many tokens are generated at most.
        options: tuple of (name, value). Further arguments of `Transformer.generate`.
        streamed: bool. Whether the answer is a stream.
        usage: bool. Whether the stream ends with the number of tokens.

    Example:
        >>> from b4k3.tasks.serving.completions import Completion
        >>> Completion._fields[:2]
        ('task', 'prompts')
    """

    task: ServedTask
    prompts: list[Prompt]
    rows: list[Row]
    max_tokens: int
    options: tuple[tuple[str, Any], ...]
    streamed: bool
    usage: bool


async def asked_for(state: State, fields: Fields) -> Completion:
    """Read the fields of a request.

    Arguments:
        state: `State`.
        fields: `Fields`.

    Returns:
        `Completion`.

    Raises:
        Refusal: a field is wrong, or the server has no such task.
    """
    state.check_model(fields.take("model", str, None))
    task = state.task("generate")
    texts, stops = fields.texts("prompt"), tuple(fields.texts("stop", ()))
    if len(stops) > MAX_STOPS or "" in stops:
        refuse("stop", list(stops), f"at most {MAX_STOPS} texts that are not empty")
    max_tokens = fields.number("max_tokens", int, 16, 1, state.limits.max_new_tokens)
    temperature, top_p = fields.number("temperature", float, 1.0, 0, 2), fields.number("top_p", float, 1.0, 0, 1)
    seed = fields.take("seed", int, None)
    streamed = fields.take("stream", bool, False)
    usage = _with_usage(fields.take("stream_options", dict, {}))
    for name, only in (("n", 1), ("best_of", 1), ("echo", False), ("presence_penalty", 0), ("frequency_penalty", 0)):
        value = fields.take(name, type(only) if only is False else float, only)
        if value != only:
            refuse(name, value, f"{json.dumps(only)}, as nothing else is implemented")
    fields.take("user", str, None)
    fields.finish()
    if streamed and len(texts) > 1:
        refuse("stream", True, "false for several prompts")
    rows = await state.rows(task, texts, False, "prompt")
    check_room(texts, task.task, max_tokens)
    options: tuple[tuple[str, Any], ...] = ()
    if temperature > 0 and top_p > 0:
        options = (("do_sample", True), ("temperature", float(temperature)), ("seed", seed))
        options += (("top_p", float(top_p)),) if top_p < 1 else ()
    return Completion(task, [Prompt(text, stops) for text in texts], rows, max_tokens, options, streamed, usage)


def _with_usage(options: dict[str, Any]) -> bool:
    """Read `stream_options`."""
    rest = dict(options)
    usage = rest.pop("include_usage", False)
    if rest or not isinstance(usage, bool):
        refuse("stream_options", options, '{"include_usage": true or false}')
    return usage


async def whole(state: State, wanted: Completion) -> dict[str, Any]:
    """Answer prompts, all at once.

    Arguments:
        state: `State`.
        wanted: `Completion`.

    Returns:
        dict, the body of the answer.

    Raises:
        Refusal: the queue is full, or a prompt leaves no room for an answer.
    """
    options: tuple[Any, ...] = (wanted.task.task, wanted.max_tokens, wanted.options)
    function = generate
    if dict(wanted.options).get("seed") is not None:
        number = next(ALONE)

        def function(prompts: Any, *given: Any, number: int = number) -> Any:
            """Answer the prompts of this request only."""
            return generate(prompts, *given)

    rows = [Row(row.length, prompt) for row, prompt in zip(wanted.rows, wanted.prompts)]
    found: list[Finish] = await state.thread.compute(Call(function, options, stepwise=True), rows)
    state.counters.tokens.labels("generated").inc(sum(finish.tokens for finish in found))
    choices = [_choice(i, finish.text, finish.reason) for i, finish in enumerate(found)]
    return dict(_head(state, choices), usage=_usage(wanted, found))


async def events(state: State, wanted: Completion) -> AsyncIterator[bytes]:
    """Answer a prompt as server-sent events. The first one is there before the answer begins.

    Arguments:
        state: `State`.
        wanted: `Completion`.

    Yields:
        bytes, one event each.

    Raises:
        Refusal: before the first event: too many streams wait, or the prompt leaves no room for an answer.
    """
    head = _head(state, [])
    (prompt,) = wanted.prompts
    finish = Finish("stop", 0)
    pieces = state.thread.stream(lambda: stream(prompt, wanted.task.task, wanted.max_tokens, wanted.options))
    begun = False
    try:
        while True:
            try:
                piece = await asyncio.wait_for(pieces.__anext__(), state.limits.timeout)
            except StopAsyncIteration:
                break
            except Exception as error:
                if not begun:
                    raise
                yield _event(_failure(state, error).body())
                return
            if isinstance(piece, Finish):
                finish, piece = piece, ""
            begun = True
            yield _event(dict(head, choices=[_choice(0, piece, finish.reason if not piece else None)]))
        if wanted.usage:
            yield _event(dict(head, usage=_usage(wanted, [finish])))
        yield b"data: [DONE]\n\n"
    finally:
        await pieces.aclose()
        state.counters.tokens.labels("generated").inc(finish.tokens)


def _failure(state: State, error: Exception) -> Refusal:
    """Return an error as an answer."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, asyncio.TimeoutError):
        return Refusal(504, f"there was no further token within {state.limits.timeout:g} s", "timeout")
    return Refusal(500, f"the model failed: {type(error).__name__}; the log of the server says more")


def _event(body: dict[str, Any]) -> bytes:
    """Return a server-sent event."""
    return b"data: " + json.dumps(body, ensure_ascii=False).encode("utf-8") + b"\n\n"


def _head(state: State, choices: list[Any]) -> dict[str, Any]:
    """Return a completion without its usage."""
    name = "cmpl-" + uuid.uuid4().hex
    return {
        "id": name,
        "object": "text_completion",
        "created": int(time.time()),
        "model": state.name,
        "choices": choices,
    }


def _choice(index: int, text: str, reason: str | None) -> dict[str, Any]:
    """Return a choice of a completion."""
    return {"index": index, "text": text, "finish_reason": reason, "logprobs": None}


def _usage(wanted: Completion, found: list[Finish]) -> dict[str, int]:
    """Count the tokens of a completion."""
    read, made = sum(row.length for row in wanted.rows), sum(finish.tokens for finish in found)
    return {"prompt_tokens": read, "completion_tokens": made, "total_tokens": read + made}
