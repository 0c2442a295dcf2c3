"""The dialect of T5, mT5 and umT5 in Hugging Face transformers: 'encoder.block.0.layer.0.SelfAttention.q.weight'.

https://github.com/huggingface/transformers
"""

from __future__ import annotations

from typing import Collection

from . import Dialect, Rule
from .huggingface import FAMILY


def stack(part: str, norm: str, final_norm: str) -> list[Rule]:
    """Make the rules of the blocks of one side.

    Arguments:
        part: str. "encoder" or "decoder".
        norm: str. The canonical name of the normalisation in a block, which transformers calls layer_norm.
        final_norm: str. The canonical name of the last normalisation, which transformers calls final_layer_norm.

    Returns:
        list of `Rule`.
    """
    canonical, stored = part + "/block_{i:03d}/layer_{j:03d}/", part + ".block.{i}.layer.{j}."
    attention = [f"{layer}/{matrix}" for layer in ("SelfAttention", "EncDecAttention") for matrix in "qkvo"]
    matrices = attention + ["SelfAttention/relative_attention_bias"]
    rules = [Rule(canonical + name, stored + name.replace("/", ".") + ".weight", True) for name in matrices]
    for name in ("wi", "wi_0", "wi_1", "wo"):
        dense = f"DenseReluDense/{name}"
        rules.append(Rule(canonical + dense + "/kernel", stored + dense.replace("/", ".") + ".weight", True))
    return rules + [
        Rule(canonical + norm + "/scale", stored + "layer_norm.weight"),
        Rule(f"{part}/{final_norm}/scale", part + ".final_layer_norm.weight"),
    ]


def t5(norm: str, final_norm: str) -> list[Rule]:
    """Make the rules of encoder and decoder.

    Arguments:
        norm: str. The canonical name of the normalisation in a block.
        final_norm: str. The canonical name of the last normalisation.

    Returns:
        list of `Rule`.
    """
    # A file may have the shared token embeddings under any of these names.
    tables = ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
    rules = [Rule("shared/embedding", stored) for stored in tables]
    rules.append(Rule("decoder/logits/kernel", "lm_head.weight", True))
    return rules + stack("encoder", norm, final_norm) + stack("decoder", norm, final_norm)


def sign(names: Collection[str]) -> bool:
    """Tell whether a file is a T5 of transformers.

    Arguments:
        names: set of str. The names of all variables in the file.

    Returns:
        bool.
    """
    return any(name.startswith(("encoder.block.", "decoder.block.")) for name in names)


T5 = Dialect("huggingface-t5", t5("layer_norm", "final_layer_norm"), sign, family=FAMILY, models=("t5.1.0", "t5.1.1"))
MT5 = Dialect(
    "huggingface-mt5",
    t5("rms_norm", "rms_norm"),
    sign,
    family=FAMILY,
    models=("mt5.1.1", "umt5", "t5_pegasus"),
)
