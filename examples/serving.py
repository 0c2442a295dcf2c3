"""Serve a model over HTTP: it says whether a review is praise or blame, and answers in JSON.

    python examples/serving.py             serves http://127.0.0.1:8864/sentiment?text=这家餐厅的服务很热情
    python examples/serving.py --quick     asks itself twice, and ends

It needs bottle: pip install "b4k3-snippets[serving]". The model is the one of sentence_classification.py.
"""

import json
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import common
from sentence_classification import classifier, options, tokenizer, train

from b4k3.models import Predictor
from b4k3.snippets import WebServing, sequence_padding

model = classifier()
train(model)
predictor = Predictor(model)  # threads may share it, unlike Keras' own predict


def sentiment(text):
    """Answer a request."""
    token_ids, segment_ids = tokenizer.encode(text, maxlen=options.maxlen)
    inputs = [sequence_padding([token_ids], options.maxlen), sequence_padding([segment_ids], options.maxlen)]
    return {"text": text, "praise": float(predictor(inputs)[0, 1])}


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(port, text):
    """Ask the service about a text. It needs a moment to start, so the first tries may fail."""
    query = urllib.parse.urlencode({"text": text})
    url = f"http://127.0.0.1:{port}/sentiment?{query}"
    for _ in range(50):
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return json.loads(answer.read().decode("utf-8"))["data"]
        except ConnectionRefusedError:
            time.sleep(0.1)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.1)
    raise SystemExit("the service did not start")


port = free_port() if options.quick else 8864
serving = WebServing(port=port, concurrent=True)
serving.route("/sentiment", sentiment, {"text": (None, True)})
if options.quick:
    threading.Thread(target=serving.start, daemon=True).start()
    good, bad = ask(port, "这家餐厅的服务很热情，值得推荐。"), ask(port, "这家餐厅的服务很冷淡，再也不来。")
    print(good, bad)
    common.check("praise for the good review minus praise for the bad one", good["praise"] - bad["praise"], above=0.3)
else:
    serving.start()
