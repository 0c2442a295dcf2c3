"""The dialects of BART in Hugging Face transformers, 'model.encoder.layers.0.self_attn.q_proj.weight', and of CPT.

https://github.com/huggingface/transformers
"""

from __future__ import annotations

from typing import Any

from ..networks.bart import EPSILON
from . import Dialect, Rule, linear, norm
from .huggingface import FAMILY, embeddings, layers

_MATRICES = (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj"), ("output", "out_proj"))
_TABLES = ("model.shared.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight")


def stack(scope: str, side: str) -> list[Rule]:
    """Make the rules of the positions, the first normalisation and the blocks of one side.

    Arguments:
        scope: str. The beginning of the canonical names, "bart" for example.
        side: str. "encoder" or "decoder".

    Returns:
        list of `Rule`.
    """
    canonical, stored = f"{scope}/{side}/layer_{{i}}/", f"model.{side}.layers.{{i}}."
    rules = [Rule(f"{scope}/{side}/position_embeddings", f"model.{side}.embed_positions.weight")]
    rules += norm(f"{scope}/{side}/embeddings/LayerNorm", f"model.{side}.layernorm_embedding")
    for ours, theirs in (("self_attention", "self_attn"), ("cross_attention", "encoder_attn")):
        for matrix, projection in _MATRICES:
            rules += linear(f"{canonical}{ours}/{matrix}", f"{stored}{theirs}.{projection}")
        rules += norm(f"{canonical}{ours}/LayerNorm", f"{stored}{theirs}_layer_norm")
    rules += linear(canonical + "intermediate/dense", stored + "fc1")
    rules += linear(canonical + "output/dense", stored + "fc2")
    return rules + norm(canonical + "output/LayerNorm", stored + "final_layer_norm")


def output(scope: str) -> list[Rule]:
    """Make the rules of the output matrix and of its bias, which the files have as a matrix of one row.

    Arguments:
        scope: str. The beginning of the canonical names, "bart" for example.

    Returns:
        list of `Rule`.
    """
    return [
        Rule(scope + "/lm_head/kernel", "lm_head.weight", True),
        Rule(scope + "/final_logits_bias", "final_logits_bias", row=True),
    ]


class Bart(Dialect):
    """The dialect of BART, whose classes read no epsilon from the config.

    Example:
        >>> from b4k3.models.dialects.huggingface_bart import BART
        >>> BART.corrections({})
        {'layer_norm_eps': 1e-05}
    """

    def corrections(self, config: dict[str, Any]) -> dict[str, Any]:
        """Set the epsilon to 1e-5, whatever the configuration says.

        Arguments:
            config: dict under our names.

        Returns:
            dict from key to its right value.
        """
        return {"layer_norm_eps": EPSILON}


# If the output is not tied, the classes of transformers expect a shared table too, although they do not use it.
BART = Bart(
    "huggingface-bart",
    [Rule("bart/shared/embeddings", _TABLES[0])]
    + [Rule("bart/encoder/token_embeddings", _TABLES[1]), Rule("bart/decoder/token_embeddings", _TABLES[2])]
    + [Rule("bart/shared/embeddings", table) for table in _TABLES[1:]]
    + [Rule("bart/encoder/token_embeddings", _TABLES[0], also=True), Rule("bart/decoder/token_embeddings", _TABLES[0])]
    + stack("bart", "encoder")
    + stack("bart", "decoder")
    + output("bart"),
    lambda names: any(".self_attn_layer_norm." in name for name in names),
    prefixes=("model.", ""),
    family=FAMILY,
    models=("bart",),
)

# Its encoder has the names of BERT. The table of token embeddings is in the files under three names.
CPT = Dialect(
    "huggingface-cpt",
    embeddings("cpt", "model.encoder.")
    + [Rule("cpt/embeddings/word_embeddings", table, also=True) for table in (_TABLES[0], _TABLES[2])]
    + layers("cpt", "model.encoder.")
    + stack("cpt", "decoder")
    + output("cpt"),
    lambda names: any(name.endswith("encoder.embeddings.word_embeddings.weight") for name in names),
    prefixes=("model.", ""),
    family=FAMILY,
    models=("cpt",),
)
