"""What each request passes on its way in and out: the API key, the state of the server, counting, and an early end.

A client that is refused before its body has come is told so at once, while it still sends. If the connection were
closed at that moment, the system would throw away the answer that the client has not read. So the rest of the body is
read and thrown away for a while, and only then the connection is closed.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from typing import Any, Callable

from .refusals import Refusal

OPEN = frozenset({"/health"})  # needs no API key
WATCHED = frozenset({"/health", "/metrics"})  # answered while the server drains
LINGER = 5.0  # the seconds in which the rest of a refused body is read


class Gate:
    """An ASGI application around another one.

    Arguments:
        app: the ASGI application.
        state: `State` of the server: its `api_key`, `draining` and `counters`.
        public: set of str. Paths that need no API key: the page.
        known: set of str. The paths that are counted under their own name.

    Example:
        >>> from b4k3.tasks.serving.gate import Gate
        >>> Gate(None, None, set(), set()).known
        frozenset()
    """

    def __init__(self, app: Any, state: Any, public: Any, known: Any) -> None:
        self.app, self.state = app, state
        self.public, self.known = frozenset(public) | OPEN, frozenset(known)

    async def __call__(self, scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, path = time.monotonic(), scope["path"]
        exchange = _Exchange(scope, receive, send)
        try:
            refusal = self._refusal(scope, path)
            if refusal is not None:
                await exchange.refuse(refusal)
            else:
                self.state.open_requests += 1
                try:
                    await self.app(scope, exchange.receive, exchange.send)
                finally:
                    self.state.open_requests -= 1
        finally:
            endpoint = path if path in self.known else "other"
            self.state.counters.request(endpoint, exchange.status or 499, time.monotonic() - begin)

    def _refusal(self, scope: Any, path: str) -> Refusal | None:
        """Return why a request is refused whatever it asks; None if it is not."""
        key = self.state.api_key
        if key is not None and path not in self.public and not _has_key(scope, key):
            return Refusal(
                401, "the API key is missing or wrong; send it as 'Authorization: Bearer KEY'", "invalid_api_key"
            )
        if self.state.draining and path not in WATCHED:
            return Refusal(503, "the server is about to end; ask another one", "draining", retry_after=5)
        return None


def _has_key(scope: Any, key: str) -> bool:
    """Ask whether a request has the API key, in a time that says nothing of the key."""
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, token = given.partition(b" ")
    return hmac.compare_digest(token.strip(), key.encode("utf-8")) and scheme.lower() == b"bearer"


class _Exchange:
    """One request and its answer: how much of the request has come, and the status of the answer."""

    def __init__(self, scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        self._receive, self._send = receive, send
        names = {name: value for name, value in scope["headers"]}
        self.complete = names.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in names
        self.status: int | None = None
        self.early = False

    async def receive(self) -> Any:
        """Receive a message, and note the last one of the body."""
        message = await self._receive()
        self.complete = self.complete or message["type"] != "http.request" or not message.get("more_body")
        return message

    async def send(self, message: Any) -> None:
        """Send a message; after an answer that came too early for the body, read on for a while."""
        if message["type"] == "http.response.start":
            self.status, self.early = message["status"], not self.complete
            if self.early:
                message = dict(message, headers=[*message["headers"], (b"connection", b"close")])
        elif self.early and not message.get("more_body"):
            await self._send(dict(message, more_body=True))
            try:
                await asyncio.wait_for(self._read_on(), LINGER)
            except asyncio.TimeoutError:
                pass
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _read_on(self) -> None:
        """Throw the rest of the body away."""
        while not self.complete:
            await self.receive()

    async def refuse(self, refusal: Refusal) -> None:
        """Send an error."""
        body = json.dumps(refusal.body(), ensure_ascii=False).encode("utf-8")
        headers = dict(refusal.headers(), **{"content-type": "application/json", "content-length": str(len(body))})
        encoded = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": encoded})
        await self.send({"type": "http.response.body", "body": body})
