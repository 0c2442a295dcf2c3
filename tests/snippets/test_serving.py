import http.client
import io
import json
import random
import socket
import sys
import threading
import time
from urllib.parse import urlencode

import pytest

from b4k3.snippets import WebServing


def repeat(text, n=2):
    if n > 100:
        raise OverflowError("too often")
    return {"text": text * n}


@pytest.fixture(scope="module")
def serving():
    serving = WebServing(port=0, max_body=1000, timeout=1.0)
    for method in ("GET", "POST"):
        serving.route("/repeat", repeat, {"text": (None, True), "n": (int, False)}, method=method)
    serving.route("/object", lambda: object(), {})
    serving.route("/types", lambda **given: given, TYPES, method="POST")
    serving.route("/result", lambda name: RESULTS[name], {"name": (None, True)})
    return serving


TYPES = {"i": (int, False), "f": (float, False), "l": (list, False), "n": (None, False), "own": (len, False)}
RESULTS = {"nan": float("nan"), "inf": [float("-inf")], "surrogate": "a\ud800", "key": {"\udfff": 1}, "bytes": b"a"}


def ask(serving, path, method="GET", **fields):
    """(status, content type, answer) by WSGI."""
    fields = urlencode(fields)
    return request(serving, path, method, fields.encode("ascii") if method == "POST" else b"", QUERY_STRING=fields)


def post(serving, path, body, **environ):
    """(status, answer) of a JSON body."""
    status, content_type, text = request(
        serving, path, "POST", body, **{"CONTENT_TYPE": "application/json; charset=utf-8", **environ}
    )
    assert content_type.startswith("application/json")
    return status[:3], json.loads(text, parse_constant=pytest.fail)


def request(serving, path, method, body, **more):
    """(status, content type, answer) by WSGI."""
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "SERVER_NAME": "test",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        **more,
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


@pytest.mark.parametrize(
    "name, message",
    [
        ("nan", "Out of range float"),
        ("inf", "Out of range"),
        ("surrogate", "surrogate"),
        ("key", "surrogate"),
        ("bytes", "bytes"),
    ],
)
def test_results_that_are_no_json(serving, name, message):
    status, _, text = ask(serving, "/result", name=name)
    answer = json.loads(text, parse_constant=pytest.fail)
    assert status == "200 OK" and answer["code"] == 2 and message in answer["desc"]


@pytest.mark.parametrize(
    "body, given",
    [
        ({"i": 3, "f": 2, "l": [1], "n": "汉"}, {"i": 3, "f": 2.0, "l": [1], "n": "汉"}),
        ({"i": "3", "f": "2.5", "own": [1, 2]}, {"i": 3, "f": 2.5, "own": 2}),
        ({"i": None, "more": {}}, {}),
        ({"i": 2.5}, 'argument "i": expected int, got float'),
        ({"i": True}, 'argument "i": expected int, got bool'),
        ({"n": ["a"]}, 'argument "n": expected str, got list'),
        ({"l": {}}, 'argument "l": expected list, got dict'),
        ({"own": 1}, 'argument "own": object of type'),
    ],
)
def test_json_bodies(serving, body, given):
    status, answer = post(serving, "/types", json.dumps(body).encode("utf-8"))
    assert status == "200"
    if isinstance(given, dict):
        assert answer == {"code": 0, "desc": "succeeded", "data": given}
    else:
        assert answer["code"] == 1 and answer["desc"].startswith(given)


@pytest.mark.parametrize(
    "body, environ, status, message",
    [
        (b"[1]", {}, "400", "JSON list, expected an object"),
        (b"", {}, "400", "no JSON"),
        (b"{", {}, "400", "no JSON"),
        (b'{"f": NaN}', {}, "400", "NaN is no JSON"),
        (b'{"f": 1e999}', {}, "400", "no JSON"),
        (b'{"f": -Infinity}', {}, "400", "-Infinity is no JSON"),
        (b'{"n": "\\ud800"}', {}, "400", "lone surrogate"),
        (b'{"n": "\xff"}', {}, "400", "no UTF-8"),
        (b"[" * 1000, {}, "400", "no JSON"),
        (b" " * 1001, {}, "413", "1001 bytes, at most 1000"),
        (b"{}", {"CONTENT_LENGTH": "9" * 30}, "413", "at most 1000"),
        (b"{}", {"CONTENT_LENGTH": "-1"}, "400", "no number"),
        (b"{}", {"CONTENT_LENGTH": "9"}, "400", "ends after 2 bytes of 9"),
        (b"{}", {"HTTP_TRANSFER_ENCODING": "chunked"}, "411", "Content-Length"),
        (b"n=%ff", {"CONTENT_TYPE": "application/x-www-form-urlencoded"}, "400", "no UTF-8"),
        (b"a&" * 499 + b"n", {"CONTENT_TYPE": ""}, "200", "succeeded"),
        (b"--", {"CONTENT_TYPE": "multipart/form-data"}, "400", "form cannot be read"),
    ],
)
def test_bodies_that_are_refused(serving, body, environ, status, message):
    found, answer = post(serving, "/types", body, **environ)
    assert found == status and message in answer["desc"] and answer["data"] in ({}, {"n": ""})


def test_a_query_that_is_no_utf8(serving):
    status, _, text = request(serving, "/repeat", "GET", b"", QUERY_STRING="text=%ff")
    assert status[:3] == "400" and json.loads(text)["desc"] == "the fields are no UTF-8"


def test_unknown_paths_are_answered_in_json(serving):
    assert post(serving, "/nothing", b"{}")[0] == "404"
    assert post(serving, "/object", b"{}")[0] == "405"


def test_errors_with_a_lone_surrogate(serving):
    def fails():
        raise OSError("\ud800")

    serving.route("/fails", fails, {})
    assert json.loads(ask(serving, "/fails")[2])["desc"] == "OSError: \\ud800"


@pytest.mark.parametrize("name", ["max_body", "timeout", "queue_timeout", "max_connections"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), 1e300, "1", True])
def test_limits_are_numbers(name, value):
    with pytest.raises(ValueError, match=name):
        WebServing(**{name: value})


def test_listens_on_this_machine_alone():
    assert WebServing().host == "127.0.0.1"


def test_functions_take_turns_unless_they_may_not():
    inside, leave = threading.Event(), threading.Event()

    def slow():
        inside.set()
        assert leave.wait(60)

    for concurrent, status in [(False, "503"), (True, "200")]:
        serving = WebServing(queue_timeout=0.05, concurrent=concurrent)
        serving.route("/slow", slow, {})
        serving.route("/quick", lambda: 1, {})
        thread = threading.Thread(target=ask, args=(serving, "/slow"))
        thread.start()
        assert inside.wait(60)
        assert ask(serving, "/quick")[0][:3] == status
        leave.set()
        thread.join(60)
        assert ask(serving, "/quick")[0][:3] == "200"  # and an end frees the place
        inside.clear()
        leave.clear()


@pytest.fixture(scope="module")
def live(serving):
    """The port of the service, served as `start` does."""
    serving.route("/big", lambda: "a" * (1 << 24), {})
    with serving._bind() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield serving.port
        server.shutdown()
        thread.join(60)


def talk(port, data, finish=True):
    """What the service says to bytes, until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        try:
            client.sendall(data)
            if finish:
                client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))
        except ConnectionError:
            return b""


def good(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/repeat", json.dumps({"text": "汉", "n": 2}), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status == 200 and json.loads(answer.read().decode("utf-8"))["data"] == {"text": "汉汉"}


HEAD = b"POST /repeat HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n"


def test_clients_that_stall_keep_nobody_waiting(live):
    stalling = [b"", b"POST /re", HEAD, HEAD + b'{"text"', b"GET /big HTTP/1.0\r\n\r\n"]
    clients = [socket.create_connection(("127.0.0.1", live), timeout=60) for _ in stalling]
    try:
        for client, data in zip(clients, stalling):
            client.sendall(data)
        assert all(good(live) for _ in range(3))
        assert clients[0].recv(1) == clients[1].recv(1) == b""  # closed when their time was over
        for client in clients[2:4]:
            assert b"408" in client.recv(65536).split(b"\r\n")[0]
    finally:
        for client in clients:
            client.close()


def test_a_client_that_drips_has_one_time_for_all(live):
    with socket.create_connection(("127.0.0.1", live), timeout=60) as client:
        with pytest.raises(ConnectionError):
            for _ in range(600):
                client.sendall(b"G")
                time.sleep(0.1)
    assert good(live)


def test_a_body_that_is_too_long_is_answered(live):
    head = b"POST /repeat HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n"
    answer = talk(live, head + b" " * 1000000)
    assert answer.startswith(b"HTTP/1.0 413") and json.loads(answer.split(b"\r\n\r\n")[1].decode())["code"] == 1


def test_more_clients_than_there_may_be():
    serving = WebServing(port=0, max_connections=1, timeout=60)
    serving.route("/quick", lambda: 1, {})
    with serving._bind() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        with socket.create_connection(("127.0.0.1", serving.port), timeout=60):
            assert talk(serving.port, b"").startswith(b"HTTP/1.0 503")
        server.shutdown()


def mutated(data, random):
    data = bytearray(data)
    for _ in range(random.randint(1, 6)):
        at = random.randrange(len(data))
        data[at : at + random.randint(0, 3)] = bytes(random.choice(b'\x00\xff\r\n {}[]":\\%&=19aA') for _ in range(2))
    return bytes(data)


def test_mutated_requests(live, capfd):
    source = random.Random(0)
    query = b"GET /repeat?text=%E6%B1%89&n=2 HTTP/1.1\r\nHost: a\r\n\r\n"
    for whole in [HEAD + b'{"text": "ab"}', query] * 75:
        answer = talk(live, mutated(whole, source))
        if answer and not answer.startswith(b"{"):  # HTTP 0.9 has no headers
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.split()[1] in b"200 400 404 405 408 411 413 414 431 501 505".split(), head
            assert b"HTTP" in head and (not body or isinstance(json.loads(body.decode("utf-8")), dict))
    assert good(live)
    assert "Traceback" not in capfd.readouterr().err


def test_mutated_json_bodies(serving):
    source = random.Random(1)
    for _ in range(300):
        body = mutated(b'{"i": 12, "f": 1.5, "l": [1, "a"], "n": "\\ud83d\\ude00"}', source)
        assert post(serving, "/types", body)[0] in ("200", "400")
