"""Serve functions as a small web service."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import socket
import threading
from typing import Any, Callable, Iterator, NoReturn
from urllib.parse import parse_qsl

MAX_FIELDS = 1000
MAX_LIMIT = 1 << 30  # the largest limit of bytes, seconds or connections that every operating system takes


class WebServing:
    """Serve functions over HTTP, with JSON answers. This is for demonstrations: there is no access control.

    It needs bottle: `pip install "b4k3-snippets[serving]"`.

    Each client has a thread, so that one that stalls keeps nobody waiting, but one function runs at a time, so that
    functions need not care for threads. `concurrent=True` lets them run together: use a `Predictor` of b4k3.models in
    them, never Keras' own `predict`.

    Arguments:
        host: str. The address to listen on. '127.0.0.1' is only this machine itself, '0.0.0.0' is every address that
            it has.
        port: int. The port to listen on; 0 is a free one.
        server: str. Which server to use. 'wsgiref' is the server of the standard library, with threads and limits of
            time. Any other name is a server that bottle knows, such as 'waitress'; it must be installed and has its
            own limits.
        max_body: int. How many bytes the body of a request may have; a longer one gets the status 413.
        timeout: float. The seconds in which a request must have come whole, and in which a client must have taken the
            answer; a body that is late gets the status 408. Only 'wsgiref' has this limit.
        queue_timeout: float. The seconds that a request waits while others are answered; then it gets the status 503.
        max_connections: int. How many clients are answered at once; more get the status 503. Only 'wsgiref' has this
            limit.
        concurrent: bool. Whether functions may run at the same time.

    Raises:
        ImportError: bottle is not installed.
        ValueError: A limit is not a number above 0.

    Example:
        >>> def repeat(text, n=2):
        ...     return text * n
        >>> serving = WebServing(port=8864)
        >>> serving.route("/repeat", repeat, {"text": (None, True), "n": (int, False)}, method="POST")
        >>> # serving.start() answers requests until it is interrupted
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        server: str = "wsgiref",
        max_body: int = 1 << 20,
        timeout: float = 30.0,
        queue_timeout: float = 60.0,
        max_connections: int = 100,
        concurrent: bool = False,
    ) -> None:
        try:
            import bottle
        except ImportError:
            raise ImportError('WebServing needs bottle: pip install "b4k3-snippets[serving]"') from None
        limits = dict(max_body=max_body, timeout=timeout, queue_timeout=queue_timeout, max_connections=max_connections)
        for name, limit in limits.items():
            kinds = (int, float) if name.endswith("timeout") else int
            if isinstance(limit, bool) or not isinstance(limit, kinds) or not 0 < limit <= MAX_LIMIT:
                raise ValueError(f"{name}={limit!r}, expected a {'' if kinds is not int else 'whole '}number above 0")
        self.host = host
        self.port = port
        self.server = server
        self.max_body = max_body
        self.timeout = timeout
        self.queue_timeout = queue_timeout
        self.max_connections = max_connections
        self.concurrent = concurrent
        self.bottle = bottle
        self.app = bottle.Bottle()
        self.app.default_error_handler = self._error_page
        self._lock = threading.Lock()

    def wraps(self, func: Callable, arguments: dict, method: str = "GET") -> Callable[[], bytes]:
        """Return the function that answers a request with a call of `func`; `route` gives it to bottle.

        Arguments:
            func: A function of keyword arguments whose result JSON can hold.
            arguments: dict. See `route`.
            method: str. 'GET' or 'POST'.

        Returns:
            A function without arguments. It reads the request that bottle has, and returns the answer as JSON.
        """

        @functools.wraps(func)
        def answer() -> bytes:
            """Answer the request that bottle has."""
            self.bottle.response.content_type = "application/json; charset=utf-8"
            try:
                fields = self._query() if method == "GET" else self._body_fields()
                with self._turn():
                    return _call(func, arguments, fields)
            except _Refused as error:
                self.bottle.response.status = error.status
                return _encoded(_answer(1, str(error)))

        return answer

    def route(self, path: str, func: Callable, arguments: dict, method: str = "GET") -> None:
        """Serve a function.

        Arguments:
            path: str. The path of the URL, such as '/similar'.
            func: A function of keyword arguments whose result JSON can hold.
            arguments: dict. name -> (converter or None, whether the argument is required). Fields of a form or a query
                are str, which the converter gets; None leaves them as they are. A field of a JSON body may have the
                type already, if the converter is int, float, str, bool, list or dict; None wants a string.
            method: str. 'GET' or 'POST'. The body of a POST is a form, or JSON with the content type application/json.

        The answer is {"code": 0, "desc": "succeeded", "data": result}; code 1 is a missing or wrong argument, code 2 an
        exception of func or a result that JSON cannot hold (NaN and lone surrogates are such), and desc says which.
        What is no proper request has code 1 too, and a status of 400, 408, 411 or 413.
        """
        self.app.route(path, method=method)(self.wraps(func, arguments, method))

    def start(self) -> None:
        """Serve until interrupted."""
        if self.server != "wsgiref":
            self.app.run(host=self.host, port=self.port, server=self.server)
            return
        with self._bind() as server:
            print(f"b4k3 listens on http://{self.host}:{self.port}/ (Ctrl-C ends it)", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                server.serve_forever()

    def _bind(self) -> Any:
        """Make the threaded server, which listens already."""
        from .http_server import Server

        server = Server((self.host, self.port), self.app, self.timeout, self.max_connections)
        self.port = server.server_port
        return server

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other function runs, unless they may run together."""
        if self.concurrent:
            yield
        elif self._lock.acquire(timeout=self.queue_timeout):
            try:
                yield
            finally:
                self._lock.release()
        else:
            raise _Refused(503, f"other requests took longer than {self.queue_timeout:g} seconds: try again later")

    def _query(self) -> dict[str, str]:
        """Return the fields in the query of a request."""
        return _form(self.bottle.request.environ.get("QUERY_STRING", ""))

    def _body_fields(self) -> dict[str, Any]:
        """Return the fields in the body of a request."""
        environ = self.bottle.request.environ
        body, kind = self._body(environ), environ.get("CONTENT_TYPE", "").split(";")[0].strip().lower()
        if kind == "application/json" or kind.endswith("+json"):
            return _json_object(body)
        if not kind.startswith("multipart/"):
            return _form(body.decode("latin-1"))
        environ["wsgi.input"] = io.BytesIO(body)
        try:
            forms = self.bottle.request.forms
            return {name: forms.getunicode(name) for name in forms}
        except Exception as error:
            raise _Refused(400, f"the form cannot be read: {error}") from error

    def _body(self, environ: dict) -> bytes:
        """Read the body of a request: as many bytes as its headers say, if these are not too many."""
        if environ.get("HTTP_TRANSFER_ENCODING"):
            raise _Refused(411, "a body needs a Content-Length")
        length = environ.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdigit()):
            raise _Refused(400, "Content-Length is no number")
        if len(length) > 18 or int(length) > self.max_body:
            raise _Refused(413, f"the body has {length[:20]} bytes, at most {self.max_body} are taken")
        try:
            body = environ["wsgi.input"].read(int(length))
        except socket.timeout:
            raise _Refused(408, f"the body did not come within {self.timeout:g} seconds") from None
        except OSError as error:
            raise _Refused(400, f"the body cannot be read: {error}") from error
        if len(body) != int(length):
            raise _Refused(400, f"the body ends after {len(body)} bytes of {length}")
        return body

    def _error_page(self, error: Any) -> bytes:
        """Return the answer to a request that no function answers, for example with an unknown path."""
        self.bottle.response.content_type = "application/json; charset=utf-8"
        return _encoded(_answer(1, error.status_line))


class _Refused(Exception):
    """A request is refused before it reaches a function."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def _form(text: str) -> dict[str, str]:
    """Return the fields of a query or a form; text has a character for each byte, as WSGI wants it."""
    try:
        pairs = parse_qsl(
            text.encode("latin-1").decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except UnicodeError:
        raise _Refused(400, "the fields are no UTF-8") from None
    except ValueError:
        raise _Refused(400, f"there are more than {MAX_FIELDS} fields") from None
    return dict(pairs)


def _json_object(body: bytes) -> dict[str, Any]:
    """Return the fields of a JSON body."""
    try:
        fields = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        json.dumps(fields, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeError:
        raise _Refused(400, "the body is no UTF-8, or has a lone surrogate") from None
    except (ValueError, RecursionError) as error:
        raise _Refused(400, f"the body is no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise _Refused(400, f"the body is a JSON {type(fields).__name__}, expected an object")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _call(func: Callable, arguments: dict, fields: dict[str, Any]) -> bytes:
    """Call a function with the fields of a request; return the answer as JSON."""
    kwargs = {}
    for name, (convert, required) in arguments.items():
        value = fields.get(name)
        if value is None:
            if required:
                return _encoded(_answer(1, f'lack of "{name}" argument'))
            continue
        try:
            kwargs[name] = _converted(value, convert)
        except Exception as error:
            return _encoded(_answer(1, f'argument "{name}": {error}'))
    try:
        return _encoded(_answer(0, "succeeded", func(**kwargs)))
    except UnicodeEncodeError:
        return _encoded(_answer(2, "the result has a lone surrogate, which UTF-8 cannot hold"))
    except Exception as error:
        return _encoded(_answer(2, f"{type(error).__name__}: {error}"))


def _converted(value: Any, convert: Callable | None) -> Any:
    """Make the argument of a field: convert a str; take another JSON value as it is if it has the type."""
    if convert is None:
        convert = str
    if isinstance(value, str):
        return value if convert is str else convert(value)
    if convert not in (int, float, str, bool, list, dict):
        return convert(value)
    kinds = (int, float) if convert is float else convert
    if not isinstance(value, kinds) or (isinstance(value, bool) and convert is not bool):
        raise TypeError(f"expected {convert.__name__}, got {type(value).__name__}")
    return convert(value)


def _answer(code: int, desc: str, data: Any = None) -> dict[str, Any]:
    """Return an answer; what UTF-8 cannot hold is escaped in `desc`."""
    return {
        "code": code,
        "desc": desc.encode("utf-8", "backslashreplace").decode("utf-8"),
        "data": {} if data is None else data,
    }


def _encoded(answer: dict[str, Any]) -> bytes:
    """Return an answer as JSON.

    Raises:
        ValueError: It has NaN or an infinite number, or a lone surrogate (UnicodeEncodeError).
        TypeError: It has something that JSON cannot hold.
    """
    return json.dumps(answer, ensure_ascii=False, allow_nan=False).encode("utf-8")
