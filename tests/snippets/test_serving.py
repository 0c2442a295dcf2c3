import io
import json
import sys
from urllib.parse import urlencode

import pytest

from b4k3.snippets import WebServing


def repeat(text, n=2):
    if n > 100:
        raise OverflowError("too often")
    return {"text": text * n}


@pytest.fixture(scope="module")
def serving():
    serving = WebServing(port=0)
    for method in ("GET", "POST"):
        serving.route("/repeat", repeat, {"text": (None, True), "n": (int, False)}, method=method)
    serving.route("/object", lambda: object(), {})
    return serving


def ask(serving, path, method="GET", **fields):
    """(status, content type, answer) by WSGI."""
    fields = urlencode(fields)
    body = fields.encode("ascii") if method == "POST" else b""
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": fields if method == "GET" else "",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "SERVER_NAME": "test",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
    }
    started = []
    text = b"".join(serving.app(environ, lambda status, headers, *more: started.append((status, dict(headers)))))
    ((status, headers),) = started
    return status, headers["Content-Type"], text.decode("utf-8")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "fields, answer",
    [
        ({"text": "汉ab"}, {"code": 0, "desc": "succeeded", "data": {"text": "汉ab汉ab"}}),
        ({"text": "a", "n": 3}, {"code": 0, "desc": "succeeded", "data": {"text": "aaa"}}),
        ({}, {"code": 1, "desc": 'lack of "text" argument', "data": {}}),
        ({"text": "a", "n": 101}, {"code": 2, "desc": "OverflowError: too often", "data": {}}),
    ],
)
def test_answers(serving, method, fields, answer):
    status, content_type, text = ask(serving, "/repeat", method, **fields)
    assert status == "200 OK" and content_type.startswith("application/json") and json.loads(text) == answer


def test_wrong_argument(serving):
    answer = json.loads(ask(serving, "/repeat", text="a", n="b")[2])
    assert answer["code"] == 1 and answer["desc"].startswith('argument "n": ')


def test_result_that_json_cannot_hold(serving):
    assert json.loads(ask(serving, "/object")[2])["code"] == 2


def test_unknown_path(serving):
    assert ask(serving, "/nothing")[0] == "404 Not Found"


def test_without_bottle(monkeypatch):
    monkeypatch.setitem(sys.modules, "bottle", None)
    with pytest.raises(ImportError, match="serving"):
        WebServing()
