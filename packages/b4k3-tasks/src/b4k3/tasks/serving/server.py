"""The server: connections that cannot be held open for nothing, and an end that loses no request."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Any

from b4k3.models import ConfigError

from .state import State

LOG = logging.getLogger("b4k3.serving")
KEEP_ALIVE = 15  # the seconds that a connection may rest between two requests


def run_server(state: State, host: str, port: int, announce: Any) -> None:
    """Serve until SIGTERM or SIGINT, and then answer what has come.

    Arguments:
        state: `State`.
        host: str. The address to listen on.
        port: int. The port to listen on; 0 is a free one.
        announce: function of a line of text, which says where the server listens.

    Raises:
        ConfigError: the address cannot be used.
        ImportError: Starlette, uvicorn or prometheus-client is not installed.

    Example:
        >>> from b4k3.tasks.serving.server import KEEP_ALIVE
        >>> KEEP_ALIVE
        15
    """
    import uvicorn

    from .app import make_app

    config = uvicorn.Config(
        make_app(state),
        http=_protocol(state),
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, int(state.limits.shutdown_timeout)),
    )
    listener = _listener(host, port)
    shown = f"[{host}]" if ":" in host else host
    announce(f"{state.name} is served at http://{shown}:{listener.getsockname()[1]} (Ctrl-C ends it)")
    server = _server(state)(config)
    try:
        state.prepare()
        server.run(sockets=[listener])
    finally:
        listener.close()
        state.thread.stop()


def _listener(host: str, port: int) -> Any:
    """Open the socket on which the server listens."""
    import socket

    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(512)  # so that a client may come before the first batch is compiled
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}, port {port}: {error.strerror or error}; choose another") from None
    return listener


def _server(state: State) -> Any:
    """Return the class of the server, whose end is as follows.

    After the first SIGTERM or SIGINT new requests get the status 503, while requests that have come are answered. When
    the model thread has nothing to do, or `shutdown_timeout` is over, the socket is closed. A second signal closes it
    at once.
    """
    import uvicorn

    class Server(uvicorn.Server):
        """A server that answers what has come before it ends."""

        def handle_exit(self, sig: int, frame: Any) -> None:
            """Begin the end."""
            if state.draining:
                self.force_exit = self.should_exit = True
                return
            state.draining = True
            LOG.warning("%s: answering what has come, then ending", signal.Signals(sig).name)
            asyncio.get_running_loop().call_soon_threadsafe(self._begin_to_drain)

        def _begin_to_drain(self) -> None:
            """Begin to wait, in the event loop."""
            self._drain_task = asyncio.ensure_future(self._drain())

        async def _drain(self) -> None:
            """Wait until nothing is left to be computed."""
            loop = asyncio.get_running_loop()
            end = loop.time() + state.limits.shutdown_timeout
            while loop.time() < end and not self.should_exit:
                await asyncio.sleep(0.05)
                if not state.thread.busy and not state.open_requests:
                    break
            self.should_exit = True

    return Server


def _protocol(state: State) -> Any:
    """Return the class of a connection. It is closed if it is one too many, or if one of these takes too long:

    - the head of a request comes; it gets the status 408;
    - the client takes its answer.
    """
    from uvicorn.protocols.http.h11_impl import H11Protocol  # it limits the length of a head

    class Connection(H11Protocol):
        """A connection of a client."""

        _head_timer: Any = None
        _answer_timer: Any = None

        def connection_made(self, transport: Any) -> None:
            """Begin to wait for the first request."""
            if len(self.connections) >= state.limits.max_connections:
                transport.abort()
            super().connection_made(transport)
            self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            """Wait for nothing any more."""
            for timer in (self._head_timer, self._answer_timer):
                if timer is not None:
                    timer.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            """Take data, and wait for the rest of a head if that is what came."""
            super().data_received(data)
            self._wait_for_head()

        def _wait_for_head(self) -> None:
            """Set or end the timer of the head of a request."""
            answering = self.cycle is not None and not self.cycle.response_complete
            if not answering and self._head_timer is None and self.timeout_keep_alive_task is None:
                self._head_timer = self.loop.call_later(state.limits.read_timeout, self._head_is_late)
            elif answering and self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _head_is_late(self) -> None:
            """Close the connection."""
            self._head_timer = None
            if not self.transport.is_closing():
                self.transport.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                self.transport.close()

        def pause_writing(self) -> None:
            """Begin to wait for the client to take its answer."""
            super().pause_writing()
            if self._answer_timer is None:
                self._answer_timer = self.loop.call_later(state.limits.read_timeout, self.transport.abort)

        def resume_writing(self) -> None:
            """Wait no more: the client goes on."""
            super().resume_writing()
            if self._answer_timer is not None:
                self._answer_timer.cancel()
                self._answer_timer = None

    return Connection
