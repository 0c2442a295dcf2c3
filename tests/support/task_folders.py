"""Folders with a small network and a vocabulary, for tests of tasks."""

from __future__ import annotations

import json

import numpy as np

from b4k3.models import build_transformer_model
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from b4k3.tasks.head_descriptions import Dense, Drop, Said, head_of
from support.huggingface import HEADS, ROOT
from support.small_models import CONFIG, spread

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] a cat sleeps the dog runs here and there par ##k who ?".split()
WORDS = "a cat sleeps the dog runs here and there park".split()


def google_folder(folder, scale=None, **heads):
    """Write a checkpoint as google-research publishes it; with a scale its weights are random numbers of this size."""
    transformer = build_transformer_model(CONFIG, return_keras_model=False, **heads)
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


def head_arrays(head, size, labels, settings):
    """Random variables of a head, under the names of transformers."""
    random, arrays = np.random.RandomState(5), {}
    for step in head.steps:
        if isinstance(step, Drop):
            continue
        units = {"hidden_size": size, "labels": labels}.get(getattr(step, "units", "hidden_size"), 2)
        wide = isinstance(step, Dense)
        arrays[step.name + ".weight"] = random.randn(*((units, size) if wide else (size,))) * 0.5
        if settings.get(step.bias.key) if isinstance(step.bias, Said) else step.bias:
            arrays[step.name + ".bias"] = random.randn(units) * 0.5
    return {name: value.astype("float32") for name, value in arrays.items()}


def head_folder(folder, golden, task, settings, labels=3, head=None):
    """A folder of transformers: a golden network, a head, a vocabulary."""
    source = ROOT / golden
    config = json.loads((source / "config.json").read_text())
    size = config.get("hidden_size") or config.get("d_model") or config.get("dim") or config["n_embd"]
    checkpoint = open_checkpoint(str(source / "model.safetensors"))
    tensors = {name: np.asarray(checkpoint[name]) for name in checkpoint.keys()}
    arrays = head_arrays(head or head_of(HEADS[golden][0], task), size, labels, settings)
    tensors.update(arrays)
    folder.mkdir()
    save_checkpoint(str(folder / "model.safetensors"), tensors, format="safetensors")
    config.pop("architectures", None)
    (folder / "config.json").write_text(json.dumps(dict(config, **settings)))
    pad = settings.get("pad_token_id", config.get("pad_token_id")) or 0
    tokens = ["[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"word{i}" for i in range(config["vocab_size"] - 5)]
    tokens.insert(pad, "[PAD]")
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    return arrays
