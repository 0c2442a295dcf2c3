"""A model behind a web service: praise or blame by HTTP, answers in JSON.

    python examples/serving.py                         then http://127.0.0.1:8864/sentiment?text=这家餐厅的服务很热情
    python examples/serving.py --quick                 asks itself once and ends

Needs bottle: pip install "b4k3-snippets[serving]". The model is that of sentence_classification.py.
"""

import json
import threading
import urllib.parse
import urllib.request

import common
from sentence_classification import model, options, tokenizer

from b4k3.snippets import WebServing, sequence_padding


def sentiment(text):
    """What the service answers."""
    token_ids, segment_ids = tokenizer.encode(text, maxlen=options.maxlen)
    inputs = [sequence_padding([token_ids], options.maxlen), sequence_padding([segment_ids], options.maxlen)]
    return {"text": text, "praise": float(model.predict(inputs, verbose=0)[0, 1])}


serving = WebServing(host="127.0.0.1", port=8864)
serving.route("/sentiment", sentiment, {"text": (None, True)})
if not options.quick:
    serving.start()
