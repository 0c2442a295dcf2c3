"""The networks that are exported: every golden one with each of its heads, and each kind of encoder.

A name is `SYSTEM/CASE` for a golden file of the original authors, `huggingface/FOLDER` for the network of a folder of
transformers without a head, `huggingface/FOLDER+heads` for the same with its heads, and `kind/KIND` for a small network
with random weights. `…/encoder` is the encoder of an encoder-decoder.
"""

from __future__ import annotations

import numpy as np

from b4k3.backend import low_rank_of
from support import goldens
from support.huggingface import HEADS, ROOT
from support.small_models import encoders, spread

# Networks whose graph is of whole texts and of whose heads is an output already.
DECODERS = "gpt2 openai_gpt llama qwen2 qwen3 mistral smollm3".split()
TWO_HALVES = "bart cpt t5 mt5 umt5".split()


def build(*args, **kwargs):
    from b4k3.models import build_transformer_model

    return build_transformer_model(*args, return_keras_model=False, **kwargs)


def of_authors():
    """{name: function that builds it}: the golden files of the original authors."""
    found = {}
    for system, cases in goldens.systems().items():
        for case in goldens.joined(cases):
            batch = case["batches"][0]
            name = f"{system}/{case['case']}"
            if batch.get("submodel") == "encoder":
                found[name] = lambda case=case: goldens.build(case).encoder
            elif "submodel" not in batch and "decoder_input_ids" not in batch["inputs"]:
                found[name] = lambda case=case: goldens.build(case)
    return found


def of_transformers():
    """{name: function that builds it}: the golden folders of transformers."""
    found = {"huggingface/uie+heads": lambda: build(str(ROOT / "uie"), with_pointers="linear")}
    for folder, (_, heads, _) in HEADS.items():
        name, path = f"huggingface/{folder}", str(ROOT / folder)
        if folder in TWO_HALVES:
            found[f"{name}/encoder"] = lambda path=path: build(path).encoder
            continue
        if folder not in DECODERS:
            found[name] = lambda path=path: build(path)
        pool = {"with_pool": True} if "with_nsp" in heads else {}
        found[f"{name}+heads"] = lambda path=path, heads=dict(heads, **pool): build(path, **heads)
    return found


def of_kinds():
    """{name: function that builds it}: each kind of encoder with random weights."""
    return {f"kind/{kind}": lambda config=config: spread(build(**config)) for kind, config in encoders().items()}


def networks():
    """{name: function that builds it}; it returns a `Transformer`, or the Keras model of an encoder."""
    return {**of_authors(), **of_transformers(), **of_kinds()}


def segments_of(network):
    """The segments of a network, a range.

    Where segments are tokens, 0 is padding and hides its token. The Keras model sees a first token all the same, the
    file does not.
    """
    if getattr(network, "shared_segment_embeddings", False):
        return range(1, 14)
    return range(max(1, getattr(network, "segment_vocab_size", 2) or 1))


def with_lora(transformer):
    """Give a transformer LoRA whose products are not zero."""
    transformer.enable_lora(2, alpha=6, targets=("query", "value", "Embedding-Token"), verbose=False)
    random = np.random.RandomState(0)
    for target in transformer.lora.targets:
        for variable in low_rank_of(target.layer)[1:3]:
            variable.assign(random.randn(*variable.shape) * 0.4)
    return transformer
