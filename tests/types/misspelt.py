"""Misspellings that both checkers must find, one on each line that says so."""

from __future__ import annotations

import b4k3.layers
import b4k3.models
from b4k3.layers import GlobalPonter  # error  # noqa: F401
from b4k3.models import build_transformer_modle  # error  # noqa: F401
from b4k3.tokenizers import Tokenizer

tokenizer = Tokenizer("vocab.txt", do_lower_case=True)
tokenizer.encod("语言模型")  # error
b4k3.models.ready_config  # error  # noqa: B018
transformer = b4k3.models.build_transformer_model("folder", return_keras_model=False)
transformer.modell  # error  # noqa: B018
b4k3.layers.Embeding(10, 8)  # error
b4k3.models.build_transformer_model("folder", with_mml=True)  # error
b4k3.models.build_transformer_model("folder", model="bert", dropout="0.1")  # error
transformer.generate([[101, 102]], 10, topk=5)  # error
transformer.generate([[101, 102]], "10")  # error
