"""Which part of a network a variable belongs to, and what `build_transformer_model` needs to be told to load it.

The names are canonical ones. A test holds this table to what the architectures load.
"""

from __future__ import annotations

import re
from collections import Counter

from ..loading import leftover

_SCOPE = r"^(bert|electra|generator)"
_EITHER = r"/(kernel|bias)$"
_NORM = r"/(beta|gamma)$"
# (pattern, part)
BODY = (
    (_SCOPE + r"/embeddings/((word|token_type|position)_embeddings$|LayerNorm" + _NORM + ")", "embeddings"),
    (r"^bert/encoder/embedding_hidden_mapping_in" + _EITHER, "embeddings"),
    (_SCOPE + "/embeddings_project" + _EITHER, "embeddings"),
    (_SCOPE + r"/encoder/layer_\d+/attention/(self/(query|key|value)|output/dense)" + _EITHER, "blocks"),
    (_SCOPE + r"/encoder/layer_\d+/(intermediate|output)/dense" + _EITHER, "blocks"),
    (_SCOPE + r"/encoder/layer_\d+/(attention/)?output/LayerNorm" + _NORM, "blocks"),
    (
        r"^bert/encoder/transformer/group_\d+/inner_group_\d+/"
        r"(attention_1/(self/(query|key|value)|output/dense)|ffn_1/intermediate/(output/)?dense)" + _EITHER,
        "blocks",
    ),
    (r"^bert/encoder/transformer/group_\d+/inner_group_\d+/LayerNorm(_1)?" + _NORM, "blocks"),
    (r"^GAU_alpha/encoder/layer_\d+/gau/([io]_dense/kernel|[qk]_scaleoffset/gamma)$", "blocks"),
    (r"^gpt/embeddings/(word|token_type|position)_embeddings$", "embeddings"),
    (r"^gpt/transformer/layer_\d+/attention/(self/(query|key|value)|output/dense)" + _EITHER, "blocks"),
    (r"^gpt/transformer/layer_\d+/(intermediate|output)/dense" + _EITHER, "blocks"),
    (r"^gpt/transformer/layer_\d+/(attention/)?(in|out)put/LayerNorm" + _NORM, "blocks"),
    (r"^gpt/output/LayerNorm" + _NORM, "last normalisation"),
    (r"^newslm/embeddings/((word|pos)_embed$|LayerNorm_embed_norm" + _NORM + ")", "embeddings"),
    (r"^newslm/layer\d+/(\w+_layer|intermediate|output)" + _EITHER, "blocks"),
    (r"^newslm/layer\d+/LayerNorm_mlp_ln[01]" + _NORM, "blocks"),
    (r"^shared/embedding$", "embeddings"),
    (r"^(en|de)coder/block_\d+/layer_\d+/(SelfAttention|EncDecAttention)/[qkvo]$", "blocks"),
    (r"^(en|de)coder/block_\d+/layer_\d+/(DenseReluDense/w(i|i_0|i_1|o)/kernel|(layer|rms)_norm/scale)$", "blocks"),
    (r"^(en|de)coder/block_0+/layer_0+/SelfAttention/relative_attention_bias$", "relative positions"),
    (r"^(en|de)coder/(final_layer|rms)_norm/scale$", "last normalisation"),
    (r"^decoder/logits/kernel$", "output"),
)
# (pattern, part, argument of build_transformer_model that makes it)
HEADS = (
    (_SCOPE + "/pooler/dense" + _EITHER, "pooler", "with_pool=True"),
    (r"^cls/seq_relationship/output_(weights|bias)$", "NSP head", "with_nsp=True"),
    (r"^(cls/predictions/transform|generator_predictions)/dense" + _EITHER, "MLM head", "with_mlm=True"),
    (r"^(cls/predictions/transform|generator_predictions)/LayerNorm" + _NORM, "MLM head", "with_mlm=True"),
    (r"^(cls/predictions|generator_predictions)/output_bias$", "MLM head", "with_mlm=True"),
    (r"^discriminator_predictions/dense(_1)?" + _EITHER, "discriminator head", "with_discriminator=True"),
)
# model= -> what of a file of its family belongs to another network: (pattern, part, the model= that loads it)
OTHERS = {
    "electra": (r"^generator(_predictions)?/", "generator", "model='electra_generator'"),
    "electra_generator": (
        r"^(electra/(encoder|embeddings_project|pooler)|discriminator_predictions)/",
        "discriminator",
        "model='electra'",
    ),
}
NO_POOLER = ("electra", "electra_generator")
BLOCK = re.compile(r"^(.*?/(?:layer_?\d+|group_\d+/inner_group_\d+|block_\d+))/(.*)$")
TIED = ("t5.1.0",)  # whose output is the token embeddings

LOADS = "loads"
UNUSED = "not used"


def part_of(stored, canonical, model):
    """(part, LOADS | what makes it load | None) of a variable.

    Arguments:
        stored: its name in the file.
        canonical: its canonical name, None if no rule knows it.
        model: the architecture, by its `model=`; None if it is not known.
    """
    pattern, other, argument = OTHERS.get(model, (None, None, None))
    if canonical is not None and pattern and re.search(pattern, canonical):
        if model != "electra_generator" or not canonical.startswith("generator"):
            return other, argument
    for pattern, part in BODY:
        if canonical is not None and re.search(pattern, canonical):
            return (UNUSED, None) if part == "output" and model in TIED else (part, LOADS)
    for pattern, part, argument in HEADS:
        if canonical is not None and re.search(pattern, canonical):
            return part, None if part == "pooler" and model in NO_POOLER else argument
    return leftover(stored) or UNUSED, None


def gaps(names):
    """A sentence for each variable that a block lacks though most blocks have it, and each block that is not there.

    Arguments:
        names: canonical names of the variables of blocks.
    """
    blocks = {}
    for name in names:
        block, tail = BLOCK.match(name).groups()
        blocks.setdefault(block, set()).add(tail)
    sentences = []
    for stack in sorted({block.split("/")[0] for block in blocks}):
        own = {block: tails for block, tails in blocks.items() if block.split("/")[0] == stack}
        counts = Counter(tail for tails in own.values() for tail in tails)
        usual = {tail for tail, count in counts.items() if 2 * count > len(own)}
        sentences += ["%s lacks %s" % (block, tail) for block in sorted(own) for tail in sorted(usual - own[block])]
    numbered = [re.match(r"(.*?)(\d+)$", block).groups() for block in blocks]
    for scope in sorted({scope for scope, _ in numbered}):
        numbers = {int(number) for other, number in numbered if other == scope}
        sentences += ["there is no %s%d" % (scope, i) for i in range(max(numbers)) if i not in numbers]
    return sentences
