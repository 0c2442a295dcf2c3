"""A small model with a folder for each task."""

import json

import pytest

from b4k3.models import build_transformer_model
from support.small_models import CONFIG, spread

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] a cat sleeps the dog runs here and there 我 们 query :".split()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder as google-research publishes it, with the head of a masked language model."""
    folder = tmp_path_factory.mktemp("served")
    transformer = build_transformer_model(CONFIG, with_mlm=True, return_keras_model=False)
    spread(transformer).save_weights_as_checkpoint(str(folder / "bert_model.ckpt"))
    (folder / "bert_config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    tokens = VOCABULARY + [f"[unused{i}]" for i in range(CONFIG["vocab_size"] - len(VOCABULARY))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return str(folder)
