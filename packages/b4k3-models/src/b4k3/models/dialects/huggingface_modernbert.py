"""The dialect of ModernBERT in Hugging Face transformers: 'model.layers.0.attn.Wqkv.weight'.

Queries, keys and values are joined in one matrix, and so are the two branches of the feed-forward layer.
https://github.com/huggingface/transformers
"""

from __future__ import annotations

from . import Dialect, Rule, linear, norm
from .huggingface import FAMILY

_BLOCK = ("modernbert/encoder/layer_{i}/", "model.layers.{i}.")
# the name of the joined layer in the file -> the canonical names of the layers in it
_JOINED = {
    "attn.Wqkv": ("attention/self/query", "attention/self/key", "attention/self/value"),
    "mlp.Wi": ("intermediate/dense", "intermediate/gate"),
}


def joined() -> list[Rule]:
    """Make the rules of the layers that the file has joined.

    Returns:
        list of `Rule`: the kernel and the bias of each layer.
    """
    canonical, stored = _BLOCK
    rules = []
    for theirs, ours in _JOINED.items():
        for k, name in enumerate(ours):
            part = (k, len(ours))
            rules.append(Rule(f"{canonical}{name}/kernel", f"{stored}{theirs}.weight", transposed=True, part=part))
            rules.append(Rule(f"{canonical}{name}/bias", f"{stored}{theirs}.bias", part=part))
    return rules


MODERNBERT = Dialect(
    "huggingface-modernbert",
    [Rule("modernbert/embeddings/word_embeddings", "model.embeddings.tok_embeddings.weight")]
    + norm("modernbert/embeddings/LayerNorm", "model.embeddings.norm")
    + joined()
    + norm(_BLOCK[0] + "attention/input/LayerNorm", _BLOCK[1] + "attn_norm")
    + linear(_BLOCK[0] + "attention/output/dense", _BLOCK[1] + "attn.Wo")
    + norm(_BLOCK[0] + "input/LayerNorm", _BLOCK[1] + "mlp_norm")
    + linear(_BLOCK[0] + "output/dense", _BLOCK[1] + "mlp.Wo")
    + norm("modernbert/output/LayerNorm", "model.final_norm")
    + linear("cls/predictions/transform/dense", "head.dense")
    + norm("cls/predictions/transform/LayerNorm", "head.norm")
    + [
        Rule("cls/predictions/output_bias", "decoder.bias"),
        Rule("cls/predictions/decoder/weights", "decoder.weight"),
        Rule("cls/predictions/decoder/bias", "decoder.bias"),
    ],
    lambda names: any(name.endswith("embeddings.tok_embeddings.weight") for name in names),
    prefixes=("model.", ""),
    family=FAMILY,
    models=("modernbert",),
)
