"""The endpoints, without a network: what they give, and what they refuse."""

import base64
import json
import re
import threading

import numpy as np
import pytest
from starlette.testclient import TestClient

from b4k3.tasks import FillMask, TextClassifier, TextEncoder, TextGenerator
from b4k3.tasks.attention import attention_weights
from b4k3.tasks.serving.app import make_app
from b4k3.tasks.serving.limits import Limits
from b4k3.tasks.serving.page_files import HEADERS
from b4k3.tasks.serving.served_tasks import Opening, Row, ServedTask, open_tasks
from b4k3.tasks.serving.state import State

TEXTS = ["a cat sleeps", "the dog runs and runs here", "我们", ""]
LIMITS = Limits(max_body=20000, max_texts=5, max_tokens=60, max_new_tokens=20, max_queue=6)


class Tagger:
    """A stand-in for `TokenTagger`, which says how long a text is and what was asked."""

    labels, maxlen = ["FIRST"], 32

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def predict(self, texts, batch_size, windows):
        return [[Row(len(text), windows)] for text in texts]


@pytest.fixture(scope="module")
def state(folder):
    tasks = {
        "encode": TextEncoder.from_folder(folder, pooling="mean"),
        "classify": TextClassifier.from_folder(folder, labels=["bad", "good"]),
        "fill-mask": FillMask.from_folder(folder),
        "generate": TextGenerator.from_folder(folder, application="lm"),
    }
    tasks["tag"] = Tagger(tasks["encode"].tokenizer)
    state = State("small", {name: ServedTask(name, task) for name, task in tasks.items()}, LIMITS)
    yield state
    state.thread.stop()


@pytest.fixture(scope="module")
def client(state):
    return TestClient(make_app(state), raise_server_exceptions=False)


def asked(client, path, **fields):
    answer = client.post(path, json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


# ------------------------------------------------------------------------------------------------------- answers


def test_embeddings(client, state):
    want = state.tasks["encode"].task.encode(TEXTS)
    found = asked(client, "/v1/embeddings", input=TEXTS, model="small", user="me", dimensions=16)
    assert [one["index"] for one in found["data"]] == [0, 1, 2, 3]
    np.testing.assert_allclose([one["embedding"] for one in found["data"]], want, atol=1e-5)
    assert found["usage"] == {"prompt_tokens": 5 + 8 + 4 + 2, "total_tokens": 19}
    packed = asked(client, "/v1/embeddings", input=TEXTS[0], encoding_format="base64")["data"][0]["embedding"]
    np.testing.assert_allclose(np.frombuffer(base64.b64decode(packed), "<f4"), want[0], atol=1e-5)


def test_long_texts_are_refused_or_cut(client, state):
    long = "a cat " * 20
    refused = client.post("/v1/embeddings", json={"input": ["a", long]})
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "context_length_exceeded"
    assert "text 1 has 42 tokens, and the model takes 32" in refused.json()["error"]["message"]
    found = asked(client, "/v1/embeddings", input=long, truncate=True)
    with pytest.warns(UserWarning, match="were cut"):
        want = state.tasks["encode"].task.encode(long)
    np.testing.assert_allclose(found["data"][0]["embedding"], want, atol=1e-5)


def test_similarity(client, state):
    encoder = state.tasks["encode"].task
    found = asked(client, "/similarity", input=TEXTS[:2])
    np.testing.assert_allclose(found["similarities"], encoder.similarity(TEXTS[:2]), atol=1e-5)
    found = asked(client, "/similarity", input=TEXTS[:2], others=TEXTS[2:3], metric="euclidean")
    np.testing.assert_allclose(
        found["similarities"], encoder.similarity(TEXTS[:2], TEXTS[2:3], metric="euclidean"), atol=1e-4
    )


def test_classify(client, state):
    pair = ["a cat", "the dog"]
    found = asked(client, "/classify", input=[TEXTS[0], pair])["results"]
    scores = state.tasks["classify"].task.scores([TEXTS[0], tuple(pair)])
    for one, want in zip(found, scores):
        np.testing.assert_allclose([one["scores"]["bad"], one["scores"]["good"]], want, atol=1e-5)
        assert one["label"] == ["bad", "good"][want.argmax()]


def test_tag(client):
    long = "a cat " * 20  # is read in windows, or cut if that is asked
    found = asked(client, "/tag", input=[TEXTS[0], long])["results"]
    assert found == [[{"length": 12, "payload": "merge"}], [{"length": 120, "payload": "merge"}]]
    assert asked(client, "/tag", input=long, truncate=True)["results"][0][0]["payload"] == "cut"


def test_fill_mask(client, state):
    text = "a [MASK] sleeps [MASK]"
    found = asked(client, "/fill-mask", input=text, top=3)["results"]
    (want,) = state.tasks["fill-mask"].task.predict([text], top=3)
    assert [[one["token_id"] for one in mask] for mask in found[0]] == [[one.token_id for one in m] for m in want]
    assert set(found[0][0][0]) == {"token", "token_id", "score", "text"}


def test_attention(client, state):
    found = asked(client, "/attention", input=TEXTS[0], layer=1, head=1)
    tokens, weights = attention_weights(state.tasks["encode"].task, TEXTS[0], 1)
    assert found["tokens"] == tokens and found["layers"] == found["heads"] == 2
    assert found["offsets"] == [[0, 0], [0, 1], [2, 5], [6, 12], [0, 0]]
    np.testing.assert_allclose(found["weights"], weights[1], atol=1e-6)


def test_models_and_page(client):
    (model,) = client.get("/v1/models").json()["data"]
    assert model["id"] == "small" and model["labels"] == {"classify": ["bad", "good"], "tag": ["FIRST"]}
    assert model["mask_token"] == "[MASK]" and model["attention"] == {"layers": 2, "heads": 2}
    page = client.get("/")
    assert page.status_code == 200 and page.headers["content-security-policy"] == HEADERS["content-security-policy"]
    for name in re.findall(r'(?:src|href)="/?([\w.]+)"', page.text):
        assert client.get("/" + name).status_code == 200
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=", page.text)  # nothing that the policy would block
    for path in ("/../state.py", "/page/index.html", "/%2e%2e/app.py"):
        assert client.get(path).status_code == 404


# ------------------------------------------------------------------------------------------------------ generation


def test_completions(client, state):
    generator = state.tasks["generate"].task
    wanted = generator.predict(TEXTS[:2], max_new_tokens=6)
    found = asked(client, "/v1/completions", prompt=TEXTS[:2], max_tokens=6, temperature=0)
    assert [choice["text"] for choice in found["choices"]] == wanted
    assert all(choice["finish_reason"] in ("length", "stop") for choice in found["choices"])
    assert found["usage"]["prompt_tokens"] == 13 and found["usage"]["completion_tokens"] <= 12
    drawn = [asked(client, "/v1/completions", prompt=TEXTS[0], seed=3)["choices"][0]["text"] for _ in range(2)]
    assert drawn[0] == drawn[1]


def streamed(client, **fields):
    """Return the events of a completion."""
    answer = client.post("/v1/completions", json=dict(fields, stream=True))
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    events = [line[6:] for line in answer.text.split("\n\n") if line]
    assert events.pop() == "[DONE]"
    return [json.loads(event) for event in events]


def test_streams(client, state):
    whole = asked(client, "/v1/completions", prompt=TEXTS[0], max_tokens=8, temperature=0)
    events = streamed(client, prompt=TEXTS[0], max_tokens=8, temperature=0, stream_options={"include_usage": True})
    assert events.pop()["usage"] == whole["usage"]
    choices = [event["choices"][0] for event in events]
    assert "".join(choice["text"] for choice in choices) == whole["choices"][0]["text"]
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + [
        whole["choices"][0]["finish_reason"]
    ]
    assert len({event["id"] for event in events}) == 1


def test_stop(client):
    text = asked(client, "/v1/completions", prompt=TEXTS[1], max_tokens=8, temperature=0)["choices"][0]["text"]
    stop = text[len(text) // 2 :][:3]
    fields = dict(prompt=TEXTS[1], max_tokens=8, temperature=0, stop=[stop])
    (choice,) = asked(client, "/v1/completions", **fields)["choices"]
    assert choice["text"] == text[: text.find(stop)] and choice["finish_reason"] == "stop"
    assert "".join(event["choices"][0]["text"] for event in streamed(client, **fields)) == choice["text"]


# -------------------------------------------------------------------------------------------------------- refusals

REFUSED = [  # path, body, status, param, code
    ("/v1/embeddings", "{", 400, None, None),
    ("/v1/embeddings", "[1]", 400, None, None),
    ("/v1/embeddings", b"\xff", 400, None, None),
    ("/v1/embeddings", '{"input": NaN}', 400, None, None),
    ("/v1/embeddings", {}, 400, "input", None),
    ("/v1/embeddings", {"input": []}, 400, "input", None),
    ("/v1/embeddings", {"input": [1, 2]}, 400, "input", None),
    ("/v1/embeddings", {"input": [[1, 2]]}, 400, "input", None),
    ("/v1/embeddings", {"input": {"a": 1}}, 400, "input", None),
    ("/v1/embeddings", {"input": "\ud800"}, 400, "input", None),
    ("/v1/embeddings", {"input": "a", "colour": 1}, 400, "colour", "unknown_field"),
    ("/v1/embeddings", {"input": "a", "dimensions": 8}, 400, "dimensions", None),
    ("/v1/embeddings", {"input": "a", "truncate": 1}, 400, "truncate", None),
    ("/v1/embeddings", {"input": "a", "prompt_name": "x"}, 400, "prompt_name", None),
    ("/v1/embeddings", {"input": "a", "encoding_format": "hex"}, 400, "encoding_format", None),
    ("/v1/embeddings", {"input": "a", "model": "large"}, 404, "model", "model_not_found"),
    ("/v1/embeddings", {"input": ["a"] * 6}, 400, "input", "too_many_texts"),
    ("/v1/embeddings", {"input": ["a cat " * 7] * 4}, 400, "input", "context_length_exceeded"),
    ("/v1/embeddings", {"input": "x" * 20000}, 413, None, "body_too_large"),
    ("/classify", {"input": [["a", "b", "c"]]}, 400, "input", None),
    ("/fill-mask", {"input": "no mask"}, 400, "input", "no_mask"),
    ("/fill-mask", {"input": "[MASK]", "top": 0}, 400, "top", None),
    ("/similarity", {"input": "a", "metric": "x"}, 400, "metric", None),
    ("/attention", {"input": "a", "layer": 2, "head": 0}, 400, "layer", None),
    ("/attention", {"input": "a", "layer": 0, "head": -1}, 400, "head", None),
    ("/v1/completions", {"prompt": "a", "n": 2}, 400, "n", None),
    ("/v1/completions", {"prompt": "a", "echo": True}, 400, "echo", None),
    ("/v1/completions", {"prompt": "a", "max_tokens": 21}, 400, "max_tokens", None),
    ("/v1/completions", {"prompt": "a", "temperature": 3}, 400, "temperature", None),
    ("/v1/completions", {"prompt": "a", "stop": ["a"] * 5}, 400, "stop", None),
    ("/v1/completions", {"prompt": "a", "stream_options": {"x": 1}}, 400, "stream_options", None),
    ("/v1/completions", {"prompt": ["a", "b"], "stream": True}, 400, "stream", None),
    ("/v1/completions", {"prompt": "a cat " * 7, "max_tokens": 20}, 400, "prompt", "context_length_exceeded"),
    ("/nothing", {}, 404, None, None),
    ("/health", {}, 405, None, None),
]


@pytest.mark.parametrize("path, body, status, param, code", REFUSED)
def test_refusals(client, path, body, status, param, code):
    content = json.dumps(body) if isinstance(body, dict) else body
    answer = client.post(path, content=content, headers={"content-type": "application/json"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code), error
    assert error["type"] == "invalid_request_error" and error["message"]


def test_other_content_types(client):
    for kind in ("text/plain", "application/x-www-form-urlencoded"):  # what a page of another site may send
        answer = client.post("/v1/embeddings", content="{}", headers={"content-type": kind})
        assert answer.status_code == 415 and "access-control-allow-origin" not in answer.headers


def test_a_task_that_is_not_served(folder):
    state = State("small", open_tasks(folder, Opening(pooling="mean")), LIMITS)
    found = TestClient(make_app(state)).post("/v1/completions", json={"prompt": "a"})
    assert found.status_code == 404 and found.json()["error"]["code"] == "task_not_served"
    state.thread.stop()


@pytest.fixture
def slow():
    """A server whose encoder waits until it may go on, or fails."""

    class Encoder:
        maxlen, prompts, size = 32, {}, 2
        gate, fails = threading.Event(), False

        class tokenizer:  # a token for each character
            def encode_batch(self, texts, pairs=None, maxlen=None, padding=False):
                return type("Encoded", (), {"ids": [list(text) for text in texts]})

        tokenizer = tokenizer()

        def encode(self, texts, **options):
            self.gate.wait(10)
            if self.fails:
                raise RuntimeError("secret")
            return np.zeros((len(texts), 2), "float32")

    encoder = Encoder()
    limits = LIMITS._replace(timeout=0.2, max_batch=1)
    state = State("slow", {"encode": ServedTask("encode", encoder)}, limits, api_key="key")
    yield state, encoder, TestClient(make_app(state), headers={"authorization": "Bearer key"})
    encoder.gate.set()
    state.thread.stop()


def test_a_model_that_is_late_and_a_full_queue(slow):
    state, encoder, client = slow
    late = client.post("/v1/embeddings", json={"input": ["a"] * 4})
    assert late.status_code == 504 and late.json()["error"]["code"] == "timeout"
    assert state.thread.waiting == 0  # three of them had not begun, and never will
    threads = [threading.Thread(target=client.post, args=("/v1/embeddings",), kwargs={"json": {"input": ["a"] * 5}})]
    threads[0].start()
    while state.thread.waiting < 5:
        threading.Event().wait(0.005)
    full = client.post("/v1/embeddings", json={"input": ["a"] * 2})
    assert full.status_code == 429 and int(full.headers["retry-after"]) >= 1
    assert full.json()["error"]["type"] == "rate_limit_error"
    threads[0].join()
    encoder.gate.set()
    assert client.post("/v1/embeddings", json={"input": "a"}).status_code == 200


def test_a_model_that_fails(slow):
    _, encoder, client = slow
    encoder.fails = True
    encoder.gate.set()
    answer = client.post("/v1/embeddings", json={"input": "a"})
    assert answer.status_code == 500 and answer.json()["error"]["type"] == "server_error"
    assert "secret" not in answer.text


def test_the_api_key(slow):
    state, encoder, client = slow
    encoder.gate.set()
    for header in ("", "Bearer", "Bearer wrong", "Bearer keykey", "Basic key"):
        for path in ("/v1/models", "/metrics", "/nothing"):
            answer = client.get(path, headers={"authorization": header})
            assert answer.status_code == 401 and answer.json()["error"]["type"] == "authentication_error"
            assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/health", headers={"authorization": ""}).status_code == 200
    assert client.get("/", headers={"authorization": ""}).status_code == 200
    assert client.get("/health").status_code == 200


def test_draining(slow):
    state, encoder, client = slow
    encoder.gate.set()
    assert client.get("/health").json() == {"status": "ready"}
    state.draining = True
    refused = client.post("/v1/embeddings", json={"input": "a"})
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "draining"
    health = client.get("/health")
    assert health.status_code == 503 and health.json() == {"status": "draining"}
    assert client.get("/metrics").status_code == 200


def test_metrics(slow):
    _, encoder, client = slow
    encoder.gate.set()
    client.post("/v1/embeddings", json={"input": ["ab", "c"]})
    client.get("/some/path")
    text = client.get("/metrics").text
    for line in (
        'b4k3_requests_total{endpoint="/v1/embeddings",status="200"} 1.0',
        'b4k3_requests_total{endpoint="other",status="404"} 1.0',
        'b4k3_tokens_total{kind="read"} 3.0',
        "b4k3_batch_texts_count 2.0",
        "b4k3_queue_texts 0.0",
        'b4k3_request_seconds_count{endpoint="/v1/embeddings"} 1.0',
    ):
        assert line in text
