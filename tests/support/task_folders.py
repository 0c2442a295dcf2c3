"""Folders with a small network and a vocabulary, for tests of tasks."""

from __future__ import annotations

import json

import numpy as np

from b4k3.models import build_transformer_model
from support.small_models import CONFIG, spread

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] a cat sleeps the dog runs here and there par ##k who ?".split()
WORDS = "a cat sleeps the dog runs here and there park".split()


def google_folder(folder, scale=None):
    """Write a checkpoint as google-research publishes it; with a scale its weights are random numbers of this size."""
    transformer = build_transformer_model(CONFIG, return_keras_model=False)
    spread(transformer)
    if scale is not None:
        for layer in transformer.model.layers:
            layer.set_weights([w / 0.3 * scale if w.ndim > 1 else 1.0 * (w > 0.5) for w in layer.get_weights()])
    transformer.save_weights_as_checkpoint(str(folder / "bert_model.ckpt"))
    (folder / "bert_config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    tokens = VOCABULARY + [f"[unused{i}]" for i in range(CONFIG["vocab_size"] - len(VOCABULARY))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return str(folder)


def tagged_texts(count, seed=0, words=6):
    """Texts with spans: "cat" is an animal, "dog runs" another one, and "park" is a place, whose token is in pieces."""
    random = np.random.RandomState(seed)
    texts, spans = [], []
    for _ in range(count):
        text = " ".join(random.choice(WORDS[:-1], words - 1)) + random.choice([" park", " the"])
        found = []
        for name, label in (("cat", "ANIMAL"), ("dog runs", "ANIMAL"), ("park", "PLACE")):
            start = text.find(name)
            while start >= 0:
                found.append((start, start + len(name), label))
                start = text.find(name, start + 1)
        texts.append(text)
        spans.append(sorted(found))
    return texts, spans
