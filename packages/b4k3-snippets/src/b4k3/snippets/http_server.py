"""The HTTP server of the standard library with a thread for each client, limits of time, and errors in JSON."""

from __future__ import annotations

import io
import json
import socket
import socketserver
import sys
import threading
import time
from typing import Any
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

LINGER = 5.0  # the seconds in which a client may go on sending; it might not see the answer if we closed at once


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """Answer each client in a thread of its own, so that one that stalls keeps nobody waiting.

    Arguments:
        address: (str, int). The host and the port; port 0 is a free one.
        app: A WSGI application.
        timeout: float. The seconds in which a request must have come whole, and in which the client must take each
            part of the answer.
        max_connections: int. How many clients are answered at once; more get the status 503.

    Example:
        >>> from http.client import HTTPConnection
        >>> def app(environ, start_response):
        ...     start_response("200 OK", [("Content-Type", "text/plain")])
        ...     return [b"hello"]
        >>> server = Server(("127.0.0.1", 0), app, timeout=30.0, max_connections=10)
        >>> client = HTTPConnection("127.0.0.1", server.server_port)
        >>> client.request("GET", "/")
        >>> server.handle_request()
        >>> client.getresponse().read()
        b'hello'
        >>> server.server_close()
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], app: Any, timeout: float, max_connections: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.client_timeout = timeout
        self.free = threading.BoundedSemaphore(max_connections)
        super().__init__(address, Handler)
        self.set_app(app)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a client, or refuse the client if there are too many.

        Arguments:
            request: socket. The connection.
            client_address: (host, port).
        """
        if self.free.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        try:
            request.sendall(b"HTTP/1.0 503 Service Unavailable\r\n" + json_page("too many clients, try again later"))
        except OSError:
            pass
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a client, in its thread.

        Arguments:
            request: socket. The connection.
            client_address: (host, port).
        """
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print an error, but not that a client went away.

        Arguments:
            request: socket. The connection.
            client_address: (host, port).
        """
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def json_page(desc: str) -> bytes:
    """Write a short answer that says what went wrong.

    Arguments:
        desc: str. What went wrong.

    Returns:
        bytes. The headers and the body; the caller writes the line with the status before them.
    """
    body = json.dumps({"code": 1, "desc": desc, "data": {}}).encode("ascii")
    return b"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


class Handler(WSGIRequestHandler):
    """Answer one request.

    `socketserver` makes one for each connection, and it answers while it is made.

    Example:
        >>> from types import SimpleNamespace
        >>> client, connection = socket.socketpair()
        >>> client.sendall(b"this is no request")
        >>> client.shutdown(socket.SHUT_WR)
        >>> handler = Handler(connection, ("127.0.0.1", 0), SimpleNamespace(client_timeout=30.0))
        >>> client.recv(24)
        b'HTTP/1.0 400 Bad Request'
    """

    def setup(self) -> None:
        """Put limits of time on what is read and what is written."""
        super().setup()
        self.rfile = io.BufferedReader(Reader(self.connection, self.server.client_timeout))
        self.wfile = Writer(self.connection, self.server.client_timeout)

    def handle(self) -> None:
        """Answer the request; a client that says too little in its time, or has gone, is left alone."""
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if len(self.raw_requestline) > 65536:
                self.requestline = self.request_version = self.command = ""
                self.send_error(414)
            elif self.parse_request():
                answer = Answer(self.rfile, self.wfile, self.get_stderr(), self.get_environ(), multithread=True)
                answer.request_handler = self
                answer.run(self.server.get_app())
                if not answer.refused:
                    return
            self.linger()
        except OSError:
            pass

    def linger(self) -> None:
        """Read on for a moment: to close with unread data would take the answer from the client."""
        self.connection.shutdown(socket.SHUT_WR)
        end = time.monotonic() + LINGER
        while end > time.monotonic():
            self.connection.settimeout(LINGER)
            if not self.connection.recv(65536):
                return

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is no HTTP.

        Arguments:
            code: int. The status.
            message: str or None. What is wrong; None for the usual words of the status.
            explain: It is ignored. `http.server` has this argument.
        """
        message = message or self.responses.get(code, ("error",))[0]
        self.log_error("code %d, message %s", code, ascii(message))
        self.wfile.write(b"HTTP/1.0 %d %s\r\n" % (code, self.responses.get(code, ("error",))[0].encode("ascii")))
        self.wfile.write(json_page(message))

    def address_string(self) -> str:
        """Return the address of the client for the log, without a question to a name server.

        Returns:
            str.
        """
        return self.client_address[0]


class Answer(ServerHandler):
    """Run the application for one request.

    Attributes:
        refused: bool. Whether the status is 4xx, so that perhaps not all of the request was read.

    Example:
        >>> from types import SimpleNamespace
        >>> def app(environ, start_response):
        ...     start_response("404 Not Found", [])
        ...     return []
        >>> output = io.BytesIO()
        >>> answer = Answer(io.BytesIO(), output, sys.stderr, {"SERVER_PROTOCOL": "HTTP/1.0"})
        >>> answer.request_handler = SimpleNamespace(log_request=lambda status, size: None)
        >>> answer.run(app)
        >>> answer.refused, output.getvalue()[:22]
        (True, b'HTTP/1.0 404 Not Found')
    """

    refused = False

    def close(self) -> None:
        """Note in `refused` whether the status is 4xx, and end the run."""
        self.refused = str(self.status).startswith("4")
        super().close()

    def log_exception(self, exc_info: Any) -> None:
        """Print an error, but not that a client went away.

        Arguments:
            exc_info: tuple. What `sys.exc_info()` returns.
        """
        if not isinstance(exc_info[1], OSError):
            super().log_exception(exc_info)


class Reader(io.RawIOBase):
    """Read what a client sends, all of it within a time that begins now.

    Arguments:
        connection: socket. The connection.
        seconds: float. How long the client may take.

    Raises:
        socket.timeout: The time is over. It is raised by `read`.

    Example:
        >>> client, connection = socket.socketpair()
        >>> reader = io.BufferedReader(Reader(connection, seconds=30.0))
        >>> client.sendall(b"hello")
        >>> reader.read(5)
        b'hello'
    """

    def __init__(self, connection: socket.socket, seconds: float):
        super().__init__()
        self.connection, self.end = connection, time.monotonic() + seconds

    def readable(self) -> bool:
        """Return True, for `io`.

        Returns:
            bool.
        """
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, or wait until something comes.

        Arguments:
            buffer: A writable buffer, which gets the bytes.

        Returns:
            int. How many bytes it got; 0 at the end.

        Raises:
            socket.timeout: The time is over.
        """
        left = self.end - time.monotonic()
        if left <= 0:
            raise socket.timeout("the request did not come in time")
        self.connection.settimeout(left)
        return self.connection.recv_into(buffer)


class Writer(io.BufferedIOBase):
    """Send to a client, each part within a time.

    Arguments:
        connection: socket. The connection.
        seconds: float. How long the client may take for one part.

    Example:
        >>> client, connection = socket.socketpair()
        >>> writer = Writer(connection, seconds=30.0)
        >>> writer.write(b"hello")
        5
        >>> client.recv(5)
        b'hello'
    """

    def __init__(self, connection: socket.socket, seconds: float):
        super().__init__()
        self.connection, self.seconds = connection, seconds

    def writable(self) -> bool:
        """Return True, for `io`.

        Returns:
            bool.
        """
        return True

    def write(self, data: Any) -> int:
        """Send bytes.

        Arguments:
            data: bytes. What is sent.

        Returns:
            int. The number of bytes; all of them are sent.

        Raises:
            socket.timeout: The client did not take them in time.
        """
        self.connection.settimeout(self.seconds)
        self.connection.sendall(data)
        return len(data)
