"""Functions as a small web service."""

from __future__ import annotations

import functools
import json
import threading


class WebServing:
    """Serves functions over HTTP, with JSON answers. For demonstrations: there is no access control.

        serving = WebServing(port=8864)
        serving.route("/similar", similar, {"text": (None, True), "n": (int, False)})
        serving.start()

    Needs bottle: `pip install "b4k3-snippets[serving]"`.

    Arguments:
        host: the address to listen on; '0.0.0.0' is every address of the machine, '127.0.0.1' only the machine itself.
        port: int.
        server: which server bottle shall use; 'wsgiref' is always there, 'waitress' for example must be installed.

    Requests are answered one after the other, so that functions need not care for threads.
    """

    def __init__(self, host="0.0.0.0", port=8000, server="wsgiref"):
        try:
            import bottle
        except ImportError:
            raise ImportError('WebServing needs bottle: pip install "b4k3-snippets[serving]"') from None
        self.host = host
        self.port = port
        self.server = server
        self.bottle = bottle
        self.app = bottle.Bottle()
        self._lock = threading.Lock()

    def wraps(self, func, arguments, method="GET"):
        """The function of a request that calls func; see `route`."""

        @functools.wraps(func)
        def answer():
            request = self.bottle.request
            fields = request.query if method == "GET" else request.forms
            self.bottle.response.content_type = "application/json; charset=utf-8"
            with self._lock:
                return json.dumps(_call(func, arguments, fields.getunicode), ensure_ascii=False)

        return answer

    def route(self, path, func, arguments, method="GET"):
        """Serve a function.

        Arguments:
            path: str, such as '/similar'.
            func: a function of keyword arguments whose result JSON can hold.
            arguments: name -> (converter from str or None, whether the argument is required).
            method: 'GET' or 'POST'.

        The answer is {"code": 0, "desc": "succeeded", "data": result}; code 1 is a missing or wrong argument, code 2 an
        exception of func, and desc says which.
        """
        self.app.route(path, method=method)(self.wraps(func, arguments, method))

    def start(self):
        """Serve until interrupted."""
        self.app.run(host=self.host, port=self.port, server=self.server)


def _call(func, arguments, get):
    kwargs = {}
    for name, (convert, required) in arguments.items():
        value = get(name)
        if value is None:
            if required:
                return _answer(1, 'lack of "%s" argument' % name)
            continue
        try:
            kwargs[name] = value if convert is None else convert(value)
        except Exception as error:
            return _answer(1, 'argument "%s": %s' % (name, error))
    try:
        data = func(**kwargs)
        json.dumps(data)
    except Exception as error:
        return _answer(2, "%s: %s" % (type(error).__name__, error))
    return _answer(0, "succeeded", data)


def _answer(code, desc, data=None):
    return {"code": code, "desc": desc, "data": {} if data is None else data}
