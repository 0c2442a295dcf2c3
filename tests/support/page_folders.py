"""Small networks under the names of published ones, for the code of the pages. Their weights are random numbers."""

from __future__ import annotations

import json

from b4k3.models import build_transformer_model
from support.small_models import SMALL, spread

CHINESE = "chinese_L-12_H-768_A-12"  # of Google
GPT2 = "gpt2-chinese-cluecorpussmall"  # of UER
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "今天气很好我们去公园散步上海北京在下雨，。"


def write_folders(folder):
    """Write both networks, as folders in this folder."""
    tokens = SPECIAL + list(LETTERS)
    config = dict(SMALL, vocab_size=len(tokens), max_position=64)
    for name, model, arguments in ((CHINESE, "bert", {"with_mlm": True}), (GPT2, "gpt2", {})):
        target = folder / name
        target.mkdir()
        transformer = build_transformer_model(config, model=model, return_keras_model=False, **arguments)
        spread(transformer).save_weights_as_checkpoint(str(target / "bert_model.ckpt"))
        (target / "bert_config.json").write_text(json.dumps(dict(config, model=model)), encoding="utf-8")
        (target / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
