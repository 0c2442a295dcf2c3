"""The dialect of MPNet in Hugging Face transformers: 'mpnet.encoder.layer.0.attention.attn.q.weight'.

https://github.com/huggingface/transformers
"""

from __future__ import annotations

from typing import Any

from . import Rule, linear, norm
from .huggingface import FAMILY, WithErfHead, embeddings, mlm

_BLOCK = ("bert/encoder/layer_{i}/", "mpnet.encoder.layer.{i}.")


class MPNetDialect(WithErfHead):
    """The dialect of MPNet, whose classes read no number of segments from the config.

    Example:
        >>> from b4k3.models.dialects.huggingface_mpnet import MPNET
        >>> MPNET.corrections({})
        {'mlm_act': 'gelu_erf', 'segment_vocab_size': 0}
    """

    def corrections(self, config: dict[str, Any]) -> dict[str, Any]:
        """Leave out the segments and set the activation of the head, whatever the configuration says.

        Arguments:
            config: dict under our names.

        Returns:
            dict from key to its right value.
        """
        return dict(super().corrections(config), segment_vocab_size=0)


MPNET = MPNetDialect(
    "huggingface-mpnet",
    embeddings("bert", "mpnet.")
    + [Rule("bert/encoder/relative_attention_bias", "mpnet.encoder.relative_attention_bias.weight")]
    + linear(_BLOCK[0] + "attention/self/query", _BLOCK[1] + "attention.attn.q")
    + linear(_BLOCK[0] + "attention/self/key", _BLOCK[1] + "attention.attn.k")
    + linear(_BLOCK[0] + "attention/self/value", _BLOCK[1] + "attention.attn.v")
    + linear(_BLOCK[0] + "attention/output/dense", _BLOCK[1] + "attention.attn.o")
    + norm(_BLOCK[0] + "attention/output/LayerNorm", _BLOCK[1] + "attention.LayerNorm")
    + linear(_BLOCK[0] + "intermediate/dense", _BLOCK[1] + "intermediate.dense")
    + linear(_BLOCK[0] + "output/dense", _BLOCK[1] + "output.dense")
    + norm(_BLOCK[0] + "output/LayerNorm", _BLOCK[1] + "output.LayerNorm")
    + linear("bert/pooler/dense", "mpnet.pooler.dense")
    + mlm("lm_head.dense", "lm_head.layer_norm", "lm_head"),
    lambda names: any(".attention.attn.q." in name for name in names),
    prefixes=("mpnet.", ""),
    family=FAMILY,
    models=("mpnet",),
)
