"""The dialect of XLNet in Hugging Face transformers: 'transformer.layer.0.rel_attn.q'.

https://github.com/huggingface/transformers
"""

from __future__ import annotations

from . import Dialect, Rule, linear, norm
from .huggingface import FAMILY

_CANONICAL, _STORED = "model/transformer/layer_{i}/", "transformer.layer.{i}."
_BIASES = ("r_w_bias", "r_r_bias", "r_s_bias", "seg_embed")

XLNET = Dialect(
    "huggingface-xlnet",
    [Rule("model/transformer/word_embedding/lookup_table", "transformer.word_embedding.weight")]
    + [Rule("model/transformer/mask_emb/mask_emb", "transformer.mask_emb")]
    # transformers keeps the projections as the authors have them, [d_model, n_head, d_head]
    + [Rule(f"{_CANONICAL}rel_attn/{name}/kernel", f"{_STORED}rel_attn.{name}") for name in "qkvor"]
    + [Rule(f"{_CANONICAL}rel_attn/{name}", f"{_STORED}rel_attn.{name}") for name in _BIASES]
    + norm(_CANONICAL + "rel_attn/LayerNorm", _STORED + "rel_attn.layer_norm")
    + linear(_CANONICAL + "ff/layer_1", _STORED + "ff.layer_1")
    + linear(_CANONICAL + "ff/layer_2", _STORED + "ff.layer_2")
    + norm(_CANONICAL + "ff/LayerNorm", _STORED + "ff.layer_norm")
    # both projects store this matrix as [vocab_size, hidden_size]
    + [Rule("model/lm_loss/weight", "lm_loss.weight"), Rule("model/lm_loss/bias", "lm_loss.bias")],
    lambda names: any(".rel_attn." in name for name in names),
    prefixes=("transformer.", ""),
    family=FAMILY,
    models=("xlnet",),
)
