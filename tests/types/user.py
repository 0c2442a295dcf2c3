"""A user's script, read by pyright and mypy and never run: names resolve, and have the types that the docs say."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from typing_extensions import assert_type

import b4k3.layers
import b4k3.models
from b4k3.backend import set_gelu
from b4k3.layers import ConditionalRandomField, Dense, GlobalPointer
from b4k3.models import BERT, CheckpointError, ConfigError, Transformer, build_transformer_model
from b4k3.models.checkpoints import open_checkpoint
from b4k3.snippets import sequence_padding, to_array
from b4k3.tokenizers import SpTokenizer, Tokenizer, load_vocab

folder = "chinese_L-12_H-768_A-12/"
tokenizer = Tokenizer(folder + "vocab.txt", do_lower_case=True)
assert_type(tokenizer, Tokenizer)

model = build_transformer_model(folder + "bert_config.json", folder + "bert_model.ckpt")
assert_type(model, keras.Model)
assert_type(build_transformer_model(folder, return_keras_model=True), keras.Model)
transformer = build_transformer_model(folder, model="bert", return_keras_model=False, with_mlm=True)
assert_type(transformer, Transformer)


class MyBERT(BERT):
    """An architecture with a keyword of its own."""

    def __init__(self, *, color: str = "red", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.color = color


assert_type(build_transformer_model(folder, model=MyBERT, color="blue"), keras.Model)
assert_type(build_transformer_model(folder, model=MyBERT, color="blue", return_keras_model=False), Transformer)
build_transformer_model(folder + "bert_config.json", None, MyBERT, color="blue", with_mlm="linear")
options: dict[str, Any] = {"keep_tokens": [0, 100, 101], "hidden_dropout_prob": 0.0}
build_transformer_model(folder, **options)

generator = build_transformer_model(folder, application="lm", return_keras_model=False)
print(generator.generate([[101, 102]], 10, end_id=[102], top_k=5, do_sample=True).shape)

token_ids, segment_ids = to_array(*([ids] for ids in tokenizer.encode("语言模型")))
print(model.predict([token_ids, segment_ids]).shape)
batch = sequence_padding([[101, 102], [101]])

set_gelu("tanh")
entities = GlobalPointer(heads=3, head_size=64)
assert_type(entities, GlobalPointer)
tags = ConditionalRandomField(lr_multiplier=2)(Dense(5)(model.output))

try:
    BERT(vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16).build()
    build_transformer_model({"vocab_size": 10}, {"bert/embeddings/word_embeddings": np.zeros((10, 8))})
except (CheckpointError, ConfigError) as error:
    print(error)

with open_checkpoint(folder + "bert_model.ckpt") as checkpoint:
    print(list(checkpoint)[:3])
print(len(load_vocab(folder + "vocab.txt")), SpTokenizer(folder + "spiece.model"))
print(b4k3.models.ready_configs, b4k3.layers.Embedding)
