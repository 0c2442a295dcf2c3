"""Every request of a hostile client gets a clean answer or a closed connection, and the service goes on."""

import json
import socket
import threading

import pytest

from b4k3.snippets import WebServing

from .requests import PATH, REQUESTS, as_json

STATUSES = {"200", "400", "404", "405", "408", "411", "413", "414", "431", "501", "505"}


def repeat(text, n=2):
    if n > 100:
        raise OverflowError("too often")
    return {"text": text * n}


@pytest.fixture(scope="module")
def port():
    serving = WebServing(port=0, timeout=5.0)
    for method in ("GET", "POST"):
        serving.route(PATH, repeat, {"text": (None, True), "n": (int, False)}, method=method)
    with serving._bind() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield serving.port
        server.shutdown()
        thread.join(60)


def talk(port, data):
    """What the service says to bytes, after which the client says no more, until it closes the connection."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            for part in iter(lambda: client.recv(65536), b""):
                answer += part
        except ConnectionError:
            pass  # closed before all was sent, or read
    return answer


@pytest.mark.parametrize("name, data", REQUESTS, ids=[name for name, _ in REQUESTS])
def test_request(port, name, data, capfd):
    answer = talk(port, data)
    head, _, body = answer.partition(b"\r\n\r\n") if answer.startswith(b"HTTP/") else (b"", b"", answer)
    if head:
        assert head.split()[1].decode("ascii") in STATUSES, head
    if body:  # an old client, which knows no headers, gets it alone
        told = json.loads(body.decode("utf-8"), parse_constant=pytest.fail)
        assert set(told) == {"code", "desc", "data"}
    good = talk(port, as_json({"text": "汉", "n": 2}))
    assert good.startswith(b"HTTP/1.") and json.loads(good.partition(b"\r\n\r\n")[2].decode("utf-8"))["data"] == {
        "text": "汉汉"
    }
    assert "Traceback" not in capfd.readouterr().err
