"""The server as a process: the client of OpenAI, clients that behave badly, and the end."""

import socket
import subprocess
import sys
import threading
import time

import numpy as np
import openai
import pytest

from b4k3.tasks import TextEncoder
from support.servers import START, post, received, running, status_of

OPTIONS = "--task encode --task generate --pooling mean --application lm --name small --read-timeout 1".split()


@pytest.fixture(scope="module")
def server(folder):
    with running(folder, *OPTIONS, "--max-body", "100000", "--max-queue", "600", B4K3_API_KEY="key") as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="key", max_retries=0) as client:
        yield client


KEY = "Authorization: Bearer key\r\n"


def test_embeddings_of_the_openai_client(client, folder):
    texts = ["a cat sleeps", "我们"]
    want = TextEncoder.from_folder(folder, pooling="mean").encode(texts)
    for options in ({}, {"encoding_format": "float"}):  # by itself it asks for base64
        found = client.embeddings.create(model="small", input=texts, **options)
        np.testing.assert_allclose([one.embedding for one in found.data], want, atol=1e-5)
    assert found.usage.prompt_tokens == 9 and [model.id for model in client.models.list()] == ["small"]


def test_completions_of_the_openai_client(client):
    fields = dict(model="small", prompt="a cat", max_tokens=5, temperature=0)
    whole = client.completions.create(**fields)
    events = list(client.completions.create(**fields, stream=True))
    assert "".join(event.choices[0].text for event in events) == whole.choices[0].text
    assert events[-1].choices[0].finish_reason == whole.choices[0].finish_reason


def test_errors_of_the_openai_client(client, server):
    for error, fields in (
        (openai.BadRequestError, {"input": []}),
        (openai.NotFoundError, {"input": "a", "model": "large"}),
        (openai.APIStatusError, {"input": "x" * 100000}),
    ):
        with pytest.raises(error) as info:
            client.embeddings.create(**dict({"model": "small"}, **fields))
        assert info.value.body["message"]
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="other").embeddings.create(model="small", input="a")


def test_half_requests_get_408(server):
    request = post("/v1/embeddings", {"input": "a"}, KEY)
    socks = [server.connect() for _ in range(4)]
    for sock, data in zip(socks, (b"", request[:20], request[:-3], request[:-40] + b"X-More: 1\r\n")):
        sock.sendall(data)
    begin = time.monotonic()
    assert all(received(sock).startswith(b"HTTP/1.1 408") for sock in socks)
    assert time.monotonic() - begin < 8
    for sock in socks:
        sock.close()


def test_a_large_body_is_refused_before_it_has_come(server):
    head = post("/v1/embeddings", b"", KEY).replace(b"Content-Length: 0", b"Content-Length: 104857600")
    with server.connect() as sock:
        sock.sendall(head + b"x" * 1000)
        assert sock.recv(1 << 16).startswith(b"HTTP/1.1 413")
    before = server.resident()
    with server.connect() as sock:
        sock.sendall(head.replace(b"Content-Length: 104857600", b"Transfer-Encoding: chunked"))
        for _ in range(100):
            sock.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert status_of(sock.recv(1 << 16))[0] == 413
    assert server.resident() - before < 20


def test_clients_that_leave_are_forgotten(server):
    for _ in range(10):
        with server.connect() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.sendall(post("/v1/embeddings", {"input": ["a cat"] * 50}, KEY))
    status, found = status_of(server.send(post("/v1/embeddings", {"input": "a"}, KEY)))
    assert status == 200 and len(found["data"][0]["embedding"]) == 16
    answer = server.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + KEY.encode() + b"\r\n")
    assert b"b4k3_queue_texts 0.0" in answer and b'status="499"' in answer


def test_what_is_wrong_is_said_in_a_line():
    command = [sys.executable, "-c", START, "serve", "folder", "--max-batch", "12"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (1, "error: --max-batch is 12, expected a power of 2\n")


def test_a_package_that_is_missing(monkeypatch):
    from b4k3.tasks.serving.command import require_packages

    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r'needs uvicorn: pip install "b4k3-tasks\[serve\]"'):
        require_packages()


def test_sigterm_answers_what_has_come(server):  # the last one, as it ends the server
    answers = []
    metrics = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + KEY.encode() + b"\r\n"
    request = post("/v1/embeddings", {"input": ["a cat sleeps", "the dog runs"] * 200}, KEY)
    late = server.connect()  # a connection that is open, but has asked for nothing
    thread = threading.Thread(target=lambda: answers.append(server.send(request, timeout=100)))
    thread.start()
    while b"b4k3_queue_texts 0.0" in server.send(metrics):
        assert thread.is_alive()
    server.process.terminate()
    while not any("SIGTERM" in line for line in server.said):
        time.sleep(0.005)
    late.sendall(post("/v1/embeddings", {"input": "a"}, KEY))
    refused = received(late)
    late.close()
    thread.join()
    assert server.process.wait(60) == 0
    assert [status_of(answer)[0] for answer in answers] == [200]
    assert not refused or status_of(refused)[0] == 503
