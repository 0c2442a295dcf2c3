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

LINGER = 5.0  # seconds for a client to stop sending what nobody reads, so that it sees the answer


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """Answers each client in a thread of its own, so that one that stalls keeps nobody waiting.

    Arguments:
        address: (host, port).
        app: a WSGI application.
        timeout: seconds in which a request must have come, and in which a part of the answer must be taken.
        max_connections: how many clients are answered at once; more are refused with 503.
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
        """Start a thread, if one more may be started."""
        if self.free.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        try:
            request.sendall(b"HTTP/1.0 503 Service Unavailable\r\n" + json_page("too many clients, try again later"))
        except OSError:
            pass
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a client, in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of errors, but not of clients that went away."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def json_page(desc: str) -> bytes:
    """The headers and the body of a short answer."""
    body = json.dumps({"code": 1, "desc": desc, "data": {}}).encode("ascii")
    return b"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


class Handler(WSGIRequestHandler):
    """One request."""

    def setup(self):
        super().setup()
        self.rfile = io.BufferedReader(Reader(self.connection, self.server.client_timeout))
        self.wfile = Writer(self.connection, self.server.client_timeout)

    def handle(self):
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

    def linger(self):
        """Read on for a moment: to close with unread data would take the answer from the client."""
        self.connection.shutdown(socket.SHUT_WR)
        end = time.monotonic() + LINGER
        while end > time.monotonic():
            self.connection.settimeout(LINGER)
            if not self.connection.recv(65536):
                return

    def send_error(self, code, message=None, explain=None):
        """Answer a request that is no HTTP."""
        message = message or self.responses.get(code, ("error",))[0]
        self.log_error("code %d, message %s", code, ascii(message))
        self.wfile.write(b"HTTP/1.0 %d %s\r\n" % (code, self.responses.get(code, ("error",))[0].encode("ascii")))
        self.wfile.write(json_page(message))

    def address_string(self):
        """The address of the client; its name would have to be asked for."""
        return self.client_address[0]


class Answer(ServerHandler):
    """The run of the application for one request.

    Attributes:
        refused: whether the status is 4xx, so that perhaps not all was read.
    """

    refused = False

    def close(self):
        self.refused = str(self.status).startswith("4")
        super().close()

    def log_exception(self, exc_info):
        """Tell of errors, but not of clients that went away."""
        if not isinstance(exc_info[1], OSError):
            super().log_exception(exc_info)


class Reader(io.RawIOBase):
    """What a client sends, all of it within a time.

    Raises:
        socket.timeout: the time is over.
    """

    def __init__(self, connection, seconds):
        super().__init__()
        self.connection, self.end = connection, time.monotonic() + seconds

    def readable(self):
        return True

    def readinto(self, buffer):
        left = self.end - time.monotonic()
        if left <= 0:
            raise socket.timeout("the request did not come in time")
        self.connection.settimeout(left)
        return self.connection.recv_into(buffer)


class Writer(io.BufferedIOBase):
    """What is sent to a client, each part within a time."""

    def __init__(self, connection, seconds):
        super().__init__()
        self.connection, self.seconds = connection, seconds

    def writable(self):
        return True

    def write(self, data):
        self.connection.settimeout(self.seconds)
        self.connection.sendall(data)
        return len(data)
