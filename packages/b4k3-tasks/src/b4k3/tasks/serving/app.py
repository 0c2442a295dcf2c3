"""The web application of a server."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, Awaitable, Callable

from . import answers, completions
from .fields import Fields
from .gate import Gate
from .page_files import PageFile, read_page
from .refusals import Refusal
from .state import State

LOG = logging.getLogger("b4k3.serving")
ENDPOINTS: dict[str, Callable[[State, Fields], Awaitable[dict[str, Any]]]] = {
    "/v1/embeddings": answers.embeddings,
    "/similarity": answers.similarity,
    "/classify": answers.classify,
    "/tag": answers.tag,
    "/fill-mask": answers.fill_mask,
    "/attention": answers.attention,
}
GONE = 499  # the status that is counted if the client has left; nobody gets it


def make_app(state: State) -> Any:
    """Make the ASGI application.

    Arguments:
        state: `State`.

    Returns:
        an ASGI application.

    Raises:
        ImportError: Starlette is not installed.

    Example:
        >>> from b4k3.tasks.serving.app import make_app
        >>> from b4k3.tasks.serving.limits import Limits
        >>> from b4k3.tasks.serving.state import State
        >>> state = State("none", {}, Limits())
        >>> app = make_app(state)
        >>> state.thread.stop()
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import Response
    from starlette.routing import Route

    async def health(request: Any) -> Any:
        """Say whether the server takes requests."""
        ready = not state.draining
        return _json({"status": "ready" if ready else "draining"}, 200 if ready else 503)

    async def metrics(request: Any) -> Any:
        """Give the counters."""
        return Response(state.counters.text(), media_type="text/plain; version=0.0.4")

    async def models(request: Any) -> Any:
        """Describe the model."""
        return _json({"object": "list", "data": [state.model()]})

    async def complete(request: Any) -> Any:
        """Answer `/v1/completions`."""
        return await _answered(state, request, lambda fields: _completed(state, fields))

    async def refused(request: Any, error: HTTPException) -> Any:
        """Answer an unknown path or method."""
        return _refusal(Refusal(error.status_code, f"{request.method} {request.url.path}: {error.detail}"))

    def posted(handler: Any) -> Any:
        """Make the function that answers a request with a JSON object."""

        async def body(fields: Fields) -> Any:
            """Return the answer."""
            return _json(await handler(state, fields))

        async def answer(request: Any) -> Any:
            """Answer a request."""
            return await _answered(state, request, body)

        return answer

    page = read_page()
    routes = [Route("/health", health), Route("/metrics", metrics), Route("/v1/models", models)]
    routes += [Route(path, posted(handler), methods=["POST"]) for path, handler in ENDPOINTS.items()]
    routes += [Route("/v1/completions", complete, methods=["POST"])]
    routes += [Route(path, _page_answer(file)) for path, file in page.items()]
    app = Starlette(routes=routes, exception_handlers={HTTPException: refused})
    return Gate(app, state, page, [*(route.path for route in routes)])


async def _completed(state: State, fields: Fields) -> Any:
    """Answer `/v1/completions`, whole or as a stream."""
    from starlette.responses import StreamingResponse

    wanted = await completions.asked_for(state, fields)
    if not wanted.streamed:
        return _json(await completions.whole(state, wanted))
    events = completions.events(state, wanted)
    try:
        first = await events.__anext__()
    except BaseException:
        await events.aclose()
        raise

    async def all_events() -> Any:
        """Give the first event, which is there already, and the others."""
        try:
            yield first
            async for event in events:
                yield event
        finally:
            await events.aclose()

    return StreamingResponse(all_events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


def _page_answer(file: PageFile) -> Any:
    """Make the function that answers with a file of the page."""
    from starlette.responses import Response

    async def answer(request: Any) -> Any:
        """Give the file."""
        return Response(file.content, headers=file.headers)

    return answer


async def _answered(state: State, request: Any, handler: Callable[[Fields], Awaitable[Any]]) -> Any:
    """Read a request, and answer it within the time, unless the client leaves."""
    from starlette.responses import Response

    try:
        fields = Fields(await _read(state, request))
        work = asyncio.ensure_future(handler(fields))
        left = asyncio.ensure_future(_left(request.receive))
        try:
            done, _ = await asyncio.wait(
                {work, left}, timeout=state.limits.timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if work in done:
                return work.result()
            if left in done:
                return Response(status_code=GONE)
            raise Refusal(504, f"there was no answer within {state.limits.timeout:g} s", "timeout")
        finally:
            work.cancel()  # what has not begun is not computed
            left.cancel()
    except Refusal as refusal:
        return _refusal(refusal)
    except _Left:
        return Response(status_code=GONE)
    except Exception as error:
        LOG.error("a request failed", exc_info=error)
        return _refusal(Refusal(500, f"the model failed: {type(error).__name__}; the log of the server says more"))


class _Left(Exception):
    """The client left before its request had come."""


async def _left(receive: Callable[[], Awaitable[Any]]) -> None:
    """Wait until the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(state: State, request: Any) -> bytes:
    """Read the body of a request, as far as it may go."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, f"the Content-Type is {kind!r}, expected application/json")
    size = request.headers.get("content-length", "0")
    if not size.isdigit() or len(size) > 18 or int(size) > state.limits.max_body:
        raise _too_large(state)
    try:
        return await asyncio.wait_for(_body(state, request.receive), state.limits.read_timeout)
    except asyncio.TimeoutError:
        raise Refusal(408, f"the body did not come within {state.limits.read_timeout:g} s", "timeout") from None


async def _body(state: State, receive: Callable[[], Awaitable[Any]]) -> bytes:
    """Receive the parts of a body."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Left
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > state.limits.max_body:
            raise _too_large(state)
        if not message.get("more_body"):
            return b"".join(parts)


def _too_large(state: State) -> Refusal:
    """Make the error of a body that is too large."""
    return Refusal(413, f"the body is too large, expected at most {state.limits.max_body} bytes", "body_too_large")


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Any:
    """Make an answer."""
    from starlette.responses import Response

    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return Response(content, status, dict(headers or {}), "application/json")


def _refusal(refusal: Refusal) -> Any:
    """Make the answer of an error."""
    return _json(refusal.body(), refusal.status, refusal.headers())
