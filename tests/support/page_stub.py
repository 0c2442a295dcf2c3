"""A server that answers the page of b4k3.tasks.serving with made-up numbers, so that the page can be tested alone.

    python tests/support/page_stub.py 8000

It takes and gives what `API.md` says, as far as the page asks. Some texts have answers of their own: see `CODES`.
"""

from __future__ import annotations

import json
import math
import pathlib
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "packages" / "b4k3-tasks" / "src" / "b4k3" / "tasks" / "serving" / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
MODEL = {
    "id": "stub",
    "object": "model",
    "created": 1,
    "owned_by": "b4k3",
    "tasks": ["encode", "classify", "tag", "fill-mask", "generate"],
    "maxlen": 512,
    "labels": {"classify": ["positive", "negative", "neutral"], "tag": ["PER", "LOC", "ORG"]},
    "mask_token": "[MASK]",
    "attention": {"layers": 6, "heads": 12},
}
# a text with one of these words gets this error
CODES = {"too-many": (429, {"Retry-After": "7"}), "broken": (500, {}), "too-slow": (504, {}), "too-long": (400, {})}
SPANS = {
    "Curie": "PER",
    "Marie Curie": "PER",
    "Warsaw": "LOC",
    "University of Paris": "ORG",
    "Paris": "LOC",
    "王小明": "PER",
}
NEXT = " there lived a fisherman. 有一天，他出海了。😀 The end."


def similarity(a, b):
    """The share of letters that two texts have in common."""
    first, second = ({x[i : i + 2].lower() for i in range(len(x) - 1)} for x in (a, b))
    return len(first & second) / math.sqrt(max(len(first) * len(second), 1))


def softmax(scores):
    """Make weights of scores."""
    exponentials = [math.exp(x - max(scores)) for x in scores]
    return [x / sum(exponentials) for x in exponentials]


def attend(body):
    """Weights that depend on layer and head."""
    tokens = ["[CLS]", *body["input"].split(), "[SEP]"]
    sharp, turn = 0.5 + body["layer"], body["head"] - 3
    rows = [softmax([-abs(i - j + turn) / 2 * sharp / 3 for j in range(len(tokens))]) for i in range(len(tokens))]
    return {"tokens": tokens, "layer": body["layer"], "head": body["head"], "weights": rows}


def tag(text):
    """Names that are known."""
    found = []
    for name, label in SPANS.items():
        start = text.find(name)
        if start >= 0:
            found.append({"start": start, "end": start + len(name), "label": label, "score": 0.9, "text": name})
    return found


ANSWERS = {
    "/similarity": lambda body: {"similarities": [[similarity(a, b) for b in body["input"]] for a in body["input"]]},
    "/fill-mask": lambda body: {
        "results": [
            [
                [
                    {"token": token, "token_id": i, "score": 0.6 / 2**i, "text": body["input"].replace("[MASK]", token)}
                    for i, token in enumerate(["paris", "lyon", "<b>rome</b>", "nice", "lille"])
                ]
                for _ in range(body["input"].count("[MASK]"))
            ]
        ]
    },
    "/tag": lambda body: {"results": [tag(body["input"])]},
    "/classify": lambda body: {
        "results": [{"label": "positive", "scores": {"positive": 0.83, "negative": 0.05, "neutral": 0.12}}]
    },
    "/attention": attend,
}


class Handler(BaseHTTPRequestHandler):
    """What the server says, to requests of the page alone."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        """Say nothing."""

    def answer(self, status, body, kind="application/json", headers=()):
        """Send a whole answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**dict(headers), "Content-Type": f"{kind}; charset=utf-8"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, message, headers=()):
        """Send an error."""
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
        self.answer(status, {"error": error}, headers=headers)

    def allowed(self):
        """Whether the request has the key of the server, if there is one."""
        key = self.server.key
        if key is None or self.headers.get("Authorization") == f"Bearer {key}":
            return True
        self.refuse(401, "Give the key of this server.")
        return False

    def do_GET(self):
        """Send a file of the page, or what the model can do."""
        if self.path == "/v1/models":
            if self.allowed():
                self.answer(200, {"object": "list", "data": [self.server.model]})
            return
        path = PAGE / ("index.html" if self.path == "/" else self.path.lstrip("/"))
        if path.parent != PAGE or not path.is_file():
            self.refuse(404, "no such path")
            return
        self.answer(200, path.read_bytes(), TYPES[path.suffix], {"Content-Security-Policy": POLICY})

    def do_POST(self):
        """Answer with made-up numbers."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append((self.path, body))
        text = json.dumps(body)
        for word, (status, headers) in CODES.items():
            if word in text:
                self.refuse(status, f"<b>{word}</b> was in the text", headers)
                return
        if not self.allowed():
            return
        if self.path == "/v1/completions":
            self.stream(body)
        else:
            self.answer(200, {"model": "stub", **ANSWERS[self.path](body)})

    def stream(self, body):
        """Send pieces of a text, cut where no event, and no letter, ends."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        pieces = [NEXT[i : i + 3] for i in range(0, len(NEXT), 3)][: body["max_tokens"]]
        events = [{"choices": [{"index": 0, "text": piece, "finish_reason": None}]} for piece in pieces]
        events.append({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]})
        events.append({"choices": [], "usage": {"completion_tokens": len(pieces)}})
        data = b"".join(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n" for event in events)
        if "cut off" not in body["prompt"]:
            data += b"data: [DONE]\n\n"
        for i in range(0, len(data), 50):
            try:
                self.wfile.write(data[i : i + 50])
                self.wfile.flush()
            except OSError:  # the page stopped
                self.server.stopped += 1
                return
            time.sleep(self.server.pause)
        self.close_connection = True


class Stub(ThreadingHTTPServer):
    """The server, in a thread of its own: `with Stub() as stub: stub.address`.

    Arguments:
        model: dict. What it says instead of `MODEL`.
        key: str or None. The API key that it asks for.
        port: int. 0 takes a free one.
        pause: float. The seconds between the pieces of a stream.
    """

    daemon_threads = True

    def __init__(self, model=None, key=None, port=0, pause=0.005):
        super().__init__(("127.0.0.1", port), Handler)
        self.model, self.key, self.pause = dict(MODEL, **(model or {})), key, pause
        self.bodies, self.stopped = [], 0
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()


if __name__ == "__main__":
    with Stub(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0, pause=0.05) as server:
        print(server.address, flush=True)
        threading.Event().wait()
